"""`python -m train severity`: a severity net for each fold of patients, so that errors are honest.

Scored films are few. Patients of the train and val splits are parted into folds; a net learns without each,
and its scores of the fold it never saw give the intervals (cross-conformal, Vovk 2015; Barber 2021). All nets
together read a new film. Test films are in no fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import yaml
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, WeightedRandomSampler

from cxrtriage import nets
from cxrtriage.nets.severity import BRIXIA_ZONE, EXTENT, OPACITY, ZONES, SeverityNet, SeverityOutputs
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.reading.lungs import Lungs
from cxrtriage.weights import Card, load_net, read_card, save_net, write_card
from train.films import CACHE, cached_images, found_lungs
from train.manifest import FilmRow, data_folder, read_films
from train.precision import laid_out_for_training
from train.schedule import cosine_after_warmup
from train.settings import SettingsError, build_settings
from train.severity_films import SeverityFilms, lesion_pictures, zone_pictures
from train.severity_truths import SeverityTruth, read_severity
from train.trainer import last_state, trainer_of

# Films without opacity come from these sources' normal films.
WELL_SOURCES = ("shenzhen", "nitm", "nih", "nihpn", "rsna")


@dataclass(frozen=True)
class SeveritySettings:
    """All of a run. `trunk`: a `corpus_vit` of the weights that lends its options and where it starts.

    `well`: films without opacity drawn for each scored one. `pasted`: share of these that get opacities.
    `masks`: weight of the map's loss on films whose lesions are outlined (0 leaves the outlines out).
    `folds`: how many nets; `sources` names the sources of scored films to learn from, `graders` whose scores
    and outlines of them (`SeverityTruth.by`); none named: all. `zone_models`: shipped nets on whose maps
    linear models are fitted beside (`train/zone_models.py`). `weights`: shipped severity nets `WEIGHTS_1` ...
    to go on from, each without the fold that it left out before; `begun`: share of these in the weights that
    are kept (WiSE-FT; Wortsman 2022).
    """

    name: str
    trunk: str | None = None
    trunk_options: dict[str, Any] = field(default_factory=dict)
    input: InputForm = field(default_factory=lambda: InputForm(size=224, region="lungs"))
    lungs: str = "lungs_mobilenet_v2"
    pooling: str = "top"
    sources: tuple[str, ...] = ()
    graders: tuple[str, ...] = ()
    zone_models: tuple[str, ...] = ()
    weights: str | None = None
    begun: float = 0.0
    folds: int = 4
    well: float = 1.0
    pasted: float = 0.4
    masks: float = 0.5
    average: float = 0.98
    learning_rate: float = 0.0003
    weight_decay: float = 0.05
    batch: int = 32
    epochs: int = 5
    films_per_epoch: int = 1200
    precision: str = "32-true"
    workers: int = 1
    seed: int = 1


def read_severity_settings(path: Path, **changes: Any) -> SeveritySettings:
    return severity_settings({**yaml.safe_load(path.read_text(encoding="utf-8")), **changes}, str(path))


def severity_settings(values: dict[str, Any], where: str) -> SeveritySettings:
    """From plain values; SettingsError says `where` a key is that is none."""
    if "input" in values:
        values = {**values, "input": InputForm.from_dict(values["input"])}
    settings: SeveritySettings = build_settings(SeveritySettings, values, where)
    return settings


def settings_of_card(card: Card) -> SeveritySettings:
    """What a severity net was trained with."""
    values = {key: value for key, value in card.settings.items() if key != "fold"}
    return severity_settings(values, card.name)


class SeverityData:
    """Scored and well films in the net's input form, with zones and lesions; only films with two lungs."""

    def __init__(self, settings: SeveritySettings, runs: Path) -> None:
        self.settings = settings
        rows = read_films(data_folder())
        self.finder = LungFinder.load(settings.lungs)
        lungs = found_lungs(rows, self.finder, runs / CACHE)
        scored = read_severity(data_folder(), rows)
        if settings.sources:
            scored = [truth for truth in scored if truth.row.source in settings.sources]
        known = {truth.row.file for truth in scored}
        well = [
            SeverityTruth.none(row)
            for row in rows
            if row.label == "normal" and row.source in WELL_SOURCES and row.adult is not False
            and row.file not in known
        ]  # fmt: skip
        truths = [*scored, *well]
        self.left_out = [truth for truth in truths if lungs[truth.row.file].box is None]
        self.truths = [truth for truth in truths if lungs[truth.row.file].box is not None]
        self.lungs = lungs
        found: list[Lungs] = [lungs[truth.row.file] for truth in self.truths]
        kept = [truth.row for truth in self.truths]
        images = cached_images(kept, settings.input, runs / CACHE, lungs, self.finder.card.sha256)
        self.images = np.array(images[:, 0])
        self.zones = zone_pictures(found, settings.input)
        self._learn_from(settings.graders)

    def _learn_from(self, graders: Sequence[str]) -> None:
        if graders:
            self.truths = [
                truth.by(graders) if scored else truth
                for truth, scored in zip(self.truths, self.scored, strict=True)
            ]
        self.lesions = lesion_pictures(self.truths, self.lungs, self.settings.input)

    def under(self, settings: SeveritySettings) -> SeverityData:
        """The same films in the same folds for a run of other settings, which share the input form."""
        if settings.input != self.settings.input or settings.folds != self.settings.folds:
            raise SettingsError("runs that share films must share their input form and folds.")
        other = copy(self)
        other.settings = settings
        other._learn_from(settings.graders)
        return other

    def where(self, keep: np.ndarray, *, training: bool) -> SeverityFilms:
        index = np.flatnonzero(keep)
        return SeverityFilms(
            self.images[index],
            self.zones[index],
            self.lesions[index],
            [self.truths[i] for i in index],
            training=training,
            pasted=self.settings.pasted,
        )

    @property
    def scored(self) -> np.ndarray:
        """(films,) bool: with a reader's score, or an outlined lesion."""
        return np.array([truth.row.source not in WELL_SOURCES for truth in self.truths])

    @property
    def taught(self) -> np.ndarray:
        """(films,) bool: well, or of the settings' sources with something that one of its graders said."""
        sources = self.settings.sources
        spoken_of = [truth.scored or truth.lesions is not None for truth in self.truths]
        asked = [not sources or truth.row.source in sources for truth in self.truths]
        return ~self.scored | (np.array(spoken_of) & np.array(asked))

    def split(self, *names: str) -> np.ndarray:
        return np.array([truth.row.split in names for truth in self.truths])

    def folds(self) -> np.ndarray:
        """(films,) fold of each film of the train and val splits by patient, -1 for test films."""
        return folds_of([truth.row for truth in self.truths], self.settings.folds)


def folds_of(rows: Sequence[FilmRow], folds: int) -> np.ndarray:
    """(films,) fold by patient, each of about as many films; -1 for the test split."""
    patients: dict[str, int] = {}
    for row in rows:
        if row.split != "test":
            patients[row.patient] = patients.get(row.patient, 0) + 1
    filled = [0] * folds
    fold: dict[str, int] = {}
    for patient in sorted(patients, key=lambda name: (-patients[name], name)):
        least = filled.index(min(filled))
        fold[patient] = least
        filled[least] += patients[patient]
    return np.array([fold.get(row.patient, -1) if row.split != "test" else -1 for row in rows])


class SeverityLearner(L.LightningModule):
    """Cross-entropy of array and map, smooth absolute errors of the scales, over what is known."""

    def __init__(self, settings: SeveritySettings, net: SeverityNet) -> None:
        super().__init__()
        self.settings, self.net = settings, net

    def setup(self, stage: str) -> None:
        laid_out_for_training(self.net, self.settings.precision, self.device)

    def forward(self, films: Tensor, zones: Tensor) -> SeverityOutputs:
        scale, shift = self.settings.input.scale_and_shift
        outputs: SeverityOutputs = self.net(
            (films.float() * scale + shift).to(memory_format=torch.channels_last), zones
        )
        return outputs

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], _: int) -> Tensor:
        films, zones, scores, lesions = batch
        said = self(films, zones)
        losses = {
            "array": _over_known(_entropy, said.array, scores[:, :ZONES]),
            "brixia": _over_known(
                _distance, said.brixia / BRIXIA_ZONE, scores[:, ZONES : 2 * ZONES] / BRIXIA_ZONE
            ),
            "extent": _over_known(_distance, said.extent / EXTENT, scores[:, -2] / EXTENT),
            "opacity": _over_known(_distance, said.opacity / OPACITY, scores[:, -1] / OPACITY),
        }
        if self.settings.masks:
            losses["map"] = self.settings.masks * self._map_loss(said.map, zones, lesions)
        self.log_dict({name: loss.detach() for name, loss in losses.items()})
        weights = {"brixia": 4.0, "extent": 3.0, "opacity": 3.0}
        return torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()

    @staticmethod
    def _map_loss(map_: Tensor, zones: Tensor, lesions: Tensor) -> Tensor:
        """Cross-entropy within the lungs of films whose lesions are known."""
        side = map_.shape[-1]
        inside = (zones > 0) & (lesions < 2)
        share = functional.adaptive_avg_pool2d(inside[:, None].float(), side)[:, 0]
        truth = functional.adaptive_avg_pool2d(((lesions == 1) & inside)[:, None].float(), side)[:, 0]
        losses = functional.binary_cross_entropy_with_logits(
            map_, (truth / share.clamp_min(1e-6)).clamp(0, 1), weight=share, reduction="sum"
        )
        return losses / share.sum().clamp_min(1.0)

    def configure_optimizers(self) -> Any:
        s = self.settings
        new = [p for name, p in self.net.named_parameters() if not name.startswith("trunk.")]
        groups = [
            {"params": self.net.trunk.parameters(), "lr": s.learning_rate},
            {"params": new, "lr": 3 * s.learning_rate},
        ]
        optimiser = torch.optim.AdamW(groups, lr=s.learning_rate, weight_decay=s.weight_decay)
        schedule = cosine_after_warmup(optimiser, int(self.trainer.estimated_stepping_batches), 0.05)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _over_known(loss: Any, said: Tensor, truth: Tensor) -> Tensor:
    known = ~torch.isnan(truth)
    return loss(said[known].float(), truth[known]) if known.any() else said.sum() * 0.0


def _entropy(said: Tensor, truth: Tensor) -> Tensor:
    return functional.binary_cross_entropy(said.clamp(1e-4, 1 - 1e-4), truth)


def _distance(said: Tensor, truth: Tensor) -> Tensor:
    return functional.smooth_l1_loss(said, truth, beta=0.3)


def new_net(settings: SeveritySettings, fold: int) -> SeverityNet:
    """The net of this fold that is to be gone on with, or one with the trunk of the weights named, or a new
    one."""
    if settings.weights:
        card = read_card(f"{settings.weights}_{fold + 1}")
        before = settings_of_card(card)
        if (before.folds, before.trunk) != (settings.folds, settings.trunk):
            raise SettingsError(f"{card.name} was taught on other folds or another trunk.")
        begun: SeverityNet = nets.build("severity", **card.options)  # type: ignore[assignment]
        begun.load_state_dict(load_net(card).state_dict())
        return begun
    if settings.trunk is None:
        return nets.build("severity", trunk=settings.trunk_options, pooling=settings.pooling)  # type: ignore[return-value]
    card = read_card(settings.trunk)
    if card.architecture != "corpus_vit":
        raise SettingsError(f"trunk: {settings.trunk} is a {card.architecture}, not a corpus_vit.")
    net: SeverityNet = nets.build("severity", trunk=card.options, pooling=settings.pooling)  # type: ignore[assignment]
    net.trunk.load_state_dict(load_net(card).state_dict())
    return net


def train_severity(data: SeverityData, runs: Path, *, steps: int | None = None) -> list[Card]:
    """Train a net a fold as the settings say; write `runs/NAME_FOLD/NAME_FOLD.*`, weights and card."""
    folds = data.folds()
    if steps:
        return [train_fold(data, folds, 0, runs, steps)]
    return [train_fold(data, folds, fold, runs) for fold in range(data.settings.folds)]


def train_fold(
    data: SeverityData, folds: np.ndarray, fold: int, runs: Path, steps: int | None = None
) -> Card:
    """A net that sees neither the fold's films nor test films; read, not trained, where its run is done."""
    settings = data.settings
    name = f"{settings.name}_{fold + 1}"
    folder = runs / name
    if not steps and (folder / f"{name}.json").is_file():
        return read_card(name, folder)
    folder.mkdir(parents=True, exist_ok=True)
    plain = {**asdict(settings), "input": settings.input.to_dict(), "fold": fold + 1}
    (folder / "settings.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    L.seed_everything(settings.seed + fold, workers=True)
    keep = (folds >= 0) & (folds != fold) & data.taught
    films = data.where(keep, training=True)
    scored = data.scored[keep]
    weights = np.where(scored, 1 / max(scored.sum(), 1), settings.well / max((~scored).sum(), 1))
    loader = DataLoader(
        films,
        settings.batch,
        sampler=WeightedRandomSampler(weights.tolist(), settings.films_per_epoch),
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        drop_last=True,
    )
    net = new_net(settings, fold)
    begun = deepcopy(net)
    learner = SeverityLearner(settings, net)
    trainer = trainer_of(folder, settings.epochs, settings.precision, steps, settings.average)
    trainer.fit(learner, loader, ckpt_path=None if steps else last_state(folder))
    net = learner.net.cpu()
    if settings.begun:
        net.load_state_dict(weights_between(net.state_dict(), begun.state_dict(), settings.begun))
    card = _card(name, settings, plain, net, data, keep, folder)
    write_card(card, folder)
    print(name, card.sha256[:12], flush=True)
    return card


def weights_between(state: dict[str, Tensor], begun: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Weights from `state` towards `begun` by `share`; what is counted stays as it is."""
    return {
        name: torch.lerp(value, begun[name], share) if value.is_floating_point() else value
        for name, value in state.items()
    }


def _card(
    name: str,
    settings: SeveritySettings,
    plain: dict[str, Any],
    net: SeverityNet,
    data: SeverityData,
    keep: np.ndarray,
    folder: Path,
) -> Card:
    sha256 = save_net(net, folder / f"{name}.safetensors")
    trunk = read_card(settings.trunk).options if settings.trunk else settings.trunk_options
    return Card(
        name=name,
        task="severity: lesion map, array, Brixia, extent, opacity",
        classes=(),
        architecture="severity",
        options={"trunk": trunk, "pooling": settings.pooling},
        input=settings.input.to_dict(),
        sha256=sha256,
        licence="Under the terms of the training films' sources, named with each source.",
        lungs=data.finder.version,
        training_data=licences_by_source(data, keep),
        settings=plain,
    )


def licences_by_source(
    data: SeverityData, keep: np.ndarray, others: Sequence[FilmRow] = ()
) -> list[dict[str, Any]]:
    """Films scored and well of each source among those of `keep` (films,) bool, films of `others` by their
    labels, and their licences."""
    counts: dict[str, dict[str, int]] = {}
    licences: dict[str, set[str]] = {}
    truths = [data.truths[i] for i in np.flatnonzero(keep)]
    kinds = [(of.row, "well" if of.row.source in WELL_SOURCES else "scored") for of in truths]
    for row, kind in (*kinds, *((row, row.label) for row in others)):
        of_source = counts.setdefault(row.source, {})
        of_source[kind] = of_source.get(kind, 0) + 1
        licences.setdefault(row.source, set()).add(row.licence or "not stated")
    return [
        {"source": source, "films": counts[source], "licence": "; ".join(sorted(licences[source]))}
        for source in sorted(counts)
    ]
