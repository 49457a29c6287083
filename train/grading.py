"""Opacity graded by one net: what it learns from, with its trunk trained or left as it is, and what it says.

Seven classes are the readers' opacity 0 to 6, rounded (Lara 2025); the score is the same number unrounded.
Every patient's films are in one fold, test films in none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from cxrtriage.nets.severity import OPACITY
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lung_finder import LungFinder
from train.films import CACHE, cached_images, found_lungs
from train.grading_nets import GRADES, GradingNet, Trunk, build_trunk
from train.manifest import data_folder, read_films
from train.pasting import varied
from train.precision import laid_out_for_training
from train.schedule import cosine_after_warmup
from train.settings import Start
from train.severity import folds_of
from train.severity_truths import SeverityTruth, read_severity

_BATCH = 32
# Strengths of the penalty that a head over a frozen trunk is chosen from, by folds of the patients it learns
# from.
_CLASSIFIER_C = (1e-4, 1e-3, 1e-2, 1e-1)
_REGRESSOR_ALPHA = (1e2, 1e3, 1e4, 1e5)
_INNER_FOLDS = 3


@dataclass(frozen=True)
class GradingSettings:
    """One net. `net` and `options` are those of `train.grading_nets.build_trunk`; `frozen` trains the last
    layer alone."""

    net: str
    options: dict[str, Any] = field(default_factory=dict)
    start: Start = field(default_factory=Start)
    frozen: bool = False
    input: InputForm = field(default_factory=lambda: InputForm(size=128, region="lungs"))
    lungs: str = "lungs_mobilenet_v2"
    folds: int = 4
    learning_rate: float = 0.0003
    weight_decay: float = 0.05
    batch: int = 16
    epochs: int = 8
    precision: str = "32-true"
    workers: int = 0
    seed: int = 1


class GradedFilms:
    """Films with a reader's opacity and two lungs: `truths`, `folds` (films,) with -1 for test films."""

    def __init__(self, lungs: str, folds: int, runs: Path) -> None:
        self.runs = runs
        rows = read_films(data_folder())
        self.finder = LungFinder.load(lungs)
        self.lungs = found_lungs(rows, self.finder, runs / CACHE)
        self.truths = [
            truth
            for truth in read_severity(data_folder(), rows)
            if not np.isnan(truth.opacity) and self.lungs[truth.row.file].box is not None
        ]
        self.folds = folds_of([truth.row for truth in self.truths], folds)
        self.scores = np.array([truth.opacity for truth in self.truths])

    @property
    def grades(self) -> np.ndarray:
        """(films,) int 0 to 6."""
        return grade_of(self.scores)

    @property
    def patients(self) -> np.ndarray:
        return np.array([truth.row.patient for truth in self.truths])

    def images(self, form: InputForm) -> np.ndarray:
        """(films, size, size) uint8 in a net's input form."""
        rows = [truth.row for truth in self.truths]
        cached = cached_images(rows, form, self.runs / CACHE, self.lungs, self.finder.card.sha256)
        return np.array(cached[:, 0])

    def learnt_from(self, fold: int) -> np.ndarray:
        """Index of the films a net of this fold learns from."""
        return np.flatnonzero((self.folds >= 0) & (self.folds != fold))

    def read_by(self, fold: int) -> np.ndarray:
        """Index of the films a net of this fold has not seen: its fold's, and all test films."""
        return np.flatnonzero((self.folds == fold) | (self.folds == -1))


def grade_of(scores: np.ndarray) -> np.ndarray:
    """(films,) opacity -> (films,) int, rounded half up, 0 to 6."""
    return np.clip(np.floor(scores + 0.5), 0, GRADES - 1).astype(int)


def grade_fold(settings: GradingSettings, films: GradedFilms, fold: int) -> np.ndarray:
    """(films read, 8) chances of the seven grades and the score 0 to 6, of `films.read_by(fold)`, by a net
    trained on `films.learnt_from(fold)`."""
    net = GradingNet(_started_trunk(settings, films.runs, settings.seed + fold))
    _begin_at_average(net, films.scores[films.learnt_from(fold)])
    images = films.images(settings.input)
    _train(settings, net, films, images, fold)
    said = features_of(net, images[films.read_by(fold)], settings.input)
    chances = functional.softmax(torch.from_numpy(said[:, :GRADES]), dim=1).numpy()
    return _within_scale(chances, said[:, GRADES])


def frozen_features(settings: GradingSettings, films: GradedFilms) -> np.ndarray:
    """(films, features) of the trunk as it starts, of all films."""
    trunk = _started_trunk(settings, films.runs, settings.seed)
    return features_of(trunk, films.images(settings.input), settings.input)


def _started_trunk(settings: GradingSettings, runs: Path, seed: int) -> Trunk:
    L.seed_everything(seed, workers=True)
    trunk = build_trunk(settings.net, settings.options)
    trunk.start(settings.start, settings.input, runs)
    return trunk


def features_of(net: torch.nn.Module, images: np.ndarray, form: InputForm) -> np.ndarray:
    """(films, outputs) float64 of a net in evaluation mode, single precision."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net.eval().to(device)
    scale, shift = form.scale_and_shift
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            batch = torch.from_numpy(images[start : start + _BATCH]).to(device)[:, None]
            parts.append(net(batch.float() * scale + shift).double().cpu().numpy())
    return np.concatenate(parts)


def _within_scale(chances: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return np.concatenate([chances, np.clip(scores, 0, OPACITY)[:, None]], axis=1)


def _begin_at_average(net: GradingNet, scores: np.ndarray) -> None:
    """Biases that say the training films' average, so that few steps are not spent on it."""
    shares = (np.bincount(grade_of(scores), minlength=GRADES) + 1) / (len(scores) + GRADES)
    with torch.no_grad():
        net.head.bias[:GRADES] = torch.from_numpy(np.log(shares))
        net.head.bias[GRADES] = float(scores.mean())


def _train(
    settings: GradingSettings, net: GradingNet, films: GradedFilms, images: np.ndarray, fold: int
) -> None:
    index = films.learnt_from(fold)
    loader = DataLoader(
        _Varied(images[index], films.grades[index], films.scores[index]),
        settings.batch,
        shuffle=True,
        drop_last=len(index) > settings.batch,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
    )
    trainer = L.Trainer(
        max_epochs=settings.epochs,
        precision=settings.precision,  # type: ignore[arg-type]  # checked by Lightning
        gradient_clip_val=1.0,
        enable_model_summary=False,
        enable_progress_bar=False,
        # A study's nets are asked once and not kept: some weigh half a gigabyte.
        enable_checkpointing=False,
        logger=False,
    )
    trainer.fit(_GradingLearner(settings, net), loader)


class _Varied(Dataset[tuple[Tensor, int, float]]):
    """Film (1, size, size) uint8 varied anew each time, its grade and its score."""

    def __init__(self, images: np.ndarray, grades: np.ndarray, scores: np.ndarray) -> None:
        self.images, self.grades, self.scores = images, grades, scores

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int, float]:
        random = np.random.default_rng(int(torch.randint(2**31, ())))
        film, _ = varied(self.images[index], [], random, reach=0.5)
        if random.random() < 0.5:  # opacity is of both lungs together
            film = np.ascontiguousarray(film[:, ::-1])
        return torch.from_numpy(film)[None], int(self.grades[index]), float(self.scores[index])


class _GradingLearner(L.LightningModule):
    """Cross-entropy of the seven classes, smooth absolute error of the score, both in one net."""

    def __init__(self, settings: GradingSettings, net: GradingNet) -> None:
        super().__init__()
        self.settings, self.net = settings, net

    def setup(self, stage: str) -> None:
        laid_out_for_training(self.net, self.settings.precision, self.device)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> Tensor:
        films, grades, scores = batch
        scale, shift = self.settings.input.scale_and_shift
        said = self.net((films.float() * scale + shift).to(memory_format=torch.channels_last)).float()
        return functional.cross_entropy(said[:, :GRADES], grades) + functional.smooth_l1_loss(
            said[:, GRADES], scores.float()
        )

    def configure_optimizers(self) -> Any:
        s = self.settings
        groups = [
            {"params": self.net.trunk.parameters(), "lr": s.learning_rate},
            {"params": self.net.head.parameters(), "lr": 3 * s.learning_rate},
        ]
        optimiser = torch.optim.AdamW(groups, lr=s.learning_rate, weight_decay=s.weight_decay)
        schedule = cosine_after_warmup(optimiser, int(self.trainer.estimated_stepping_batches), 0.05)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def grade_fold_frozen(films: GradedFilms, fold: int, features: np.ndarray) -> np.ndarray:
    """What `grade_fold` gives, of a linear layer alone over standardised features (films, features): logistic
    for the classes, ridge for the score, the penalty chosen by folds of the patients learnt from."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    taught, read = films.learnt_from(fold), films.read_by(fold)
    groups = films.patients[taught]
    inner = GroupKFold(min(_INNER_FOLDS, len(set(groups))))
    classifier = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        {"logisticregression__C": _CLASSIFIER_C},
        cv=inner,
    ).fit(features[taught], films.grades[taught], groups=groups)
    regressor = GridSearchCV(
        make_pipeline(StandardScaler(), Ridge()),
        {"ridge__alpha": _REGRESSOR_ALPHA},
        scoring="neg_mean_absolute_error",
        cv=inner,
    ).fit(features[taught], films.scores[taught], groups=groups)
    chances = np.zeros((len(read), GRADES))
    chances[:, classifier.classes_] = classifier.predict_proba(features[read])
    return _within_scale(chances, regressor.predict(features[read]))


def average_fold(films: GradedFilms, fold: int) -> np.ndarray:
    """What `grade_fold` gives, of something that knows no film: the average of those learnt from."""
    scores = films.scores[films.learnt_from(fold)]
    shares = np.bincount(grade_of(scores), minlength=GRADES) / len(scores)
    return np.tile([*shares, scores.mean()], (len(films.read_by(fold)), 1))


def said_of(truths: Sequence[SeverityTruth], index: np.ndarray, said: np.ndarray) -> dict[str, list[float]]:
    """By film, rounded to what the figures need."""
    return {
        truths[i].row.file: [round(float(value), 3) for value in values]
        for i, values in zip(index, said, strict=True)
    }
