"""Severity from one trunk: a map of lesions, six zones, and the scales over both lungs.

After Park 2021 (arXiv:2104.07235): the transformer's tokens of places go through four upsizing blocks to a
map of the likelihood of a lesion, which times the lungs is pooled over each zone to the array. The other
scales are told from the same tokens: Brixia zone by zone, extent and opacity from both lungs together.

Beside it linear models on the maps of nets that learnt something else, after Cohen 2020 (arXiv:2005.11856):
scored films are few, and what is fitted on them should be small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrtriage.nets.transformer import TransformerClassifier

ZONES = 6
# Greatest value of each scale: a Brixia zone (Borghesi 2020), geographic extent and opacity (Cohen 2020).
BRIXIA_ZONE, EXTENT, OPACITY = 3.0, 8.0, 6.0
Pooling = Literal["max", "top", "mean"]
# Share of a zone whose strongest places stand for it under `top`.
_TOP = 0.1


@dataclass(frozen=True, eq=False)
class ScaleOutputs:
    """`array` (films, 6) chances in 0..1, `brixia` (films, 6) in 0..3, `extent` (films,) in 0..8, `opacity`
    (films,) in 0..6."""

    array: Tensor
    brixia: Tensor
    extent: Tensor
    opacity: Tensor


@dataclass(frozen=True, eq=False)
class SeverityOutputs(ScaleOutputs):
    """What the net says of (films) beside the scales: `map` (films, rows, columns) logits of a lesion."""

    map: Tensor


class SeverityNet(nn.Module):
    """(films, 1, size, size) float, (films, size, size) zone numbers 0..6 -> `SeverityOutputs`.

    `pooling` of the map over a zone: its strongest place (Park), the mean of its strongest tenth, the mean.
    """

    def __init__(self, trunk: TransformerClassifier, pooling: Pooling = "top", dropout: float = 0.2) -> None:
        super().__init__()
        if pooling not in ("max", "top", "mean"):
            raise ValueError("pooling must be max, top or mean")
        self.trunk, self.pooling = trunk, pooling
        width = trunk.num_features
        channels = [width, 128, 64, 32, 16]
        self.map_head = nn.Sequential(
            *(_Upsizing(into, out) for into, out in pairwise(channels)),
            nn.Conv2d(channels[-1], 1, kernel_size=1),
        )
        # Most places of most films show no lesion.
        nn.init.constant_(self.map_head[-1].bias, -2.0)  # type: ignore[arg-type]  # it has one
        self.dropout = nn.Dropout(dropout)
        self.zone_head = nn.Linear(width + 1, 1)
        self.zone_bias = nn.Parameter(torch.zeros(ZONES))
        self.film_head = nn.Linear(2 * width + 2, 2)

    def forward(self, films: Tensor, zones: Tensor) -> SeverityOutputs:
        maps = self.trunk.forward_features(films)
        first, places = self.trunk.last_tokens(maps)
        lesions = self.map_head(places)[:, 0].float()
        array = self._pooled(lesions.sigmoid(), zones)
        shares = zone_shares(zones, 4 * places.shape[-1])
        fine = functional.interpolate(places.float(), scale_factor=4, mode="bilinear", align_corners=False)
        held = shares / shares.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
        of_zones = torch.einsum("nzhw,nchw->nzc", held, fine)
        told = torch.cat([self.dropout(of_zones), array.detach()[..., None]], dim=2)
        brixia = BRIXIA_ZONE * (self.zone_head(told)[..., 0].float() + self.zone_bias).sigmoid()
        both = torch.cat(
            [
                self.dropout(torch.cat([first.float(), of_zones.mean(dim=1)], dim=1)),
                array.detach().mean(dim=1, keepdim=True),
                brixia.detach().mean(dim=1, keepdim=True) / BRIXIA_ZONE,
            ],
            dim=1,
        )
        extent, opacity = self.film_head(both).float().sigmoid().unbind(dim=1)
        return SeverityOutputs(array, brixia, EXTENT * extent, OPACITY * opacity, lesions)

    def _pooled(self, chances: Tensor, zones: Tensor) -> Tensor:
        """(films, rows, columns) chances of a lesion -> (films, 6), one a zone; 0 where a zone is empty."""
        if self.pooling == "top":
            return of_strongest(chances, zones, _TOP)
        here, places = _by_zone(chances, zones)
        return here.amax(dim=2) if self.pooling == "max" else here.sum(dim=2) / places.clamp_min(1)


class ZoneModel(nn.Module):
    """Linear models of the scales over the last maps of a `FilmClassifier`, which are no part of it.

    Maps, each (films, channels, rows, columns), of which the last `len(channels)` are taken, and
    (films, size, size) zone numbers 0..6 -> `ScaleOutputs`. A zone's Brixia score is told from the maps'
    means over the zone, its chance in the array from these and from how they differ from the other zones',
    extent and opacity from the mean of the zones.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.levels = len(channels)
        width = sum(channels)
        # Each mean in its own spread over the films fitted on.
        self.zone_scaling = nn.BatchNorm1d(width, affine=False)
        self.film_scaling = nn.BatchNorm1d(width, affine=False)
        self.zone_head = nn.Linear(width, 1)
        self.zone_bias = nn.Parameter(torch.zeros(ZONES))
        self.film_head = nn.Linear(width, 2)
        self.array_scaling = nn.BatchNorm1d(2 * width, affine=False)
        self.array_head = nn.Linear(2 * width, 1)
        self.array_bias = nn.Parameter(torch.zeros(ZONES))

    def forward(self, maps: Sequence[Tensor], zones: Tensor) -> ScaleOutputs:
        return self.told(self.means(maps, zones))

    def told(self, of_zones: Tensor) -> ScaleOutputs:
        """From (films, 6, width) means over zones."""
        told = self.zone_scaling(of_zones.flatten(0, 1)).unflatten(0, (-1, ZONES))
        brixia = self.zone_head(told)[..., 0] + self.zone_bias
        extent, opacity = self.film_head(self.film_scaling(of_zones.mean(dim=1))).unbind(dim=1)
        beside = self.array_scaling(beside_others(of_zones).flatten(0, 1)).unflatten(0, (-1, ZONES))
        array = (self.array_head(beside)[..., 0] + self.array_bias).sigmoid()
        return ScaleOutputs(
            array, brixia.clamp(0, BRIXIA_ZONE), extent.clamp(0, EXTENT), opacity.clamp(0, OPACITY)
        )

    def means(self, maps: Sequence[Tensor], zones: Tensor) -> Tensor:
        """(films, 6, width): means of the maps over each zone; 0 where a zone is empty."""
        of_maps = []
        for each in maps[-self.levels :]:
            shares = zone_shares(zones, each.shape[-1])
            held = shares / shares.sum(dim=(2, 3), keepdim=True).clamp_min(1e-6)
            of_maps.append(torch.einsum("nzhw,nchw->nzc", held, each.float()))
        return torch.cat(of_maps, dim=2)


def beside_others(of_zones: Tensor) -> Tensor:
    """(films, 6, width) means over zones -> (films, 6, 2 width): a zone's own, and their distance from the
    mean of the film's zones."""
    return torch.cat([of_zones, of_zones - of_zones.mean(dim=1, keepdim=True)], dim=2)


def of_strongest(chances: Tensor, zones: Tensor, share: float) -> Tensor:
    """(films, rows, columns) chances, (films, size, size) zone numbers -> (films, 6), mean of the strongest
    `share` of a zone's places; 0 where a zone is empty."""
    here, places = _by_zone(chances, zones)
    ordered = here.sort(dim=2, descending=True).values
    wanted = (places * share).ceil().clamp_min(1)
    kept = torch.arange(here.shape[2], device=here.device) < wanted[..., None]
    return (ordered * kept).sum(dim=2) / wanted


def _by_zone(chances: Tensor, zones: Tensor) -> tuple[Tensor, Tensor]:
    """(films, 6, places) chances within each zone, 0 outside it, and (films, 6) its number of places."""
    inside = zone_shares(zones, chances.shape[-1]) > 0.5
    here = torch.where(inside, chances[:, None], chances.new_zeros(()))
    return here.flatten(2), inside.flatten(2).sum(dim=2)


def zone_shares(zones: Tensor, side: int) -> Tensor:
    """(films, size, size) zone numbers -> (films, 6, side, side): how much of each place is of each zone."""
    numbers = torch.arange(1, ZONES + 1, device=zones.device)
    each = (zones[:, None] == numbers[None, :, None, None]).float()
    return functional.adaptive_avg_pool2d(each, side)


class _Upsizing(nn.Sequential):
    """Twice the side: bilinear, then convolution, normalisation, activation (Park's upsizing block)."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            nn.Conv2d(into, out, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
        )
