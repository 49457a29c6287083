"""Which nets read severity together, and what was measured of them; read without loading a net."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrtriage.reading.assessment import Scale
from cxrtriage.weights import WEIGHTS_FOLDER, WeightsError

SEVERITY_FILE = "severity.json"
_KIND = "cxrtriage/severity/1"
# Greatest value of each scale that is told with an interval.
SCALES = {"array_score": 6.0, "brixia": 18.0, "extent": 8.0, "opacity": 6.0}


@dataclass(frozen=True)
class SeverityCard:
    """Which nets read severity together, and what was measured of them together.

    `members`: first 12 digits of sha256 by name. `array`: factor and shift of the logit of a zone's chance,
    from films no net had seen. `widths`: by scale, steps of (greatest value, half-width): so far from the
    value lay nine readers' scores of ten. `figures`: errors by scale, readers' and ours.
    """

    members: dict[str, str]
    array: tuple[float, float]
    widths: dict[str, tuple[tuple[float, float], ...]]
    figures: dict[str, Any]
    cautions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": _KIND,
            "members": self.members,
            "array": list(self.array),
            "widths": {name: [list(step) for step in steps] for name, steps in self.widths.items()},
            "figures": self.figures,
            "cautions": list(self.cautions),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SeverityCard:
        if values["schema"] != _KIND or set(values["widths"]) != set(SCALES) or not values["members"]:
            raise ValueError(f"not a {_KIND}")
        factor, shift = values["array"]
        return cls(
            dict(values["members"]),
            (float(factor), float(shift)),
            {
                name: tuple((float(to), float(w)) for to, w in steps)
                for name, steps in values["widths"].items()
            },
            values["figures"],
            tuple(values.get("cautions", ())),
        )

    def scale(self, name: str, value: float) -> Scale:
        """The value with its interval, both within the scale."""
        width = next((w for to, w in self.widths[name] if value <= to), self.widths[name][-1][1])
        most = SCALES[name]
        value = min(max(value, 0.0), most)
        return Scale(round(value, 2), (round(max(value - width, 0), 2), round(min(value + width, most), 2)))


def read_severity_card(folder: Path = WEIGHTS_FOLDER) -> SeverityCard | None:
    """What `python -m train evaluate severity` measured; None where severity was never installed."""
    path = folder / SEVERITY_FILE
    try:
        return SeverityCard.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WeightsError("weights_damaged", f"{path.name} is damaged; fetch the weights again.") from error
