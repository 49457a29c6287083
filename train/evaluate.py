"""`python -m train evaluate NAME... | --all`: measures nets, sets their thresholds and writes their cards.

Calibration and thresholds come from the validation split alone, figures from the test split.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cxrtriage.nets.registry import classifiers
from cxrtriage.reading.ensemble import combination_name
from cxrtriage.weights import Card, read_card, write_card
from train.asked import Asked, ask, known_findings
from train.controls import Changed, Controls, all_controls, lungs_out
from train.findings import MINED_SOURCES, radiologists_said
from train.left_out import kept_figures
from train.manifest import FilmRow, data_folder, read_films
from train.measures import (
    calibration_figures,
    finding_figures,
    headline,
    shown_findings,
    test_figures,
)
from train.plots import write_plots
from train.probe import probe_films, source_probe
from train.scores import outputs_of, pooled
from train.settings import Settings, SettingsError
from train.tables import write_tables
from train.thresholds import DEFAULT_POINT, distance_of, operating_points
from train.together import evaluate_together, need_the_same

# All combinations are measured, of which eight nets have 247.
MOST_NETS = 8


def classifier_names(weights: Path) -> list[str]:
    """The classifiers of a folder of weights: every card of a net that scores whole films."""
    names = []
    for path in sorted(weights.glob("*.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        is_card = str(values.get("schema", "")).startswith("cxrtriage/card/")
        if is_card and values["architecture"] in classifiers():
            names.append(path.stem)
    return names


def evaluate(names: Sequence[str], runs: Path, weights: Path, results: Path) -> None:
    """Measure each net and every combination; write cards, ensemble, results, tables and plots.

    The ensemble is written when it is of several nets, or of all that the folder holds.
    """
    if len(names) > MOST_NETS:
        raise SettingsError(f"at most {MOST_NETS} nets can be evaluated together, not {len(names)}.")
    results.mkdir(parents=True, exist_ok=True)
    rows = read_films(data_folder())
    nets = {name: ask(name, rows, runs, weights) for name in sorted(names)}
    need_the_same(nets)
    controls = Controls(data_folder())
    changed = {name: all_controls(net, controls) for name, net in nets.items()}
    figures = {name: _measure(net, nets, changed[name], rows, weights, results) for name, net in nets.items()}
    if len(nets) > 1 or set(nets) == set(classifier_names(weights)):
        validated = {name: lungs_out(net, net.validation, controls) for name, net in nets.items()}
        evaluate_together(nets, figures, changed, validated, weights, results)
    lungs = {net.member.card.lungs["name"] for net in nets.values() if net.member.card.lungs}
    dice = {name: read_card(name, weights).figures.get("dice_test", {}) for name in sorted(lungs)}
    write_tables(list(nets), dice, results)
    _plot(nets, results)


def _measure(
    net: Asked,
    nets: dict[str, Asked],
    changed: dict[str, Changed],
    rows: Sequence[FilmRow],
    weights: Path,
    results: Path,
) -> dict[str, Any]:
    """Figures of one net, written with its card; its file of results goes by its name."""
    card, settings = net.member.card, net.settings
    together = pooled([other.validation for other in nets.values()])
    points = {
        name: operating_points(
            net.validation.scores(name),
            settings,
            distance_of(net.validation, together, name, settings.threshold_sources),
        )
        for name in card.classes
    }
    known, targets = known_findings(net.test, card.findings)
    patients = [net.test.films.rows[i].patient for i in known]
    found = finding_figures(net.test.logits[known, len(card.classes) :], targets, card.findings, patients)
    figures: dict[str, Any] = {
        "name": card.name,
        "sha256": card.sha256,
        "lungs": card.lungs,
        "calibration_of": {name: vars(scaling) for name, scaling in card.calibration.items()},
        "operating_points": {name: {p: vars(v) for p, v in by.items()} for name, by in points.items()},
        "test": test_figures(net.tested, points, settings),
        "calibration": calibration_figures(
            net.tested, net.test.logits[:, : len(card.classes)], net.scalings, settings
        ),
        "findings": found,
        "shown_findings": shown_findings(found),
        "leave_one_source_out": kept_figures(card.name, card.sha256, net.folds, results),
        "controls": {name: of.figures() for name, of in changed.items() if len(of.whole.films.rows)},
        "source_probe": _probe(net),
    }
    (results / f"{card.name}.json").write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n")
    card = replace(
        card,
        operating_points=points,
        default_operating_point=DEFAULT_POINT,
        shown_findings=shown_findings(found),
        figures=_compact(figures),
        cautions=cautions_of(card, settings, rows),
    )
    write_card(card, weights)
    print(f"{card.name}: {headline(figures['test'])}", flush=True)
    return figures


def _compact(figures: dict[str, Any]) -> dict[str, Any]:
    """What of the figures travels with the weights."""
    counts = ("true_positive", "false_positive", "false_negative", "true_negative")
    classes = figures["test"]["classes"]
    return {
        "test": {
            name: {key: of[key] for key in ("against_rest", "against_normal")} for name, of in classes.items()
        },
        "operating_points": {
            name: {p: {key: v[key] for key in counts} for p, v in of["operating_points"].items()}
            for name, of in classes.items()
        },
        "calibration": {
            name: {
                scaling: {key: v[key] for key in ("ece", "brier")}
                for scaling, v in of.items()
                if isinstance(v, dict)
            }
            for name, of in figures["calibration"].items()
        },
        "findings": {name: figures["findings"][name]["auroc"] for name in figures["shown_findings"]},
        "leave_one_source_out": {
            fold: {name: v["all"] for name, v in of["classes"].items()}
            for fold, of in figures["leave_one_source_out"].items()
        },
        "controls": figures["controls"],
        "source_probe": figures["source_probe"],
    }


def cautions_of(card: Card, settings: Settings, rows: Sequence[FilmRow]) -> tuple[str, ...]:
    """What the card of a net says against it, from how and on which of these films it was trained."""
    weight = settings.other_diseases
    against = (
        f"In training a film of another disease counted {weight:g} of a film without a finding."
        if weight
        else "In training no film of another disease stood for one without this disease."
    )
    return (
        "Trained on films of adults; not for children.",
        f"Each score answers one disease ({', '.join(_plain(name) for name in settings.classes)}) "
        "against films without it; another disease of the lung may raise it as well.",
        against,
        *filter(None, (_mined(card, name, rows) for name in settings.classes)),
        "A low score is no sign of health: no film is called normal.",
        "Thresholds come from few films of few hospitals; set your own where you can.",
        "A probability holds where the ill are as frequent as among the films it was calibrated on.",
    )


def _mined(card: Card, name: str, rows: Sequence[FilmRow]) -> str:
    """Where a program that read reports called most films of a class so: what radiologists say of these."""
    films = {part["source"]: int(part["films"].get(name, 0)) for part in card.training_data}
    mined = sum(films.get(source, 0) for source in MINED_SOURCES)
    if 2 * mined <= sum(films.values()):
        return ""
    said = radiologists_said(data_folder(), "opacity")
    read = [
        said[row.file]
        for row in rows
        if row.source in MINED_SOURCES and row.label == name and row.file in said
    ]
    seen = f"; radiologists read {len(read)} such films and saw an opacity in {sum(read)}" if read else ""
    return (
        f"Of {sum(films.values())} films with {_plain(name)} that it learnt from, {mined} were labelled so "
        f"by a program that reads reports{seen}."
    )


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _probe(net: Asked) -> dict[str, Any]:
    train, test = probe_films(net.pictures.films)
    taught = outputs_of(net.member, train, net.pictures.of(train.rows))
    place = {row.file: number for number, row in enumerate(net.test.films.rows)}
    asked = np.array([place[row.file] for row in test.rows], int)
    return source_probe(train.rows, taught.features, test.rows, net.test.features[asked])


def _plot(nets: dict[str, Asked], results: Path) -> None:
    """Curves of every net, and of all together where there are several."""
    curves = {name: net.tested for name, net in nets.items()}
    points = {name: _written_points(results / f"{name}.json") for name in nets}
    if len(nets) > 1:
        together = combination_name(list(nets))
        curves["together"] = pooled(list(curves.values()))
        values = json.loads((results / "ensemble.json").read_text())["combinations"][together]
        points["together"] = _thresholds(values["operating_points"])
    settings = next(iter(nets.values())).settings
    quoted = {name: tested.without_sources(settings.unquoted_sources) for name, tested in curves.items()}
    write_plots(quoted, points, settings.threshold_sources, results / "plots")


def _written_points(path: Path) -> dict[str, float]:
    return _thresholds(json.loads(path.read_text())["operating_points"])


def _thresholds(points: dict[str, Any]) -> dict[str, float]:
    return {name: by[DEFAULT_POINT]["threshold"] for name, by in points.items()}
