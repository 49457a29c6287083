"""Series that come along, so that the CT page can be tried: a drawn one, and those of `series.json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from cxrtriage.ct.read import read_series
from cxrtriage.ct.series import Series
from cxrtriage.ct.synthetic import OPACITIES, SyntheticChest, draw_series
from cxrtriage.ui.opening import EXAMPLES_FOLDER
from cxrtriage.ui.texts import Texts

_SEED = 1


@dataclass(frozen=True)
class SeriesExample:
    """`title` is on the button that opens it; `read` gives the series and what is said beside it."""

    title: str
    read: Callable[[], tuple[list[Series], str]]


def series_examples(texts: Texts, folder: Path = EXAMPLES_FOLDER) -> list[SeriesExample]:
    """The drawn series, then the series of `series.json` (file, title, licence, source)."""
    listed = folder / "series.json"
    entries = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
    return [
        SeriesExample(texts["ct_drawn"], partial(_drawn_series, texts)),
        *(SeriesExample(entry["title"], partial(_filed_series, texts, folder, entry)) for entry in entries),
    ]


def _drawn_series(texts: Texts) -> tuple[list[Series], str]:
    drawn = _drawn_chest()
    words = texts.fill("ct_drawn_notice", count=len(OPACITIES), ml=f"{drawn.lesion_ml:.0f}")
    return [drawn.series], words


@lru_cache(maxsize=1)
def _drawn_chest() -> SyntheticChest:
    """Drawn once, since that takes seconds, and shared by all sessions: it is nobody's."""
    return draw_series(_SEED)


def _filed_series(texts: Texts, folder: Path, entry: dict[str, str]) -> tuple[list[Series], str]:
    words = texts.fill("example_notice", **{key: entry[key] for key in ("title", "licence", "source")})
    return read_series(folder / entry["file"]), words
