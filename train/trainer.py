"""Lightning's trainer as every training here uses it: checkpoints and a log in the run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, Dataset


def drawn_loader(films: Dataset[Any], batch: int, workers: int) -> DataLoader[Any]:
    """Batches of a set that draws at random by itself, all of them full."""
    return DataLoader(films, batch, num_workers=workers, persistent_workers=workers > 0, drop_last=True)


def trainer_of(
    folder: Path, epochs: int, precision: str, steps: int | None = None, average: float = 0.0
) -> L.Trainer:
    """A trainer that keeps its last state in `folder`; `steps` makes it one epoch of so many, for a trial.

    `average`: decay of a running mean of the weights by step, which is what comes out; without, 0.
    """
    callbacks = [EMAWeightAveraging(decay=average)] if average else []
    return L.Trainer(
        default_root_dir=folder,
        logger=TensorBoardLogger(folder, name="", version="log"),
        callbacks=[ModelCheckpoint(folder, save_last=True), *callbacks],
        max_epochs=1 if steps else epochs,
        limit_train_batches=steps or 1.0,
        precision=precision,  # type: ignore[arg-type]  # checked by Lightning
        gradient_clip_val=1.0,
        enable_model_summary=False,
        log_every_n_steps=5,
    )


def last_state(folder: Path) -> str | None:
    """Where an interrupted run goes on from; None where there is nothing to go on from."""
    last = folder / "last.ckpt"
    return str(last) if last.is_file() else None
