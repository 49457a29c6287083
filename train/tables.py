"""The pages of `train/results`, made from the files of results alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrtriage.reading.ensemble import combination_name
from train.controls import DOUBT, LEAST_FALL
from train.measures import CHANCE, SHOWN_AUROC, SHOWN_FILMS
from train.scores import LEAST
from train.thresholds import DEFAULT_POINT

DIAGNOSIS, FINDINGS = "diagnosis.md", "findings.md"
_NONE = "–"
# Of what the nets of a class were chosen from, eight nets have 255.
_MOST_ROWS = 12

Figures = Mapping[str, Any]


def write_tables(names: Sequence[str], dice: Mapping[str, Figures], results: Path) -> list[Path]:
    """Write the page of the diagnosis by these nets and their combinations, and that of the findings.

    `dice` goes by lung net, then source, as its card has it.
    """
    nets = {name: json.loads((results / f"{name}.json").read_text()) for name in names}
    ensemble = _ensemble(names, results)
    pages = {DIAGNOSIS: diagnosis_page(nets, ensemble, dice), FINDINGS: findings_page(nets)}
    for page, lines in pages.items():
        (results / page).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [results / page for page in pages]


def _ensemble(names: Sequence[str], results: Path) -> dict[str, Any]:
    """What the same evaluation wrote of these nets' combinations: readers, merits, figures."""
    path = results / "ensemble.json"
    if len(names) < 2 or not path.is_file():
        return {"combinations": {}}
    return dict(json.loads(path.read_text()))


def _readers(ensemble: Figures, name: str) -> list[str]:
    """Who reads a class, and what those were chosen from."""
    if name not in ensemble.get("readers", {}):
        return []
    unseen = ensemble["unseen_auroc"].get(name, {})
    merits = ensemble["validation_auroc"][name]
    falls = ensemble["validation_fall_without_lungs"].get(name, {})
    best = sorted(merits, key=lambda names: (-unseen.get(names, 0.0), -merits[names]["mean"]))[:_MOST_ROWS]
    return [
        "",
        f"By {' + '.join(ensemble['readers'][name])} in the ensemble. The best of what they were chosen from",
        f"({len(merits)} in all, in `ensemble.json`):",
        "",
        *_table(
            (
                "nets",
                "AUROC, validation films",
                "all films",
                "within sources",
                "hospitals left out",
                "lost without the lungs; surely",
            ),
            (
                (
                    names,
                    *(_share(merits[names][key]) for key in ("mean", "all", "within_sources")),
                    _share(unseen.get(names)),
                    _fall(falls.get(names)),
                )
                for names in best
            ),
        ),
    ]


def _fall(fall: Figures | None) -> str:
    return f"{_share(fall['value'])}; {_share(fall['surely'])}" if fall else _share(None)


_CHOSEN = (
    "",
    "## How the ensemble was chosen",
    "",
    "Each class has nets of its own, listed with it. Nets whose AUROC against normal validation films does",
    f"not surely (in {1 - DOUBT:.0%} of the resamples of patients) fall by {LEAST_FALL} where the lungs are",
    "taken out of these do not read, whatever they score: they may read something else. Of the others that",
    f"come within {CHANCE} of the best mean AUROC over hospitals left out of training (against normal films",
    "and against all others alike), those read that have the highest mean AUROC on the validation films,",
    "where all films and those within sources that show both count alike (the first alone rewards telling",
    "hospitals apart). Where hospitals left out are known of no two, the nets that alone held best",
    f"in one read in any case, and the validation films decide: of the nets within {CHANCE} of the highest",
    "those that read before go on, or else the most nets read, since those of different making hold",
    "better elsewhere.",
)


def diagnosis_page(nets: Mapping[str, Figures], ensemble: Figures, dice: Mapping[str, Figures]) -> list[str]:
    combined: Mapping[str, Figures] = ensemble["combinations"]
    together = combination_name(list(nets))
    # Pages stay readable with the nets and the ensemble; others are in the tables of the choice and the JSON.
    shown = {
        **nets,
        **({"all together": combined[together]} if together in combined else {}),
        **({"the ensemble": ensemble["ensemble"]} if "ensemble" in ensemble else {}),
    }
    who, last = list(shown.items())[-1]
    classes = list(dict.fromkeys(name for of in shown.values() for name in of["test"]["classes"]))
    lines = [
        "# Diagnosis",
        "",
        "Made by `python -m train evaluate`. Test films were neither trained on nor chosen by; thresholds",
        "and calibration come from validation films. In brackets: 95 % interval, bootstrap over patients. A",
        "combination's score is the mean of its members' log odds, each counting as much more as its own",
        "vary less on validation films. What a figure over all sources says is limited: most sources show",
        "one class only, so that a net can score by the hospital. Read the hospitals left out and the",
        "controls first.",
        f"Of fewer than {LEAST} films nothing is said.",
        *(_CHOSEN if "ensemble" in ensemble else ()),
    ]
    for name in classes:
        knowing = {net: of for net, of in shown.items() if name in of["test"]["classes"]}
        lines += [
            "",
            f"## {name.replace('_', ' ').capitalize()}",
            *_readers(ensemble, name),
            "",
            *_test_table(knowing, name),
            "",
            "Hospitals: test films of sources that show films with and without it, and sources left out of",
            "training altogether (all their films, by nets trained anew without them; sensitivity and",
            "specificity by a threshold that knows nothing of them). AUROC against all other films / against",
            "normal films:",
            "",
            *_hospital_table(knowing, name),
            "",
            "Controls, on the very same films; 0.5 is right for what is changed:",
            "",
            *_control_table({net: of for net, of in knowing.items() if "controls" in of}, name),
            "",
            "Subgroups of the test films, AUROC against all other films:",
            "",
            *_subgroup_table(knowing, name),
        ]
    lines += [
        "",
        "## Calibration",
        "",
        "Expected calibration error (ECE) and Brier score on the test films of the sources calibrated on:",
        "plain sigmoid, temperature alone, temperature and shift (which is used). Curves:",
        "`plots/reliability_*.png`.",
        "",
        *_calibration_table(shown, classes),
        "",
        "## What is flagged",
        "",
        f"Test films by their label, flagged at {_spoken(DEFAULT_POINT)} by {who};",
        "a film may be flagged for several classes:",
        "",
        *_confusion_table(last["test"]["confusion"], list(last["test"]["classes"])),
        "",
        "Share flagged per source:",
        "",
        *_flagged_table(last["test"]["classes"]),
        "",
        "## Can the hospital be told?",
        "",
        "Balanced accuracy of a linear probe on the pooled features of normal films, lower is better:",
        "",
        *_probe_table(nets),
    ]
    if dice:
        lines += ["", "## Lungs", "", "Dice of the lung net on manual masks of the test split:", ""]
        lines += _dice_table(dice)
    return lines


def findings_page(nets: Mapping[str, Figures]) -> list[str]:
    having = {name: of for name, of in nets.items() if of["findings"]}
    found = {name: figure for of in having.values() for name, figure in of["findings"].items()}
    return [
        "# Findings",
        "",
        "Made by `python -m train evaluate`. AUROC on test films of NIH ChestX-ray14, text-mined labels",
        "under those of radiologists where there are any; in brackets the 95 % interval, bootstrap over",
        f"patients. Shown to users (bold) from {SHOWN_AUROC:.2f} on, with at least {SHOWN_FILMS} films",
        "with it and as many without; never 'no finding', for no film is called normal.",
        "",
        *_table(
            ["finding", "films with / without", *having],
            (
                [
                    name.replace("_", " "),
                    _with_without(figure["films"]),
                    *(_finding_cell(of, name) for of in having.values()),
                ]
                for name, figure in found.items()
            ),
        ),
    ]


def _finding_cell(figures: Figures, name: str) -> str:
    text = _interval(figures["findings"].get(name, {}).get("auroc"))
    return f"**{text}**" if name in figures["shown_findings"] else text


def _test_table(every: Mapping[str, Figures], name: str) -> list[str]:
    first = next(iter(every.values()))["test"]
    title = [
        f"Test films of {', '.join(first['sources'])}. Sensitivity and specificity at",
        f'{_spoken(DEFAULT_POINT)}; "within sources": of sources that show films with and without it.',
        "",
    ]
    rows = []
    for net, figures in every.items():
        of = figures["test"]["classes"][name]
        point = of["operating_points"][DEFAULT_POINT]
        rows.append(
            [
                net.replace("+", " + "),
                _interval(of["against_rest"]),
                _interval(of["against_normal"]),
                _interval(of["within_sources"]["auroc"]),
                _interval(point["sensitivity_interval"]),
                _interval(point["specificity_interval"]),
                _share(point["precision"]),
                _share(point["f1"]),
                _share(point["uncertain"]),
            ]
        )
    aurocs = ["AUROC against all others", "against normal", "within sources"]
    heads = ["net", *aurocs, "sensitivity", "specificity", "precision", "F1", "uncertain"]
    return [*title, *_table(heads, rows)]


def _hospital_table(nets: Mapping[str, Figures], name: str) -> list[str]:
    cells: dict[str, dict[str, str]] = {}
    for net, figures in nets.items():
        for source, of in figures["test"]["classes"][name]["per_source"].items():
            if of["against_rest"]:
                cells.setdefault(f"{source}, test films", {})[net] = _both(of)
        for fold, figure in figures["leave_one_source_out"].items():
            of = figure["classes"].get(name)
            if not of:
                continue
            without = f"(left out: {fold.replace('+', ', ')})"
            for source, inner in of["per_source"].items():
                cells.setdefault(f"{source} {without}", {})[net] = _both(inner)
            if "+" in fold:
                cells.setdefault(f"all together {without}", {})[net] = _both(of["all"])
            if of["calls"]:
                text = f"{_share(of['calls']['recall'])} / {_share(of['calls']['specificity'])}"
                cells.setdefault(f"sensitivity / specificity {without}", {})[net] = text
    return _cell_table("films", cells, nets)


def _control_table(nets: Mapping[str, Figures], name: str) -> list[str]:
    cells: dict[str, dict[str, str]] = {}
    for net, figures in nets.items():
        for control, by_class in figures["controls"].items():
            for against, found in by_class[name].items():
                if found:
                    title = f"{_spoken(control)}, {_spoken(against)} ({', '.join(found['films_of'])})"
                    text = f"{_interval(found['whole'])} → {_interval(found['control'])}"
                    cells.setdefault(title, {})[net] = text
    return _cell_table("control (films), whole → changed", cells, nets)


def _subgroup_table(nets: Mapping[str, Figures], name: str) -> list[str]:
    first = next(iter(nets.values()))["test"]["classes"][name]["subgroups"]
    rows = [
        [
            group,
            _with_without(of["films"]),
            *(
                _interval(figures["test"]["classes"][name]["subgroups"][group]["auroc"])
                for figures in nets.values()
            ),
        ]
        for group, of in first.items()
    ]
    return _table(["subgroup", "films with / without", *nets], rows)


def _calibration_table(nets: Mapping[str, Figures], classes: Sequence[str]) -> list[str]:
    rows = []
    for name in classes:
        for net, figures in nets.items():
            for scaling, found in figures["calibration"].get(name, {}).items():
                if isinstance(found, dict):
                    rows.append(
                        [name.replace("_", " "), net, scaling, _share(found["ece"]), _share(found["brier"])]
                    )
    return _table(["class", "net", "scaling", "ECE", "Brier"], rows)


def _confusion_table(confusion: Figures, classes: Sequence[str]) -> list[str]:
    heads = ["label", "films", *(f"flagged {name.replace('_', ' ')}" for name in classes), "flagged for none"]
    rows = [
        [label.replace("_", " "), str(of["films"]), *(str(of[name]) for name in classes), str(of["none"])]
        for label, of in confusion.items()
    ]
    return _table(heads, rows)


def _flagged_table(classes: Mapping[str, Figures]) -> list[str]:
    sources = next(iter(classes.values()))["per_source"]
    heads = ["source", *(f"{name.replace('_', ' ')}: with / without, flagged" for name in classes)]
    rows = [
        [
            source,
            *(
                f"{_with_without(of['per_source'][source]['films'])}, "
                f"{_share(of['per_source'][source]['flagged'][DEFAULT_POINT])}"
                for of in classes.values()
            ),
        ]
        for source in sources
    ]
    return _table(heads, rows)


def _probe_table(nets: Mapping[str, Figures]) -> list[str]:
    rows = [
        [
            net,
            _share(of["source_probe"].get("balanced_accuracy")),
            _share(of["source_probe"].get("chance")),
            ", ".join(
                f"{source} {_share(share)}"
                for source, share in of["source_probe"].get("told_of_each_source", {}).items()
            )
            or _NONE,
        ]
        for net, of in nets.items()
    ]
    return _table(["net", "balanced accuracy", "chance", "told of each source"], rows)


def _dice_table(dice: Mapping[str, Figures]) -> list[str]:
    sources = list(dict.fromkeys(source for of in dice.values() for source in of))
    rows = [[net, *(_share(of.get(source)) for source in sources)] for net, of in dice.items()]
    return _table(["lung net", *sources], rows)


def _cell_table(head: str, cells: Mapping[str, Mapping[str, str]], nets: Iterable[str]) -> list[str]:
    if not cells:
        return ["Not measured."]
    columns = list(nets)
    rows = [[title, *(of.get(net, _NONE) for net in columns)] for title, of in cells.items()]
    return _table([head, *columns], rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        "|---|" + "---|" * (len(heads) - 1),
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _both(of: Figures) -> str:
    return f"{_interval(of['against_rest'])} / {_interval(of['against_normal'])}"


def _with_without(films: Figures) -> str:
    return f"{films['with']} / {films['without']}"


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def _interval(figure: Figures | None) -> str:
    if not figure:
        return _NONE
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
