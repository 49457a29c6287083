"""The tables of `python -m train compare severity`: what was measured, as Markdown."""

from __future__ import annotations

import json
from typing import Any

from train.compare import paper_lines
from train.grading_figures import PARTS, cells, error_cell
from train.severity_unseen import SCALES

# A net whose trunk is trained, and one whose last layer alone is.
MODES = {"tuned": "all of it", "frozen": "last layer"}
# Rows that are no nets of the study.
LINEAR, AVERAGE, SEVERITY_NETS = "linear", "average", "severity_nets"
_TITLES = {
    "unseen": "Films of the train and val splits, each read by the net that had not seen its patient",
    "test": "Test films, read by the mean of all nets of the row",
}
_ERRORS = ("mae", "mse", "r2")


def table(said: dict[str, Any], rows: dict[str, Any]) -> str:
    """A study, as its file says it, with its rows."""
    lines = [
        f"# {said['title']}",
        "",
        "Made by `python -m train compare severity`. " + " ".join(said["about"].split()),
        "",
        f"All nets: {json.dumps(said['settings'])}.",
    ]
    for part in PARTS:
        lines += _net_table(said, rows, part)
    if LINEAR in rows:
        lines += ["", *_linear_table(rows)]
    return "\n".join([*lines, "", *paper_lines(said)]) + "\n"


def _net_table(said: dict[str, Any], rows: dict[str, Any], part: str) -> list[str]:
    average = rows[AVERAGE]["figures"][part]
    numbers = [f"{name} ({of['films']})" for name, of in average["each"].items()]
    heads = [
        "net", "trained", "7 classes", "3 classes", *numbers, "MAE", "MSE", "R2", "weights", "CPU s",
    ]  # fmt: skip
    lines = [
        "", f"## {_TITLES[part]}", "", f"{average['films']} films of {average['patients']} patients.", "",
        f"| {' | '.join(heads)} |", "|" + "---|" * len(heads),
        f"| the other patients' average | – | {' | '.join(cells(average))} | – | – |",
    ]  # fmt: skip
    for row, of in said["rows"].items():
        label = of.get("label", row)
        if "impossible" in of:
            lines.append(f"| {label} | – | {of['impossible']} |" + " |" * (len(heads) - 3))
            continue
        for mode, name in MODES.items():
            measured = rows.get(f"{row}/{mode}", {})
            told = ["not run yet", *[""] * (len(heads) - 3)]
            if part in measured.get("figures", {}):
                weights = f"{measured['parameters'] / 1e6:.1f} M"
                told = [*cells(measured["figures"][part]), weights, f"{measured['seconds']:.0f}"]
            lines.append(f"| {label} | {name} | {' | '.join(told)} |")
    if SEVERITY_NETS in rows:
        lines.append(_severity_line(rows[SEVERITY_NETS]["figures"][part], list(average["each"])))
    return lines


def _severity_line(figures: dict[str, Any], categories: list[str]) -> str:
    """The severity nets on the same films; their classes are their score, rounded."""
    of = figures["category"]
    each = [of["each"].get(name, [0, None])[1] for name in categories]
    classes = ["–" if value is None else f"{value:.2f}" for value in (of["seven"], of["accuracy"], *each)]
    errors = [error_cell(figures["opacity"], name) for name in _ERRORS]
    told = " | ".join([*classes, *errors])
    return f"| severity nets of `weights/`, score rounded | all of it | {told} | – | – |"


def _linear_table(rows: dict[str, Any]) -> list[str]:
    """Cohen's models beside the severity nets on the same films, and which is nearer the readers."""
    heads = ["findings of", "inputs"]
    for scale in SCALES:
        heads += [f"{scale} MAE", "MSE", "R2", "correlation", f"{scale} MAE, test films"]
    lines = [
        "## Extent and opacity by linear models on a findings net, one patient left out at a time", "",
        f"| {' | '.join(heads)} |", "|" + "---|" * len(heads),
    ]  # fmt: skip
    for net, inputs in rows[LINEAR]["figures"].items():
        for what, of in inputs.items():
            told = {part: {scale: of[scale][part] for scale in SCALES} for part in PARTS}
            name = "–" if net == AVERAGE else net
            what = "the other patients' average" if what == AVERAGE else what
            lines.append(f"| {name} | {what} | {' | '.join(_scale_cells(told))} |")
    if SEVERITY_NETS not in rows:
        return lines
    own = " | ".join(_scale_cells(rows[SEVERITY_NETS]["figures"]))
    lines += [
        f"| severity nets of `weights/` | – | {own} |",
        "",
        "The severity nets are `corpus_vit` trained on, one a fold, read together with linear models zone by",
        "zone (`zone_model_*`), fitted without the fold; what makes a score of what they say was fitted",
        "on the other folds here.",
    ]
    for scale, best in rows[LINEAR]["nearer"].items():
        less = best["less"]
        lines.append(
            f"{scale.capitalize()}: their MAE is less by {less['value']:.2f} ({less['low']:.2f} to "
            f"{less['high']:.2f}) than that of the linear model that did best on these very films "
            f"({best['inputs']} of {best['net']})."
        )
    return lines


def _scale_cells(figures: dict[str, Any]) -> list[str]:
    told = []
    for scale in SCALES:
        told += [error_cell(figures["unseen"][scale], name) for name in (*_ERRORS, "correlation")]
        told.append(error_cell(figures["test"][scale], "mae"))
    return told
