"""`python -m train fit`: settings in, a run with checkpoints and logs out, then weights and card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import yaml
from torch import nn
from torch.utils.data import DataLoader, WeightedRandomSampler

from cxrtriage.nets import FilmClassifier, TransformerClassifier, stem_of
from cxrtriage.nets.backbone import BACKBONES
from cxrtriage.nets.opacities import OpacityMaps
from cxrtriage.nets.registry import OPACITY_MAPS
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.reading.lungs import Lungs
from cxrtriage.weights import Card, load_net, read_card, save_net, write_card
from train.augmentation import film_augmentation
from train.films import (
    CACHE,
    FilmImages,
    Labelled,
    cached_images,
    class_weights,
    draw_weights,
    found_lungs,
    labelled,
    source_offsets,
    taught,
)
from train.findings import finding_targets
from train.learner import Learner
from train.manifest import FilmRow, data_folder, read_films
from train.refit import refit_head
from train.settings import Settings, SettingsError, Start
from train.start import load_corpus, load_start, load_vit_start
from train.trainer import last_state, trainer_of


def fit(settings: Settings, runs: Path, *, resume: bool = True, steps: int | None = None) -> Card:
    """Train as the settings say and write `runs/RUN/RUN.safetensors` and its card.

    A run that was interrupted goes on from its last checkpoint unless `resume` is False. `steps`
    makes it one epoch of so many steps, for a trial of the whole path. The weights at the end of the
    schedule are kept (their running mean where the settings say so), not those of the best
    validation figure: films of the hospitals trained on cannot tell what holds elsewhere.
    """
    folder = runs / settings.run
    folder.mkdir(parents=True, exist_ok=True)
    _keep_settings(settings, folder, resume)
    L.seed_everything(settings.seed, workers=True)

    pictures = Pictures(settings, read_films(data_folder()), runs)
    films = pictures.films.where(lambda row: row.source not in settings.leave_out)
    train, val = taught(films.split("train"), settings), films.split("val")
    _need_every_class(train, settings, "train")

    learner = Learner(settings, *_teacher(settings, runs))
    if settings.source_offset:
        found = source_offsets(train, settings.sources, settings.other_diseases, settings.source_offset)
        learner.offsets = torch.from_numpy(found).float()
    before = _start(learner.net, settings, runs)
    if settings.refit:
        refit_head(learner.net, train, pictures.of(train.rows), settings)
    if not settings.epochs:
        return _write_weights(learner.net.eval(), settings, pictures, _training_data(train, before), folder)

    trainer = trainer_of(folder, settings.epochs, settings.precision, steps, settings.average)
    trainer.fit(
        learner,
        _train_loader(train, settings, pictures),
        _val_loader(val, settings, pictures),
        ckpt_path=last_state(folder) if resume else None,
    )
    return _write_weights(learner.net.cpu(), settings, pictures, _training_data(train, before), folder)


class Pictures:
    """The films that settings speak of, and their pictures in the net's input form."""

    def __init__(self, settings: Settings, rows: list[FilmRow], runs: Path) -> None:
        self.settings, self.rows, self.cache = settings, rows, runs / CACHE
        if settings.input.region == "lungs" and not settings.lungs:
            raise SettingsError(f"{settings.name}: input.region lungs needs a lung net; name it as lungs.")
        self.films = labelled(rows, settings)
        self.number = {row.file: number for number, row in enumerate(rows)}
        self.finder: LungFinder | None = None
        self.lungs: dict[str, Lungs] = {}
        if settings.lungs:
            self.finder = LungFinder.load(settings.lungs)
            self.lungs = found_lungs(rows, self.finder, self.cache)

    @cached_property
    def images(self) -> np.ndarray:
        """(films of the manifest, channels, size, size) uint8: film, and its lungs where they are known."""
        lung_net = self.finder.card.sha256 if self.finder else ""
        return cached_images(self.rows, self.settings.input, self.cache, self.lungs, lung_net)

    def index(self, rows: Sequence[FilmRow]) -> np.ndarray:
        return np.array([self.number[row.file] for row in rows], int)

    def of(self, rows: Sequence[FilmRow]) -> np.ndarray:
        """(films, size, size) uint8: the pictures of these films."""
        return self.images[self.index(rows), 0]

    def set_of(self, films: Labelled, *, training: bool) -> FilmImages:
        """What the loader draws from; augmented in training."""
        s = self.settings
        found = finding_targets(films.rows, data_folder(), s.findings)
        sources = list(s.sources)
        return FilmImages(
            self.images,
            self.index(films.rows),
            np.concatenate([films.truths.astype(float), found], axis=1),
            np.concatenate([class_weights(films, s.other_diseases), np.ones_like(found)], axis=1),
            [sources.index(row.source) for row in films.rows],
            film_augmentation(s.augmentation) if training else None,
        )


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
    for name in dict.fromkeys(("normal", *settings.classes)):
        if not any(row.label == name for row in films.rows):
            raise SettingsError(f"no film of {name} is in the {split} split of the sources named.")


def _start(
    net: FilmClassifier | TransformerClassifier, settings: Settings, runs: Path
) -> list[dict[str, Any]]:
    """Give the backbone, or the stem of a transformer, the weights it starts from; what these were trained
    on, as far as it is known (`load_start`)."""
    if settings.architecture == "vit":
        assert isinstance(net, TransformerClassifier)
        load_vit_start(net, settings.start)
        return []
    stem = stem_of(settings.architecture, settings.options)
    whole = OpacityMaps() if stem == OPACITY_MAPS else BACKBONES[stem]()
    before = load_start(whole, stem, settings.start, settings.input, runs, settings.leave_out)
    state = whole.state_dict()
    if settings.start != Start():
        # Of a stem that was cut, only what is left.
        net.backbone.load_state_dict({key: state[key] for key in net.backbone.state_dict()})
    if isinstance(net, TransformerClassifier):
        load_corpus(net, stem, settings.start, runs, settings.leave_out)
    return before


def _teacher(settings: Settings, runs: Path) -> tuple[FilmClassifier | None, InputForm | None]:
    if settings.teacher is None:
        return None, None
    # The teacher must not have seen what the student leaves out.
    run = replace(settings, name=settings.teacher.name).run
    card = read_card(run, runs / run)
    return load_net(card, runs / run), InputForm.from_dict(card.input)


def _train_loader(films: Labelled, settings: Settings, pictures: Pictures) -> DataLoader:
    weights = draw_weights(films.rows, settings.sources)
    return DataLoader(
        pictures.set_of(films, training=True),
        batch_size=settings.batch,
        sampler=WeightedRandomSampler(weights.tolist(), settings.films_per_epoch or len(films.rows)),
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        drop_last=len(films.rows) > settings.batch,
    )


def _val_loader(films: Labelled, settings: Settings, pictures: Pictures) -> DataLoader:
    return DataLoader(pictures.set_of(films, training=False), batch_size=settings.batch)


def _write_weights(
    net: nn.Module,
    settings: Settings,
    pictures: Pictures,
    training_data: list[dict[str, Any]],
    folder: Path,
) -> Card:
    run = settings.run
    sha256 = save_net(net, folder / f"{run}.safetensors")
    card = Card(
        name=run,
        task=f"{', '.join(settings.classes)}: each against films without it",
        classes=settings.classes,
        architecture=settings.architecture,
        options={"classes": len(settings.classes), "findings": len(settings.findings), **settings.options},
        input=settings.input.to_dict(),
        sha256=sha256,
        licence="Under the terms of the training films' sources, named with each source.",
        findings=settings.findings,
        lungs=pictures.finder.version if pictures.finder else {},
        training_data=training_data,
        settings=json.loads(json.dumps(settings.to_dict())),
    )
    write_card(card, folder)
    return card


def _training_data(films: Labelled, before: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By source its films by label, and licences: of these films and of those that the start had seen
    (`before`), which are the same films as far as source and label are the same."""
    counts: dict[str, Counter[str]] = {}
    licences: dict[str, set[str]] = {}
    for row in films.rows:
        counts.setdefault(row.source, Counter())[row.label] += 1
        licences.setdefault(row.source, set()).add(row.licence or "not stated")
    for part in before:
        # Of masks and slices no labels are known.
        seen = part.get("films")
        if isinstance(seen, Mapping):
            of_source = counts.setdefault(str(part["source"]), Counter())
            of_source |= Counter({("normal" if name == "well" else name): n for name, n in seen.items()})
            licences.setdefault(part["source"], set()).update(part.get("licence", "not stated").split("; "))
    return [
        {"source": source, "films": dict(counts[source]), "licence": "; ".join(sorted(licences[source]))}
        for source in sorted(licences)
    ]
