"""What Lightning trains: a net, its loss, its optimiser, its figure of merit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.classification import BinaryAUROC

from cxrtriage import nets
from cxrtriage.nets import FilmClassifier, TransformerClassifier
from cxrtriage.reading.input_form import InputForm
from train.augmentation import batch_erasing, mixed_styles, only_lungs
from train.precision import laid_out_for_training
from train.schedule import SCHEDULES
from train.settings import Settings, SettingsError

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


class Learner(L.LightningModule):
    """Trains `net` on batches of films (films, channels, size, size) uint8, targets, weights, sources.

    The first channel is the film, the second, where there is one, its lungs.
    """

    def __init__(
        self,
        settings: Settings,
        teacher: FilmClassifier | None = None,
        teacher_form: InputForm | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.net: FilmClassifier | TransformerClassifier = nets.build(  # type: ignore[assignment]  # a lung net has no classes
            settings.architecture,
            classes=len(settings.classes),
            findings=len(settings.findings),
            **settings.options,
        )
        self.erasing = batch_erasing(settings.augmentation.erasing)
        self.auroc = nn.ModuleList(BinaryAUROC() for _ in settings.classes)
        # (sources, classes): what is known of a film's classes from its source alone.
        self.offsets = torch.zeros(max(1, len(settings.sources)), len(settings.classes))
        self.imitation: Imitation | None = None
        if teacher is not None and teacher_form is not None and settings.teacher is not None:
            self.imitation = Imitation(settings, teacher, teacher_form, self.net.map_channels)
        # The lungs are told from the map at stride 16, or from the only one there is.
        self.lung_map = min(2, len(self.net.backbone.channels) - 1)
        channels = self.net.backbone.channels[self.lung_map]
        self.lung_head = nn.Conv2d(channels, 1, 1) if settings.lung_weight else None
        self.adversary = (
            nn.Sequential(
                nn.Linear(self.net.num_features, 128), nn.ReLU(), nn.Linear(128, len(settings.sources))
            )
            if settings.adversary
            else None
        )

    def setup(self, stage: str) -> None:
        laid_out_for_training(self.net, self.settings.precision, self.device)

    def normalise(self, films: Tensor) -> Tensor:
        scale, shift = self.settings.input.scale_and_shift
        return (films.float() * scale + shift).to(memory_format=torch.channels_last)

    def forward(self, films: Tensor) -> Tensor:
        """(films, channels, size, size) uint8 -> (films, classes + findings) logits."""
        return self.net(self.normalise(films[:, :1]))

    def training_step(self, batch: Batch, _: int) -> Tensor:
        films, targets, weights, sources = batch
        shades, lungs = films[:, :1], films[:, 1:] > 127
        if self.settings.augmentation.style:
            shades = mixed_styles(shades, self.settings.augmentation.style)
        if self.settings.augmentation.mask:
            shades = only_lungs(shades, lungs, self.settings.augmentation.mask)
        inputs = self.normalise(shades)
        if self.erasing is not None:
            inputs = torch.stack([self.erasing(film) for film in inputs])
        maps = self.net.forward_features(inputs)
        logits = self.net.forward_head(maps).float()
        known = self.offsets.to(logits)[sources]
        adjusted = logits + functional.pad(known, (0, logits.shape[1] - known.shape[1]))
        loss = self.class_loss(adjusted, targets, weights)
        self.log("loss", loss, prog_bar=True)
        if self.lung_head is not None:
            loss = loss + self.settings.lung_weight * self.lung_loss(maps[self.lung_map], lungs)
        if self.adversary is not None:
            told = self.adversary(_Reversed.apply(self.net.pool(maps), self.settings.adversary))
            source_loss = functional.cross_entropy(told.float(), sources)
            self.log("source_loss", source_loss)
            loss = loss + source_loss
        if self.imitation is not None:
            features, scores = self.imitation(inputs, maps[-1], logits)
            self.log_dict({"imitated_features": features, "imitated_scores": scores})
            loss = loss + features + scores
        return loss

    def class_loss(self, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Mean cross-entropy of the classes, and of the findings by their weight, over what is known."""
        classes = len(self.settings.classes)
        if self.settings.loss == "softmax":
            # The complement's logit is 0: with one class this is the sigmoid.
            competing = torch.cat([logits.new_zeros(len(logits), 1), logits[:, :classes]], dim=1)
            sick = targets[:, :classes].any(dim=1)
            truth = torch.where(sick, targets[:, :classes].argmax(dim=1) + 1, 0)
            own = functional.cross_entropy(competing, truth)
        else:
            own = _weighted(logits[:, :classes], targets[:, :classes], weights[:, :classes])
        if logits.shape[1] == classes:
            return own
        found = _weighted(logits[:, classes:], targets[:, classes:], weights[:, classes:])
        return own + self.settings.findings_weight * found

    def lung_loss(self, map_: Tensor, lungs: Tensor) -> Tensor:
        """How badly a lung mask is told from a map of the backbone (films, channels, rows, columns)."""
        assert self.lung_head is not None
        told = self.lung_head(map_).float()
        truth = functional.adaptive_avg_pool2d(lungs.float(), (told.shape[-2], told.shape[-1]))
        return functional.binary_cross_entropy_with_logits(told, truth)

    def validation_step(self, batch: Batch, _: int) -> None:
        films, targets, weights, _sources = batch
        logits = self(films).float()
        self.log("val_loss", self.class_loss(logits, targets, weights), prog_bar=True)
        for number, auroc in enumerate(self._aurocs):
            auroc.update(logits[:, number], targets[:, number].long())

    def on_validation_epoch_end(self) -> None:
        values = [auroc.compute() for auroc in self._aurocs]
        for name, value in zip(self.settings.classes, values, strict=True):
            self.log(f"val_auroc_{name}", value)
        self.log("val_auroc", torch.stack(values).mean(), prog_bar=True)
        for auroc in self._aurocs:
            auroc.reset()

    @property
    def _aurocs(self) -> list[BinaryAUROC]:
        return [auroc for auroc in self.auroc if isinstance(auroc, BinaryAUROC)]

    def configure_optimizers(self) -> Any:
        s = self.settings
        weights = [p for p in self.parameters() if p.requires_grad]
        kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
            "adamw": torch.optim.AdamW,
            "adam": torch.optim.Adam,
            "sgd": partial(torch.optim.SGD, momentum=0.9),
        }
        if s.optimiser not in kinds or s.schedule not in SCHEDULES:
            raise SettingsError(
                f"optimiser is one of {', '.join(kinds)}, schedule one of {', '.join(SCHEDULES)}."
            )
        optimiser = kinds[s.optimiser](weights, lr=s.learning_rate, weight_decay=s.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = SCHEDULES[s.schedule](optimiser, steps, s.warmup)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _weighted(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    losses = functional.binary_cross_entropy_with_logits(logits, targets, weight=weights, reduction="sum")
    return losses / weights.sum().clamp_min(1.0)


class _Reversed(torch.autograd.Function):
    """Identity whose gradient is turned round (Ganin 2015): what helps to tell the source is unlearnt."""

    @staticmethod
    def forward(context: Any, features: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradient, None


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
        self.size = form.size
        self.project = nn.Conv2d(channels, teacher.map_channels, kernel_size=1)

    def forward(self, inputs: Tensor, last_map: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        teacher = self.teacher[0]
        if next(teacher.parameters()).device != inputs.device:
            teacher.to(inputs.device)
        with torch.no_grad():
            seen = inputs * self.rescale[0] + self.rescale[1]
            if seen.shape[-1] != self.size:
                # A net knows what it learnt at the size it learnt it.
                seen = functional.interpolate(seen, size=(self.size, self.size), mode="bilinear")
            maps = teacher.forward_features(seen)
            scores = teacher.forward_head(maps).float().sigmoid()[:, : logits.shape[1]]
        target = maps[-1].float()
        guess = self.project(last_map).float()
        if guess.shape[-2:] != target.shape[-2:]:
            guess = functional.adaptive_avg_pool2d(guess, (target.shape[-2], target.shape[-1]))
        features = (1 - functional.cosine_similarity(guess, target, dim=1)).mean()
        imitated = functional.binary_cross_entropy_with_logits(logits[:, : scores.shape[1]], scores)
        return self.settings.features * features, self.settings.scores * imitated
