"""Nets that read together: thresholds and figures of every combination, who reads which class, and the file
of the ensemble."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from cxrtriage.reading.call import POOLING
from cxrtriage.reading.ensemble import Ensemble, combination_name, read_ensemble, write_ensemble
from cxrtriage.weights import OperatingPoint, WeightsError, read_card
from train.asked import Asked
from train.controls import LEAST_FALL, Changed, Fall, changed_together
from train.left_out import folds_together
from train.measures import CHANCE, enough, headline, pooled_calibration, test_figures
from train.scores import Predictions, pooled
from train.settings import Settings, SettingsError
from train.thresholds import DEFAULT_POINT, operating_points, spread_of

# By nets, what they are chosen by.
Merits = dict[tuple[str, ...], dict[str, float]]


def need_the_same(nets: dict[str, Asked]) -> None:
    """Nets that read together need the same films and lungs for a common threshold, and one that knows every
    class: others may know some of them alone."""
    widest = _widest(nets)
    for name, net in nets.items():
        knows = set(net.member.card.classes) <= set(widest.member.card.classes)
        if not knows or net.val.films.rows != widest.val.films.rows:
            raise SettingsError(
                f"{name} has other classes, sources or labels than {widest.member.card.name}; "
                "evaluate them one by one."
            )
        if net.member.card.lungs != widest.member.card.lungs:
            raise SettingsError(
                f"{name} needs another lung net than {widest.member.card.name}; evaluate them one by one."
            )


def _widest(nets: dict[str, Asked]) -> Asked:
    """The first of the nets that know most classes."""
    return max(nets.values(), key=lambda net: len(net.member.card.classes))


@dataclass(frozen=True, eq=False)
class Combined:
    """What all combinations of nets measure.

    By the name of a combination of two or more: its thresholds (`points`) and figures (`measured`). By class
    and the nets that know it, one or more: how well they do on validation films (`validated`), and by how
    much their AUROC falls there without the lungs (`falls`; None of too few films).
    """

    points: dict[str, dict[str, dict[str, OperatingPoint]]]
    measured: dict[str, Any]
    validated: dict[str, Merits]
    falls: dict[str, dict[tuple[str, ...], Fall | None]]

    def folds(self, figures: dict[str, dict[str, Any]]) -> dict[tuple[str, ...], dict[str, Any]]:
        """By nets, figures of hospitals they never saw; those of one net are in its own `figures`."""
        return {
            names: (figures[names[0]] if len(names) == 1 else self.measured[combination_name(names)])[
                "leave_one_source_out"
            ]
            for of_class in self.validated.values()
            for names in of_class
        }


def evaluate_together(
    nets: dict[str, Asked],
    figures: dict[str, dict[str, Any]],
    controls: dict[str, dict[str, Changed]],
    lungs_out: dict[str, Changed],
    weights: Path,
    results: Path,
) -> None:
    """Thresholds of every combination of two or more nets, and how each does on the test split.

    `controls`: by net and control, what it says of the test films; `lungs_out`: by net, what it says of the
    validation films without their lungs, which is asked of those who shall read.
    """
    widest = _widest(nets)
    combined = _combined(nets, lungs_out, results)
    sums = {name: net.member.card.sha256 for name, net in nets.items()}
    best = _findings_net(figures)
    version = {"name": best, "sha256": sums[best][:12]} if best else {}
    folds = combined.folds(figures)
    so_far = _reading_so_far(weights)
    unseen = {
        name: held_elsewhere({names: folds[names] for names in of_class}, name)
        for name, of_class in combined.validated.items()
    }
    readers = {
        name: chosen_members(
            reading_lungs({names: merit["mean"] for names, merit in of_class.items()}, combined.falls[name]),
            best_unseen(figures, name),
            so_far.get(name, ()),
            unseen[name],
        )
        for name, of_class in combined.validated.items()
    }
    for name, members in readers.items():
        print(f"{name} is read by {combination_name(members)}", flush=True)
    lungs = widest.member.card.lungs
    calibrations = {name: net.member.card.calibration_sha256 for name, net in nets.items()}
    ensemble = Ensemble(sums, calibrations, readers, DEFAULT_POINT, lungs, version, combined.points)
    write_ensemble(ensemble, weights)
    values = {
        "weights": sums,
        "readers": {name: list(members) for name, members in readers.items()},
        "validation_auroc": {
            name: {
                combination_name(names): {key: round(value, 4) for key, value in merit.items()}
                for names, merit in of_class.items()
            }
            for name, of_class in combined.validated.items()
        },
        "unseen_auroc": {name: _by_name(of_class) for name, of_class in unseen.items()},
        "validation_fall_without_lungs": {
            name: {combination_name(names): fall.to_dict() for names, fall in of_class.items() if fall}
            for name, of_class in combined.falls.items()
        },
        "pooling": POOLING,
        "findings": version,
        "ensemble": _figures_of(ensemble, nets, controls, folds, weights, widest.settings),
        "combinations": {
            name: of if name == combination_name(list(nets)) else _summary(of)
            for name, of in combined.measured.items()
        },
    }
    (results / "ensemble.json").write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")


def _combined(nets: dict[str, Asked], lungs_out: dict[str, Changed], results: Path) -> Combined:
    widest = _widest(nets)
    classes = widest.member.card.classes
    combined = Combined({}, {}, {name: {} for name in classes}, {name: {} for name in classes})
    for size in range(1, len(nets) + 1):
        for names in combinations(nets, size):
            chosen, together = [nets[name] for name in names], combination_name(names)
            validation = pooled([net.validation for net in chosen])
            out = changed_together([lungs_out[name] for name in names])
            for name in classes:
                if all(name in net.member.card.classes for net in chosen):
                    # A net that does not know the class adds nothing to those that do.
                    combined.validated[name][names] = _merit(validation, name, widest.settings)
                    combined.falls[name][names] = out.fall(name)
            if size == 1:
                continue  # its points are on its card
            tested = pooled([net.tested for net in chosen])
            points = combined.points[together] = {
                name: operating_points(
                    validation.scores(name),
                    widest.settings,
                    spread_of([net.validation for net in chosen], name, widest.settings.threshold_sources),
                )
                for name in validation.classes
            }
            of = combined.measured[together] = {
                "operating_points": _plain(points),
                "test": test_figures(tested, points, widest.settings),
                "calibration": pooled_calibration(tested, widest.settings),
                "leave_one_source_out": _folds_together(together, nets, names, results),
            }
            print(f"{together}: {headline(of['test'])}", flush=True)
    return combined


def _plain(points: Mapping[str, Mapping[str, OperatingPoint]]) -> dict[str, Any]:
    return {name: {p: vars(v) for p, v in by.items()} for name, by in points.items()}


def _by_name(values: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    """Rounded, by the names of combinations."""
    return {combination_name(names): round(value, 4) for names, value in values.items()}


def _figures_of(
    ensemble: Ensemble,
    nets: dict[str, Asked],
    controls: dict[str, dict[str, Changed]],
    folds: Mapping[tuple[str, ...], Any],
    weights: Path,
    settings: Settings,
) -> dict[str, Any]:
    """What the members measure where each class is read by its own nets."""
    members = {name: nets[name] for name in ensemble.members}
    places = {name: number for number, name in enumerate(members)}
    numbers = {name: [places[net] for net in of] for name, of in ensemble.readers.items()}
    points = ensemble.points({name: read_card(name, weights) for name in members})
    if points is None:
        raise SettingsError("the nets that read have no common threshold.")
    tested = pooled([net.tested for net in members.values()], numbers)
    return {
        "operating_points": _plain(points),
        "test": test_figures(tested, points, settings),
        "calibration": pooled_calibration(tested, settings),
        "leave_one_source_out": _unseen_by_class({name: folds[of] for name, of in ensemble.readers.items()}),
        "controls": {
            name: changed_together([controls[net][name] for net in members], numbers).figures()
            for name, of in controls[next(iter(members))].items()
            if len(of.whole.films.rows)
        },
    }


def _unseen_by_class(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Figures of hospitals left out, of each class those of the nets that read it."""
    result: dict[str, Any] = {}
    for name, hospitals in found.items():
        for fold, of in hospitals.items():
            if name in of["classes"]:
                result.setdefault(fold, {"films_of": of["films_of"], "classes": {}})
                result[fold]["classes"][name] = of["classes"][name]
    return dict(sorted(result.items()))


def _summary(figures: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a combination that neither reads nor holds every net: its AUROC, and its folds."""
    kept = ("against_rest", "against_normal", "within_sources")
    classes = figures["test"]["classes"]
    return {
        "test": {"classes": {name: {key: of[key] for key in kept} for name, of in classes.items()}},
        "leave_one_source_out": figures["leave_one_source_out"],
    }


def best_unseen(figures: dict[str, dict[str, Any]], class_name: str) -> frozenset[str]:
    """The nets that held best in the hospitals that most nets were left without.

    By AUROC of the class against normal films: the best net, and those that its interval does not tell
    from it. None where no two nets were measured so.
    """
    folds: dict[str, dict[str, dict[str, float]]] = {}
    for name, of in figures.items():
        for fold, found in of["leave_one_source_out"].items():
            part = found["classes"].get(class_name)
            if part and part["all"]["against_normal"]:
                folds.setdefault(fold, {})[name] = part["all"]["against_normal"]
    compared = [aurocs for aurocs in folds.values() if len(aurocs) > 1]
    if not compared:
        return frozenset()
    most = max(compared, key=len)
    least = max(most.values(), key=lambda auroc: auroc["value"])["low"]
    return frozenset(name for name, auroc in most.items() if auroc["value"] >= least)


def held_elsewhere(
    folds: dict[tuple[str, ...], dict[str, Any]], class_name: str
) -> dict[tuple[str, ...], float]:
    """By nets: mean AUROC of a class over the hospitals that they never saw, against normal films and against
    all others alike: who reads in screening wants the first, who reads in a ward the second.

    `folds`: by nets, the figures of their hospitals left out. All are compared in those of the combination
    that was measured in the most of them, of such the largest: one hospital says little of the next. Nets
    that were not measured in all of these are not in it.
    """
    found = {
        names: {
            (fold, against): of["classes"][class_name]["all"][against]["value"]
            for fold, of in hospitals.items()
            if class_name in of["classes"]
            for against in ("against_normal", "against_rest")
            if of["classes"][class_name]["all"][against]
        }
        for names, hospitals in folds.items()
    }
    # What one net alone was left without compares nobody, where several were measured together.
    widest = max(
        found, key=lambda names: (len(names) > 1 and bool(found[names]), len(found[names]), len(names))
    )
    asked = found[widest]
    if not asked:
        return {}
    return {
        names: float(np.mean([of[place] for place in asked]))
        for names, of in found.items()
        if set(asked) <= set(of)
    }


def _reading_so_far(weights: Path) -> dict[str, tuple[str, ...]]:
    """By class, who reads it by the file in the folder of weights, in the order of their names."""
    try:
        return {name: tuple(sorted(of)) for name, of in read_ensemble(weights).readers.items()}
    except WeightsError:  # there is none yet
        return {}


def reading_lungs(
    merits: dict[tuple[str, ...], float], falls: dict[tuple[str, ...], Fall | None]
) -> dict[tuple[str, ...], float]:
    """Those nets that surely fall by `LEAST_FALL` without the lungs, or of which that could not be measured;
    all, where none does."""
    seeing = {}
    for names, merit in merits.items():
        fall = falls.get(names)
        if fall is None or fall.surely >= LEAST_FALL:
            seeing[names] = merit
    return seeing or merits


def chosen_members(
    merits: dict[tuple[str, ...], float],
    anchors: frozenset[str] = frozenset(),
    so_far: tuple[str, ...] = (),
    unseen: dict[tuple[str, ...], float] | None = None,
) -> tuple[str, ...]:
    """The nets that read a class: of those that held best elsewhere, within chance of each other, those of
    the best merit.

    `unseen`: how nets together held in hospitals they never saw (`held_elsewhere`), which decides where it is
    known of several: a user's hospital is none of those trained on, and films of these cannot tell what a net
    is worth there.

    Where it is not, `anchors`, the nets that alone held best in a hospital they never saw, are members in any
    case, and of the nets with them those read that come within chance of the best merit: the most nets, and
    of as many the better, since nets of different making hold better together, and only several can disagree.
    The nets that read `so_far` then go on with the anchors where that is within chance of the best: what
    differs by chance alone is no reason to measure anew all that hangs on them.
    """
    known = {names: held for names, held in (unseen or {}).items() if names in merits}
    if len(known) > 1:
        held_best = _within_chance(known)
        return max(held_best, key=lambda names: (merits[names], known[names]))
    anchors = anchors & {net for names in merits for net in names}
    merits = {names: merit for names, merit in merits.items() if anchors <= set(names)} or merits
    near = _within_chance(merits)
    going_on = anchors | set(so_far) if so_far else set()
    return max(near, key=lambda names: (set(names) == going_on, len(names), merits[names]))


def _within_chance(values: dict[tuple[str, ...], float]) -> list[tuple[str, ...]]:
    """Those that the best does not lead by more than chance."""
    best = max(values.values())
    return [names for names, value in values.items() if value >= best - CHANCE]


def _merit(validation: Predictions, class_name: str, settings: Settings) -> dict[str, float]:
    """What those who read a class are chosen by, on validation films that may be quoted: the test films
    choose nothing.

    AUROC over `all` films, that `within_sources` that show films with and without the class, and the `mean`
    of both. The first alone would reward a net for telling hospitals apart, the second has few films and no
    other hospital's diseases.
    """
    scores = validation.scores(class_name).where(lambda row: row.source not in settings.unquoted_sources)
    every = scores.area()
    inside = scores.within_sources()
    within = inside.area() if inside.of_both else every
    return {"all": every, "within_sources": within, "mean": (every + within) / 2}


def _folds_together(
    together: str, nets: dict[str, Asked], names: Sequence[str], results: Path
) -> dict[str, Any]:
    """Figures of folds of this machine, and those last measured of the same weights for folds elsewhere."""
    path = results / "ensemble.json"
    figures: dict[str, Any] = {}
    if path.is_file():
        last = json.loads(path.read_text())
        same = all(last["weights"].get(name) == nets[name].member.card.sha256 for name in names)
        if same and last.get("pooling") == POOLING and together in last.get("combinations", {}):
            figures.update(last["combinations"][together]["leave_one_source_out"])
    return {**figures, **folds_together([nets[name].folds for name in names])}


def _findings_net(figures: dict[str, dict[str, Any]]) -> str:
    """The net whose findings are shown: the highest mean AUROC over what was measured; "" where none is."""
    means = {
        name: float(np.mean([f["auroc"]["value"] for f in of["findings"].values() if enough(f)]))
        for name, of in figures.items()
        if of["shown_findings"]
    }
    return max(means, key=lambda name: means[name]) if means else ""
