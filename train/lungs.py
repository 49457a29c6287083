"""`python -m train lungs`: teaches the lung net where lungs are, also where they are white.

Manual masks follow the lung's anatomy through dense consolidation where their makers saw it, and
such films are few. So opacities are pasted into the lungs while the mask stays (in the manner of
Selvan 2020), up to whole lobes.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import lightning as L
import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from cxrtriage import nets
from cxrtriage.nets.lungs import LUNG_CONVENTIONS, LungNet
from cxrtriage.reading.input_form import InputForm
from cxrtriage.weights import Card, load_net, read_card, save_net, write_card
from train.films import CACHE, cached_images
from train.manifest import FilmRow, data_folder, read_films
from train.pasting import paste_opacities, varied
from train.precision import laid_out_for_training
from train.schedule import cosine_after_warmup
from train.settings import SettingsError, build_settings
from train.trainer import last_state, trainer_of


@dataclass(frozen=True)
class LungSettings:
    """All of a run of the lung net. `opacities`: greatest number pasted into a film.

    `weights`: a shipped lung net to go on from, at another size for instance.
    """

    name: str
    architecture: str = "lung_unet"
    options: dict[str, Any] = field(default_factory=dict)
    input: InputForm = field(default_factory=lambda: InputForm(size=224))
    imagenet: str | None = None
    weights: str | None = None
    opacities: int = 4
    average: float = 0.0
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    batch: int = 16
    epochs: int = 6
    precision: str = "32-true"
    workers: int = 1
    seed: int = 1


def read_lung_settings(path: Path) -> LungSettings:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "input" in values:
        values["input"] = InputForm.from_dict(values["input"])
    return build_settings(LungSettings, values, str(path))


@dataclass(frozen=True)
class LungTruth:
    """A film's manual mask and which of `LUNG_CONVENTIONS` it follows."""

    row: FilmRow
    mask: Path
    convention: int


def read_lung_masks(folder: Path, films: list[FilmRow]) -> list[LungTruth]:
    """The rows of `lungs.csv`; SettingsError where it is missing or names a film that is not there."""
    table = folder / "lungs.csv"
    if not table.is_file():
        raise SettingsError(f"{table} is not there; the lung net learns from its masks.")
    by_file = {row.file: row for row in films}
    truths = []
    with table.open(newline="", encoding="utf-8-sig") as stream:
        for cells in csv.DictReader(stream):
            if cells["file"] not in by_file or cells["convention"] not in LUNG_CONVENTIONS:
                raise SettingsError(f"{table}: the film or convention of {cells['file']} is not known.")
            truths.append(
                LungTruth(
                    by_file[cells["file"]],
                    folder / "lungs" / cells["mask"],
                    LUNG_CONVENTIONS.index(cells["convention"]),
                )
            )
    return truths


def mask_images(truths: list[LungTruth], size: int) -> np.ndarray:
    """(films, size, size) uint8 of 0 and 1: the manual masks, squashed as the films are."""
    masks = np.empty((len(truths), size, size), np.uint8)
    for number, truth in enumerate(truths):
        with Image.open(truth.mask) as picture:
            shades = np.asarray(picture.convert("L"))
        masks[number] = cv2.resize(shades, (size, size), interpolation=cv2.INTER_AREA) > 127
    return masks


class LungFilms(Dataset[tuple[Tensor, Tensor, int]]):
    """Film (1, size, size) uint8, mask (size, size) uint8 of 0 and 1, and the mask's convention."""

    def __init__(
        self, images: np.ndarray, masks: np.ndarray, conventions: list[int], opacities: int | None
    ) -> None:
        self.images, self.masks, self.conventions = images, masks, conventions
        self.opacities = opacities

    def __len__(self) -> int:
        return len(self.conventions)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        film, mask = np.array(self.images[index]), self.masks[index]
        if self.opacities is not None:
            random = np.random.default_rng(int(torch.randint(2**31, ())))
            film, _ = paste_opacities(film, mask, self.opacities, random)
            film, masks = varied(film, [mask], random, plates=0.3)
            mask = masks[0]
            if random.random() < 0.5:
                film, mask = film[:, ::-1].copy(), mask[:, ::-1]
        return (
            torch.from_numpy(film)[None],
            torch.from_numpy(np.ascontiguousarray(mask)),
            self.conventions[index],
        )


class LungLearner(L.LightningModule):
    """Cross-entropy and soft Dice on the output of the convention that the mask follows."""

    def __init__(self, settings: LungSettings) -> None:
        super().__init__()
        self.settings = settings
        self.net = nets.build(settings.architecture, **settings.options)
        self.dice: list[float] = []

    def setup(self, stage: str) -> None:
        laid_out_for_training(self.net, self.settings.precision, self.device)

    def forward(self, films: Tensor) -> Tensor:
        scale, shift = self.settings.input.scale_and_shift
        return self.net((films.float() * scale + shift).to(memory_format=torch.channels_last)).float()

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> Tensor:
        films, masks, conventions = batch
        logits = self(films)[torch.arange(len(films)), conventions]
        truth = masks.float()
        chance = logits.sigmoid()
        overlap = (2 * (chance * truth).sum((1, 2)) + 1) / (chance.sum((1, 2)) + truth.sum((1, 2)) + 1)
        loss = functional.binary_cross_entropy_with_logits(logits, truth) + (1 - overlap).mean()
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> None:
        films, masks, conventions = batch
        found = self(films)[torch.arange(len(films)), conventions] > 0
        self.dice += dice(found.numpy(), masks.numpy() > 0).tolist()

    def on_validation_epoch_end(self) -> None:
        self.log("val_dice", float(np.mean(self.dice)), prog_bar=True)
        self.dice = []

    def configure_optimizers(self) -> Any:
        s = self.settings
        optimiser = torch.optim.AdamW(self.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
        schedule = cosine_after_warmup(optimiser, int(self.trainer.estimated_stepping_batches), 0.05)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def dice(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(films,) Dice of two boolean stacks (films, rows, columns); 1 where both are empty."""
    shared = (found & truth).sum((1, 2))
    total = found.sum((1, 2)) + truth.sum((1, 2))
    return np.where(total > 0, 2 * shared / np.maximum(total, 1), 1.0)


def train_lungs(settings: LungSettings, runs: Path, *, steps: int | None = None) -> Card:
    """Train as the settings say and write `runs/NAME/NAME.safetensors` and its card, with Dice by source."""
    folder = runs / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    plain = {**asdict(settings), "input": settings.input.to_dict()}
    (folder / "settings.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    L.seed_everything(settings.seed, workers=True)
    truths = read_lung_masks(data_folder(), read_films(data_folder()))
    loaders = {}
    for split in ("train", "val", "test"):
        part = [truth for truth in truths if truth.row.split == split]
        films = LungFilms(
            cached_images([truth.row for truth in part], settings.input, runs / CACHE)[:, 0],
            mask_images(part, settings.input.size),
            [truth.convention for truth in part],
            settings.opacities if split == "train" else None,
        )
        training = split == "train"
        loaders[split] = DataLoader(
            films,
            settings.batch,
            shuffle=training,
            num_workers=settings.workers if training else 0,
            persistent_workers=training and settings.workers > 0,
            drop_last=training,
        )
    learner = LungLearner(settings)
    if settings.imagenet:
        net = learner.net
        assert isinstance(net, LungNet)
        net.load_imagenet(load_file(data_folder() / settings.imagenet))
    elif settings.weights:
        learner.net.load_state_dict(load_net(read_card(settings.weights)).state_dict())
    trainer = trainer_of(folder, settings.epochs, settings.precision, steps, settings.average)
    trainer.fit(learner, loaders["train"], loaders["val"], ckpt_path=last_state(folder))
    return _write(
        learner, settings, plain, [t for t in truths if t.row.split == "test"], loaders["test"], folder
    )


def _write(
    learner: LungLearner,
    settings: LungSettings,
    plain: dict[str, Any],
    test: list[LungTruth],
    loader: DataLoader,
    folder: Path,
) -> Card:
    learner.eval()
    overlaps: list[float] = []
    with torch.inference_mode():
        for films, masks, conventions in loader:
            found = learner(films)[torch.arange(len(films)), conventions] > 0
            overlaps += dice(found.numpy(), masks.numpy() > 0).tolist()
    by_source: dict[str, list[float]] = {}
    for truth, overlap in zip(test, overlaps, strict=True):
        by_source.setdefault(truth.row.source, []).append(overlap)
    sha256 = save_net(learner.net.cpu(), folder / f"{settings.name}.safetensors")
    card = Card(
        name=settings.name,
        task="lung masks of frontal chest films",
        classes=LUNG_CONVENTIONS,
        architecture=settings.architecture,
        options=settings.options,
        input=settings.input.to_dict(),
        sha256=sha256,
        licence="Under the terms of the films' and masks' sources; Shenzhen's masks forbid commercial use.",
        training_data=[
            {"source": source, "masks": len(values), "split": "test figures"}
            for source, values in by_source.items()
        ],
        settings=plain,
        figures={
            "dice_test": {
                "all": round(float(np.mean(overlaps)), 4),
                **{source: round(float(np.mean(values)), 4) for source, values in by_source.items()},
                "lowest": round(float(np.min(overlaps)), 4),
            }
        },
        cautions=("Trained on films of adults, mostly; not checked on children.",),
    )
    write_card(card, folder)
    print(card.figures, flush=True)
    return card
