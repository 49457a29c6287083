"""A film classifier: backbone, neck, pooling, one fully connected layer.

Every output is a logit of its own (a sigmoid is applied by whoever reads it): diseases do not compete,
since a screening asks of each whether it is there (a softmax over diseases costs 0.04 to 0.06 AUROC
in hospitals the net never saw).
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from cxrtriage.nets.backbone import Backbone

Neck = Literal["fpn", "none"]
Pooling = Literal["mean", "pcam", "zones", "marks"]
# Of the six zones (Park 2021): each lung's upper, middle and lower part, by the height of both lungs' box.
_ZONE_ENDS = (0.0, 5 / 12, 2 / 3, 1.0)
_ZONES = 6
# Shares of a zone whose strongest marks stand for it under `marks`: all, a third, a place.
_STRONGEST = (1.0, 0.3, 0.06)


class FilmClassifier(nn.Module):
    """(films, 1, rows, columns) float -> (films, classes + findings) logits.

    `neck="fpn"` pools every level of a feature pyramid (Lin 2017) of `neck_channels` over the last
    `neck_levels` stages, as the TB paper does; `neck="none"` pools the last stage alone.
    `pooling="pcam"` is probabilistic class activation map pooling (Ye 2020), without a neck.
    `pooling="zones"`, without a neck too, takes the mean of each of the last `zone_levels` stages over six
    zones, so that a sign counts by where it lies; `margin` is the share of the lungs' box that the picture
    has around it (`InputForm.margin`).
    `pooling="marks"`, of `OpacityMaps`, takes the means of all, of the strongest third and of the strongest
    few marks of each zone within the lungs, and of each height of the two lungs their sum and how much they
    differ, so that a net told from them does not know left from right.
    """

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        findings: int = 0,
        neck: Neck = "none",
        neck_channels: int = 256,
        neck_levels: int = 4,
        pooling: Pooling = "mean",
        dropout: float = 0.2,
        zone_levels: int = 3,
        margin: float = 0.08,
    ) -> None:
        super().__init__()
        if classes + findings < 1:
            raise ValueError("a classifier needs at least one output")
        if not (1 <= neck_levels <= 4 and 1 <= zone_levels <= 4):
            raise ValueError("neck_levels and zone_levels must be 1 to 4")
        if pooling not in ("mean", "pcam", "zones", "marks") or (pooling != "mean" and neck != "none"):
            raise ValueError("pooling must be mean, or pcam, zones or marks without a neck")
        if pooling == "marks" and tuple(backbone.channels) != (1, 1):
            raise ValueError("pooling marks is for a backbone that gives places seen and their marks")
        self.backbone = backbone
        self.neck: nn.Module | None = None
        self.neck_levels = neck_levels
        self.pooling = pooling
        self.num_features = self.map_channels = backbone.channels[-1]
        if neck == "fpn":
            from torchvision.ops import FeaturePyramidNetwork

            self.neck = FeaturePyramidNetwork(list(backbone.channels[-neck_levels:]), neck_channels)
            self.num_features = neck_channels * neck_levels
        elif neck != "none":
            raise ValueError(f"neck must be fpn or none, not {neck!r}")
        self.dropout = nn.Dropout(dropout)
        self.scaling: nn.BatchNorm1d | None = None
        if pooling in ("zones", "marks"):
            self.zone_levels = zone_levels
            self.edge = margin / (1 + 2 * margin)
            of_zone = sum(backbone.channels[-zone_levels:]) if pooling == "zones" else len(_STRONGEST)
            self.num_features = _ZONES * of_zone
            # Each mean in its own spread over the films fitted on.
            self.scaling = nn.BatchNorm1d(self.num_features, affine=False)
        self.head = nn.Linear(self.num_features, classes + findings)

    def forward_features(self, films: Tensor) -> list[Tensor]:
        """The backbone's maps, finest first, each (films, channels, rows, columns)."""
        return self.backbone(films)

    def pool(self, maps: list[Tensor]) -> Tensor:
        """Maps of the backbone -> (films, num_features), the mean over places, or over those of each zone."""
        if self.pooling == "zones":
            means = [
                torch.einsum("nchw,zhw->nzc", map_, _zone_shares(map_, self.edge))
                for map_ in maps[-self.zone_levels :]
            ]
            return torch.cat(means, dim=2).flatten(1)
        if self.pooling == "marks":
            seen, marks = maps
            right, left = self._strongest(seen[:, 0] > 0, marks[:, 0]).chunk(2, dim=1)
            return torch.cat([right + left, (right - left).abs()], dim=1).flatten(1)
        if self.neck is None:
            levels = [maps[-1]]
        else:
            named = OrderedDict((str(i), map_) for i, map_ in enumerate(maps[-self.neck_levels :]))
            levels = list(self.neck(named).values())
        return torch.cat([level.mean(dim=(2, 3)) for level in levels], dim=1)

    def _strongest(self, seen: Tensor, marks: Tensor) -> Tensor:
        """(films, rows, columns) bool and float -> (films, 6, shares), 0 of a zone with no place seen."""
        zones = _zone_shares(marks[:, None], self.edge).flatten(1) > 0
        asked = zones[None] & seen.flatten(1)[:, None]
        strongest = torch.where(asked, marks.flatten(1)[:, None], -torch.inf).sort(dim=2, descending=True)[0]
        strongest = strongest.masked_fill(strongest.isinf(), 0.0)
        number = asked.sum(dim=2)
        place = torch.arange(strongest.shape[2])
        means = []
        for share in _STRONGEST:
            taken = (share * number).ceil()
            means.append((strongest * (place < taken[..., None])).sum(dim=2) / taken.clamp_min(1))
        return torch.stack(means, dim=2)

    def forward_head(self, maps: list[Tensor]) -> Tensor:
        """Maps of the backbone -> (films, classes + findings) logits."""
        if self.pooling == "mean":
            return self.head(self.dropout(self.pool(maps)))
        if self.scaling is not None:
            return self.head(self.dropout(self.scaling(self.pool(maps))))
        # (films, places, outputs): each place's own logit. The head is linear, so weighing the
        # features by the normalised probabilities and weighing the logits is the same.
        places = self.head(self.dropout(maps[-1].flatten(2).transpose(1, 2)))
        weights = places.sigmoid()
        return (places * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1e-6)

    def forward(self, films: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(films))

    @property
    def by_place(self) -> bool:
        """Whether a channel of the last map counts otherwise in every place."""
        return self.pooling in ("zones", "marks")

    @property
    def saliency_layer(self) -> nn.Module:
        """The layer whose output Grad-CAM weighs: the last convolutional stage."""
        return self.backbone.saliency_layer


def _zone_shares(map_: Tensor, edge: float) -> Tensor:
    """(films, channels, rows, columns) -> (6, rows, columns): how much each place counts in the mean of each
    zone, of a picture of the lungs' box with `edge` of its side around it on all four sides."""
    inner = 1 - 2 * edge
    heights = [edge + inner * end for end in _ZONE_ENDS]
    rows = torch.stack([_overlaps(map_.shape[2], *ends) for ends in pairwise(heights)])
    columns = torch.stack([_overlaps(map_.shape[3], *ends) for ends in ((edge, 0.5), (0.5, 1 - edge))])
    # The patient's right lung first, at the left of the picture; each from its upper zone down.
    shares = torch.einsum("sx,ty->styx", columns, rows).flatten(0, 1)
    return (shares / shares.sum(dim=(1, 2), keepdim=True)).to(map_)


def _overlaps(places: int, low: float, high: float) -> Tensor:
    """(places,) how much of low..high each of as many equal parts of 0..1 holds."""
    starts = torch.arange(places) / places
    return (torch.clamp(starts + 1 / places, max=high) - torch.clamp(starts, min=low)).clamp_min(0)
