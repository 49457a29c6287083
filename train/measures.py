"""What is measured of one class on test films: figures as plain JSON types, of a net or of nets together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from cxrtriage.reading.call import class_score
from cxrtriage.reading.member import sigmoid
from cxrtriage.weights import Calibration, OperatingPoint
from train.calibration import brier, calibrated, calibration_error, platt_for, reliability, temperature_for
from train.figures import Counts, auroc, flagged_shares
from train.manifest import FilmRow
from train.scores import Predictions, Scores
from train.settings import Settings
from train.thresholds import DEFAULT_POINT

Points = Mapping[str, Mapping[str, OperatingPoint]]

# Films of which age, sex or view is not known are in none of its subgroups.
SUBGROUPS: dict[str, Callable[[FilmRow], bool]] = {
    "age under 40": lambda row: row.age_years is not None and row.age_years < 40,
    "age 40 to 59": lambda row: row.age_years is not None and 40 <= row.age_years < 60,
    "age 60 and over": lambda row: row.age_years is not None and row.age_years >= 60,
    "female": lambda row: row.sex == "F",
    "male": lambda row: row.sex == "M",
    "PA": lambda row: row.view == "PA",
    "AP": lambda row: row.view == "AP",
}
# A finding is shown from this test AUROC on, measured on at least so many films with and without.
SHOWN_AUROC, SHOWN_FILMS = 0.70, 10
# Differences in AUROC on some 500 validation films that are no difference.
CHANCE = 0.005


def test_figures(test: Predictions, points: Points, settings: Settings) -> dict[str, Any]:
    """Figures over the sources that may be quoted: by class, and what is flagged of films of each label."""
    quoted = test.without_sources(settings.unquoted_sources)
    scores = [quoted.scores(name) for name in quoted.classes]
    return {
        "sources": scores[0].sources,
        "classes": {s.class_name: class_figures(s, points[s.class_name]) for s in scores},
        "confusion": confusion(quoted, points),
    }


def headline(test: dict[str, Any]) -> str:
    """The AUROC of every class, in a line."""
    values = {name: of["against_rest"] for name, of in test["classes"].items()}
    return ", ".join(f"{name} AUROC {v['value']:.3f}" if v else f"{name} –" for name, v in values.items())


def class_figures(scores: Scores, points: Mapping[str, OperatingPoint]) -> dict[str, Any]:
    """AUROC against all other films, against normal films and within sources; calls; sources; subgroups."""
    within = scores.within_sources()
    return {
        **aurocs(scores),
        "within_sources": {"films_of": within.sources, "auroc": within.auroc()},
        "roc": roc_points(scores),
        "at_half": Counts.of(scores.probabilities >= 0.5, scores.truths).to_dict(),
        "operating_points": {name: called(scores, point) for name, point in points.items()},
        "per_source": {source: _source(scores.of_sources([source]), points) for source in scores.sources},
        "subgroups": {name: subgroup(scores.where(keep), points) for name, keep in SUBGROUPS.items()},
    }


def roc_points(scores: Scores, most: int = 60) -> list[list[float]]:
    """(1 - specificity, sensitivity) from 0, 0 to 1, 1, thinned for a plot; none of one class only."""
    if not scores.of_both:
        return []
    false_alarms, sensitivity, _ = roc_curve(scores.truths, scores.probabilities)
    kept = np.unique(np.linspace(0, len(false_alarms) - 1, min(most, len(false_alarms))).round().astype(int))
    return [[round(float(false_alarms[i]), 4), round(float(sensitivity[i]), 4)] for i in kept]


def aurocs(scores: Scores) -> dict[str, Any]:
    """AUROC against all films without the class, and against normal films alone."""
    return {"against_rest": scores.auroc(), "against_normal": scores.against_normal().auroc()}


def called(scores: Scores, point: OperatingPoint) -> dict[str, Any]:
    """Confusion at a threshold, sensitivity and specificity with intervals, share called uncertain."""
    flagged = scores.probabilities >= point.threshold
    sensitivity, specificity = flagged_shares(flagged, scores.truths, scores.patients)
    members = scores.probabilities[:, None] if scores.members is None else scores.members
    deviations = [] if scores.deviations is None else scores.deviations.tolist()
    # By the program's own rule, so that the figure is of what users see.
    calls = [class_score(of_film.tolist(), "", point, deviations).call for of_film in members]
    return {
        **Counts.of(flagged, scores.truths).to_dict(),
        "sensitivity_interval": sensitivity.to_dict() if sensitivity else None,
        "specificity_interval": specificity.to_dict() if specificity else None,
        "uncertain": round(calls.count("uncertain") / len(calls), 4) if calls else None,
    }


def _source(scores: Scores, points: Mapping[str, OperatingPoint]) -> dict[str, Any]:
    return {
        "films": {"with": int(scores.truths.sum()), "without": int((~scores.truths).sum())},
        **aurocs(scores),
        "flagged": {
            name: round(float((scores.probabilities >= point.threshold).mean()), 4)
            for name, point in points.items()
        },
    }


def subgroup(scores: Scores, points: Mapping[str, OperatingPoint]) -> dict[str, Any]:
    """AUROC against all other films of the subgroup, and calls at the default point."""
    flagged = scores.probabilities >= points[DEFAULT_POINT].threshold
    counts = Counts.of(flagged, scores.truths).to_dict()
    return {
        "films": {"with": int(scores.truths.sum()), "without": int((~scores.truths).sum())},
        "auroc": scores.auroc(),
        "sensitivity": counts["recall"],
        "specificity": counts["specificity"],
    }


def confusion(predictions: Predictions, points: Points) -> dict[str, dict[str, int]]:
    """By label: how many films, how many flagged for each class at the default point, how many for none.

    A film may be flagged for several classes, so that a row need not add up.
    """
    flagged = np.stack(
        [
            predictions.probabilities[:, number] >= points[name][DEFAULT_POINT].threshold
            for number, name in enumerate(predictions.classes)
        ],
        axis=1,
    )
    labels = np.array([row.label for row in predictions.films.rows])
    return {
        str(label): {
            "films": int((labels == label).sum()),
            **{
                name: int(flagged[labels == label, number].sum())
                for number, name in enumerate(predictions.classes)
            },
            "none": int((~flagged[labels == label].any(axis=1)).sum()),
        }
        for label in sorted(set(labels))
    }


def calibration_figures(
    test: Predictions,
    logits: np.ndarray,
    scalings: Mapping[str, Mapping[str, Calibration]],
    settings: Settings,
) -> dict[str, Any]:
    """By class: ECE and Brier of the plain sigmoid, with the temperature alone, with temperature and shift.

    `logits` are (films, classes), `scalings` go by name of the scaling and class. On the test films of
    the sources it was calibrated on, and of all that may be quoted; elsewhere the ill have another share.
    """
    result: dict[str, Any] = {}
    for number, name in enumerate(test.classes):
        scaled = {
            "plain": sigmoid(logits[:, number]),
            **{
                scaling: sigmoid(calibrated(logits[:, number], by_class[name]))
                for scaling, by_class in scalings.items()
            },
        }
        result[name] = _calibration(test, name, scaled, settings)
    return result


def pooled_calibration(test: Predictions, settings: Settings) -> dict[str, Any]:
    """The same of nets together, whose probability is scaled member by member."""
    return {
        name: _calibration(test, name, {"pooled": test.scores(name).probabilities}, settings)
        for name in test.classes
    }


def _calibration(
    test: Predictions, name: str, scaled: Mapping[str, np.ndarray], settings: Settings
) -> dict[str, Any]:
    rows, truths = test.films.rows, test.scores(name).truths
    own = np.array([row.source in settings.threshold_sources for row in rows], bool)
    quoted = np.array([row.source not in settings.unquoted_sources for row in rows], bool)
    result: dict[str, Any] = {"share_of_ill": round(float(truths[own].mean()), 4)}
    for scaling, probabilities in scaled.items():
        result[scaling] = {
            "ece": round(calibration_error(probabilities[own], truths[own]), 4),
            "brier": round(brier(probabilities[own], truths[own]), 4),
            "ece_all_sources": round(calibration_error(probabilities[quoted], truths[quoted]), 4),
            "brier_all_sources": round(brier(probabilities[quoted], truths[quoted]), 4),
            "reliability": reliability(probabilities[own], truths[own]),
        }
    return result


def scalings_for(logits: np.ndarray, truths: np.ndarray) -> tuple[Calibration, Calibration]:
    """Temperature alone, and temperature with shift, of (films,) logits; the identity for one class only."""
    if truths.all() or not truths.any():
        return Calibration(), Calibration()
    temperature, both = (
        replace(found, deviation=round(float(calibrated(logits, found).std()), 4) or 1.0)
        for found in (temperature_for(logits, truths), platt_for(logits, truths))
    )
    return temperature, both


def finding_figures(
    logits: np.ndarray, targets: np.ndarray, names: tuple[str, ...], patients: list[str]
) -> dict[str, Any]:
    """By finding: AUROC on the films of which it is known; `logits` and `targets` are (films, findings)."""
    result: dict[str, Any] = {}
    for number, name in enumerate(names):
        known = np.flatnonzero(~np.isnan(targets[:, number]))
        truths = targets[known, number] > 0.5
        found = auroc(logits[known, number], truths, [patients[i] for i in known])
        result[name] = {
            "films": {"with": int(truths.sum()), "without": int((~truths).sum())},
            "auroc": found.to_dict() if found else None,
        }
    return result


def enough(figure: Mapping[str, Any]) -> bool:
    """Whether a finding was measured on enough films to be spoken of."""
    return figure["auroc"] is not None and min(figure["films"].values()) >= SHOWN_FILMS


def shown_findings(figures: Mapping[str, Any]) -> tuple[str, ...]:
    """The findings that held on the test split; never "no finding", since no film is called normal."""
    return tuple(
        name
        for name, figure in figures.items()
        if name != "no_finding" and enough(figure) and figure["auroc"]["value"] >= SHOWN_AUROC
    )
