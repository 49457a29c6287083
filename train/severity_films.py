"""Films for the severity net: scored ones, well ones, and well ones with opacities pasted in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from cxrtriage.nets.severity import ZONES
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lungs import Lungs
from cxrtriage.reading.zones import zones_of
from train.pasting import paste_opacities, varied
from train.severity_truths import SeverityTruth

# Of a zone's places, the share that must be opaque for the zone to count as affected; a share between the two
# is left out, since readers would differ on it.
_NOT_AFFECTED, _AFFECTED = 0.01, 0.06
# How much brighter, of black to white, a place must be for a reader to see that something lies there.
SEEN = 12 / 255
# Kinds of opacities pasted into films to learn from; half are clouds.
_SHAPES = ("cloud", "cloud", "cloud", "nodules", "ring", "lobe")
_MIRRORED = np.array([0, 2, 1, 4, 3, 6, 5], np.uint8)


def zone_pictures(lungs: Sequence[Lungs], form: InputForm) -> np.ndarray:
    """(films, size, size) uint8 zone numbers in the input form; all 0 where two lungs were not found."""
    pictures = np.zeros((len(lungs), form.size, form.size), np.uint8)
    for number, found in enumerate(lungs):
        if found.box is not None:
            pictures[number] = form.map_in(zones_of(found), found)
    return pictures


def lesion_pictures(
    truths: Sequence[SeverityTruth], lungs: Mapping[str, Lungs], form: InputForm
) -> np.ndarray:
    """(films, size, size) uint8: 1 lesion, 0 none, 2 not known, in the input form."""
    pictures = np.full((len(truths), form.size, form.size), 2, np.uint8)
    for number, truth in enumerate(truths):
        if truth.lesions is not None:
            mask = truth.lesions.drawn().astype(np.uint8)
            pictures[number] = form.map_in(mask, lungs[truth.row.file])
        elif truth.extent == 0 and not truth.zones.any():
            pictures[number] = 0
    return pictures


class SeverityFilms(Dataset[tuple[Tensor, Tensor, Tensor, Tensor]]):
    """Film (1, size, size), zones (size, size), scores (14,) float (array, Brixia, extent, opacity; NaN not
    known), lesions (size, size): 1, 0, or 2 where nothing is known; all but the scores uint8.

    `images`, `zones`, `lesions` (films, size, size). `pasted`: share of the well films that get opacities in
    training; `varied` False leaves the films as they are.
    """

    def __init__(
        self,
        images: np.ndarray,
        zones: np.ndarray,
        lesions: np.ndarray,
        truths: Sequence[SeverityTruth],
        *,
        training: bool,
        pasted: float = 0.4,
    ) -> None:
        self.images, self.zones, self.lesions, self.truths = images, zones, lesions, truths
        self.training, self.pasted = training, pasted

    def __len__(self) -> int:
        return len(self.truths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        film, zones = np.array(self.images[index]), self.zones[index]
        lesions, truth = self.lesions[index], self.truths[index]
        scores = np.concatenate([truth.array, truth.zones, [truth.extent, truth.opacity]])
        if self.training:
            random = np.random.default_rng(int(torch.randint(2**31, ())))
            if truth.extent == 0 and not scores.any() and random.random() < self.pasted:
                film, lesions, scores = with_opacities(film, zones, random)
            film, zones, lesions, scores = moved(film, zones, lesions, scores, random)
        return (
            torch.from_numpy(np.ascontiguousarray(film))[None],
            torch.from_numpy(np.ascontiguousarray(zones)),
            torch.from_numpy(scores.astype(np.float32)),
            torch.from_numpy(np.ascontiguousarray(lesions)),
        )


def with_opacities(
    film: np.ndarray, zones: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A film without opacity with up to four pasted into it, where they are seen (1 or 0), and its scores as
    in `SeverityFilms`: of the scales but the array nothing is known, unless nothing is seen."""
    film, brighter = paste_opacities(film, zones, 4, random, _SHAPES)
    lesions = (brighter > SEEN).astype(np.uint8)
    scores = np.full(2 * ZONES + 2, np.nan)
    scores[:ZONES] = affected_zones(lesions, zones)
    if not lesions.any():
        scores[:] = 0.0
    return film, lesions, scores


def affected_zones(lesions: np.ndarray, zones: np.ndarray) -> np.ndarray:
    """(6,) 1 where a zone shows a lesion, 0 where it does not, NaN where it is too little to say."""
    shares = np.array([lesions[zones == zone].mean() if (zones == zone).any() else 0 for zone in range(1, 7)])
    return np.where(shares >= _AFFECTED, 1.0, np.where(shares <= _NOT_AFFECTED, 0.0, np.nan))


def moved(
    film: np.ndarray, zones: np.ndarray, lesions: np.ndarray, scores: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Film, zones and lesions turned, sized and shaded at random, half of them mirrored with their scores;
    outside the turned film nothing is known (2)."""
    film, (zones, known) = varied(film, [zones, lesions + 1], random, reach=0.5)
    lesions = np.where(known == 0, 2, known - 1).astype(np.uint8)
    return mirrored(film, zones, lesions, scores) if random.random() < 0.5 else (film, zones, lesions, scores)


def mirrored(
    film: np.ndarray, zones: np.ndarray, lesions: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Film, zones and lesions flipped left to right; zones and their scores change sides."""
    pairs = scores[: 2 * ZONES].reshape(-1, 2)[:, ::-1].reshape(-1)
    swapped = np.concatenate([pairs, scores[2 * ZONES :]])
    return film[:, ::-1], _MIRRORED[zones[:, ::-1]], lesions[:, ::-1], swapped
