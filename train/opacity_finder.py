"""`python -m train opacities`: teaches a net to mark opacities that were pasted into films without any,
lesions that readers drew, and what shows on films known to be ill.

What is pasted has its place known to the pixel, in any number; what is drawn is real, and little; of ill
films is known only that some zone must show it (multiple-instance learning; Maron 1998). A net that
learns from films that readers scored or drew is trained once more without each fold of their patients, so
that its worth is told on films it never saw. It sees no test film. Read beside the severity nets it raises
the chance of a zone where it marks something; of one that learnt from ill films the marks tell a disease.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from cxrtriage import nets
from cxrtriage.nets.opacities import OpacityNet, OpacityOutputs
from cxrtriage.nets.registry import OPACITY_FINDER
from cxrtriage.nets.severity import ZONES
from cxrtriage.reading.severity import likelier, marked_map
from cxrtriage.reading.severity_card import LONE_FINDER
from cxrtriage.weights import Card, load_net, read_card, save_net, write_card
from train.films import CACHE, cached_images
from train.findings import read_findings
from train.manifest import FilmRow, data_folder, read_films
from train.pasting import SHAPES, SHAPES_OF_TUBERCULOSIS, paste_opacities
from train.precision import laid_out_for_training
from train.schedule import cosine_after_warmup
from train.settings import SettingsError, build_settings
from train.severity import SeverityData, SeveritySettings, licences_by_source, severity_settings
from train.severity_films import SEEN, affected_zones, moved, zone_pictures
from train.start import net_with_card
from train.trainer import drawn_loader, last_state, trainer_of

# The greatest number pasted into a film: one opacity must be found alone, and a lung full of them too.
_MOST = (1, 1, 2, 4, 8)
# From this chance on it raises a place's of the map; chosen on drawn films that neither it nor the severity
# nets had seen and on normal validation films.
MAP_LEAST = 0.27
# What it says against a lesion lowers a place's chance by this share of its log odds, chosen on the same
# films: the severity nets' coarse map spreads over what it does not mark. All of it points better and says
# too little.
MAP_AGAINST = 0.5
# Between the seeds of several trainings of one net; those of the folds lie between.
_APART = 100
# What its card says of it.
_PASTED = "opacities that were pasted into films"
_DRAWN = "lesions drawn in films of COVID-19, few of others"
_SCORED = "films whose zones readers scored"
_ILL = "films known to show {shown} somewhere"
_PASTED_ALONE = "; no disease tells it anything"
_NOWHERE = "; no reader marked where in those, so that what it marks of it is its guess"


@dataclass(frozen=True)
class OpacitySettings:
    """All of a run. `severity`: the settings of the films (`SeveritySettings`: `input`, `lungs`), as the
    severity nets that it is read beside see them. `exclude`: sources that are kept out, to be judged by.
    `start`: the net it goes on from, a run (without the same sources) or shipped. `drawn`, `scored`: shares
    of the films that have lesions drawn by hand, and that have zones scored alone; with either a net of its
    own is trained without each of the folds of `severity`. `ill`: share of the films of which is known that
    they show one of the `diseases` (labels of the manifest) or `findings` (`train.findings`), or none, and
    not where; `ill_weight`: of their loss. `pasted`: share of the other films that get opacities, of the
    `shapes` of `train.pasting`. `trainings`: how many times it is trained from its start, with another seed
    each; the net is the mean of their weights (Wortsman 2022, arXiv:2203.05482), which needs a `start`."""

    name: str = OPACITY_FINDER
    options: dict[str, Any] = field(default_factory=dict)
    severity: SeveritySettings = field(default_factory=lambda: SeveritySettings("severity"))
    imagenet: str | None = None
    start: str | None = None
    exclude: tuple[str, ...] = ()
    drawn: float = 0.0
    scored: float = 0.0
    diseases: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    ill: float = 0.0
    ill_weight: float = 0.3
    pasted: float = 0.65
    shapes: tuple[str, ...] = SHAPES
    average: float = 0.99
    learning_rate: float = 0.001
    weight_decay: float = 0.02
    batch: int = 24
    epochs: int = 20
    films_per_epoch: int = 2400
    precision: str = "32-true"
    workers: int = 1
    trainings: int = 1
    seed: int = 1


def read_opacity_settings(path: Path) -> OpacitySettings:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "severity" in values:
        values["severity"] = severity_settings(values["severity"], f"{path}: severity")
    settings: OpacitySettings = build_settings(OpacitySettings, values, str(path))
    unknown = sorted(set(settings.shapes) - set(SHAPES_OF_TUBERCULOSIS))
    if unknown or not settings.shapes:
        known = ", ".join(SHAPES_OF_TUBERCULOSIS)
        raise SettingsError(f"{path}: shapes must be some of {known}, not {', '.join(unknown) or 'none'}.")
    if bool(settings.diseases or settings.findings) != bool(settings.ill):
        raise SettingsError(
            f"{path}: diseases and findings name what the share ill of the films shows; set both or none."
        )
    shares = (settings.drawn, settings.scored, settings.ill)
    if min(shares) < 0 or sum(shares) > 1:
        raise SettingsError(f"{path}: drawn, scored and ill are shares of the films, 1 together at the most.")
    if settings.trainings < 1:
        raise SettingsError(f"{path}: trainings must be 1 or more.")
    if settings.trainings > 1 and not settings.start:
        # The weights of nets that did not set out from the same place lie in different valleys.
        raise SettingsError(f"{path}: only trainings from the same start have a mean; name it under start.")
    return settings


@dataclass(frozen=True, eq=False)
class IllFilms:
    """Training films of which is known whether they show a disease or finding, and not where.

    `images`, `zones` (films, size, size) uint8 in the input form; `ill` (films,) bool. Normal films are those
    of sources that show ill ones and lend none to paste into, so that a film's look does not tell it.
    """

    rows: tuple[FilmRow, ...]
    images: np.ndarray
    zones: np.ndarray
    ill: np.ndarray

    @classmethod
    def of(
        cls, data: SeverityData, settings: OpacitySettings, runs: Path, without: Collection[str] = ()
    ) -> IllFilms:
        """`without`: patients whose films are kept out, as those of a fold."""
        rows = [
            row
            for row in read_films(data_folder())
            if row.split == "train" and row.adult is not False and row.source not in settings.exclude
            and row.patient not in without and data.lungs[row.file].box is not None
        ]  # fmt: skip
        found = read_findings(data_folder(), settings.findings)
        ill = {
            row.file for row in rows
            if row.label in settings.diseases
            or (row.label != "normal" and row.file in found and (found[row.file] == 1).any())
        }  # fmt: skip
        if not ill:
            asked = ", ".join((*settings.diseases, *settings.findings))
            raise SettingsError(f"there are no training films with {asked} to learn from.")
        lending = {data.truths[i].row.source for i in np.flatnonzero(~data.scored)}
        sources = {row.source for row in rows if row.file in ill} - lending
        kept = tuple(
            row for row in rows if row.file in ill or (row.label == "normal" and row.source in sources)
        )
        form = settings.severity.input
        images = cached_images(kept, form, runs / CACHE, data.lungs, data.finder.card.sha256)
        zones = zone_pictures([data.lungs[row.file] for row in kept], form)
        return cls(kept, np.array(images[:, 0]), zones, np.array([row.file in ill for row in kept]))


class OpacityFilms(Dataset[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]):
    """Films at random, with opacities or without: film (1, size, size), zones and lesions (size, size; 1
    lesion, 0 none, 2 not known), all uint8, (6,) float: 1 an affected zone, 0 none, NaN not known, and ()
    float: 1 of an ill film, 0 of one that is not, NaN where nothing of it as a whole is told.

    `well`: films without opacity; `read`: films that readers scored or drew lesions in.
    """

    def __init__(
        self,
        data: SeverityData,
        well: np.ndarray,
        settings: OpacitySettings,
        read: np.ndarray | None = None,
        ill: IllFilms | None = None,
    ) -> None:
        self.data, self.index, self.settings, self.ill = data, well, settings, ill
        read = np.zeros(0, int) if read is None else read
        truths = [data.truths[i] for i in read]
        outlined = np.array([truth.lesions is not None for truth in truths], bool)
        zoned = np.array([not np.isnan(truth.array).all() for truth in truths], bool)
        self.outlined, self.zoned = read[outlined], read[zoned & ~outlined]
        self.weights = _in_balance([data.truths[i].row for i in well])
        self.ill_weights = _in_balance(ill.rows if ill else ())

    def __len__(self) -> int:
        return self.settings.films_per_epoch

    def __getitem__(self, _: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        random = np.random.default_rng(int(torch.randint(2**31, ())))
        shares = np.cumsum([self.settings.drawn, self.settings.scored, self.settings.ill])
        shown = float("nan")
        match int(np.searchsorted(shares, random.random(), side="right")):
            case 0:
                film, zones, lesions, scores = self._read(self.outlined, random)
            case 1:
                film, zones, lesions, scores = self._read(self.zoned, random)
            case 2:
                film, zones, lesions, scores, shown = self._ill(random)
            case _:
                film, zones, lesions, scores = self._pasted(random)
        film, zones, lesions, scores = moved(film, zones, lesions, scores, random)
        return (
            torch.from_numpy(np.ascontiguousarray(film))[None],
            torch.from_numpy(np.ascontiguousarray(zones)),
            torch.from_numpy(np.ascontiguousarray(lesions)),
            torch.from_numpy(scores[:ZONES].astype(np.float32)),
            torch.tensor(shown),
        )

    def _ill(
        self, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
        """Film, zones, lesions and scores, both not known, and whether it is ill (1 or 0)."""
        assert self.ill is not None
        number = int(random.choice(len(self.ill.rows), p=self.ill_weights))
        film, zones = np.array(self.ill.images[number]), self.ill.zones[number]
        unknown = np.full(2 * ZONES, np.nan)
        return film, zones, np.full_like(zones, 2), unknown, float(self.ill.ill[number])

    def _pasted(self, random: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Film, zones, lesions and (12,) scores of a film without opacity, perhaps with some pasted in."""
        number = self.index[random.choice(len(self.index), p=self.weights)]
        film, zones = np.array(self.data.images[number]), self.data.zones[number]
        lesions: np.ndarray = np.zeros_like(zones)
        scores: np.ndarray = np.zeros(2 * ZONES)
        if random.random() < self.settings.pasted:
            film, brighter = paste_opacities(
                film, zones, int(random.choice(_MOST)), random, self.settings.shapes
            )
            lesions = (brighter > SEEN).astype(np.uint8)
            scores[:ZONES] = affected_zones(lesions, zones)
        return film, zones, lesions, scores

    def _read(self, index: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, ...]:
        """The same of a film as readers saw it."""
        number = int(index[random.integers(len(index))])
        zones, lesions = self.data.zones[number], self.data.lesions[number]
        array = self.data.truths[number].array
        if np.isnan(array).all():
            array = affected_zones((lesions == 1).astype(np.uint8), zones)
        scores = np.concatenate([array, np.zeros(ZONES)])
        return np.array(self.data.images[number]), zones, lesions, scores


def _in_balance(rows: Sequence[FilmRow]) -> np.ndarray:
    """(films,) chance of each film to be drawn: sources alike by the square root of their films."""
    number = Counter(row.source for row in rows)
    weights = np.array([number[row.source] ** -0.5 for row in rows])
    return weights / weights.sum()


class OpacityLearner(L.LightningModule):
    """Cross-entropy and soft Dice of the places within the lungs, cross-entropy of the zones, and of the
    likeliest zone where nothing but the film as a whole is known."""

    def __init__(self, settings: OpacitySettings) -> None:
        super().__init__()
        self.settings = settings
        net = nets.build(OPACITY_FINDER, **settings.options)
        assert isinstance(net, OpacityNet)
        self.net = net

    def setup(self, stage: str) -> None:
        laid_out_for_training(self.net, self.settings.precision, self.device)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor, Tensor], _: int) -> Tensor:
        films, zones, lesions, affected, shown = batch
        scale, shift = self.settings.severity.input.scale_and_shift
        said: OpacityOutputs = self.net(
            (films.float() * scale + shift).to(memory_format=torch.channels_last), zones
        )
        truth, inside = (lesions == 1).float(), ((zones > 0) & (lesions < 2)).float()
        each = functional.binary_cross_entropy_with_logits(said.map, truth, reduction="none")
        places = (each * inside).sum() / inside.sum().clamp_min(1)
        chances = said.map.sigmoid() * inside
        overlap = (2 * (chances * truth).sum() + 1) / (chances.sum() + (truth * inside).sum() + 1)
        told = said.array.clamp(1e-4, 1 - 1e-4)
        of_zones = _of_known(told, affected)
        of_films = _of_known(told.amax(dim=1), shown)
        self.log_dict(
            {"places": places, "dice": overlap, "zones": of_zones, "films": of_films}, prog_bar=True
        )
        return 2 * places + 0.3 * (1 - overlap) + of_zones + self.settings.ill_weight * of_films

    def configure_optimizers(self) -> Any:
        s = self.settings
        optimiser = torch.optim.AdamW(self.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
        schedule = cosine_after_warmup(optimiser, int(self.trainer.estimated_stepping_batches), 0.05)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _of_known(chances: Tensor, truths: Tensor) -> Tensor:
    """Mean cross-entropy of what is known; 0 where nothing is."""
    known = ~torch.isnan(truths)
    each = functional.binary_cross_entropy(chances[known], truths[known], reduction="sum")
    return each / known.sum().clamp_min(1)


def train_opacities(settings: OpacitySettings, runs: Path, *, steps: int | None = None) -> Card:
    """Train as the settings say and write `runs/NAME/NAME.safetensors` and its card, and, where it learns
    from what readers said, `runs/NAME-without-fold-K` for each fold; what it is worth comes with `python -m
    train evaluate severity`."""
    data = SeverityData(settings.severity, runs)
    card = _trained(settings, data, runs, steps, fold=None)
    if settings.drawn or settings.scored:
        for fold in range(settings.severity.folds):
            own = replace(settings, name=_without_fold(settings.name, fold), seed=settings.seed + 1 + fold)
            _trained(own, data, runs, steps, fold=fold)
    return card


def _without_fold(name: str, fold: int) -> str:
    return f"{name}-without-fold-{fold + 1}"


def _trained(
    settings: OpacitySettings, data: SeverityData, runs: Path, steps: int | None, fold: int | None
) -> Card:
    folder = runs / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    plain = asdict(settings)
    plain["severity"]["input"] = settings.severity.input.to_dict()
    text = yaml.safe_dump(plain, sort_keys=False)
    if any(folder.rglob("last.ckpt")) and (folder / "settings.yaml").read_text() != text:
        # It would be taken up where that run ended, and end at once.
        raise SettingsError(f"{folder} holds a run with other settings; name another folder with --runs.")
    (folder / "settings.yaml").write_text(text)
    sources = np.array([truth.row.source for truth in data.truths])
    well = data.split("train") & ~data.scored & ~np.isin(sources, settings.exclude)
    if not well.any():
        raise SettingsError("there are no normal training films to paste opacities into.")
    folds = data.folds()
    read = data.scored & (folds >= 0) & (folds != fold) & ~np.isin(sources, settings.exclude)
    asked = {data.truths[i].row.patient for i in np.flatnonzero((folds == fold) & data.scored)}
    ill = IllFilms.of(data, settings, runs, asked) if settings.ill else None
    films = OpacityFilms(data, np.flatnonzero(well), settings, np.flatnonzero(read), ill)
    for share, kept, kind in (
        (settings.drawn, films.outlined, "lesions are drawn"),
        (settings.scored, films.zoned, "zones are scored"),
    ):
        if share and not len(kept):
            raise SettingsError(f"there are no films to learn from whose {kind}.")
    net = nets.build(OPACITY_FINDER, **settings.options)
    net.load_state_dict(
        _mean([_learnt(settings, films, runs, steps, number) for number in range(settings.trainings)])
    )
    sha256 = save_net(net.eval(), folder / f"{settings.name}.safetensors")
    card = Card(
        name=settings.name,
        task="opacities of the lungs, place by place",
        classes=(),
        architecture=OPACITY_FINDER,
        options=settings.options,
        input=settings.severity.input.to_dict(),
        sha256=sha256,
        licence="Under the terms of the training films' sources, named with each source.",
        lungs=data.finder.version,
        training_data=licences_by_source(
            data, well | (read & bool(settings.drawn or settings.scored)), ill.rows if ill else ()
        ),
        settings=plain,
        cautions=(_caution(settings),),
    )
    write_card(card, folder)
    return card


def _learnt(
    settings: OpacitySettings, films: OpacityFilms, runs: Path, steps: int | None, number: int
) -> dict[str, Tensor]:
    """The weights of one of the trainings; of those that have ended before, as they were kept."""
    folder = runs / settings.name
    kept = folder / f"training-{number + 1}" / "net.safetensors"
    if settings.trainings > 1:
        folder = kept.parent
        if kept.is_file():
            return load_file(kept)
    L.seed_everything(settings.seed + _APART * number, workers=True)
    learner = OpacityLearner(settings)
    if settings.start:
        learner.net.load_state_dict(_started(settings, runs).state_dict())
    elif settings.imagenet:
        learner.net.load_imagenet(load_file(data_folder() / settings.imagenet))
    loader = drawn_loader(films, settings.batch, settings.workers)
    trainer = trainer_of(folder, settings.epochs, settings.precision, steps, settings.average)
    trainer.fit(learner, loader, ckpt_path=last_state(folder))
    if settings.trainings > 1 and not steps:  # a trial of a few steps is no training to go on from
        save_net(learner.net.cpu(), kept)
    return learner.net.cpu().state_dict()


def _mean(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each weight; of a counter the first net's."""
    return {
        key: torch.stack([state[key].float() for state in states]).mean(dim=0)
        if value.is_floating_point()
        else value
        for key, value in states[0].items()
    }


def _caution(settings: OpacitySettings) -> str:
    shown = " or ".join((*settings.diseases, *settings.findings)).replace("_", " ")
    shares = {_DRAWN: settings.drawn, _SCORED: settings.scored, _ILL.format(shown=shown): settings.ill}
    others = [learnt for learnt, share in shares.items() if share]
    learnt = ", from ".join([_PASTED, *others[:-1]]) + "".join(f" and from {last}" for last in others[-1:])
    told = _NOWHERE if settings.ill else "" if others else _PASTED_ALONE
    return f"It learnt from {learnt}{told}."


def _started(settings: OpacitySettings, runs: Path) -> OpacityNet:
    """The net that is gone on with: shipped, unless sources are left out. SettingsError where it has itself
    learnt from scored films (then no fold would be new to it) or seen what is left out."""
    from cxrtriage.weights import WEIGHTS_FOLDER

    name = str(settings.start)
    if not settings.exclude and (WEIGHTS_FOLDER / f"{name}.json").is_file():
        card = read_card(name, WEIGHTS_FOLDER)
        net = load_net(card, WEIGHTS_FOLDER)
    else:
        card, net = net_with_card(OPACITY_FINDER, "opacities", name, runs, settings.exclude)
    if card.architecture != OPACITY_FINDER or card.options != settings.options:
        raise SettingsError(f"start: {card.name} is another net than this one.")
    if _learnt_from_readers(card):
        raise SettingsError(f"start: {card.name} has learnt from scored films, so that no fold is new to it.")
    assert isinstance(net, OpacityNet)
    return net


def _learnt_from_readers(card: Card) -> bool:
    return bool(card.settings.get("drawn") or card.settings.get("scored"))


@dataclass(frozen=True, eq=False)
class OpacityFinder:
    """A net of a folder of weights, asked beside the severity nets; `card` None where there is none.

    One (`LONE_FINDER`) is asked about zones, and has learnt from nothing but pasted opacities, so that every
    scored film is new to it; one (`OPACITY_FINDER`) about places, and has learnt from lesions drawn.
    """

    card: Card | None
    net: torch.nn.Module | None

    @classmethod
    def load(cls, weights: Path, name: str = OPACITY_FINDER) -> OpacityFinder:
        if not (weights / f"{name}.json").is_file():
            return cls(None, None)
        card = read_card(name, weights)
        return cls(card, load_net(card, weights))

    @classmethod
    def of_zones(cls, weights: Path) -> OpacityFinder:
        """SettingsError where it has learnt from scored films, of which it is asked."""
        finder = cls.load(weights, LONE_FINDER)
        if finder.learnt_from_readers:
            raise SettingsError(f"{LONE_FINDER} has learnt from scored films, so that none is new to it.")
        return finder

    @classmethod
    def by_fold(cls, weights: Path, runs: Path, folds: Iterable[int]) -> dict[int, OpacityFinder]:
        """The finder to ask about places of films of each fold, and of the test split (-1).

        One that has learnt from scored films is asked of none of them: the run without the fold is. Where one
        of these is not on this machine, no fold can be asked about, and the test split alone is in it.
        """
        shipped = cls.load(weights)
        finders = {-1: shipped}
        for fold in folds:
            if not shipped.learnt_from_readers:
                finders[fold] = shipped
                continue
            name = _without_fold(OPACITY_FINDER, fold)
            if not (runs / name / f"{name}.json").is_file():
                return {-1: shipped}
            finders[fold] = cls.load(runs / name, name)
        return finders

    @property
    def learnt_from_readers(self) -> bool:
        return self.card is not None and _learnt_from_readers(self.card)

    @property
    def checksums(self) -> dict[str, str]:
        """sha256 by name, of one net or none."""
        return {self.card.name: self.card.sha256} if self.card else {}

    def likelier(self, array: np.ndarray, film: Tensor, zones: Tensor) -> np.ndarray:
        """(6,) chances of the others for a film (1, 1, size, size) with its zones (1, size, size), or of this
        net where they are more."""
        if self.net is None:
            return array
        with torch.inference_mode():
            own = self.net(film, zones).array[0].double().numpy()
        return likelier(array, own)

    def marked_map(self, chances: np.ndarray, film: Tensor, zones: Tensor) -> np.ndarray:
        """A map of chances (any rows, any columns), raised and lowered place by place by what it marks."""
        if self.net is None:
            return chances
        with torch.inference_mode():
            own = self.net(film, zones).map[0].sigmoid().numpy()
        return marked_map(chances, own, zones[0].numpy() > 0, MAP_LEAST, MAP_AGAINST)
