"""Controls: what a net still scores when it cannot see the lungs, or nothing but the border.

A net that reads the disease falls to chance; one that reads the hospital does not notice. A net that
looks at the lungs' box alone is given the box of the whole film, so that only what is in it changes.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from cxrtriage.film.film import Film
from cxrtriage.film.read import read_film
from train.asked import Asked
from train.figures import drawn_aurocs, draws
from train.fit import Pictures
from train.manifest import FilmRow
from train.scores import Predictions, Scores, outputs_of, pooled

BORDER = 0.12
LUNGS_OUT = "lungs_out"
# Who reads a class must lose at least so much AUROC against normal films where the lungs are taken out of
# them, surely: who does not reads something else than the lungs.
LEAST_FALL = 0.15
# Surely: in all but this share of the resamples of patients. Few films have a mask, so that a fall alone
# would let pass by luck what other films show to read without the lungs.
DOUBT = 0.05


def lung_masks(folder: Path) -> dict[str, Path]:
    """Mask file by film file, from `lungs.csv` of the data folder; empty where there is none."""
    table = folder / "lungs.csv"
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8-sig") as stream:
        return {row["file"]: folder / "lungs" / row["mask"] for row in csv.DictReader(stream)}


def without_lungs(film: Film, mask: Path) -> Film:
    """The film with both lungs, and the tissue between and just around them, filled with one grey.

    The convex hull of the mask is taken, so that its outline tells as little as can be of what was in it.
    """
    with Image.open(mask) as picture:
        lungs = picture.convert("L").resize((film.columns, film.rows), Image.Resampling.NEAREST)
    points = cv2.findNonZero((np.asarray(lungs) > 127).astype(np.uint8))
    hidden = np.zeros(film.pixels.shape, np.uint8)
    if points is not None:
        cv2.fillConvexPoly(hidden, cv2.convexHull(points), 1)
        reach = max(film.rows, film.columns) // 50
        square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        return _filled(film, np.asarray(cv2.dilate(hidden, square)) > 0)
    return _filled(film, hidden > 0)


def border_only(film: Film, border: float = BORDER) -> Film:
    """The film with all but the outer `border` share of each side filled with one grey."""
    hidden = np.zeros(film.pixels.shape, bool)
    top, left = int(film.rows * border), int(film.columns * border)
    hidden[top : film.rows - top, left : film.columns - left] = True
    return _filled(film, hidden)


def _filled(film: Film, hidden: np.ndarray) -> Film:
    pixels = film.pixels.copy()
    rest = pixels[~hidden]
    pixels[hidden] = np.median(rest) if rest.size else 0.0
    return replace(film, pixels=pixels)


class Controls:
    """Pictures of films changed for a control, made once for all nets that take the same form."""

    def __init__(self, data: Path) -> None:
        self.masks = lung_masks(data)
        self._made: dict[object, np.ndarray] = {}

    def masked(self, rows: Sequence[FilmRow]) -> np.ndarray:
        """Indices of the rows that have a lung mask."""
        return np.array([index for index, row in enumerate(rows) if row.file in self.masks], int)

    def lungs_out(self, rows: Sequence[FilmRow], pictures: Pictures) -> np.ndarray:
        """(films, size, size) uint8 of films that have a mask, without their lungs."""
        return self._changed(
            LUNGS_OUT, rows, pictures, lambda row, film: without_lungs(film, self.masks[row.file])
        )

    def border_only(self, rows: Sequence[FilmRow], pictures: Pictures) -> np.ndarray:
        """(films, size, size) uint8 of which only the film's border is left."""
        return self._changed("border_only", rows, pictures, lambda _, film: border_only(film))

    def picture_border_only(self, rows: Sequence[FilmRow], pictures: Pictures) -> np.ndarray:
        """(films, size, size) uint8 of which only the border of what the net sees is left.

        The film's own border is hardly in a picture that was cropped to the lungs.
        """
        images = np.array(pictures.of(rows))
        edge = int(images.shape[1] * BORDER)
        inner = np.zeros(images.shape[1:], bool)
        inner[edge:-edge, edge:-edge] = True
        images[:, inner] = np.median(images[:, ~inner], axis=1).astype(np.uint8)[:, None]
        return images

    def _changed(
        self, name: str, rows: Sequence[FilmRow], pictures: Pictures, change: Callable[[FilmRow, Film], Film]
    ) -> np.ndarray:
        form = pictures.settings.input
        lung_net = pictures.finder.card.sha256 if pictures.finder else ""
        key = (name, form.picture, lung_net, tuple(row.file for row in rows))
        if key not in self._made:
            made = np.zeros((len(rows), form.size, form.size), np.uint8)
            for number, row in enumerate(rows):
                made[number] = form.image(change(row, read_film(row.path)), pictures.lungs.get(row.file))
            self._made[key] = made
        return self._made[key]


@dataclass(frozen=True)
class Fall:
    """By how much an AUROC falls, and by how much `surely`: the one-sided 95 % bound of a bootstrap over
    patients."""

    value: float
    surely: float

    def to_dict(self) -> dict[str, float]:
        return {key: round(v, 4) for key, v in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class Changed:
    """What a net, or nets together, say of the very same films, whole and changed for a control."""

    whole: Predictions
    changed: Predictions

    def fall(self, class_name: str) -> Fall | None:
        """By how much the AUROC of a class against normal films falls; None of too few films."""
        whole, changed = (of.scores(class_name).against_normal() for of in (self.whole, self.changed))
        if not whole.enough:
            return None
        drawn = draws(whole.truths, whole.patients)
        before, after = (drawn_aurocs(of.probabilities, whole.truths, drawn) for of in (whole, changed))
        return Fall(whole.area() - changed.area(), float(np.quantile(before - after, DOUBT)))

    def figures(self) -> dict[str, Any]:
        """By class: AUROC of the films whole and changed; 0.5 is right for the changed."""
        return {
            name: {
                "against_normal": _compared(
                    self.whole.scores(name).against_normal(), self.changed.scores(name).against_normal()
                ),
                "within_sources": _compared(
                    self.whole.scores(name).within_sources(), self.changed.scores(name).within_sources()
                ),
            }
            for name in self.whole.classes
        }


def lungs_out(net: Asked, asked: Predictions, controls: Controls) -> Changed:
    """What a net says, without their lungs, of those of the films it was asked of that have a lung mask."""
    quoted = asked.without_sources(net.settings.unquoted_sources)
    index = controls.masked(quoted.films.rows)
    return _changed_films(net, quoted, index, controls.lungs_out)


def all_controls(net: Asked, controls: Controls) -> dict[str, Changed]:
    """What a net says of the test films changed for each control, by its name."""
    quoted = net.tested.without_sources(net.settings.unquoted_sources)
    every = np.arange(len(quoted.films.rows))
    return {
        LUNGS_OUT: lungs_out(net, net.tested, controls),
        "border_only": _changed_films(net, quoted, every, controls.border_only),
        "picture_border_only": _changed_films(net, quoted, every, controls.picture_border_only),
    }


def changed_together(
    nets: Sequence[Changed], readers: Mapping[str, Collection[int]] | None = None
) -> Changed:
    """Nets together, as `pooled` has it, of the same films changed alike."""
    return Changed(
        pooled([net.whole for net in nets], readers), pooled([net.changed for net in nets], readers)
    )


def _changed_films(
    net: Asked,
    quoted: Predictions,
    index: np.ndarray,
    change: Callable[[Sequence[FilmRow], Pictures], np.ndarray],
) -> Changed:
    films = quoted.films.at(index)
    outputs = outputs_of(net.member, films, change(films.rows, net.pictures))
    whole = replace(quoted, films=films, probabilities=quoted.probabilities[index])
    return Changed(whole, Predictions.of(net.member, outputs))


def _compared(whole: Scores, changed: Scores) -> dict[str, Any] | None:
    """Whole and changed films; None of too few."""
    if not whole.enough:
        return None
    return {"films_of": whole.sources, "whole": whole.auroc(), "control": changed.auroc()}
