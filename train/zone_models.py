"""Linear models of the severity scales on the maps of nets that learnt something else.

After Cohen 2020 (arXiv:2005.11856): scored films are few, and a ridge on fixed features makes other errors
than nets whose trunk went along; their mean is nearer to the readers than either. The array's chances, by a
logistic regression, are learnt from normal films with opacities pasted into them besides. The models of a
fold are fitted anew without its films wherever something is measured on these.
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
from cxrtriage.nets.severity import ZONES, ZoneModel, beside_others
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.severity import SAID, SCALED, mixed, mixed_chances
from cxrtriage.weights import Card, load_net, read_card, save_net, write_card
from train.refit import logistic, settle
from train.settings import SettingsError
from train.severity import SeverityData, licences_by_source
from train.severity_films import with_opacities

# Of the maps of these last stages; the first says where edges are and added nothing.
_LEVELS = 3
# What a weight costs; of 500 to 4,000 all did alike on films unseen.
_ZONE_PENALTY, _FILM_PENALTY, _ARRAY_PENALTY = 1500.0, 1000.0, 300.0
# Films with pasted opacities that the array is learnt from, and how often a well film is tried for them; all
# weigh as much as the scored films, as do all well ones.
_PASTED, _TIMES = 2500, 3
# All well films weigh this share of the scored: enough that 0 is known, more makes severe films milder.
_WELL_WEIGHT = 0.04
# What tells a zone's place counts this many times as much as one map, so that it is hardly penalised.
_PLACE = 10.0
# Share of these models in a score; on films unseen one half to three quarters did alike.
SHARE = 2 / 3
# And in the log odds of the array: more costs nearness to the readers.
ARRAY_SHARE = 0.2
_BATCH = 16
# Of a film, by part.
_EACH = {"array": (ZONES,), "brixia": (ZONES,), "extent": (), "opacity": ()}


@dataclass(frozen=True, eq=False)
class ZoneMeans:
    """Of every film of a `SeverityData`: means of a net's maps over its zones (films, 6, width) float64; and
    `pasted` those of the films with opacities pasted in (pasted films, 6, width)."""

    trunk: Card
    channels: tuple[int, ...]
    means: np.ndarray
    pasted: np.ndarray


@dataclass(frozen=True, eq=False)
class PastedFilms:
    """Well training films with opacities: `images` and `zones` (films, size, size), `affected` (films, 6) 1,
    0 or NaN, and `of` (films,), which film of the data each was."""

    images: np.ndarray
    zones: np.ndarray
    affected: np.ndarray
    of: np.ndarray

    @classmethod
    def of_data(cls, data: SeverityData, films: int = _PASTED) -> PastedFilms:
        """As many, or fewer where the training films have few well ones."""
        random = np.random.default_rng(data.settings.seed)
        well = np.flatnonzero(data.split("train") & ~data.scored)
        drawn: list[tuple[np.ndarray, np.ndarray]] = []
        of: list[int] = []
        for number in random.permutation(np.repeat(well, _TIMES)):
            film, _, scores = with_opacities(data.images[number], data.zones[number], random)
            if (scores[:ZONES] == 1).any():
                drawn.append((film, scores[:ZONES]))
                of.append(int(number))
            if len(drawn) >= films:
                break
        index = np.array(of, int)
        affected = np.array([zones for _, zones in drawn]).reshape(-1, ZONES)
        images = np.array([film for film, _ in drawn], np.uint8).reshape(-1, *data.images.shape[1:])
        return cls(images, data.zones[index], affected, index)


def zone_means(data: SeverityData, pasted: PastedFilms, trunk: str, weights: Path) -> ZoneMeans:
    """Ask a net of the folder of weights; SettingsError where it has no maps of that kind."""
    card = read_card(trunk, weights)
    net = load_net(card, weights)
    if not isinstance(net, FilmClassifier):
        raise SettingsError(f"zone_models: {trunk} is a {card.architecture}, not a net with maps by stage.")
    channels = tuple(net.backbone.channels[-_LEVELS:])
    means = [
        _means(net, channels, data.settings.input, images, zones)
        for images, zones in ((data.images, data.zones), (pasted.images, pasted.zones))
    ]
    return ZoneMeans(card, channels, *means)


def _means(
    net: FilmClassifier, channels: tuple[int, ...], form: InputForm, images: np.ndarray, zones: np.ndarray
) -> np.ndarray:
    scale, shift = form.scale_and_shift
    model = ZoneModel(channels)
    means = [np.zeros((0, ZONES, sum(channels)))]
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            films = torch.from_numpy(images[start : start + _BATCH].astype(np.float32) * scale + shift)
            numbers = torch.from_numpy(zones[start : start + _BATCH])
            means.append(model.means(net.forward_features(films[:, None]), numbers).double().numpy())
    return np.concatenate(means)


def fit_zone_model(data: SeverityData, pasted: PastedFilms, of: ZoneMeans, keep: np.ndarray) -> ZoneModel:
    """Regressions on the films of `keep` (films,) bool, well ones among them, with what was pasted into
    these."""
    model: ZoneModel = nets.build(ZONE_MODEL, channels=of.channels)  # type: ignore[assignment]
    brixia = np.array([truth.zones for truth in data.truths])
    fitted = np.flatnonzero(keep & ~np.isnan(brixia[:, 0]))
    weight = np.repeat(_weights(data.scored[fitted]), ZONES)
    inputs = of.means[fitted].reshape(-1, of.means.shape[2])
    settle(model.zone_scaling, inputs)
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
            settle(model.film_scaling, films[fitted])
        told = _scaled(model.film_scaling, films[fitted])
        slopes, start = _ridge(told, truth[fitted], _weights(data.scored[fitted]), _FILM_PENALTY)
        with torch.no_grad():
            model.film_head.weight[number] = torch.from_numpy(slopes)
            model.film_head.bias[number] = start
    _fit_array(model, data, pasted, of, keep)
    return model.eval().requires_grad_(False)


def _fit_array(
    model: ZoneModel, data: SeverityData, pasted: PastedFilms, of: ZoneMeans, keep: np.ndarray
) -> None:
    array = np.array([truth.array for truth in data.truths])
    fitted = np.flatnonzero(keep & ~np.isnan(array[:, 0]))
    kept = keep[pasted.of]
    means = np.concatenate([of.means[fitted], of.pasted[kept]])
    truth = np.concatenate([array[fitted], pasted.affected[kept]]).ravel()
    scored = data.scored[fitted]
    weights = np.concatenate(
        [
            np.where(scored, 1.0, scored.sum() / max((~scored).sum(), 1)),
            np.full(kept.sum(), scored.sum() / max(kept.sum(), 1)),
        ]
    )
    known = ~np.isnan(truth)
    inputs = beside_others(torch.from_numpy(means).float()).flatten(0, 1).numpy()[known]
    settle(model.array_scaling, inputs)
    places = np.tile(np.eye(ZONES) * _PLACE, (len(means), 1))[known]
    told = torch.cat(
        [model.array_scaling.eval()(torch.from_numpy(inputs)), torch.from_numpy(places).float()], dim=1
    )
    weight = np.repeat(weights, ZONES)[known]
    slopes, start = logistic(told, truth[known], weight / weight.mean(), _ARRAY_PENALTY)
    with torch.no_grad():
        model.array_head.weight[:] = slopes[None, :-ZONES]
        model.array_head.bias[:] = start
        model.array_bias[:] = slopes[-ZONES:] * _PLACE


def _weights(scored: np.ndarray) -> np.ndarray:
    return np.where(scored, 1.0, _WELL_WEIGHT * scored.sum() / max((~scored).sum(), 1))


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
    pasted = PastedFilms.of_data(data)
    of = zone_means(data, pasted, trunk, weights)
    keep = (data.folds() >= 0) & data.taught
    name = f"zone_model_{trunk}"
    folder = runs / name
    folder.mkdir(parents=True, exist_ok=True)
    sha256 = save_net(fit_zone_model(data, pasted, of, keep), folder / f"{name}.safetensors")
    card = Card(
        name=name,
        task=f"severity: array, Brixia, extent and opacity, linear on the maps of {trunk}",
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
        self.pasted = PastedFilms.of_data(data)
        trunks = [str(card.settings["trunk"]) for card in self.cards]
        self.means = [zone_means(data, self.pasted, trunk, weights) for trunk in trunks]
        for card, of in zip(self.cards, self.means, strict=True):
            if card.settings["trunk_sha256"] != of.trunk.sha256:
                raise SettingsError(f"{card.name} was fitted on another {of.trunk.name}; fit it again.")
        self.shipped: list[ZoneModel] = [load_net(card, weights) for card in self.cards]
        self.trunks: list[FilmClassifier] = [load_net(of.trunk, weights) for of in self.means]

    @property
    def share(self) -> float:
        return SHARE if self.cards else 0.0

    @property
    def array_share(self) -> float:
        return ARRAY_SHARE if self.cards else 0.0

    def mixed_with(
        self, outputs: dict[str, np.ndarray], index: np.ndarray, folds: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Outputs of the nets by part for the films of `index`, with these models' share."""
        if not self.cards:
            return outputs
        said = self.said(index, folds)
        scales = {part: mixed(outputs[part], said[part], self.share) for part in SCALED}
        return {**scales, "array": mixed_chances(outputs["array"], said["array"], self.array_share)}

    def said(self, index: np.ndarray, folds: np.ndarray) -> dict[str, np.ndarray]:
        """Mean of the models by part for the films of `index`: those of a fold by models without it, those of
        fold -1 by the shipped ones."""
        own, keep = self.data.folds(), self.data.taught
        said: dict[str, Any] = {part: [] for part in SAID}
        for of, shipped in zip(self.means, self.shipped, strict=True):
            told = {part: np.zeros((len(index), *_EACH[part])) for part in SAID}
            for fold in np.unique(folds[index]):
                model = shipped if fold == -1 else fit_zone_model(
                    self.data, self.pasted, of, keep & (own >= 0) & (own != fold)
                )  # fmt: skip
                here = np.flatnonzero(folds[index] == fold)
                outputs = model.told(torch.from_numpy(of.means[index[here]]).float())
                for part in SAID:
                    told[part][here] = getattr(outputs, part).double().numpy()
            for part in SAID:
                said[part].append(told[part])
        return {part: np.mean(values, axis=0) for part, values in said.items()}

    def array(self, film: Tensor, zones: Tensor) -> np.ndarray:
        """(1, 1, size, size) film and its (1, size, size) zones -> (6,), mean of the shipped models."""
        with torch.inference_mode():
            arrays = [
                model(trunk.forward_features(film), zones).array[0]
                for model, trunk in zip(self.shipped, self.trunks, strict=True)
            ]
        return np.asarray(torch.stack(arrays).double().mean(dim=0).numpy())
