"""Does the map of lesion likelihood point at lesions? Held against those drawn by hand, in the input form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from train.opacity_finder import OpacityFinder
from train.pointing import Pointed, even_map, pointed, pointing_figures
from train.severity import SeverityData
from train.severity_truths import SeverityTruth

LesionMap = Callable[[Tensor, Tensor], np.ndarray]
"""A film (1, 1, size, size) and its zones (1, size, size) -> (rows, columns) chances, 0 outside the lungs."""
# What is compared: the map as it is shown, the severity nets' own, and the lungs evenly, which is chance.
SHOWN, NETS, EVEN = "as shown", "severity nets alone", "evenly over the lungs"


def map_by(nets: Sequence[torch.nn.Module], finder: OpacityFinder) -> LesionMap:
    """The mean map of severity nets with what the opacity finder marks, as a film is read."""

    def map_(film: Tensor, zones: Tensor) -> np.ndarray:
        with torch.inference_mode():
            chances = torch.stack([net(film, zones).map[0].sigmoid() for net in nets]).mean(dim=0)
        told = finder.marked_map(chances.numpy(), film, zones)
        inside = (zones[:, None] > 0).float()
        kept = torch.nn.functional.interpolate(inside, size=told.shape, mode="nearest")[0, 0].numpy()
        return np.asarray(told * kept)

    return map_


def drawn_lesions(
    data: SeverityData,
    nets: dict[int, list[torch.nn.Module]],
    folds: np.ndarray,
    finders: Mapping[int, OpacityFinder],
) -> dict[str, Any]:
    """By map and part (`unseen`: films of the train and val splits by the net and the finder of their fold,
    `test`: by all nets): pointing game and share inside (`pointing_figures`), None of no films."""
    index = [
        int(number)
        for number, truth in enumerate(data.truths)
        if truth.lesions is not None and int(folds[number]) in finders and (int(folds[number]) in (-1, *nets))
        and (data.lesions[number] == 1).any()
    ]  # fmt: skip
    every = [net for own in nets.values() for net in own]
    found: dict[str, dict[str, list[Pointed]]] = {
        name: {"unseen": [], "test": []} for name in (SHOWN, NETS, EVEN)
    }
    scale, shift = data.settings.input.scale_and_shift
    for number in index:
        fold = int(folds[number])
        part, asked = ("test", every) if fold == -1 else ("unseen", nets[fold])
        film = torch.from_numpy(data.images[number].astype(np.float32) * scale + shift)[None, None]
        zones = torch.from_numpy(data.zones[number])[None]
        lesion, truth = data.lesions[number] == 1, data.truths[number]
        maps = {
            SHOWN: map_by(asked, finders[fold])(film, zones),
            NETS: map_by(asked, OpacityFinder(None, None))(film, zones),
        }
        for name, map_ in maps.items():
            found[name][part].append(_held_against(map_, lesion, truth))
        share = pointed(even_map(data.zones[number] > 0), lesion)[1]
        found[EVEN][part].append(_of(truth, share, share))
    return {
        name: {part: pointing_figures(films) for part, films in parts.items()}
        for name, parts in found.items()
    }


def _held_against(map_: np.ndarray, lesion: np.ndarray, truth: SeverityTruth) -> Pointed:
    return _of(truth, *pointed(of_size(map_, lesion.shape), lesion))


def _of(truth: SeverityTruth, hit: float, inside: float) -> Pointed:
    row = truth.row
    return Pointed(row.file, row.patient, row.split, row.label, hit, inside)


def of_size(map_: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A map made as fine as a picture of `shape` (rows, columns)."""
    fine = cv2.resize(np.asarray(map_, np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine)


def table_of_maps(figures: dict[str, Any]) -> list[str]:
    """Lines of Markdown."""
    lines = [
        "The map of lesion likelihood against lesions drawn by hand, by film (pointing game: share of films",
        "whose greatest value lies in the lesion; inside: share of the map's sum that does):",
        "",
        "| map | films unseen | pointing game | inside | test films | pointing game | inside |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, parts in figures.items():
        cells = [name]
        for part in ("unseen", "test"):
            of = parts[part]
            cells += (
                ["0", "–", "–"]
                if of is None
                else [
                    str(of["films"]),
                    *(
                        "{value:.2f} ({low:.2f} to {high:.2f})".format(**of[k])
                        for k in ("pointing", "inside")
                    ),
                ]
            )
        lines.append(f"| {' | '.join(cells)} |")
    return lines
