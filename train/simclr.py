"""`python -m train simclr`: a start learnt from films alone, for nets that have no other.

SimCLR (Chen 2020, arXiv:2002.05709): two views of one film shall lie close in a projection of the
features, views of different films apart. Films of every label take part; none is told.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from cxrtriage.nets.backbone import BACKBONES
from cxrtriage.reading.input_form import InputForm
from cxrtriage.weights import save_net
from train.augmentation import film_augmentation
from train.fit import Pictures
from train.manifest import LABELS, data_folder, read_films
from train.schedule import cosine_after_warmup
from train.settings import (
    Augmentation,
    Disguise,
    RandAugment,
    Settings,
    SettingsError,
    Start,
    build_settings,
    settings_from_dict,
)
from train.start import load_start
from train.trainer import last_state, trainer_of


@dataclass(frozen=True)
class SimclrSettings:
    """All of a run. `size`: side of a view in pixels. `crop`: least share of the film's area in a view.

    `input` and `lungs` are those of the net that is to start so. `exclude` names sources that are kept
    out, so that nets which are tested on a left-out source have not even seen its films.
    """

    name: str
    architecture: str
    input: InputForm = field(default_factory=InputForm)
    lungs: str | None = None
    exclude: tuple[str, ...] = ()
    start: Start = field(default_factory=Start)
    size: int = 128
    crop: float = 0.4
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(erasing=None, randaugment=RandAugment(), disguise=Disguise())
    )
    projection: int = 128
    temperature: float = 0.2
    learning_rate: float = 0.002
    weight_decay: float = 0.0001
    batch: int = 64
    epochs: int = 20
    precision: str = "32-true"
    workers: int = 1
    seed: int = 1


def read_simclr_settings(path: Path) -> SimclrSettings:
    """Settings of a YAML file; SettingsError names file and key."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict) or not {"name", "architecture"} <= set(values):
        raise SettingsError(f"{path} must name a run (name) and an architecture.")
    # Their parts are read as those of every run are.
    shared = {
        key: values[key]
        for key in ("name", "architecture", "input", "start", "augmentation")
        if key in values
    }
    parts = settings_from_dict(shared, str(path))
    settings = build_settings(
        SimclrSettings, {**values, **{key: getattr(parts, key) for key in shared}}, str(path)
    )
    if settings.architecture not in BACKBONES:
        raise SettingsError(
            f"{path}: {settings.architecture} is no backbone; known are {', '.join(BACKBONES)}."
        )
    if settings.input.region == "lungs" and settings.lungs is None:
        raise SettingsError(f"{path}: input.region lungs needs a lung net; name it under lungs.")
    return settings


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross-entropy of two views' projections, (films, features) each.

    Every view has to find the other one of its film among the 2 * films - 1 others of the batch.
    """
    films = len(first)
    views = functional.normalize(torch.cat([first, second]).float(), dim=1)
    likeness = views @ views.T / temperature
    likeness = likeness.masked_fill(torch.eye(2 * films, dtype=torch.bool, device=views.device), -torch.inf)
    other = torch.arange(2 * films, device=views.device).roll(films)
    return functional.cross_entropy(likeness, other)


class TwoViews(Dataset[tuple[Tensor, Tensor]]):
    """Two views, (1, size, size) uint8 each, of a film: another part of it, other shades.

    `images` (any, channels, size, size) uint8 are those of a whole manifest, `index` says which are meant.
    """

    def __init__(self, images: np.ndarray, index: np.ndarray, settings: SimclrSettings) -> None:
        self.images, self.index = images, index
        # Cut out first, as the rest costs by the pixel.
        self.view = v2.Compose(
            [
                v2.RandomResizedCrop(settings.size, (settings.crop, 1.0), (0.8, 1.25), antialias=True),
                film_augmentation(settings.augmentation),
            ]
        )

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        film = torch.from_numpy(np.array(self.images[self.index[index], :1]))
        return self.view(film), self.view(film)


class ContrastiveLearner(L.LightningModule):
    """A backbone and a projection of two layers, which is thrown away afterwards."""

    def __init__(self, settings: SimclrSettings) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = BACKBONES[settings.architecture]()
        wide = self.backbone.channels[-1]
        self.projection = nn.Sequential(
            nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, settings.projection)
        )

    def setup(self, stage: str) -> None:
        self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs

    def forward(self, films: Tensor) -> Tensor:
        """(films, 1, size, size) uint8 -> (films, projection) float."""
        scale, shift = self.settings.input.scale_and_shift
        inputs = (films.float() * scale + shift).to(memory_format=torch.channels_last)
        return self.projection(self.backbone(inputs)[-1].mean(dim=(2, 3)))

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        # Both views in one pass, so that the normalisation tells nothing of which view it is.
        first, second = self(torch.cat(batch)).chunk(2)
        loss = nt_xent(first, second, self.settings.temperature)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        s = self.settings
        optimiser = torch.optim.AdamW(self.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
        schedule = cosine_after_warmup(optimiser, int(self.trainer.estimated_stepping_batches), 0.05)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def simclr(settings: SimclrSettings, runs: Path, *, steps: int | None = None) -> Path:
    """Train as the settings say and write `runs/NAME/NAME.safetensors`: the backbone alone.

    A run that was interrupted goes on from its last checkpoint. `steps` makes it one epoch of so many
    steps, for a trial of the whole path.
    """
    folder = runs / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({**asdict(settings), "input": settings.input.to_dict()}, sort_keys=False)
    (folder / "settings.yaml").write_text(text)
    L.seed_everything(settings.seed, workers=True)
    views = _views(settings, runs)
    learner = ContrastiveLearner(settings)
    load_start(
        learner.backbone, settings.architecture, settings.start, settings.input, runs, settings.exclude
    )
    trainer = trainer_of(folder, settings.epochs, settings.precision, steps)
    loader = DataLoader(
        views,
        batch_size=settings.batch,
        shuffle=True,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        drop_last=len(views) > settings.batch,
    )
    trainer.fit(learner, loader, ckpt_path=last_state(folder))
    path = folder / f"{settings.name}.safetensors"
    save_net(learner.backbone.cpu(), path)
    return path


def _views(settings: SimclrSettings, runs: Path) -> TwoViews:
    """The adults' training films of every label; SettingsError where none is left."""
    rows = read_films(data_folder())
    everything = Settings(
        name=settings.name,
        architecture=settings.architecture,
        input=settings.input,
        lungs=settings.lungs,
        classes=(),
        labels=LABELS,
        sources={row.source: 1.0 for row in rows if row.source not in settings.exclude},
    )
    pictures = Pictures(everything, rows, runs)
    train = pictures.films.split("train")
    if len(train.rows) < 2:
        raise SettingsError("no two films are left to compare.")
    return TwoViews(pictures.images, pictures.index(train.rows), settings)
