"""Lightning's trainer as every training here uses it: checkpoints and a log in the run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger


def trainer_of(
    folder: Path, epochs: int, precision: str, steps: int | None = None, callbacks: Sequence[Callback] = ()
) -> L.Trainer:
    """A trainer that keeps its last state in `folder`; `steps` makes it one epoch of so many, for a trial."""
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
