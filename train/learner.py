"""What Lightning trains: a net, its loss, its optimiser, its figure of merit."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.classification import MulticlassAUROC

from cxrtriage import nets
from cxrtriage.nets import FilmClassifier
from cxrtriage.reading.input_form import InputForm
from train.augmentation import batch_erasing
from train.settings import Settings


class Learner(L.LightningModule):
    """Trains `net` on batches of (films, 1, size, size) uint8 and class indices."""

    def __init__(
        self,
        settings: Settings,
        teacher: FilmClassifier | None = None,
        teacher_form: InputForm | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.net = nets.build(settings.architecture, classes=len(settings.classes) + 1, **settings.options)
        self.erasing = batch_erasing(settings.augmentation.erasing)
        self.auroc = MulticlassAUROC(num_classes=len(settings.classes) + 1, average=None)
        self.imitation: Imitation | None = None
        if teacher is not None and teacher_form is not None and settings.teacher is not None:
            self.imitation = Imitation(settings, teacher, teacher_form, self.net.backbone.channels[-1])

    def setup(self, stage: str) -> None:
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs

    def normalise(self, films: Tensor) -> Tensor:
        scale, shift = self.settings.input.scale_and_shift
        return (films.float() * scale + shift).to(memory_format=torch.channels_last)

    def forward(self, films: Tensor) -> Tensor:
        """(films, 1, size, size) uint8 -> (films, classes) logits."""
        return self.net(self.normalise(films))

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        films, targets = batch
        inputs = self.normalise(films)
        if self.erasing is not None:
            inputs = torch.stack([self.erasing(film) for film in inputs])
        maps = self.net.forward_features(inputs)
        logits = self.net.forward_head(self.net.pool(maps)).float()
        loss = functional.cross_entropy(logits, targets)
        self.log("loss", loss, prog_bar=True)
        if self.imitation is not None:
            features, scores = self.imitation(inputs, maps[-1], logits)
            self.log_dict({"imitated_features": features, "imitated_scores": scores})
            loss = loss + features + scores
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        films, targets = batch
        logits = self(films).float()
        self.auroc.update(logits.softmax(dim=1), targets)
        self.log("val_loss", functional.cross_entropy(logits, targets), prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        self.log("val_auroc", self.auroc.compute()[1:].mean(), prog_bar=True)
        self.auroc.reset()

    def configure_optimizers(self) -> Any:
        s = self.settings
        optimiser = torch.optim.AdamW(
            [p for p in self.parameters() if p.requires_grad], lr=s.learning_rate, weight_decay=s.weight_decay
        )
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, round(s.warmup * steps))

        def rate(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Imitation(nn.Module):
    """Losses that pull a net towards a trained one (Hinton 2015; Romero 2014 for the feature maps).

    It carries a good start (ImageNet, here only to be had for MobileNetV2) to an architecture that
    has none. The teacher sees the very film the student sees, erased parts too.
    """

    def __init__(self, settings: Settings, teacher: FilmClassifier, form: InputForm, channels: int) -> None:
        super().__init__()
        assert settings.teacher is not None
        self.settings = settings.teacher
        # In a tuple, so that the teacher is neither trained nor saved with the student.
        self.teacher = (teacher,)
        own_scale, own_shift = settings.input.scale_and_shift
        scale, shift = form.scale_and_shift
        self.rescale = (scale / own_scale, shift - own_shift * scale / own_scale)
        self.project = nn.Conv2d(channels, teacher.backbone.channels[-1], kernel_size=1)

    def forward(self, inputs: Tensor, last_map: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        teacher = self.teacher[0]
        if next(teacher.parameters()).device != inputs.device:
            teacher.to(inputs.device)
        with torch.no_grad():
            maps = teacher.forward_features(inputs * self.rescale[0] + self.rescale[1])
            scores = teacher.forward_head(teacher.pool(maps)).float().softmax(dim=1)
        target = maps[-1].float()
        guess = self.project(last_map).float()
        if guess.shape[-2:] != target.shape[-2:]:
            guess = functional.adaptive_avg_pool2d(guess, (target.shape[-2], target.shape[-1]))
        features = (1 - functional.cosine_similarity(guess, target, dim=1)).mean()
        imitated = functional.kl_div(logits.log_softmax(dim=1), scores, reduction="batchmean")
        return self.settings.features * features, self.settings.scores * imitated
