"""Films for training: decoded once into a cache in the net's input form, drawn in balance."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from cxrtriage.film.read import read_film
from cxrtriage.reading.input_form import InputForm
from train.manifest import FilmRow
from train.settings import Settings


@dataclass(frozen=True)
class Labelled:
    """Rows with their class index: 0 is the complement (`no_flagged_class`), then the classes in order."""

    rows: tuple[FilmRow, ...]
    targets: tuple[int, ...]

    def where(self, keep: Callable[[FilmRow], bool]) -> Labelled:
        kept = [(row, target) for row, target in zip(self.rows, self.targets, strict=True) if keep(row)]
        return Labelled(tuple(row for row, _ in kept), tuple(target for _, target in kept))

    def of_sources(self, sources: Sequence[str]) -> Labelled:
        return self.where(lambda row: row.source in sources)

    def split(self, name: str) -> Labelled:
        return self.where(lambda row: row.split == name)


def labelled(rows: Sequence[FilmRow], settings: Settings) -> Labelled:
    """The adults' films of the settings' sources that carry one of its labels."""
    index = dict.fromkeys(settings.negative_labels, 0)
    index.update({label: number for number, label in enumerate(settings.classes, start=1)})
    kept = [
        row
        for row in rows
        if row.label in index and row.adult is not False and row.source in settings.sources
    ]
    return Labelled(tuple(kept), tuple(index[row.label] for row in kept))


def draw_weights(films: Labelled, sources: dict[str, float]) -> np.ndarray:
    """(films,) float: chance of each film, so that classes are equal within every source.

    A source's share is split evenly over the classes it has, so a source that shows both classes
    teaches the disease, and one with a single class counts only as much as its share allows.
    """
    cells = Counter((row.source, target) for row, target in zip(films.rows, films.targets, strict=True))
    classes = Counter(source for source, _ in cells)
    return np.array(
        [
            sources[row.source] / classes[row.source] / cells[row.source, target]
            for row, target in zip(films.rows, films.targets, strict=True)
        ]
    )


def cached_images(rows: Sequence[FilmRow], form: InputForm, cache: Path) -> np.ndarray:
    """(films, size, size) uint8, read-only, in the input form; decoded once, then mapped from disk."""
    key = json.dumps([form.to_dict(), [[str(row.path), row.path.stat().st_size] for row in rows]])
    path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.part")
        images = np.lib.format.open_memmap(
            partial, mode="w+", dtype=np.uint8, shape=(len(rows), form.size, form.size)
        )
        for number, row in enumerate(rows):
            images[number] = form.image(read_film(row.path))
        images.flush()
        partial.replace(path)
    return np.load(path, mmap_mode="r")


class FilmImages(Dataset[tuple[Tensor, int]]):
    """(1, size, size) uint8 film and its class index, augmented film by film."""

    def __init__(
        self, images: np.ndarray, targets: Sequence[int], augment: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.images, self.targets, self.augment = images, targets, augment

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        film = torch.from_numpy(np.array(self.images[index]))[None]
        return (self.augment(film) if self.augment else film), self.targets[index]
