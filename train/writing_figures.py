"""How often the finder of writing errs: lines written into test films, what is found where a person saw
writing, and what is found where there is none. Written to `writing.json` and `writing.md`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from cxrtriage.film.box import PixelBox
from cxrtriage.film.read import read_film
from cxrtriage.film.writing import Likeness, WrittenLine, find_writing
from train.manifest import FilmRow
from train.writing_cases import PLACES, SIZES, STYLES, Seen, Written, written

_FOUND = 0.5  # share of a line's ink in the boxes, for it to be found
_WHOLE = 0.95  # and for it to be blanked
_LEGIBLE = 0.015  # height of a capital, of the film's, from which on the aim holds

Counts = dict[str, tuple[int, int]]


def write_figures(
    films: Sequence[FilmRow], seen: Mapping[str, Seen], likeness: Likeness, results: Path
) -> dict[str, Any]:
    """Measure on `films` (test films) and write both files."""
    rng = np.random.default_rng(1)
    cases: list[tuple[Written, float]] = []
    by_seen: list[tuple[FilmRow, tuple[WrittenLine, ...]]] = []
    conditions = list(product(SIZES, PLACES, STYLES))
    rng.shuffle(conditions)
    for number, film in enumerate(films):
        pixels = read_film(film.path).pixels
        by_seen.append((film, find_writing(pixels, likeness)))
        # Every condition in turn, so that each is asked as often as any other.
        for size, place, style in (conditions[(2 * number + n) % len(conditions)] for n in range(2)):
            if case := written(pixels, rng, "test", size, place, style):
                found = find_writing(case.pixels, likeness)
                cases.append((case, ink_found(case.ink, case.box, [line.box for line in found])))
    figures = {
        "threshold": likeness.threshold,
        "by_size": _counted((f"{case.size:.1%}", share) for case, share in cases),
        "by_place": _counted((case.place, share) for case, share in _legible(cases)),
        "by_style": _counted((case.style, share) for case, share in _legible(cases)),
        "by_font": _counted((case.font, share) for case, share in _legible(cases)),
        "legible": _counted(("all", share) for _, share in _legible(cases))["all"],
        "legible_whole": _counted((("all", share) for _, share in _legible(cases)), _WHOLE)["all"],
        "films": {
            kind: _counted(
                (film.source, float(bool(lines))) for film, lines in by_seen if seen[film.file] == kind
            )
            for kind in ("none", "marker", "line")
        },
        "flagged": sorted(film.file for film, lines in by_seen if lines and seen[film.file] != "line"),
        "missed": sorted(film.file for film, lines in by_seen if not lines and seen[film.file] == "line"),
    }
    results.mkdir(parents=True, exist_ok=True)
    (results / "writing.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (results / "writing.md").write_text(_page(figures), encoding="utf-8")
    return figures


def ink_found(ink: np.ndarray, box: PixelBox, found: Iterable[PixelBox]) -> float:
    """Share (0..1) of the ink, (rows, columns) at `box`, that lies in any of the boxes found."""
    left = ink.copy()
    for one in found:
        top, bottom = (min(max(edge - box.top, 0), box.rows) for edge in (one.top, one.bottom))
        first, last = (min(max(edge - box.left, 0), box.columns) for edge in (one.left, one.right))
        left[top:bottom, first:last] = 0
    return 1.0 - float(left.sum() / ink.sum())


def _legible(cases: list[tuple[Written, float]]) -> list[tuple[Written, float]]:
    return [(case, share) for case, share in cases if case.size >= _LEGIBLE]


def _counted(shares: Iterable[tuple[str, float]], least: float = _FOUND) -> Counts:
    """(found, all) by name."""
    counts: Counts = {}
    for name, share in shares:
        found, of = counts.get(name, (0, 0))
        counts[name] = (found + (share >= least), of + 1)
    return dict(sorted(counts.items()))


def _page(figures: dict[str, Any]) -> str:
    found, of = figures["legible"]
    whole, _ = figures["legible_whole"]
    none, marker, line = (figures["films"][kind] for kind in ("none", "marker", "line"))
    lines = [
        "# Writing burned into films",
        "",
        "`python -m train writing` fits the finder on training and validation films and measures it on test "
        "films of Shenzhen, NIH, RSNA and Cohen, with fonts and words it was not fitted on. A line is "
        f"found where {_FOUND:.0%} of its ink lies in the boxes. What is written on the films themselves was "
        "seen by one person, on pictures (`train/writing_seen.csv`) and beside what the finder proposed: "
        "faint writing may have been missed, so that the last share is rather too high. The thresholds were "
        "made stricter once after a first look at these films (`train/writing.py`), so that the share of "
        "false lines is rather too low.",
        "",
        f"Of lines whose capitals are at least {_LEGIBLE:.1%} of the film's height, **{_share(found, of)}** "
        f"are found; with {_WHOLE:.0%} of their ink in the boxes, as blanking needs, {_share(whole, of)}.",
        "",
        f"On **{_share(*_sum(none))}** of the films without writing a line is found; on "
        f"{_share(*_sum(marker))} of those with initials beside the side marker; on {_share(*_sum(line))} of "
        "those with writing of their own.",
        "",
    ]
    tables = (
        ("Height of a capital, of the film's height", "by_size"), ("Place", "by_place"),
        ("Style", "by_style"), ("Font", "by_font"),
    )  # fmt: skip
    for title, key in tables:
        lines += [f"| {title} | lines | found |", "|---|---|---|"]
        lines += [f"| {name} | {of} | {found / of:.3f} |" for name, (found, of) in figures[key].items()]
        lines.append("")
    lines += ["| Films, by what was seen | " + " | ".join(none) + " |", "|---|" + "---|" * len(none)]
    for words, counts in (
        ("no writing: a line found", none),
        ("initials in lead: found", marker),
        ("writing: found", line),
    ):
        cells = (f"{counts[s][0]} of {counts[s][1]}" if s in counts else "" for s in none)
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    lines += ["", "Sizes below the aim are in the first table only.", ""]
    return "\n".join(lines)


def _sum(counts: Counts) -> tuple[int, int]:
    return sum(found for found, _ in counts.values()), sum(of for _, of in counts.values())


def _share(found: int, of: int) -> str:
    return f"{found / of:.1%} ({found} of {of})" if of else "none (0 of 0)"
