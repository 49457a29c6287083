"""`python -m train compare saliency`: do the maps point at lesions that were drawn by hand?

Nothing is trained here. Every classifier of a folder of weights is asked where its score for the film's own
class came from, by every method it has, and the maps are held against the masks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.read import read_film
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.reading.lungs import Lungs
from cxrtriage.reading.member import Member
from cxrtriage.weights import WEIGHTS_FOLDER, read_card
from train.controls import lung_masks
from train.evaluate import classifier_names
from train.films import labelled
from train.lesions import Lesion, read_lesions
from train.manifest import FilmRow, ManifestError, data_folder, read_films
from train.pointing import Pointed, even_map, middle_map, pointed, pointing_figures
from train.settings import SettingsError, settings_from_dict

NAME = "compare_saliency"
CLASSES = ("covid19", "other_infection")
EVEN, MIDDLE = "evenly over the lungs", "middle of the lungs"
PARTS = {"test": "Films of the test split", "all": "All films"}
_ABOUT = """
The map of the film's own class (COVID-19 or other infection) against the lesions that were drawn by hand,
ground glass and consolidation alike, whether or not the net flagged the film. A net that does not tell a
film's class is not asked about it. Pointing game: share of films whose maximum lies in the lesion; its
interval is Wilson's for as many films as there are patients. Share inside: mean share of the map's sum that
lies in the lesion; its interval is a bootstrap of whole patients. An empty map is a miss and has nothing
inside. Two controls know nothing but where the lungs are (drawn by hand where there is such a mask, else as
the lung net found them): a map spread evenly over the lungs, whose figures are the share of the lungs that
is lesion and so the level of chance, and one that speaks for the middle of each lung. A film was trained on
if the net's own settings say so; what the net started from may have seen more.
"""


@dataclass(frozen=True, eq=False)
class Net:
    """A classifier, the lung net it needs, and the films it was trained on by their files."""

    member: Member
    finder: LungFinder | None
    trained_on: frozenset[str]

    @classmethod
    def load(cls, name: str, weights: Path, rows: Sequence[FilmRow]) -> Net:
        """SettingsError where the lung net is another than the card names."""
        member = Member.load(name, weights)
        needed = member.card.lungs
        finder = LungFinder.load(needed["name"], weights) if needed else None
        if finder and finder.version != needed:
            raise SettingsError(f"{name} was trained on the crop of {needed}, but here is {finder.version}.")
        settings = settings_from_dict(member.card.settings, f"card of {name}")
        taught = labelled(rows, settings).split("train")
        seen = taught.where(lambda row: row.source not in settings.leave_out)
        return cls(member, finder, frozenset(row.file for row in seen.rows))


@dataclass(frozen=True)
class Shown:
    """Films that show one of `CLASSES` and a lesion, and of the others how many were left out and why."""

    lesions: tuple[Lesion, ...]
    left_out: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, lesions: Sequence[Lesion]) -> Shown:
        kept, left_out = [], Counter[str]()
        for lesion in lesions:
            if lesion.row.label not in CLASSES:
                left_out[f"label {lesion.row.label}"] += 1
            elif not lesion.drawn().any():
                left_out["no lesion drawn"] += 1
            else:
                kept.append(lesion)
        return cls(tuple(kept), dict(left_out))


def study_saliency(results: Path, weights: Path = WEIGHTS_FOLDER, *, only: Sequence[str] = ()) -> None:
    """Measure the nets of `weights` (`only` these) and write `compare_saliency.json` and `.md`.

    Figures of nets that were not asked now are kept where weights and films are still the same. Raises
    SettingsError where there is no such net, ManifestError where a table or film cannot be used.
    """
    rows = read_films(data_folder())
    shown = Shown.of(read_lesions(data_folder(), rows))
    nets = [Net.load(name, weights, rows) for name in _names(weights, only)]
    path = results / f"{NAME}.json"
    measured = measure(shown.lesions, nets, lung_masks(data_folder()))
    files = [lesion.row.file for lesion in shown.lesions]
    kept = _kept(path, files, weights, only)
    study = {
        "films": files,
        "left_out": shown.left_out,
        "controls": measured["controls"],
        "nets": dict(sorted({**kept, **measured["nets"]}.items())),
    }
    results.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(study, allow_nan=False) + "\n")
    (results / f"{NAME}.md").write_text(table(study))


def measure(
    lesions: Sequence[Lesion], nets: Sequence[Net], drawn_lungs: dict[str, Path]
) -> dict[str, dict[str, Any]]:
    """`controls` by name and `nets` by name and method: figures of each part, and film by film.

    `drawn_lungs` are lung masks by file. A film is read once for all nets.
    """
    controls: dict[str, list[Pointed]] = {EVEN: [], MIDDLE: []}
    found: dict[str, dict[str, list[Pointed]]] = {
        net.member.card.name: {method: [] for method in net.member.methods} for net in nets
    }
    finders = {net.finder.card.name: net.finder for net in nets if net.finder}
    for lesion in lesions:
        film, drawn = _film_and_lesion(lesion)
        lungs = {name: finder.find(film) for name, finder in finders.items()}
        where = _lungs_of(film, drawn_lungs.get(lesion.row.file), list(lungs.values()))
        if where is not None:
            share = pointed(even_map(where), drawn)[1]
            controls[EVEN].append(_pointed(lesion, share, share))
            controls[MIDDLE].append(_pointed(lesion, *pointed(middle_map(where), drawn)))
        for net in nets:
            own = lungs[net.finder.card.name] if net.finder else None
            for method, of_film in _maps_of(net, lesion, film, drawn, own).items():
                found[net.member.card.name][method].append(of_film)
    for name, methods in found.items():
        print(name, {method: pointing_figures(films) for method, films in methods.items()}, flush=True)
    return {
        "controls": {name: _row(films) for name, films in controls.items()},
        "nets": {
            net.member.card.name: {
                "sha256": net.member.card.sha256,
                "methods": {key: _row(films) for key, films in found[net.member.card.name].items()},
            }
            for net in nets
        },
    }


def _maps_of(
    net: Net, lesion: Lesion, film: Film, drawn: np.ndarray, lungs: Lungs | None
) -> dict[str, Pointed]:
    """By method, what the net's map of the film's own class hit; empty where it has no such class."""
    member, class_name = net.member, lesion.row.label
    if class_name not in member.card.classes:
        return {}
    maps = member.look(member.form.image(film, lungs))
    score = member.scores(maps)[class_name]
    result: dict[str, Pointed] = {}
    for method in member.methods:
        raw = member.raw_map(maps, class_name, method)
        saliency = member.saliency(film, lungs, class_name, raw, method)
        hit, inside = pointed(saliency.map, drawn)
        taught = lesion.row.file in net.trained_on
        result[method] = _pointed(lesion, hit, inside, saliency.empty, taught, score)
    return result


def _pointed(
    lesion: Lesion,
    hit: float,
    inside: float,
    empty: bool = False,
    trained_on: bool = False,
    score: float | None = None,
) -> Pointed:
    row = lesion.row
    return Pointed(row.file, row.patient, row.split, row.label, hit, inside, empty, trained_on, score)


def _film_and_lesion(lesion: Lesion) -> tuple[Film, np.ndarray]:
    try:
        film = read_film(lesion.row.path)
    except FilmError as error:
        raise ManifestError(f"{lesion.row.path}: {error.message}") from error
    drawn = lesion.drawn()
    if drawn.shape != film.pixels.shape:
        raise ManifestError(f"{lesion.mask} has {drawn.shape} pixels, its film {film.pixels.shape}.")
    return film, drawn


def _lungs_of(film: Film, drawn: Path | None, found: Sequence[Lungs]) -> np.ndarray | None:
    """(rows, columns) bool in film pixels: the lungs as drawn, else as found; None where there are none."""
    if drawn is not None:
        with Image.open(drawn) as picture:
            lungs = picture.convert("L")
    else:
        masks = [lungs.mask for lungs in found if lungs.box is not None]
        if not masks:
            return None
        lungs = Image.fromarray(masks[0].astype(np.uint8) * 255)
    where = np.asarray(lungs.resize((film.columns, film.rows), Image.Resampling.NEAREST)) > 127
    return where if where.any() else None


def _row(films: Sequence[Pointed]) -> dict[str, Any]:
    parts = {"test": [film for film in films if film.split == "test"], "all": films}
    return {
        "figures": {part: pointing_figures(of) for part, of in parts.items()},
        "films": [film.to_dict() for film in films],
    }


def _names(weights: Path, only: Sequence[str]) -> list[str]:
    """The classifiers of a folder that tell one of `CLASSES`, or those asked for of them."""
    known = [name for name in classifier_names(weights) if set(read_card(name, weights).classes) & {*CLASSES}]
    unknown = [name for name in only if name not in known]
    if unknown or not known:
        raise SettingsError(
            f"There is no classifier {', '.join(unknown) or 'of ' + ' or '.join(CLASSES)} in {weights}"
            + (f"; known are {', '.join(known)}." if known else ".")
        )
    return [name for name in known if not only or name in only]


def _kept(path: Path, files: list[str], weights: Path, only: Sequence[str]) -> dict[str, Any]:
    """Rows written before of nets that are not asked now, of the same films and weights."""
    if not only or not path.is_file():
        return {}
    before = json.loads(path.read_text())
    here = {name: read_card(name, weights).sha256 for name in _names(weights, ())}
    return {
        name: row
        for name, row in before["nets"].items()
        if before["films"] == files and name not in only and here.get(name) == row["sha256"]
    }


def table(study: dict[str, Any]) -> str:
    """The study as Markdown, a table for each part of the films."""
    left_out = ", ".join(f"{number} ({reason})" for reason, number in study["left_out"].items()) or "none"
    lines = ["# Do the maps point at the lesions?", "", "Made by `python -m train compare saliency`."]
    lines += [_ABOUT.strip(), "", f"Films left out: {left_out}."]
    for part, title in PARTS.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| net | map | films | patients | trained on | empty maps | pointing game | share inside |",
            "|" + "---|" * 8,
            *(
                f"| – | {name} | {_cells(row, part, control=True)} |"
                for name, row in study["controls"].items()
            ),
        ]
        for name, row in study["nets"].items():
            for method, of in row["methods"].items():
                lines.append(f"| {name} | {method} | {_cells(of, part)} |")
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any], part: str, *, control: bool = False) -> str:
    figures = row["figures"][part]
    if figures is None:
        return "0 | – | – | – | – | –"
    counts = [str(figures[key]) for key in ("films", "patients")]
    counts += ["–", "–"] if control else [str(figures[key]) for key in ("trained_on", "empty")]
    shares = [
        "{value:.3f} ({low:.3f} to {high:.3f})".format(**figures[key]) for key in ("pointing", "inside")
    ]
    return " | ".join([*counts, *shares])
