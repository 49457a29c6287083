"""Which nets read severity together, and what was measured of them; read without loading a net."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxrtriage.reading.assessment import Scale
from cxrtriage.weights import WEIGHTS_FOLDER, WeightsError

SEVERITY_FILE = "severity.json"
# The net that raises a zone's chance where it finds an opacity that may be the only one.
LONE_FINDER = "lone_opacity_finder"
_KIND = "cxrtriage/severity/3"
# Greatest value of each scale that is told with an interval.
SCALES = {"array_score": 6.0, "brixia": 18.0, "extent": 8.0, "opacity": 6.0}


@dataclass(frozen=True)
class SeverityCard:
    """Which nets read severity together, and what was measured of them together.

    `members`: first 12 digits of sha256 by name. `array`: factor and shift of the logit of a zone's chance,
    from films no net had seen. `widths`: by scale, steps of (greatest value, half-width): so far from the
    value lay nine readers' scores of ten. `figures`: errors by scale, readers' and ours. `slopes`: by scale
    (`brixia_zone`, `extent`, `opacity`), a and b of told = said * (a + b * affected), with the chance that
    the zone, or any zone, is affected, so that a film without opacity is told to have little.
    `least_chance`: a zone's chance below it does not count in the array score. `zone_models`: linear models
    on the maps of other nets, like `members`, their share in Brixia, extent and opacity, and that in the
    array, 0..1. `lone_finder`: the net that knows opacities pasted one by one alone, like `members`, or none;
    a zone's chance is the greater of its and the others'. `opacity_finder`: the net that marks places, like
    `members`, or none, and the chance (0..1) from which on what it marks raises a place's of the map;
    `opacity_finder_map_against`: share (0..1) of its log odds below that which lower it.
    """

    members: dict[str, str]
    array: tuple[float, float]
    widths: dict[str, tuple[tuple[float, float], ...]]
    figures: dict[str, Any]
    cautions: tuple[str, ...] = ()
    slopes: dict[str, tuple[float, float]] = field(default_factory=dict)
    least_chance: float = 0.0
    zone_models: dict[str, str] = field(default_factory=dict)
    zone_models_share: float = 0.0
    zone_models_array_share: float = 0.0
    lone_finder: dict[str, str] = field(default_factory=dict)
    opacity_finder: dict[str, str] = field(default_factory=dict)
    opacity_finder_map_least: float = 1.0
    opacity_finder_map_against: float = 0.0

    @property
    def checksums(self) -> dict[str, str]:
        """Of all that reads severity, by name."""
        return {**self.members, **self.zone_models, **self.lone_finder, **self.opacity_finder}

    @property
    def opacity_finder_joined(self) -> tuple[float, float]:
        """By what rule the finder's marks are joined to the map of the others."""
        return self.opacity_finder_map_least, self.opacity_finder_map_against

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": _KIND,
            "members": self.members,
            "array": list(self.array),
            "widths": {name: [list(step) for step in steps] for name, steps in self.widths.items()},
            "figures": self.figures,
            "cautions": list(self.cautions),
            "slopes": {name: list(pair) for name, pair in self.slopes.items()},
            "least_chance": self.least_chance,
            "zone_models": self.zone_models,
            "zone_models_share": self.zone_models_share,
            "zone_models_array_share": self.zone_models_array_share,
            "lone_finder": self.lone_finder,
            "opacity_finder": self.opacity_finder,
            "opacity_finder_map_least": self.opacity_finder_map_least,
            "opacity_finder_map_against": self.opacity_finder_map_against,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SeverityCard:
        if values["schema"] != _KIND or set(values["widths"]) != set(SCALES) or not values["members"]:
            raise ValueError(f"not a {_KIND}")
        zone_models = dict(values.get("zone_models", {}))
        lone, finder = (dict(values.get(name, {})) for name in ("lone_finder", "opacity_finder"))
        together = {**values["members"], **zone_models, **lone, **finder}
        if not all(isinstance(digits, str) for digits in together.values()):
            raise TypeError("a member has no checksum")
        shares = [float(values[name]) for name in ("zone_models_share", "zone_models_array_share")]
        least = float(values.get("opacity_finder_map_least", 1.0))
        against = float(values.get("opacity_finder_map_against", 0.0))
        chances = 0 < least <= 1 and 0 <= against <= 1
        if not all(0 <= share < 1 for share in shares) or not chances or max(len(lone), len(finder)) > 1:
            raise ValueError("a share or chance is not in 0..1, or there are two finders of a kind")
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
            {name: (float(a), float(b)) for name, (a, b) in values["slopes"].items()},
            float(values["least_chance"]),
            zone_models,
            shares[0] if zone_models else 0.0,
            shares[1] if zone_models else 0.0,
            lone,
            finder,
            least,
            against,
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
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WeightsError("weights_damaged", f"{path.name} is damaged; fetch the weights again.") from error
