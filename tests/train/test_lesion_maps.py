"""The map of lesion likelihood against drawn lesions, on films and nets made for it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.severity import marked_map
from train.lesion_maps import EVEN, NETS, SHOWN, drawn_lesions, map_by, table_of_maps
from train.opacity_finder import MAP_AGAINST, MAP_LEAST, OpacityFinder

SIDE = 64
NONE = OpacityFinder(None, None)
NO_FINDERS = dict.fromkeys((-1, 0, 1), NONE)


class _Says(torch.nn.Module):
    """A net, of severity or that marks opacities, of the same map for every film; (rows, columns) chances."""

    def __init__(self, chances: np.ndarray) -> None:
        super().__init__()
        self.logits = torch.from_numpy(chances).float().logit(eps=1e-6)[None]

    def forward(self, films, zones):
        return SimpleNamespace(map=self.logits)


def _at(rows: slice, columns: slice, side: int = SIDE) -> np.ndarray:
    chances = np.full((side, side), 0.05)
    chances[rows, columns] = 0.9
    return chances


def _data() -> SimpleNamespace:
    zones = np.zeros((SIDE, SIDE), np.uint8)
    zones[8:56, 6:28], zones[8:56, 36:58] = 1, 2
    lesion = np.zeros((SIDE, SIDE), np.uint8)
    lesion[40:50, 8:26] = 1
    unknown = np.full_like(lesion, 2)
    rows = [
        SimpleNamespace(file=f"{n}.png", patient=str(n), split=split, label="covid19")
        for n, split in enumerate(("train", "val", "test", "train"))
    ]
    truths = [SimpleNamespace(row=row, lesions=object()) for row in rows]
    truths[3].lesions = None
    return SimpleNamespace(
        settings=SimpleNamespace(input=InputForm(size=SIDE)),
        images=np.full((4, SIDE, SIDE), 90, np.uint8),
        zones=np.stack([zones] * 4),
        lesions=np.stack([lesion] * 3 + [unknown]),
        truths=truths,
    )


def test_each_film_is_asked_of_the_net_of_its_fold_and_test_films_of_all():
    hits, misses = _Says(_at(slice(42, 48), slice(10, 24))), _Says(_at(slice(10, 20), slice(40, 50)))
    figures = drawn_lesions(_data(), {0: [hits], 1: [misses]}, np.array([0, 1, -1, 0]), NO_FINDERS)
    unseen = figures[SHOWN]["unseen"]
    assert (unseen["films"], unseen["pointing"]["value"]) == (2, 0.5)
    assert figures[SHOWN]["test"]["films"] == 1
    assert figures[SHOWN] == figures[NETS]  # no net marks opacities
    chance = 10 * 18 / (2 * 48 * 22)
    assert figures[EVEN]["unseen"]["inside"]["value"] == pytest.approx(chance, abs=1e-3)
    lines = table_of_maps(figures)
    assert any(line.startswith(f"| {SHOWN} | 2 | 0.50 (") for line in lines)
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_the_map_is_that_of_the_reading_within_the_lungs():
    data = _data()
    coarse, marked = np.full((SIDE // 2, SIDE // 2), 0.2), _at(slice(42, 48), slice(10, 24))
    finder = OpacityFinder(None, _Says(marked))
    zones = torch.from_numpy(data.zones[:1])
    map_ = map_by([_Says(coarse)], finder)(torch.zeros(1, 1, SIDE, SIDE), zones)
    inside = data.zones[0] > 0
    told = marked_map(coarse, marked, inside, MAP_LEAST, MAP_AGAINST)
    assert map_[inside] == pytest.approx(told[inside], abs=1e-4)
    assert not map_[~inside].any()
    assert map_by([_Says(coarse)], NONE)(torch.zeros(1, 1, SIDE, SIDE), zones).shape == coarse.shape


def test_without_drawn_lesions_there_are_no_figures():
    data = _data()
    data.lesions[:] = 2
    figures = drawn_lesions(data, {0: [_Says(np.full((8, 8), 0.1))]}, np.array([0, 0, -1, 0]), NO_FINDERS)
    assert all(part is None for parts in figures.values() for part in parts.values())
    assert "| as shown | 0 | – | – | 0 | – | – |" in table_of_maps(figures)
