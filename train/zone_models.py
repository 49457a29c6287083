"""Linear models of the severity scales on the maps of nets that learnt something else.

After Cohen 2020 (arXiv:2005.11856): scored films are few, and a ridge on fixed features makes other errors
than nets whose trunk went along; their mean is nearer to the readers than either. The models of a fold are
fitted anew without its films wherever something is measured on these.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cxrtriage import nets
from cxrtriage.nets.classifier import FilmClassifier
from cxrtriage.nets.registry import ZONE_MODEL
from cxrtriage.nets.severity import ZONES, ZoneModel
from cxrtriage.reading.severity import SCALED
from cxrtriage.weights import Card, load_net, read_card, save_net, write_card
from train.settings import SettingsError
from train.severity import SeverityData, licences_by_source

# Of the maps of these last stages; the first says where edges are and added nothing.
_LEVELS = 3
# What a weight costs; of 500 to 4,000 all did alike on films unseen.
_ZONE_PENALTY, _FILM_PENALTY = 1500.0, 1000.0
# All well films weigh this share of the scored: enough that 0 is known, more makes severe films milder.
_WELL_WEIGHT = 0.04
# What tells a zone's place counts this many times as much as one map, so that it is hardly penalised.
_PLACE = 10.0
# Share of these models in a score; on films unseen one half to three quarters did alike.
SHARE = 2 / 3
_BATCH = 16


@dataclass(frozen=True, eq=False)
class ZoneMeans:
    """Of every film of a `SeverityData`: means of a net's maps over its zones (films, 6, width) float64."""

    trunk: Card
    channels: tuple[int, ...]
    means: np.ndarray


def zone_means(data: SeverityData, trunk: str, weights: Path) -> ZoneMeans:
    """Ask a net of the folder of weights; SettingsError where it has no maps of that kind."""
    card = read_card(trunk, weights)
    net = load_net(card, weights)
    if not isinstance(net, FilmClassifier):
        raise SettingsError(f"zone_models: {trunk} is a {card.architecture}, not a net with maps by stage.")
    scale, shift = data.settings.input.scale_and_shift
    channels = tuple(net.backbone.channels[-_LEVELS:])
    model = ZoneModel(channels)
    means = []
    with torch.inference_mode():
        for start in range(0, len(data.images), _BATCH):
            films = torch.from_numpy(data.images[start : start + _BATCH].astype(np.float32) * scale + shift)
            zones = torch.from_numpy(data.zones[start : start + _BATCH])
            means.append(model.means(net.forward_features(films[:, None]), zones).double().numpy())
    return ZoneMeans(card, channels, np.concatenate(means))


def fit_zone_model(data: SeverityData, of: ZoneMeans, keep: np.ndarray) -> ZoneModel:
    """Ridge regressions on the films of `keep` (films,) bool, well ones among them."""
    model: ZoneModel = nets.build(ZONE_MODEL, channels=of.channels)  # type: ignore[assignment]
    brixia = np.array([truth.zones for truth in data.truths])
    fitted = np.flatnonzero(keep & ~np.isnan(brixia[:, 0]))
    weight = np.repeat(_weights(data.scored[fitted]), ZONES)
    inputs = of.means[fitted].reshape(-1, of.means.shape[2])
    _settle(model.zone_scaling, inputs)
    places = np.tile(np.eye(ZONES) * _PLACE, (len(fitted), 1))
    told = np.concatenate([_scaled(model.zone_scaling, inputs), places], axis=1)
    slopes, start = _ridge(told, brixia[fitted].ravel(), weight, _ZONE_PENALTY)
    with torch.no_grad():
        model.zone_head.weight[:] = torch.from_numpy(slopes[None, :-ZONES])
        model.zone_head.bias[:] = start
        model.zone_bias[:] = torch.from_numpy(slopes[-ZONES:] * _PLACE)
    films = of.means.mean(axis=1)
    for number, scale in enumerate(("extent", "opacity")):
        truth = np.array([getattr(one, scale) for one in data.truths])
        fitted = np.flatnonzero(keep & ~np.isnan(truth))
        if number == 0:
            _settle(model.film_scaling, films[fitted])
        told = _scaled(model.film_scaling, films[fitted])
        slopes, start = _ridge(told, truth[fitted], _weights(data.scored[fitted]), _FILM_PENALTY)
        with torch.no_grad():
            model.film_head.weight[number] = torch.from_numpy(slopes)
            model.film_head.bias[number] = start
    return model.eval().requires_grad_(False)


def _weights(scored: np.ndarray) -> np.ndarray:
    return np.where(scored, 1.0, _WELL_WEIGHT * scored.sum() / max((~scored).sum(), 1))


def _settle(scaling: torch.nn.BatchNorm1d, inputs: np.ndarray) -> None:
    assert scaling.running_mean is not None
    assert scaling.running_var is not None
    scaling.running_mean[:] = torch.from_numpy(inputs.mean(axis=0))
    scaling.running_var[:] = torch.from_numpy(inputs.var(axis=0))


def _scaled(scaling: torch.nn.BatchNorm1d, inputs: np.ndarray) -> np.ndarray:
    scaled: Tensor = scaling.eval()(torch.from_numpy(inputs).float())
    return scaled.double().numpy()


def _ridge(
    inputs: np.ndarray, truth: np.ndarray, weight: np.ndarray, penalty: float
) -> tuple[np.ndarray, float]:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=penalty).fit(inputs, truth, sample_weight=weight)
    return np.asarray(model.coef_), float(model.intercept_)


def train_zone_model(data: SeverityData, trunk: str, runs: Path, weights: Path) -> Card:
    """Fit on all films outside the test split; write `runs/zone_model_TRUNK/...`, weights and card."""
    of = zone_means(data, trunk, weights)
    keep = (data.folds() >= 0) & data.taught
    name = f"zone_model_{trunk}"
    folder = runs / name
    folder.mkdir(parents=True, exist_ok=True)
    sha256 = save_net(fit_zone_model(data, of, keep), folder / f"{name}.safetensors")
    card = Card(
        name=name,
        task=f"severity: Brixia, extent and opacity, linear on the maps of {trunk}",
        classes=(),
        architecture=ZONE_MODEL,
        options={"channels": list(of.channels)},
        input=data.settings.input.to_dict(),
        sha256=sha256,
        licence="Under the terms of the training films' sources, named with each source.",
        lungs=data.finder.version,
        training_data=licences_by_source(data, keep),
        settings={"trunk": trunk, "trunk_sha256": of.trunk.sha256},
    )
    write_card(card, folder)
    return card


def zone_model_checksums(weights: Path) -> dict[str, str]:
    """sha256 of the zone models of a folder of weights by their names."""
    names = sorted(path.stem for path in weights.glob(f"{ZONE_MODEL}_*.json"))
    return {name: read_card(name, weights).sha256 for name in names}


class ZoneModels:
    """The zone models of a folder of weights, asked of films that they had not seen."""

    def __init__(self, data: SeverityData, weights: Path) -> None:
        self.data = data
        self.checksums = zone_model_checksums(weights)
        self.cards = [read_card(name, weights) for name in self.checksums]
        self.means = [zone_means(data, str(card.settings["trunk"]), weights) for card in self.cards]
        for card, of in zip(self.cards, self.means, strict=True):
            if card.settings["trunk_sha256"] != of.trunk.sha256:
                raise SettingsError(f"{card.name} was fitted on another {of.trunk.name}; fit it again.")
        self.shipped: list[ZoneModel] = [load_net(card, weights) for card in self.cards]

    @property
    def share(self) -> float:
        return SHARE if self.cards else 0.0

    def said(self, index: np.ndarray, folds: np.ndarray) -> dict[str, np.ndarray]:
        """Mean of the models by scale for the films of `index`: those of a fold by models without it, those
        of fold -1 by the shipped ones."""
        own, keep = self.data.folds(), self.data.taught
        said: dict[str, Any] = {part: [] for part in SCALED}
        for of, shipped in zip(self.means, self.shipped, strict=True):
            told = {
                part: np.zeros((len(index), ZONES) if part == "brixia" else len(index)) for part in SCALED
            }
            for fold in np.unique(folds[index]):
                model = shipped if fold == -1 else fit_zone_model(
                    self.data, of, keep & (own >= 0) & (own != fold)
                )  # fmt: skip
                here = np.flatnonzero(folds[index] == fold)
                outputs = model.told(torch.from_numpy(of.means[index[here]]).float())
                for part in SCALED:
                    told[part][here] = getattr(outputs, part).double().numpy()
            for part in SCALED:
                said[part].append(told[part])
        return {part: np.mean(values, axis=0) for part, values in said.items()}
