"""What is known of a model: its card, and what was measured of the very same weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cxrtriage.gate.side_marker import SIDE_MARKER
from cxrtriage.reading.ensemble import Ensemble, read_ensemble
from cxrtriage.reading.severity_card import SEVERITY_FILE, read_severity_card
from cxrtriage.weights import WEIGHTS_FOLDER, Card, WeightsError, read_card

RESULTS_FOLDER = Path(__file__).resolve().parents[2] / "train" / "results"
ENSEMBLE, SEVERITY = "ensemble", "severity"
_OF_SEVERITY = ("severity", "zone_model", "opacity_finder")
Kind = Literal["unseen", "never_unseen", "subgroup", "lungs_out", "border", "few_films", "findings_hidden"]
# Too few of a class to say anything of a subgroup; a control above this AUROC is worth a word.
_FEW, _CONTROL = 30, 0.6


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """Cards of a net (one) or of the ensemble (its members), and what was measured of them together.

    `figures` is None where these weights were never measured. `parts` are the figures of each net by its
    name: some things (controls, hospitals left out) may be known of a member alone. `readers`: by class, the
    nets that speak of it where several read together.
    """

    name: str
    cards: tuple[Card, ...]
    operating_point: str
    figures: dict[str, Any] | None
    parts: dict[str, dict[str, Any]]
    readers: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes with operating points, each that some net knows: lung and severity nets have none."""
        scoring = [card for card in self.cards if card.operating_points]
        return tuple(dict.fromkeys(name for card in scoring for name in card.classes))

    def parts_of(self, name: str) -> dict[str, dict[str, Any]]:
        """The figures of the nets that speak of a class."""
        return {net: of for net, of in self.parts.items() if net in self.readers.get(name, (net,))}

    @property
    def task(self) -> Literal["diagnosis", "lungs", "severity", "ct", "gate"]:
        if self.name == SEVERITY:
            return "severity"
        of_nets: dict[str, Literal["ct", "gate"]] = {"ct_lesion": "ct", "gate": "gate"}
        return of_nets.get(self.cards[0].architecture, "diagnosis" if self.classes else "lungs")

    def of_class(self, name: str) -> dict[str, Any]:
        """Test figures of a class; empty where there are none."""
        found: dict[str, Any] = (self.figures or {}).get("test", {}).get("classes", {}).get(name) or {}
        return found

    def reliability(self, name: str) -> dict[str, Any]:
        """ECE, Brier and the steps of the reliability plot of a class, as scores are shown; may be empty."""
        found = (self.figures or {}).get("calibration", {}).get(name, {})
        # A net is shown with temperature and shift, nets together are pooled from such.
        shown: dict[str, Any] = found.get("temperature and shift") or found.get("pooled") or {}
        return shown


@dataclass(frozen=True)
class Weakness:
    """A failing that the figures show; `values` fill the sentence that says it."""

    kind: Kind
    class_name: str
    values: dict[str, Any]


def model_names(weights: Path = WEIGHTS_FOLDER) -> tuple[str, ...]:
    """The ensemble, its members, the other classifiers, then the nets that score nothing."""
    cards = _cards(weights)
    members: tuple[str, ...] = ()
    try:
        members = read_ensemble(weights).members
        first: tuple[str, ...] = (ENSEMBLE,)
    except WeightsError:
        first = ()
    # Severity nets, zone models and the opacity finders read together and are told of together, as the gate's
    # nets are under the name of the first.
    parts = {name for name, card in cards.items() if card.architecture in _OF_SEVERITY}
    parts |= {name for card in cards.values() for name in _beside(card)}
    others = sorted(
        set(cards) - parts, key=lambda name: (name not in members, not cards[name].operating_points, name)
    )
    return (*first, *others, *([SEVERITY] if (weights / SEVERITY_FILE).is_file() else []))


def model_facts(name: str, weights: Path = WEIGHTS_FOLDER, results: Path = RESULTS_FOLDER) -> ModelFacts:
    """Facts of a net or of the ensemble; WeightsError where a card is missing or damaged."""
    if name == SEVERITY:
        severity = read_severity_card(weights)
        if severity is None:
            raise WeightsError("weights_missing", f"{SEVERITY_FILE} is not there; fetch the weights again.")
        members = tuple(read_card(member, weights) for member in severity.checksums)
        return ModelFacts(name, members, "", severity.figures, {})
    if name == ENSEMBLE:
        ensemble = read_ensemble(weights)
        cards = tuple(read_card(member, weights) for member in ensemble.members)
        figures = _ensemble_figures(ensemble, cards, results)
        point, readers = ensemble.default_operating_point, ensemble.readers
    else:
        first_card = read_card(name, weights)
        cards = (first_card, *(read_card(other, weights) for other in _beside(first_card)))
        figures = _net_figures(cards[0], results)
        point, readers = cards[0].default_operating_point, {}
    parts = {card.name: found for card in cards if (found := _net_figures(card, results))}
    return ModelFacts(name, cards, point, figures, parts, readers)


def _beside(card: Card) -> tuple[str, ...]:
    """The nets that look beside the gate's first one, and what reads side markers for it."""
    named = card.settings.get("beside")
    return (
        *(named if isinstance(named, dict) else ()),
        *([SIDE_MARKER] if "markers" in card.settings else []),
    )


def weaknesses(facts: ModelFacts) -> list[Weakness]:
    """What the figures say against the model, worst kind first: other hospitals, groups, shortcuts."""
    if facts.figures is None:
        return []
    found: list[Weakness] = []
    for name in facts.classes:
        found += _unseen(facts, name) or [Weakness("never_unseen", name, {})]
    for name in facts.classes:
        found += _weak_groups(facts, name)
    for name in facts.classes:
        found += _shortcuts(facts, name)
    hidden = {
        finding: None
        for part in facts.parts.values()
        for finding in part.get("findings") or {}
        if finding not in part.get("shown_findings", ())
    }
    if hidden:
        found.append(Weakness("findings_hidden", "", {"findings": list(hidden)}))
    return found


def _unseen(facts: ModelFacts, name: str) -> list[Weakness]:
    """What was measured in hospitals left out of training: of all nets together, else of each net."""
    together = (facts.figures or {}).get("leave_one_source_out")
    folds = (
        {facts.name: together}
        if together
        else {net: part.get("leave_one_source_out") or {} for net, part in facts.parts_of(name).items()}
    )
    found = []
    for net, of_net in folds.items():
        for source, of in of_net.items():
            part = of["classes"].get(name)
            if part and part["all"]["against_normal"]:
                calls = part["calls"] or {}
                values = {
                    "net": net,
                    "source": ", ".join(source.split("+")),  # several left out at once
                    "auroc": part["all"]["against_normal"],
                    "sensitivity": calls.get("recall"),
                    "specificity": calls.get("specificity"),
                }
                found.append(Weakness("unseen", name, values))
    return found


def _weak_groups(facts: ModelFacts, name: str) -> list[Weakness]:
    """Groups whose AUROC lies under that of all films by more than chance, and those too small to tell."""
    of = facts.of_class(name)
    whole = of.get("against_rest")
    found, few = [], []
    for group, figures in (of.get("subgroups") or {}).items():
        auroc, films = figures["auroc"], figures["films"]
        if films["with"] < _FEW:
            few.append(f"{group} ({films['with']})")
        elif auroc and whole and auroc["high"] < whole["value"]:
            found.append(Weakness("subgroup", name, {"group": group, "auroc": auroc, "whole": whole}))
    if few:
        found.append(Weakness("few_films", name, {"groups": ", ".join(few)}))
    return found


def _shortcuts(facts: ModelFacts, name: str) -> list[Weakness]:
    """Controls in which a net still tells the class from films without it: its worst net's each."""
    found = []
    controls: tuple[tuple[Kind, str], ...] = (("lungs_out", "lungs_out"), ("border", "picture_border_only"))
    for kind, control in controls:
        left = {}
        for net, part in facts.parts_of(name).items():
            figures = (part.get("controls") or {}).get(control, {}).get(name, {}).get("against_normal")
            if figures and figures["control"] and figures["control"]["value"] > _CONTROL:
                left[net] = figures
        if left:
            net = max(left, key=lambda one: left[one]["control"]["value"])
            values = {"net": net, "whole": left[net]["whole"], "left": left[net]["control"]}
            found.append(Weakness(kind, name, values))
    return found


def _cards(weights: Path) -> dict[str, Card]:
    """Every card of the folder that reads."""
    cards = {}
    for path in sorted(weights.glob("*.json")):
        try:
            cards[path.stem] = read_card(path.stem, weights)
        except WeightsError:
            continue  # the ensemble's file, or a damaged card, which reading will speak of
    return cards


def _net_figures(card: Card, results: Path) -> dict[str, Any] | None:
    values = _read(results / f"{card.name}.json")
    return values if values and values.get("sha256") == card.sha256 else None


def _ensemble_figures(ensemble: Ensemble, cards: tuple[Card, ...], results: Path) -> dict[str, Any] | None:
    values = _read(results / f"{ENSEMBLE}.json")
    if not values or any(values["weights"].get(card.name) != card.sha256 for card in cards):
        return None
    if values.get("readers") != {name: list(nets) for name, nets in ensemble.readers.items()}:
        return None
    found: dict[str, Any] = values["ensemble"]
    return found


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
