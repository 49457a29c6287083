"""The lesion net, ready to find lesions and lungs on the slices of a series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from cxrtriage.ct.rule import Rule
from cxrtriage.ct.series import Series
from cxrtriage.ct.slice_form import Box, SliceForm, levelled, tissue_level
from cxrtriage.weights import WEIGHTS_FOLDER, Card, load_net, need_numbers, parts_of, read_card

LESION_NET = "ct_lesion"
# Slices looked at in full to find where the lungs are, spread over the series.
_LOOKS = 16
# Lungs as shares of the body they lie in. A slice that is to count for a chest shows so much of them, and so
# many # of the slices looked at must; where there are many of them, one must show as much as the middle of a
# chest.
_SOME_LUNG, _MUCH_LUNG = 0.05, 0.2
_LEAST_SLICES = 0.2
_MANY_LOOKS = 8
# A slice around which so much of the rim is dense was cut to the lungs: all of it is body.
_CUT = 0.3
# Where lungs end: gas in the gut fills less.
_LUNG_ENDS = 0.02
# Lesions may lie at the lungs' border, where the net's lung ends early.
_REACH_SHARE = 0.015
_BATCH = 4


@dataclass(frozen=True, eq=False)
class Found:
    """Of one slice, in its own pixels: chance of lesion (rows, columns) float32, masks of lesion and lung.

    `sure`: the lesions of which the net is sure at some pixel. Others are lesions only beside one of these,
    since lesions seldom come alone, while what the net marks by mistake on a clear slice is rarely sure.
    """

    chances: np.ndarray
    lesion: np.ndarray
    sure: np.ndarray
    lungs: np.ndarray


@dataclass(frozen=True)
class SeriesView:
    """How a series is shown to the net: the lungs' box (None: each slice whole), the grey of soft tissue
    (None: each slice's own), and the first and last slice between which lungs lie."""

    box: Box | None
    tissue: float | None
    first: int
    last: int


class LesionFinder:
    """Shared by threads, since finding changes nothing in it."""

    def __init__(self, card: Card, net: nn.Module) -> None:
        self.card = card
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
        with parts_of(card):
            self.form = SliceForm.from_dict(card.input)
            reading = card.settings.get("reading", {})
            self.threshold = float(reading.get("threshold", 0.5))
            # From this chance on the net is sure of a lesion; most that it marks by mistake stay below.
            self.peak = float(reading.get("peak", 0.0))
            self.rule = Rule(**reading.get("rule", {}))

    @classmethod
    def load(cls, name: str = LESION_NET, folder: Path = WEIGHTS_FOLDER) -> LesionFinder:
        """Card and weights of `name`; WeightsError where they are missing or damaged."""
        card = read_card(name, folder)
        return cls(card, load_net(card, folder))

    def grey(self, series: Series, pixels: np.ndarray) -> np.ndarray:
        """uint8 grey of a slice in the window of the training slices."""
        return self.form.grey(pixels) if series.calibrated else pixels

    def look(self, series: Series) -> SeriesView | None:
        """Where the lungs of a series lie, by some of its slices in full; None where it shows none."""
        numbers = np.unique(np.linspace(0, len(series.slices) - 1, _LOOKS).round().astype(int))
        greys = [self.grey(series, series.slices[number].pixels) for number in numbers]
        # A picture saved in its own window each is levelled by itself.
        pictures = [self.form.picture(grey) for grey in greys]
        levels = [tissue_level(one) for one in pictures]
        shown = [levelled(one, level, self.form.tissue) for one, level in zip(pictures, levels, strict=True)]
        masks, shares = [], []
        for picture, chances in zip(shown, self.chances(shown), strict=True):
            body = _body(picture, self.form.tissue)
            # White lungs are lungs, though the net may take them for lesion alone.
            mask = _parts_over((chances > 0.5).any(axis=0) & body, 0.2)
            masks.append(mask)
            shares.append(mask.sum() / max(body.sum(), 1))
        share = np.array(shares)
        if (share >= _SOME_LUNG).mean() < _LEAST_SLICES:
            return None
        if len(share) >= _MANY_LOOKS and share.max() < _MUCH_LUNG:
            return None
        with_lungs = np.flatnonzero(share >= _LUNG_ENDS)
        first = 0 if with_lungs[0] == 0 else int(numbers[with_lungs[0] - 1]) + 1
        last = (
            len(series.slices) - 1
            if with_lungs[-1] == len(numbers) - 1
            else int(numbers[with_lungs[-1] + 1]) - 1
        )
        if not series.one_size:
            return SeriesView(None, None, first, last)
        box = self._box(np.any([masks[n] for n in with_lungs], axis=0), *series.slices[0].pixels.shape)
        tissue = [tissue_level(self.form.picture(greys[n], box)) for n in with_lungs]
        return SeriesView(box, float(np.median(tissue)), first, last)

    def _box(self, mask: np.ndarray, rows: int, columns: int) -> Box:
        """Around the lungs in pixels of the slice, with the form's margin."""
        ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        high, wide = rows / self.form.rows, columns / self.form.columns
        box = (int(ys[0] * high), int(xs[0] * wide), int((ys[-1] + 1) * high), int((xs[-1] + 1) * wide))
        return self.form.widened(box, rows, columns)

    def chances(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Levelled pictures (rows, columns of the form) -> (pictures, 2, rows, columns) float32 chances.

        WeightsError `no_score` where the net gives no number: NaN would read as a clear slice.
        """
        found = []
        with torch.inference_mode():
            for start in range(0, len(pictures), _BATCH):
                batch = torch.from_numpy(np.stack(pictures[start : start + _BATCH]))[:, None]
                batch = (batch / 127.5 - 1).to(memory_format=torch.channels_last)
                logits = self.net(batch)
                need_numbers(logits, self.card.name, "series")
                found.append(logits.sigmoid().numpy())
        return np.concatenate(found)

    def find(self, series: Series, view: SeriesView) -> Iterator[Found]:
        """What each slice shows, one after another, so that a page can show each as it comes."""
        for one in series.slices[: view.first]:
            yield nothing_found(one.pixels.shape)
        for start in range(view.first, view.last + 1, _BATCH):
            slices = series.slices[start : min(start + _BATCH, view.last + 1)]
            greys = [self.grey(series, one.pixels) for one in slices]
            boxes: list[Box] = [view.box or (0, 0, *grey.shape) for grey in greys]
            pictures = [self.form.picture(grey, box) for grey, box in zip(greys, boxes, strict=True)]
            shown = [levelled(one, view.tissue or tissue_level(one), self.form.tissue) for one in pictures]
            for grey, box, (lesion, lung) in zip(greys, boxes, self.chances(shown), strict=True):
                yield self._of_slice(lesion, lung, box, *grey.shape)
        for one in series.slices[view.last + 1 :]:
            yield nothing_found(one.pixels.shape)

    def _of_slice(self, lesion: np.ndarray, lung: np.ndarray, box: Box, rows: int, columns: int) -> Found:
        chances = self.form.back(lesion, box, rows, columns)
        lungs = _parts_over(self.form.back(lung, box, rows, columns) > 0.5, 0.1)
        over = chances > self.threshold
        over &= _near(lungs, over)
        sure = sure_parts(chances, over, self.peak)
        return Found(chances, over if sure.any() else sure, sure, lungs)


def nothing_found(shape: tuple[int, ...]) -> Found:
    """Of a slice above or below the lungs."""
    none = np.zeros(shape, bool)
    return Found(np.zeros(shape, np.float32), none, none, none)


def _body(picture: np.ndarray, tissue: float) -> np.ndarray:
    """(rows, columns) bool: the body of a levelled picture, lungs and all: the hull of its largest dense
    part."""
    ring = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    if (ring > 0.6 * tissue * 255).mean() > _CUT:
        return np.ones(picture.shape, bool)
    dense = (picture > 0.6 * tissue * 255).astype(np.uint8)
    # Arms and the table are laid against the body by blurred slices; a thin bridge is cut.
    dense = np.asarray(cv2.morphologyEx(dense, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)), np.uint8)
    contours, _ = cv2.findContours(dense, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    body: np.ndarray = np.zeros(picture.shape, np.uint8)
    if contours:
        cv2.fillConvexPoly(body, cv2.convexHull(max(contours, key=cv2.contourArea)), 1)
    return body > 0


def sure_parts(chances: np.ndarray, mask: np.ndarray, peak: float) -> np.ndarray:
    """The parts of a mask (rows, columns) in which some pixel's chance reaches `peak`."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8))
    highest = np.zeros(count, np.float32)
    np.maximum.at(highest, labels[mask], chances[mask])
    return np.asarray((highest >= peak)[labels] & mask)


def _parts_over(mask: np.ndarray, share: float) -> np.ndarray:
    """The parts of a mask that have at least `share` of the largest one's area: crumbs are no lungs."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return np.asarray((areas >= share * areas.max())[labels] & mask)


def _near(lungs: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """Lungs, filled and a little widened, and lesions that touch them: consolidation is often taken for no
    lung."""
    reach = max(round(_REACH_SHARE * lungs.shape[1]), 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wide = cv2.dilate(lungs.astype(np.uint8), kernel) > 0
    count, labels = cv2.connectedComponents(lesion.astype(np.uint8))
    touching = np.zeros(count, bool)
    touching[np.unique(labels[wide])] = True
    touching[0] = False
    return np.asarray(wide | touching[labels])
