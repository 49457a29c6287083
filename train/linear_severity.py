"""Extent and opacity by linear models on what a findings net says, as Cohen 2020 (arXiv:2005.11856) has them.

Nothing of a net is trained. A model's inputs are logits of findings, or the net's pooled features; each film
of the train and val splits is told by a model that saw no film of its patient, test films by one that saw all
of those splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cxrtriage.reading.member import Member
from train.films import CACHE, cached_images
from train.grading import GradedFilms
from train.pointing import mean_over_patients
from train.settings import SettingsError
from train.severity_figures import Scored, drawn_over_patients, error_figures
from train.severity_truths import SeverityTruth
from train.severity_unseen import SCALES

ONE = ("opacity",)
FEW = ("opacity", "consolidation", "infiltration", "pneumonia")
FEATURES = "features"
_BATCH = 32
# The penalty where inputs are many; chosen by leaving out film by film of those learnt from (Golub 1979).
_ALPHAS = np.logspace(0, 6, 13)


def linear_figures(films: GradedFilms, names: Sequence[str], weights: Path) -> dict[str, Any]:
    """Figures by net, inputs and scale: `unseen` and `test`, each with the correlation; of the other
    patients' average too, which knows no film. SettingsError where a net tells no opacity."""
    figures: dict[str, Any] = {"average": {"average": _figures(films, None)}}
    for name in names:
        member = Member.load(name, weights)
        if not set(FEW) <= set(member.card.findings):
            raise SettingsError(f"{name} does not tell {', '.join(FEW)}; name a net that learnt findings.")
        inputs = _inputs(films, member)
        figures[name] = {what: _figures(films, values) for what, values in inputs.items()}
    return figures


def _inputs(films: GradedFilms, member: Member) -> dict[str, np.ndarray]:
    """By what is taken of the net, (films, inputs)."""
    rows = [truth.row for truth in films.truths]
    images = cached_images(rows, member.form, films.runs / CACHE, films.lungs, films.finder.card.sha256)[:, 0]
    logits, features = [], []
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            batch = torch.cat([member.form.tensor(image) for image in images[start : start + _BATCH]])
            maps = member.net.forward_features(batch)
            logits.append(member.net.forward_head(maps).double().numpy())
            features.append(member.net.pool(maps).double().numpy())
    told = np.concatenate(logits)
    findings = list(member.card.findings)

    def of(names: Sequence[str]) -> np.ndarray:
        return told[:, [len(member.card.classes) + findings.index(name) for name in names]]

    return {
        "opacity alone": of(ONE),
        ", ".join(FEW): of(FEW),
        f"all {len(findings)} findings": of(findings),
        f"{features[0].shape[1]} {FEATURES}": np.concatenate(features),
    }


def _figures(films: GradedFilms, inputs: np.ndarray | None) -> dict[str, Any]:
    test = np.flatnonzero(films.folds == -1)
    seen = np.flatnonzero(films.folds >= 0)
    figures: dict[str, Any] = {}
    for scale, most in SCALES.items():
        truth = np.array([getattr(one, scale) for one in films.truths])
        known = seen[~np.isnan(truth[seen])]
        said = np.full(len(truth), np.nan)
        said[known] = left_out_scores(
            None if inputs is None else inputs[known], truth[known], films.patients[known]
        )
        said[test] = _told(inputs, truth, known, test)
        said = np.clip(said, 0, most)
        figures[scale] = {
            part: scale_figures(
                [films.truths[i] for i in index], scale, said[index], correlated=inputs is not None
            )
            for part, index in (("unseen", known), ("test", test[~np.isnan(truth[test])]))
        }
    return figures


def left_out_scores(inputs: np.ndarray | None, truth: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """(films,) each by a model of (films, inputs) that saw no film of its patient; by the others' mean where
    there are no inputs."""
    said = np.full(len(truth), np.nan)
    for patient in np.unique(patients):
        own = patients == patient
        said[own] = _told(inputs, truth, np.flatnonzero(~own), np.flatnonzero(own))
    return said


def _told(inputs: np.ndarray | None, truth: np.ndarray, taught: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """(asked,) scores by a model of the films `taught`."""
    from sklearn.linear_model import LinearRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if inputs is None:
        return np.full(len(asked), truth[taught].mean())
    wide = inputs.shape[1] > len(taught) / 4
    model = make_pipeline(StandardScaler(), RidgeCV(_ALPHAS) if wide else LinearRegression())
    told: np.ndarray = model.fit(inputs[taught], truth[taught]).predict(inputs[asked])
    return told


def scale_figures(
    truths: Sequence[SeverityTruth], scale: str, said: np.ndarray, *, correlated: bool = True
) -> dict[str, Any]:
    """MAE, MSE, R2 and correlation with intervals over patients, and what was `said` by film."""
    scored = Scored(truths, {scale: said})
    figures = error_figures(scored, scale)
    figures["said"] = {
        truth.row.file: round(float(value), 3) for truth, value in zip(truths, said, strict=True)
    }
    if "mae" not in figures or not correlated or not said.std():
        return figures
    read = scored.readers[scale]

    def correlation(of: np.ndarray) -> float:
        return float(np.corrcoef(read[of], said[of])[0, 1])

    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = np.nanpercentile(drawn_over_patients(correlation, scored.patients), [2.5, 97.5])
    return {
        **figures,
        "correlation": round(correlation(np.arange(len(said))), 3),
        "correlation_interval": [round(float(low), 3), round(float(high), 3)],
    }


def nearer(
    truths: Sequence[SeverityTruth], scale: str, one: Mapping[str, float], other: Mapping[str, float]
) -> dict[str, float]:
    """By how much the MAE of `one` is less than that of the `other`, on the films both told."""
    both = [truth for truth in truths if truth.row.file in one and truth.row.file in other]
    read = np.array([getattr(truth, scale) for truth in both])
    errors = [np.abs(np.array([said[truth.row.file] for truth in both]) - read) for said in (one, other)]
    less = errors[1] - errors[0]
    value, low, high = mean_over_patients(less, [truth.row.patient for truth in both])
    return {"value": round(value, 3), "low": round(low, 3), "high": round(high, 3), "films": len(both)}
