"""What the severity nets of a folder of weights say of films they had not seen, held as they would be read.

Outputs become scores by what is fitted on unseen films (`severity_figures.fit_told`); here that of a film's
fold is fitted on the other folds, so that nothing at all has seen the film.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cxrtriage.nets.severity import EXTENT, OPACITY
from cxrtriage.weights import load_net, read_card
from train.opacity_finder import OpacityFinder
from train.severity import SeverityData, settings_of_card
from train.severity_figures import Scored, fit_told, said_by
from train.zone_models import ZoneModels, zone_model_checksums

SCALES = {"extent": EXTENT, "opacity": OPACITY}


def severity_nets(weights: Path) -> dict[str, str]:
    """sha256 of the severity nets of a folder by their names."""
    names = sorted(path.stem for path in weights.glob("severity_*.json"))
    return {name: read_card(name, weights).sha256 for name in names}


def severity_checksums(weights: Path) -> dict[str, str]:
    """sha256 of all that reads severity, by name."""
    return {
        **severity_nets(weights),
        **zone_model_checksums(weights),
        **OpacityFinder.of_zones(weights).checksums,
    }


def unseen_scores(weights: Path, runs: Path) -> dict[str, Scored]:
    """Extent and opacity by part: `unseen`, films of the train and val splits by the net of their fold, and
    `test`, test films by the mean of all nets."""
    cards = [read_card(name, weights) for name in severity_nets(weights)]
    nets = {int(card.settings["fold"]) - 1: load_net(card, weights) for card in cards}
    data = SeverityData(settings_of_card(cards[0]), runs)
    folds = data.folds()
    beside = ZoneModels(data, weights), OpacityFinder.of_zones(weights)
    index, parts = said_by(data, {fold: [net] for fold, net in nets.items()}, folds, *beside)
    said = {scale: np.full(len(index), np.nan) for scale in SCALES}
    for fold in nets:
        own = folds[index] == fold
        told = fit_told({name: of[~own] for name, of in parts.items()}, data, index[~own])
        scores = told.scores({name: of[own] for name, of in parts.items()})
        for scale in SCALES:
            said[scale][own] = scores[scale]
    # Well test films are many and are not asked for here.
    asked = np.where(data.scored, folds, -2)
    test, of_test = said_by(data, {-1: list(nets.values())}, asked, *beside)
    scores = fit_told(parts, data, index).scores(of_test)
    of_scales = {scale: scores[scale] for scale in SCALES}
    return {"unseen": _known(data, index, said), "test": _known(data, test, of_scales)}


def _known(data: SeverityData, index: np.ndarray, said: dict[str, np.ndarray]) -> Scored:
    """Of the scored films that have an opacity."""
    kept = data.scored[index] & ~np.isnan([data.truths[i].opacity for i in index])
    return Scored([data.truths[i] for i in index[kept]], {name: of[kept] for name, of in said.items()})
