"""A last layer that is fitted before a net is trained: penalised logistic regressions on its zones' means.

A last layer that starts at random drags all below it along until it has learnt something, away from a
start that knows more than the films here can teach. One that is fitted first drags little (Kumar
2022, arXiv:2202.10054), and a firm penalty leaves it little to lean on that tells the hospital.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrtriage.nets.classifier import FilmClassifier
from cxrtriage.reading.input_form import InputForm
from train.films import Labelled, class_weights
from train.settings import Settings, SettingsError

_STEPS = 200
_BATCH = 32


def refit_head(net: nn.Module, films: Labelled, images: np.ndarray, settings: Settings) -> None:
    """Fit the scaling and the last layer of a net whose pooling is `zones` or `marks`, class by class, as
    `settings.refit` says.

    `images` (films, size, size) uint8 in the input form. SettingsError for a net of another pooling or with
    findings.
    """
    by = settings.refit
    if not isinstance(net, FilmClassifier) or net.scaling is None or settings.findings:
        raise SettingsError("refit is for the classes of a net with options.pooling zones or marks.")
    assert by is not None
    if by.norms:
        _settle_norms(net, images, settings.input)
    net.eval()
    pooled = _pooled(net, images, settings.input)
    settle(net.scaling, pooled)
    with torch.no_grad():
        told = net.scaling(torch.from_numpy(pooled))
        each = class_weights(films, settings.other_diseases) * _in_balance(films, by.most)[:, None]
        for number in range(len(settings.classes)):
            used = each[:, number] > 0
            weights = each[used, number] / each[used, number].mean()
            net.head.weight[number], net.head.bias[number] = logistic(
                told[used], films.truths[used, number], weights, by.penalty
            )
    net.train()


def _settle_norms(net: FilmClassifier, images: np.ndarray, form: InputForm) -> None:
    """The means and variances of batch normalisation, as these films have them."""
    norms = [module for module in net.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    net.train()
    order = np.random.default_rng(1).permutation(len(images))
    with torch.no_grad():
        for start in range(0, max(len(order) - _BATCH, 0) + 1, _BATCH):
            net.forward_features(_batch(images[order[start : start + _BATCH]], form))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _batch(images: np.ndarray, form: InputForm) -> Tensor:
    return torch.cat([form.tensor(image) for image in images])


def _pooled(net: FilmClassifier, images: np.ndarray, form: InputForm) -> np.ndarray:
    """(films, num_features) float32."""
    pooled = []
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            maps = net.forward_features(_batch(images[start : start + _BATCH], form))
            pooled.append(net.pool(maps).numpy())
    return np.concatenate(pooled)


def settle(scaling: nn.BatchNorm1d, pooled: np.ndarray) -> None:
    """Means and spreads of these (films, features)."""
    assert scaling.running_mean is not None
    assert scaling.running_var is not None
    scaling.running_mean[:] = torch.from_numpy(pooled.mean(axis=0))
    scaling.running_var[:] = torch.from_numpy(pooled.var(axis=0))


def _in_balance(films: Labelled, most: int) -> np.ndarray:
    """(films,) float: 1, or less where there are more than `most` of a source and label."""
    cells = Counter((row.source, row.label) for row in films.rows)
    return np.array([min(1.0, most / cells[row.source, row.label]) for row in films.rows])


def logistic(told: Tensor, truths: np.ndarray, weights: np.ndarray, penalty: float) -> tuple[Tensor, Tensor]:
    """Slopes (features,) and intercept () of the likeliest logistic regression; `truths` (films,) in 0..1."""
    truth, weight = torch.from_numpy(truths).float(), torch.from_numpy(weights).float()
    slopes, start = torch.zeros(told.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    search = torch.optim.LBFGS([slopes, start], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        each = functional.binary_cross_entropy_with_logits(
            told @ slopes + start, truth, weight, reduction="sum"
        )
        found = each + penalty / 2 * slopes.square().sum()
        found.backward()
        return found

    with torch.enable_grad():
        search.step(loss)
    return slopes.detach(), start.detach()[0]
