"""`python -m train distil`: a start for a net that has no ImageNet weights here.

The net learns to give the feature maps that an ImageNet-trained MobileNetV2 gives for the same film
(feature distillation; Romero 2014), on films of every label, none of which it is told.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from cxrtriage.nets.backbone import BACKBONES
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.weights import save_net
from train.augmentation import film_augmentation
from train.films import CACHE, FilmImages, cached_images, found_lungs
from train.manifest import data_folder, read_films
from train.schedule import cosine_after_warmup
from train.settings import Augmentation, Disguise, SettingsError, build_settings
from train.trainer import last_state, trainer_of

# The grey values a net of the paper's normalisation sees, and those of the ImageNet MobileNetV2.
_TEACHER_FORM = InputForm(size=224, mean=(127.5,) * 3, deviation=(127.5,) * 3)


@dataclass(frozen=True)
class DistilSettings:
    """`student_size`: side the student sees; it is smaller than the teacher's, to save time.

    `lungs` names the lung net whose crop the input form needs. `exclude` names sources that are kept
    out, so that nets which are tested on a left-out source have not even seen its films. `graft`: the student
    starts with the teacher's weights, where its architecture can hold them.
    """

    name: str
    architecture: str
    teacher_file: str
    input: InputForm = field(default_factory=InputForm)
    student_size: int = 128
    exclude: tuple[str, ...] = ()
    lungs: str | None = None
    graft: bool = False
    learning_rate: float = 0.002
    weight_decay: float = 0.05
    batch: int = 32
    epochs: int = 12
    precision: str = "32-true"
    workers: int = 1
    seed: int = 1


class Distiller(L.LightningModule):
    def __init__(self, settings: DistilSettings) -> None:
        super().__init__()
        self.settings = settings
        self.student = BACKBONES[settings.architecture]()
        teacher = BACKBONES["mobilenet_v2"]()
        state = load_file(data_folder() / settings.teacher_file)
        teacher.load_imagenet(state)
        if settings.graft:
            try:
                self.student.load_imagenet(state)
            except (KeyError, RuntimeError, ValueError) as error:
                raise SettingsError(f"graft: a {settings.architecture} cannot hold a MobileNetV2.") from error
        # In a tuple, so that the teacher is neither trained nor saved with the student.
        self.teacher = (teacher.eval().requires_grad_(False),)
        self.project = nn.ModuleList(
            nn.Conv2d(ours, theirs, kernel_size=1)
            for ours, theirs in zip(self.student.channels[-2:], teacher.channels[-2:], strict=True)
        )

    def setup(self, stage: str) -> None:
        for net in (self.student, self.teacher[0]):
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        films = batch[0][:, :1].float()
        with torch.no_grad():
            scale, shift = _TEACHER_FORM.scale_and_shift
            targets = self.teacher[0].to(films.device)(films * scale + shift)[-2:]
        scale, shift = self.settings.input.scale_and_shift
        size = self.settings.student_size
        small = functional.interpolate(films, size=(size, size), mode="bilinear", antialias=True)
        maps = self.student((small * scale + shift).to(memory_format=torch.channels_last))[-2:]
        losses = []
        for project, ours, theirs in zip(self.project, maps, targets, strict=True):
            theirs = functional.adaptive_avg_pool2d(theirs.float(), (ours.shape[-2], ours.shape[-1]))
            losses.append((1 - functional.cosine_similarity(project(ours).float(), theirs, dim=1)).mean())
        loss = torch.stack(losses).sum()
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        s = self.settings
        optimiser = torch.optim.AdamW(self.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
        schedule = cosine_after_warmup(optimiser, int(self.trainer.estimated_stepping_batches), 0.05)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def read_distil_settings(path: Path) -> DistilSettings:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "input" in values:
        values["input"] = InputForm.from_dict(values["input"])
    return build_settings(DistilSettings, values, str(path))


def distil(settings: DistilSettings, runs: Path, *, steps: int | None = None) -> Path:
    """Train as the settings say and write `runs/NAME/NAME.safetensors`: the backbone alone."""
    folder = runs / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.yaml").write_text(yaml.safe_dump(asdict(settings), sort_keys=False))
    L.seed_everything(settings.seed, workers=True)
    everything = read_films(data_folder())
    number = [
        n
        for n, row in enumerate(everything)
        if row.split == "train" and row.adult is not False and row.source not in settings.exclude
    ]
    if not number:
        raise SettingsError("no film is left to distil on.")
    finder = LungFinder.load(settings.lungs) if settings.lungs else None
    lungs = found_lungs(everything, finder, runs / CACHE) if finder else None
    blank = np.zeros((len(number), 1))
    films = FilmImages(
        cached_images(everything, settings.input, runs / CACHE, lungs, finder.card.sha256 if finder else ""),
        np.array(number),
        blank,
        blank,
        [0] * len(number),
        film_augmentation(Augmentation(erasing=None, randaugment=None, flip=0.5, disguise=Disguise())),
    )
    distiller = Distiller(settings)
    trainer = trainer_of(folder, settings.epochs, settings.precision, steps)
    loader = DataLoader(
        films,
        batch_size=settings.batch,
        shuffle=True,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        drop_last=len(films) > settings.batch,
    )
    trainer.fit(distiller, loader, ckpt_path=last_state(folder))
    path = folder / f"{settings.name}.safetensors"
    save_net(distiller.student.cpu(), path)
    return path
