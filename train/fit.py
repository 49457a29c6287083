"""`python -m train fit`: settings in, a run with checkpoints and logs out, then weights and card."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, WeightedRandomSampler

from cxrtriage.nets import FilmClassifier
from cxrtriage.reading.input_form import InputForm
from cxrtriage.weights import Card, load_net, read_card, save_net, write_card
from train.augmentation import film_augmentation
from train.films import FilmImages, Labelled, cached_images, draw_weights, labelled
from train.learner import Learner
from train.manifest import data_folder, read_films
from train.settings import Settings, SettingsError

CACHE = "cache"


def fit(settings: Settings, runs: Path, *, resume: bool = True, steps: int | None = None) -> Card:
    """Train as the settings say and write `runs/RUN/RUN.safetensors` and its card.

    A run that was interrupted goes on from its last checkpoint unless `resume` is False. `steps`
    makes it one epoch of so many steps, for a trial of the whole path.
    """
    folder = runs / settings.run
    folder.mkdir(parents=True, exist_ok=True)
    _keep_settings(settings, folder, resume)
    L.seed_everything(settings.seed, workers=True)

    films = labelled(read_films(data_folder()), settings)
    films = films.where(lambda row: row.source not in settings.leave_out)
    train, val = films.split("train"), films.split("val")
    _need_every_class(train, settings, "train")
    _need_every_class(val, settings, "val")

    learner = Learner(settings, *_teacher(settings, runs))
    _start(learner.net, settings, runs)

    best = ModelCheckpoint(folder, "best", monitor="val_auroc", mode="max", save_last=True)
    last = folder / "last.ckpt"
    trainer = L.Trainer(
        default_root_dir=folder,
        logger=TensorBoardLogger(folder, name="", version="log"),
        callbacks=[best, EarlyStopping("val_auroc", mode="max", patience=settings.patience)],
        max_epochs=1 if steps else settings.epochs,
        limit_train_batches=steps or 1.0,
        precision=settings.precision,  # type: ignore[arg-type]  # checked by Lightning
        gradient_clip_val=1.0,
        enable_model_summary=False,
        log_every_n_steps=5,
    )
    trainer.fit(
        learner,
        _train_loader(train, settings, runs),
        _val_loader(val, settings, runs),
        ckpt_path=str(last) if resume and last.is_file() else None,
    )
    # Our own checkpoint, written above; it holds optimiser state, so more than tensors.
    kept = torch.load(best.best_model_path or last, map_location="cpu", weights_only=False)
    learner.load_state_dict(kept["state_dict"])
    return _write_weights(learner.net.cpu(), settings, train, folder)


def _keep_settings(settings: Settings, folder: Path, resume: bool) -> None:
    """Print the settings and save them beside the result; a run goes on only with its own settings."""
    text = yaml.safe_dump(settings.to_dict(), sort_keys=False, allow_unicode=True)
    path = folder / "settings.yaml"
    if resume and (folder / "last.ckpt").is_file() and path.is_file() and path.read_text() != text:
        raise SettingsError(
            f"{folder} holds a run with other settings; train afresh with --restart or under another name."
        )
    if not resume:
        for old in folder.glob("*.ckpt"):
            old.unlink()
    path.write_text(text)
    print(text, flush=True)


def _need_every_class(films: Labelled, settings: Settings, split: str) -> None:
    for number, name in enumerate(("no_flagged_class", *settings.classes)):
        if number not in films.targets:
            raise SettingsError(f"no film of {name} is in the {split} split of the sources named.")


def _start(net: FilmClassifier, settings: Settings, runs: Path) -> None:
    """Give the backbone the weights it starts from."""
    if settings.start.imagenet:
        net.backbone.load_imagenet(load_file(data_folder() / settings.start.imagenet))
    if settings.start.distilled:
        name = settings.start.distilled
        net.backbone.load_state_dict(load_file(runs / name / f"{name}.safetensors"))


def _teacher(settings: Settings, runs: Path) -> tuple[FilmClassifier | None, InputForm | None]:
    if settings.teacher is None:
        return None, None
    # The teacher must not have seen what the student leaves out.
    run = replace(settings, name=settings.teacher.name).run
    card = read_card(run, runs / run)
    return load_net(card, runs / run), InputForm.from_dict(card.input)


def _train_loader(films: Labelled, settings: Settings, runs: Path) -> DataLoader:
    weights = draw_weights(films, settings.sources)
    return DataLoader(
        FilmImages(
            cached_images(films.rows, settings.input, runs / CACHE),
            films.targets,
            film_augmentation(settings.augmentation),
        ),
        batch_size=settings.batch,
        sampler=WeightedRandomSampler(weights.tolist(), settings.films_per_epoch or len(films.rows)),
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        drop_last=len(films.rows) > settings.batch,
    )


def _val_loader(films: Labelled, settings: Settings, runs: Path) -> DataLoader:
    images = cached_images(films.rows, settings.input, runs / CACHE)
    return DataLoader(FilmImages(images, films.targets), batch_size=settings.batch)


def _write_weights(net: nn.Module, settings: Settings, train: Labelled, folder: Path) -> Card:
    run = settings.run
    sha256 = save_net(net, folder / f"{run}.safetensors")
    card = Card(
        name=run,
        task=f"{', '.join(settings.classes)} against {', '.join(settings.negative_labels)}",
        classes=settings.classes,
        architecture=settings.architecture,
        options={"classes": len(settings.classes) + 1, **settings.options},
        input=settings.input.to_dict(),
        sha256=sha256,
        licence="Under the terms of the training films' sources; see training_data.",
        training_data=_training_data(train, settings),
        settings=json.loads(json.dumps(settings.to_dict())),
    )
    write_card(card, folder)
    return card


def _training_data(films: Labelled, settings: Settings) -> list[dict[str, object]]:
    names = ("no_flagged_class", *settings.classes)
    counts = Counter((row.source, target) for row, target in zip(films.rows, films.targets, strict=True))
    licences: dict[str, set[str]] = {}
    for row in films.rows:
        licences.setdefault(row.source, set()).add(row.licence or "not stated")
    return [
        {
            "source": source,
            "films": {name: counts[source, number] for number, name in enumerate(names)},
            "licence": "; ".join(sorted(licences[source])),
        }
        for source in sorted(licences)
    ]
