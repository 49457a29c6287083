"""How far the scores of severity lie from readers' scores, and readers from each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ErrorsOfScales:
    """Mean absolute errors in the units of each scale, None where nobody measured.

    `readers_brixia` is how far two readers lie apart on the Brixia score of the same films; the others
    are this program's, against the readers.
    """

    readers_brixia: float | None = None
    brixia: float | None = None
    brixia_zone: float | None = None
    array_score: float | None = None
    extent: float | None = None
    opacity: float | None = None

    @classmethod
    def from_figures(cls, figures: Mapping[str, Any]) -> ErrorsOfScales:
        """From the figures of a severity net's card; what is missing or no error stays None."""
        ours = figures.get("ours")
        return cls(
            readers_brixia=_mae(figures.get("readers"), "brixia"),
            brixia=_mae(ours, "brixia"),
            brixia_zone=_mae(ours, "brixia_zone"),
            array_score=_mae(ours, "array_score"),
            extent=_mae(ours, "extent"),
            opacity=_mae(ours, "opacity"),
        )


def _mae(figures: Any, scale: str) -> float | None:
    of = figures.get(scale) if isinstance(figures, Mapping) else None
    value = of.get("mae") if isinstance(of, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
