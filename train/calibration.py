"""From logits to probabilities that mean what they say, and how far they are from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from cxrtriage.reading.member import sigmoid
from cxrtriage.weights import Calibration

BINS = 10
# exp(3) is a net twenty times too sure; nothing beyond that is worth a search.
_MOST = 3.0


def temperature_for(logits: np.ndarray, truths: np.ndarray) -> Calibration:
    """The temperature (Guo 2017) that makes (films,) bool truths most likely; 1 leaves the logits."""

    def loss(log_temperature: float) -> float:
        return _cross_entropy(logits / np.exp(log_temperature), truths.astype(float))

    found = minimize_scalar(loss, bounds=(-_MOST, _MOST), method="bounded")
    return Calibration(round(float(np.exp(found.x)), 4))


def platt_for(logits: np.ndarray, truths: np.ndarray) -> Calibration:
    """Temperature and shift (Platt 1999) for (films,) logits, with his smoothed targets.

    The smoothing keeps a class of five films from being called certain. The temperature stays
    positive, so that no net is turned round.
    """
    ill, well = int(truths.sum()), int((~truths).sum())
    targets = np.where(truths, (ill + 1) / (ill + 2), 1 / (well + 2))

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = logits * np.exp(-values[0])
        over = (sigmoid(scaled + values[1]) - targets) / len(targets)
        return _cross_entropy(scaled + values[1], targets), np.array([-(over * scaled).sum(), over.sum()])

    bounds = [(-_MOST, _MOST), (None, None)]
    log_temperature, shift = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(round(float(np.exp(log_temperature)), 4), round(float(shift), 4))


def _cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean of -log p(target) over films, without overflow."""
    return float((np.logaddexp(0, logits) - targets * logits).mean())


def calibrated(logits: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Logits, any shape, of the calibrated probability."""
    return logits / calibration.temperature + calibration.shift


def logit(probabilities: np.ndarray) -> np.ndarray:
    """The inverse of the logistic function; 0 and 1 become the last numbers before them."""
    kept = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return np.log(kept) - np.log1p(-kept)


def reliability(probabilities: np.ndarray, truths: np.ndarray, bins: int = BINS) -> list[dict[str, Any]]:
    """By equal step of the probability that holds films: their number, mean probability and share of ill."""
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    return [
        {
            "films": int((index == step).sum()),
            "probability": round(float(probabilities[index == step].mean()), 4),
            "share": round(float(truths[index == step].mean()), 4),
        }
        for step in range(bins)
        if (index == step).any()
    ]


def calibration_error(probabilities: np.ndarray, truths: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error over `bins` equal steps of the probability (Naeini 2015)."""
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [
        (index == step).mean() * abs(probabilities[index == step].mean() - truths[index == step].mean())
        for step in range(bins)
        if (index == step).any()
    ]
    return float(sum(gaps))


def brier(probabilities: np.ndarray, truths: np.ndarray) -> float:
    """Mean squared distance of probability and truth (Brier 1950)."""
    return float(((probabilities - truths) ** 2).mean())
