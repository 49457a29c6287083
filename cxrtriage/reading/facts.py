"""What is known of a model: its card, and what was measured of the very same weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cxrtriage.reading.ensemble import Ensemble, combination_name, read_ensemble
from cxrtriage.weights import WEIGHTS_FOLDER, Card, WeightsError, read_card

RESULTS_FOLDER = Path(__file__).resolve().parents[2] / "train" / "results"
ENSEMBLE = "ensemble"
Kind = Literal["unseen", "never_unseen", "subgroup", "lungs_out", "border", "few_films", "findings_hidden"]
# Too few of a class to say anything of a subgroup; a control above this AUROC is worth a word.
_FEW, _CONTROL = 30, 0.6


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """Cards of a net (one) or of the ensemble (its members), and what was measured of them together.

    `figures` is None where these weights were never measured; `settings` of the operating point are
    those of the card or of the ensemble's file.
    """

    name: str
    cards: tuple[Card, ...]
    operating_point: str
    figures: dict[str, Any] | None

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes with operating points: a lung net has outputs, but scores nothing."""
        return self.cards[0].classes if self.cards[0].operating_points else ()

    def of_class(self, name: str) -> dict[str, Any]:
        """Test figures of a class; empty where there are none."""
        found: dict[str, Any] = (self.figures or {}).get("test", {}).get("classes", {}).get(name) or {}
        return found

    def reliability(self, name: str) -> dict[str, Any]:
        """ECE, Brier and the steps of the reliability plot of a class, as scores are shown; may be empty."""
        found = (self.figures or {}).get("calibration", {}).get(name, {})
        shown: dict[str, Any] = found.get("temperature and shift", found)
        return shown if "reliability" in shown else {}


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
    others = sorted(cards, key=lambda name: (name not in members, not cards[name].operating_points, name))
    return (*first, *others)


def model_facts(name: str, weights: Path = WEIGHTS_FOLDER, results: Path = RESULTS_FOLDER) -> ModelFacts:
    """Facts of a net or of the ensemble; WeightsError where a card is missing or damaged."""
    if name == ENSEMBLE:
        ensemble = read_ensemble(weights)
        cards = tuple(read_card(member, weights) for member in ensemble.members)
        return ModelFacts(
            name, cards, ensemble.default_operating_point, _ensemble_figures(ensemble, cards, results)
        )
    card = read_card(name, weights)
    return ModelFacts(name, (card,), card.default_operating_point, _net_figures(card, results))


def weaknesses(facts: ModelFacts) -> list[Weakness]:
    """What the figures say against the model, worst kind first: other hospitals, groups, shortcuts."""
    if facts.figures is None:
        return []
    found: list[Weakness] = []
    folds = facts.figures.get("leave_one_source_out") or {}
    for name in facts.classes:
        for fold, of in folds.items():
            part = of["classes"].get(name)
            if part and part["all"]["against_normal"]:
                calls = part["calls"] or {}
                found.append(
                    Weakness(
                        "unseen",
                        name,
                        {
                            "source": fold,
                            "auroc": part["all"]["against_normal"],
                            "sensitivity": calls.get("recall"),
                            "specificity": calls.get("specificity"),
                        },
                    )
                )
        if not any(w.kind == "unseen" and w.class_name == name for w in found):
            found.append(Weakness("never_unseen", name, {}))
    for name in facts.classes:
        found += _weak_groups(facts, name)
    for kind, control in (("lungs_out", "lungs_out"), ("border", "picture_border_only")):
        for name in facts.classes:
            part = (facts.figures.get("controls") or {}).get(control, {}).get(name, {})
            figures = part.get("against_normal") or {}
            left = figures.get("control")
            if left and left["value"] > _CONTROL:
                values = {"whole": figures["whole"], "left": left}
                found.append(Weakness(kind, name, values))  # type: ignore[arg-type]  # both are kinds
    hidden = [
        finding
        for finding in facts.figures.get("findings") or {}
        if finding not in facts.figures.get("shown_findings", ())
    ]
    if hidden:
        found.append(Weakness("findings_hidden", "", {"findings": hidden}))
    return found


def _weak_groups(facts: ModelFacts, name: str) -> list[Weakness]:
    """Groups whose AUROC lies under that of all films by more than chance, and those too small to tell."""
    of = facts.of_class(name)
    whole = of.get("against_rest")
    found = []
    for group, figures in (of.get("subgroups") or {}).items():
        auroc, films = figures["auroc"], figures["films"]
        if films["with"] < _FEW:
            found.append(Weakness("few_films", name, {"group": group, "films": films["with"]}))
        elif auroc and whole and auroc["high"] < whole["value"]:
            found.append(Weakness("subgroup", name, {"group": group, "auroc": auroc, "whole": whole}))
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
    if len(cards) == 1:
        return _net_figures(cards[0], results)
    found: dict[str, Any] | None = values["combinations"].get(combination_name(ensemble.members))
    return found


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values
