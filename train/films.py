"""Films for training: decoded once into a cache in the net's input form, drawn in balance."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from cxrtriage.film.read import read_film
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.reading.lungs import Lungs
from train.manifest import FilmRow
from train.settings import Settings

CACHE = "cache"
_BATCH = 32


@dataclass(frozen=True)
class Labelled:
    """Rows with the classes each is of: (films, classes) bool, in the order of the settings."""

    rows: tuple[FilmRow, ...]
    truths: np.ndarray

    def where(self, keep: Callable[[FilmRow], bool]) -> Labelled:
        return self.at(np.flatnonzero([keep(row) for row in self.rows]))

    def at(self, index: np.ndarray) -> Labelled:
        return Labelled(tuple(self.rows[i] for i in index), self.truths[index])

    def of_sources(self, sources: Sequence[str]) -> Labelled:
        return self.where(lambda row: row.source in sources)

    def split(self, name: str) -> Labelled:
        return self.where(lambda row: row.split == name)


def labelled(rows: Sequence[FilmRow], settings: Settings) -> Labelled:
    """The adults' films of the settings' sources and views that carry one of its labels."""
    kept = tuple(
        row
        for row in rows
        if row.label in settings.labels
        and row.adult is not False
        and row.source in settings.sources
        and (not settings.views or row.view in settings.views)
    )
    truths = np.array([[row.label == name for name in settings.classes] for row in kept], bool)
    return Labelled(kept, truths.reshape(len(kept), len(settings.classes)))


def class_weights(films: Labelled, other_diseases: float) -> np.ndarray:
    """(films, classes) float: what each film counts in each class's loss.

    Films of the class and normal films count 1, films of another disease `other_diseases`.
    """
    normal = np.array([row.label == "normal" for row in films.rows])
    return np.where(films.truths | normal[:, None], 1.0, other_diseases)


def taught(films: Labelled, settings: Settings) -> Labelled:
    """The films that a net learns anything from: without findings and with `other_diseases` of 0, films of
    another disease teach nothing and are not drawn."""
    if settings.findings or settings.lung_weight:
        return films
    return films.at(np.flatnonzero(class_weights(films, settings.other_diseases).any(axis=1)))


def source_offsets(
    films: Labelled, sources: Mapping[str, float], other_diseases: float, most: float
) -> np.ndarray:
    """(sources, classes) float: log odds of each class among the films drawn of each source, within +-`most`.

    Added to a net's logits in training, they leave nothing to be gained by telling the source: a source of
    one class alone teaches little then, one of both its difference.
    """
    drawn = draw_weights(films.rows, sources)[:, None] * class_weights(films, other_diseases)
    of = np.array([row.source for row in films.rows])
    offsets = np.zeros((len(sources), films.truths.shape[1]))
    for number, source in enumerate(sources):
        with_class = (drawn * films.truths)[of == source].sum(axis=0)
        without = (drawn * ~films.truths)[of == source].sum(axis=0)
        seen = with_class + without > 0
        with np.errstate(divide="ignore"):
            odds = np.log(with_class[seen]) - np.log(without[seen])
        offsets[number, seen] = np.clip(odds, -most, most)
    return offsets


def draw_weights(rows: Sequence[FilmRow], sources: Mapping[str, float]) -> np.ndarray:
    """(films,) float: chance of each film, so that labels are balanced within every source.

    A source's share goes to its labels by the square root of their numbers: a source that shows
    sick and well teaches the disease, and its eleven normal films are not learnt by heart.
    """
    cells = Counter((row.source, row.label) for row in rows)
    roots: dict[str, float] = {}
    for (source, _), number in cells.items():
        roots[source] = roots.get(source, 0.0) + number**0.5
    return np.array(
        [sources[row.source] / roots[row.source] / cells[row.source, row.label] ** 0.5 for row in rows]
    )


def found_lungs(rows: Sequence[FilmRow], finder: LungFinder, cache: Path) -> dict[str, Lungs]:
    """The lungs of every film by its file, found once for each lung net and kept in the cache."""
    key = json.dumps([finder.card.sha256, [[str(row.path), row.path.stat().st_size] for row in rows]])
    path = cache / f"lungs-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if not path.is_file():
        images = cached_images(rows, finder.form, cache)[:, 0]
        packed, boxes, founds, sures = [], [], [], []
        for start in range(0, len(rows), _BATCH):
            for chances in finder.chances(images[start : start + _BATCH]):
                lungs = Lungs.of(chances)
                packed.append(np.packbits(lungs.mask, axis=1))
                boxes.append(lungs.box or (np.nan,) * 4)
                founds.append(lungs.found)
                sures.append(lungs.confidence)
        partial = path.with_suffix(f".{os.getpid()}.part.npz")
        np.savez_compressed(
            partial, masks=np.stack(packed), boxes=np.array(boxes), found=founds, confidence=sures
        )
        partial.replace(path)
    kept = np.load(path)
    size = finder.form.size
    masks = np.unpackbits(kept["masks"], axis=2, count=size).astype(bool)
    codes: dict[int, tuple[str, ...]] = {0: ("no_lungs",), 1: ("one_lung",), 2: ()}
    return {
        row.file: Lungs(
            mask,
            None if np.isnan(box).any() else (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            int(found),
            float(confidence),
            codes[int(found)],
        )
        for row, mask, box, found, confidence in zip(
            rows, masks, kept["boxes"], kept["found"], kept["confidence"], strict=True
        )
    }


def cached_images(
    rows: Sequence[FilmRow],
    form: InputForm,
    cache: Path,
    lungs: Mapping[str, Lungs] | None = None,
    lung_net: str = "",
) -> np.ndarray:
    """(films, channels, size, size) uint8, read-only, in the input form; decoded once, then mapped from disk.

    One channel, the film; with `lungs` (by file, found by the net whose checksum is `lung_net`) a
    second, where its lungs lie.
    """
    key = json.dumps([form.picture, lung_net, [[str(row.path), row.path.stat().st_size] for row in rows]])
    path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.part")
        shape = (len(rows), 2 if lungs else 1, form.size, form.size)
        images = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)

        def decode(number: int) -> None:
            film = read_film(rows[number].path)
            found = lungs[rows[number].file] if lungs else None
            images[number, 0] = form.image(film, found)
            if found is not None:
                images[number, 1] = form.lung_picture(film, found)

        # The decoders let other threads run.
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for _ in threads.map(decode, range(len(rows))):
                pass
        images.flush()
        partial.replace(path)
    return np.load(path, mmap_mode="r")


class FilmImages(Dataset[tuple[Tensor, Tensor, Tensor, int]]):
    """Film (with its lungs as second channel), targets, weights and source, augmented film by film.

    `images` (any, channels, size, size) are those of a whole manifest, `index` says which are meant.
    """

    def __init__(
        self,
        images: np.ndarray,
        index: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray,
        sources: Sequence[int],
        augment: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.images, self.index, self.sources, self.augment = images, index, sources, augment
        self.targets = torch.from_numpy(np.nan_to_num(targets).astype(np.float32))
        self.weights = torch.from_numpy(np.where(np.isnan(targets), 0, weights).astype(np.float32))

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, int]:
        film = torch.from_numpy(np.array(self.images[self.index[index]]))
        film = self.augment(film) if self.augment else film
        return film, self.targets[index], self.weights[index], self.sources[index]
