"""The table of `train/results`, made from the results alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cxrtriage.reading.ensemble import combination_name

TABLE = "tuberculosis.md"


def write_table(names: Sequence[str], results: Path) -> Path:
    """Write the table of these nets, and of their combinations where they were measured."""
    nets = {name: json.loads((results / f"{name}.json").read_text()) for name in names}
    lines = [
        "# Tuberculosis against films without findings",
        "",
        "Made by `python -m train evaluate`. Test films were neither trained on nor chosen by;",
        "thresholds and temperature come from the validation films. In brackets: 95 % interval, bootstrap",
        "over patients.",
        "",
        *_test_table({name: figures["test"] for name, figures in nets.items()}, results),
        "",
        "AUROC of each hospital that shows both classes, of hospitals left out of training altogether",
        "(all their films; a net trained anew without them), and of controls on the very same films:",
        "",
        *_source_table(nets, _together(names, results)),
        "",
        "Without lungs, and from the border alone, 0.5 would be right: what a net scores above that it has",
        "from elsewhere than the lungs. A source with one class only makes it easy to score by the source.",
        "",
        "At the threshold for sensitivity 0.90, share of films flagged per source:",
        "",
        *_flagged_table(nets),
        "",
    ]
    path = results / TABLE
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _test_table(nets: dict[str, dict[str, Any]], results: Path) -> list[str]:
    rows = dict(nets)
    ensemble = results / "ensemble.json"
    if len(nets) > 1 and ensemble.is_file():
        rows.update(json.loads(ensemble.read_text())["test"])
    first = next(iter(rows.values()))
    return [
        f"Test films of {', '.join(first['sources'])};",
        "accuracy, precision, recall and F1 at 0.5 as in the paper; sensitivity and specificity at the",
        "threshold for sensitivity 0.90.",
        "",
        "| net | AUROC | AUROC, hospitals with both | accuracy | precision | recall | F1 | sensitivity "
        "| specificity | ECE | Brier |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(_test_row(name, figures) for name, figures in rows.items()),
    ]


def _test_row(name: str, figures: dict[str, Any]) -> str:
    half = figures["at_half"]
    point = figures["operating_points"]["sensitivity_0.90"]["all"]
    cells = [
        name.replace("+", " + "),
        _interval(figures["auroc"]),
        _interval(figures["auroc_within_sources_of_both_classes"]),
        *(f"{half[key]:.3f}" for key in ("accuracy", "precision", "recall", "f1")),
        f"{point['recall']:.3f}",
        f"{point['specificity']:.3f}",
        f"{figures['calibration_error']:.3f}",
        f"{figures['brier']:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def _together(names: Sequence[str], results: Path) -> dict[str, Any]:
    """The test figures of all these nets together; empty where there is one only."""
    path = results / "ensemble.json"
    if len(names) < 2 or not path.is_file():
        return {}
    return dict(json.loads(path.read_text())["test"].get(combination_name(names), {}))


def _source_table(nets: dict[str, dict[str, Any]], together: dict[str, Any]) -> list[str]:
    columns: dict[str, dict[str, Any]] = {}
    if together:
        nets = {**nets, "all together": {"test": together, "controls": {}, **together}}
    for name, figures in nets.items():
        for source, found in figures["test"]["per_source"].items():
            if found["auroc"]:
                columns.setdefault(f"{source}, test films", {})[name] = found["auroc"]
        for source, found in figures["leave_one_source_out"].items():
            columns.setdefault(f"{source}, left out", {})[name] = found["auroc"]
        for control, found in figures["controls"].items():
            of = " and ".join(found["films_of"]) if len(found["films_of"]) < 3 else "all sources"
            title = control.replace("_same_source", "").replace("_", " ")
            columns.setdefault(f"{of}, whole", {})[name] = found["whole"]
            columns.setdefault(f"{of}, {title}", {})[name] = found["control"]
    return [
        f"| films | {' | '.join(nets)} |",
        "|---|" + "---|" * len(nets),
        *(
            f"| {title} | {' | '.join(_interval(cells.get(name)) for name in nets)} |"
            for title, cells in columns.items()
        ),
    ]


def _flagged_table(nets: dict[str, dict[str, Any]]) -> list[str]:
    sources = next(iter(nets.values()))["test"]["per_source"]
    return [
        f"| source | films with / without tuberculosis | {' | '.join(nets)} |",
        "|---|---|" + "---|" * len(nets),
        *(
            f"| {source} | {found['films']['tuberculosis']} / {found['films']['others']} | "
            + " | ".join(
                f"{figures['test']['per_source'][source]['flagged']['sensitivity_0.90']:.2f}"
                for figures in nets.values()
            )
            + " |"
            for source, found in sources.items()
        ),
    ]


def _interval(figure: dict[str, Any] | None) -> str:
    if not figure:
        return "–"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
