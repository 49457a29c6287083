"""`python -m train gate`: teaches the gate what is a frontal chest film, and which way up.

Few pictures here are of other things, so most that the gate must refuse are made from films
(`gate_pictures`). Films are shown turned, inverted and mirrored by chance, and white lungs are made by
pasting opacities: a white lung is a patient, not junk.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import lightning as L
import numpy as np
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from cxrtriage import nets
from cxrtriage.film.film import FilmError
from cxrtriage.film.read import read_film
from cxrtriage.nets.backbone import grey_imagenet_state
from cxrtriage.nets.gate import KINDS, SIGNS, GateNet
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.weights import Card, load_net, read_card, save_net, write_card
from train import gate_pictures as made
from train.ct_slices import grey_of, read_slices
from train.films import CACHE, cached_images, found_lungs
from train.manifest import FilmRow, data_folder, read_films
from train.pasting import paste_opacities
from train.schedule import cosine_after_warmup
from train.settings import SettingsError, build_settings, name_without
from train.trainer import drawn_loader, last_state, trainer_of

KIND_OF = {
    "lateral_chest": "lateral_chest", "ct": "ct", "hand_xray": "other_xray", "knee_xray": "other_xray",
    "bone_xray": "other_xray", "dental_xray": "other_xray", "animal_xray": "other_xray",
    "mammogram": "other_xray", "angiography": "other_scan", "mri": "other_scan", "ultrasound": "other_scan",
    "photo": "not_medical",    "screenshot_or_figure": "not_medical", "synthetic": "not_medical",
}  # fmt: skip
# Of frontal films, so many stand between two even bands.
_PADDED = 0.1
# Of all films, so many have one white lung, and so many wires and tubes over them.
_WHITE_LUNG, _LEADS = 0.1, 0.2
# Not said of a film: it counts in no loss.
UNKNOWN = -1.0


@dataclass(frozen=True)
class GateSettings:
    """All of a run of the gate's net.

    `input`: the form of the films it is shown, at `size`, which may be smaller than the cache's. `shares`:
    how often each kind is drawn. `exclude`: sources that are kept out, to be judged by. `start`: the finished
    run that this one goes on from, which for a run without some sources is the one without the same.
    `views_doubted`: sources whose table is not believed on AP or PA. `average`: decay of the running mean of
    the weights, which is what is kept (0: the last ones).
    """

    name: str
    architecture: str = "gate"
    options: dict[str, Any] = field(default_factory=dict)
    input: InputForm = field(default_factory=lambda: InputForm(size=160))
    cache_size: int = 224
    lungs: str = "lungs_mobilenet_v2"
    imagenet: str | None = None
    start: str | None = None
    shares: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 1.0))
    exclude: tuple[str, ...] = ()
    views_doubted: tuple[str, ...] = ()
    average: float = 0.0
    learning_rate: float = 0.0007
    weight_decay: float = 0.02
    batch: int = 32
    epochs: int = 6
    pictures_per_epoch: int = 3000
    precision: str = "32-true"
    workers: int = 1
    seed: int = 1


def read_gate_settings(path: Path) -> GateSettings:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "input" in values:
        values["input"] = InputForm.from_dict(values["input"])
    settings = build_settings(GateSettings, values, str(path))
    unknown = set(settings.shares) - set(KINDS)
    if unknown:
        raise SettingsError(f"{path}: shares: there is no kind {', '.join(sorted(unknown))}.")
    return settings


@dataclass(frozen=True, eq=False)
class Other:
    """A picture that is no frontal chest film: (size, size) uint8, its kind and what it is in the table."""

    picture: np.ndarray
    kind: str
    said: str
    split: str
    file: str


def read_others(folder: Path, form: InputForm) -> list[Other]:
    """The pictures of `gate/gate.csv` in the input form; SettingsError names the line of a bad one."""
    table = folder / "gate" / "gate.csv"
    if not table.is_file():
        raise SettingsError(f"{table} is not there; the gate learns from its pictures.")
    others = []
    with table.open(newline="", encoding="utf-8-sig") as stream:
        for line, cells in enumerate(csv.DictReader(stream), start=2):
            if cells["kind"] not in KIND_OF or cells["split"] not in ("train", "val", "test"):
                raise SettingsError(f"{table}, line {line}: kind or split is not known.")
            try:
                picture = form.image(read_film(table.parent / cells["file"]))
            except FilmError as error:
                raise SettingsError(f"{table}, line {line}: {error.message}") from error
            others.append(
                Other(picture, KIND_OF[cells["kind"]], cells["kind"], cells["split"], cells["file"])
            )
    return others


def ct_pictures(folder: Path, form: InputForm, split: str, most: int = 120) -> list[np.ndarray]:
    """Slices of the CT series of one split, spread over them, in the input form."""
    rows = [row for row in read_slices(folder) if row.split == split]
    chosen = [rows[n] for n in np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]
    pictures = [made.resized(grey_of(row), form.size) for row in chosen]
    return [np.asarray(cv2.equalizeHist(one)) if form.equalise else one for one in pictures]


@dataclass(frozen=True, eq=False)
class GateFilms:
    """Frontal films of the manifest: `images` (films, size, size) uint8, masks of their lungs, and what is
    said of them; `AP` and `child` are UNKNOWN where nothing is."""

    rows: Sequence[FilmRow]
    images: np.ndarray
    lungs: np.ndarray
    signs: np.ndarray

    def at(self, numbers: np.ndarray) -> GateFilms:
        return GateFilms(
            [self.rows[n] for n in numbers], self.images[numbers], self.lungs[numbers], self.signs[numbers]
        )


def gate_films(settings: GateSettings, runs: Path) -> GateFilms:
    """Every frontal film, in the form of the cache."""
    everything = read_films(data_folder())
    finder = LungFinder.load(settings.lungs)
    form = cache_form(settings)
    images = cached_images(everything, form, runs / CACHE)[:, 0]
    found = found_lungs(everything, finder, runs / CACHE)
    kept = [n for n, row in enumerate(everything) if row.view != "lateral"]
    rows = [everything[n] for n in kept]
    lungs = np.stack([made.resized(found[row.file].mask.astype(np.uint8), form.size) for row in rows])
    return GateFilms(rows, np.asarray(images[kept]), lungs, np.array([_signs(row, settings) for row in rows]))


def cache_form(settings: GateSettings) -> InputForm:
    values = {**settings.input.to_dict(), "size": settings.cache_size}
    return InputForm.from_dict(values)


def _signs(row: FilmRow, settings: GateSettings) -> tuple[float, float]:
    """AP and child."""
    view = {"AP": 1.0, "PA": 0.0}.get(row.view or "", UNKNOWN)
    view = UNKNOWN if row.source in settings.views_doubted else view
    if row.age_years is not None:
        return view, float(row.age_years < 15)
    return view, UNKNOWN if row.adult is None else float(not row.adult)


class GatePictures(Dataset[tuple[Tensor, int, int, Tensor]]):
    """Pictures made at random: (1, size, size) uint8, the number of the kind, quarter turns, and `SIGNS`
    (UNKNOWN where they say nothing)."""

    def __init__(
        self, films: GateFilms, others: Sequence[Other], slices: Sequence[np.ndarray], settings: GateSettings
    ) -> None:
        self.films, self.slices, self.settings = films, slices, settings
        self.others = {kind: [one.picture for one in others if one.kind == kind] for kind in KINDS}
        shares = np.array([settings.shares.get(kind, 0.0) for kind in KINDS])
        self.shares = shares / shares.sum()
        # Sources alike by the square root of their films: the largest is not all that a film looks like. The
        # views of a source likewise, since a source must not tell the view.
        groups = [(row.source, row.view) for row in films.rows]
        number = Counter(groups)
        weights = np.array([number[group] ** -0.5 for group in groups])
        self.weights = np.cumsum(weights / weights.sum())

    def __len__(self) -> int:
        return self.settings.pictures_per_epoch

    def __getitem__(self, _: int) -> tuple[Tensor, int, int, Tensor]:
        random = np.random.default_rng(int(torch.randint(2**31, ())))
        kind = KINDS[random.choice(len(KINDS), p=self.shares)]
        picture, signs = self._of(kind, random)
        turns = int(random.choice(4, p=(0.7, 0.1, 0.1, 0.1))) if "chest" in kind else int(random.integers(4))
        picture = np.rot90(picture, turns)
        if random.random() < 0.15:
            picture = 255 - picture
            signs[SIGNS.index("inverted")] = 1.0
        elif kind not in ("frontal_chest", "lateral_chest"):
            signs[SIGNS.index("inverted")] = UNKNOWN
        picture = made.resized(np.ascontiguousarray(picture), self.settings.input.size)
        picture = np.asarray(cv2.equalizeHist(picture)) if self.settings.input.equalise else picture
        if kind not in ("frontal_chest", "lateral_chest", "part_of_chest"):
            turns = -1
        return torch.from_numpy(picture)[None], KINDS.index(kind), turns, torch.from_numpy(signs)

    def _of(self, kind: str, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        signs = np.full(len(SIGNS), UNKNOWN, np.float32)
        if kind == "frontal_chest":
            film, signs = self._film(random)
            film = made.exposed(film, random)
            return (made.padded(film, random) if random.random() < _PADDED else film), signs
        size = self.films.images.shape[-1]
        match kind:
            case "part_of_chest":
                picture = made.part_of(self._film(random)[0], random)
            case "several_films":
                picture = made.several(lambda: self._film(random)[0], random)
            case "photograph_of_film":
                picture = self._photograph(random)
            case "not_medical":
                picture = self._not_medical(size, random)
            case "ct" if random.random() < 0.6:
                picture = made.any_of(self.slices, random)
            case _:
                picture = made.any_of(self.others[kind], random)
        if kind != "lateral_chest" and random.random() < 0.5:
            picture = picture[:, ::-1]
        else:
            signs[SIGNS.index("inverted")] = 0.0
        return made.exposed(np.ascontiguousarray(picture), random), signs

    def _film(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A frontal film, mirrored or not, perhaps with white lungs."""
        number = min(int(np.searchsorted(self.weights, random.random())), len(self.weights) - 1)
        film, lungs = np.array(self.films.images[number]), self.films.lungs[number]
        if random.random() < 0.4:
            film, _ = paste_opacities(film, lungs, 7, random)
        if random.random() < _WHITE_LUNG:
            film = made.with_white_lung(film, lungs, random)
        if random.random() < _LEADS:
            film = made.with_leads(film, random)
        mirrored = random.random() < 0.4
        signs = np.array([0.0, float(mirrored), *self.films.signs[number]], np.float32)
        return (np.ascontiguousarray(film[:, ::-1]) if mirrored else film), signs

    def _photograph(self, random: np.random.Generator) -> np.ndarray:
        """A film that is only part of what is in the picture."""
        film, _ = self._film(random)
        match random.choice(4, p=(0.34, 0.3, 0.24, 0.12)):
            case 0:
                return made.photographed(film, self._ground(random), random)
            case 1:
                return made.on_light_box(film, random)
            case 2:
                return made.on_screen(film, random)
            case _:
                return made.on_page(film, random)

    def _ground(self, random: np.random.Generator) -> np.ndarray:
        """What lies around a film that was photographed."""
        size = self.films.images.shape[-1]
        if random.random() < 0.35:
            return made.any_of(self.others["not_medical"], random)
        if random.random() < 0.3:
            return made.form_sheet(size, random)
        ground = 255 * made.cloud(size, random, random.uniform(3, size / 3)) * random.uniform(0.2, 1)
        return np.clip(ground + random.uniform(-60, 120), 0, 255).astype(np.uint8)

    def _not_medical(self, size: int, random: np.random.Generator) -> np.ndarray:
        match random.choice(5, p=(0.28, 0.12, 0.17, 0.12, 0.31)):
            case 0:
                return made.sketch(self._film(random)[0], random)
            case 1:
                return made.drawn_chest(size, random)
            case 2:
                return made.form_sheet(size, random, self._film(random)[0] if random.random() < 0.5 else None)
            case 3:
                return made.nothing(size, random)
            case _:
                return made.any_of(self.others["not_medical"], random)


class GateLearner(L.LightningModule):
    """Cross-entropy of the kind, of the turn where it is a chest, and of each sign where it is known."""

    def __init__(self, settings: GateSettings) -> None:
        super().__init__()
        self.settings = settings
        net = nets.build(settings.architecture, **settings.options)
        assert isinstance(net, GateNet)
        self.net = net

    def setup(self, stage: str) -> None:
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], _: int) -> Tensor:
        pictures, kinds, turns, signs = batch
        scale, shift = self.settings.input.scale_and_shift
        out = self.net((pictures.float() * scale + shift).to(memory_format=torch.channels_last))
        loss = functional.cross_entropy(out["kind"].float(), kinds, label_smoothing=0.02)
        if (turns >= 0).any():
            loss = loss + functional.cross_entropy(out["turn"].float(), turns, ignore_index=-1)
        known = (signs != UNKNOWN).float()
        each = functional.binary_cross_entropy_with_logits(
            out["sign"].float(), signs.clamp(min=0), reduction="none"
        )
        loss = loss + ((each * known).sum(0) / known.sum(0).clamp(min=1)).sum() * 0.7
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        s = self.settings
        optimiser = torch.optim.AdamW(self.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
        schedule = cosine_after_warmup(optimiser, int(self.trainer.estimated_stepping_batches), 0.05)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train_gate(settings: GateSettings, runs: Path, *, steps: int | None = None) -> Card:
    """Train as the settings say and write `runs/NAME/NAME.safetensors` and its card; thresholds come with
    `python -m train evaluate gate`."""
    folder = runs / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    plain = {**asdict(settings), "input": settings.input.to_dict()}
    (folder / "settings.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    L.seed_everything(settings.seed, workers=True)
    films = gate_films(settings, runs)
    train = films.at(
        np.array(
            [
                n
                for n, row in enumerate(films.rows)
                if row.split == "train" and row.source not in settings.exclude
            ]
        )
    )
    form = cache_form(settings)
    others = [one for one in read_others(data_folder(), form) if one.split == "train"]
    pictures = GatePictures(train, others, ct_pictures(data_folder(), form, "train"), settings)
    learner = GateLearner(settings)
    if settings.start:
        learner.net.load_state_dict(_started(settings, runs).state_dict())
    elif settings.imagenet:
        state = load_file(data_folder() / settings.imagenet)
        learner.net.backbone.load_state_dict(grey_imagenet_state(state), strict=True)
    loader = drawn_loader(pictures, settings.batch, settings.workers)
    trainer = trainer_of(folder, settings.epochs, settings.precision, steps, settings.average)
    trainer.fit(learner, loader, ckpt_path=last_state(folder))
    net = learner.net.cpu().eval()
    _place(net, train, settings)
    sha256 = save_net(net, folder / f"{settings.name}.safetensors")
    sources = sorted({row.source for row in train.rows})
    card = Card(
        name=settings.name,
        task="frontal chest film or not, and which way up",
        classes=KINDS,
        architecture=settings.architecture,
        options=settings.options,
        input=settings.input.to_dict(),
        sha256=sha256,
        licence="Under the terms of the films' sources; several forbid commercial use.",
        training_data=[
            {"source": source, "films": sum(row.source == source for row in train.rows)} for source in sources
        ],
        settings=plain,
        cautions=("Films of children come from one hospital: that a film shows a child is a guess.",),
    )
    write_card(card, folder)
    return card


def _started(settings: GateSettings, runs: Path) -> GateNet:
    """The net of the run that this one goes on from, which must have been shown no source kept out here."""
    name = name_without(settings.start or "", settings.exclude)
    if not (runs / name / f"{name}.json").is_file():
        raise SettingsError(f"start: {runs / name} is no finished run; train it first.")
    card = read_card(name, runs / name)
    if (card.architecture, card.options) != (settings.architecture, settings.options):
        raise SettingsError(f"start: {name} is another net than this one.")
    if shown := set(settings.exclude) - set(card.settings["exclude"]):
        raise SettingsError(f"start: {name} was shown films of {', '.join(sorted(shown))}.")
    net = load_net(card, runs / name)
    assert isinstance(net, GateNet)
    return net


def _place(net: GateNet, films: GateFilms, settings: GateSettings) -> None:
    """Learn where features of upright frontal films lie: mean, and the directions of their spread,
    whitened."""
    features = gate_features(net, films.images, settings.input)
    middle = features.mean(0)
    number = net.directions.shape[1]
    # Of the features and not of their covariance, which a few films make singular.
    _, spread, directions = torch.linalg.svd(features - middle, full_matrices=False)
    deviations = spread[:number] / (len(features) - 1) ** 0.5
    kept = directions[:number].T / deviations.clamp(min=1e-3)
    net.middle.copy_(middle)
    net.directions.copy_(kept)


def gate_features(net: GateNet, pictures: np.ndarray, form: InputForm) -> Tensor:
    """(pictures, 1280) of pictures (pictures, any, any) uint8 that are equalised already."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(pictures), 32):
            batch = np.stack([made.resized(np.array(one), form.size) for one in pictures[start : start + 32]])
            found.append(net.features(torch.cat([form.tensor(one) for one in batch])))
    return torch.cat(found).clone()
