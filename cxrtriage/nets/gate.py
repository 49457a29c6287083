"""The net of the gate: what kind of picture this is, which way up, and what a frontal chest film shows of
itself."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from cxrtriage.nets.backbone import MobileNetV2

KINDS = (
    "frontal_chest", "lateral_chest", "part_of_chest", "several_films", "photograph_of_film", "ct",
    "other_xray", "other_scan", "not_medical",
)  # fmt: skip
# Quarter turns that the picture was turned by, counter-clockwise.
TURNS = (0, 1, 2, 3)
# Each a logit of its own; they mean something on chest films alone.
SIGNS = ("inverted", "mirrored", "AP", "child")


class GateNet(nn.Module):
    """(films, 1, rows, columns) float -> logits of `KINDS`, of `TURNS` and of `SIGNS`.

    `features` gives the pooled features that all of them come from. `middle` and `directions` say where the
    features of frontal chest films lie: their mean, and the directions (features, kept) scaled so that the
    squared length of a projection is the Mahalanobis distance (Lee 2018, arXiv:1807.03888) in the subspace
    that holds nearly all of their spread.
    """

    middle: Tensor
    directions: Tensor

    def __init__(self, directions: int = 64) -> None:
        super().__init__()
        self.backbone = MobileNetV2()
        width = self.backbone.channels[-1]
        self.dropout = nn.Dropout(0.2)
        self.kind = nn.Linear(width, len(KINDS))
        self.turn = nn.Linear(width, len(TURNS))
        self.sign = nn.Linear(width, len(SIGNS))
        self.register_buffer("middle", torch.zeros(width))
        self.register_buffer("directions", torch.zeros(width, directions))

    def features(self, films: Tensor) -> Tensor:
        """(films, 1280)."""
        return self.backbone(films)[-1].mean(dim=(2, 3))

    def heads(self, features: Tensor) -> OrderedDict[str, Tensor]:
        features = self.dropout(features)
        return OrderedDict(kind=self.kind(features), turn=self.turn(features), sign=self.sign(features))

    def distance(self, features: Tensor) -> Tensor:
        """(films,) distance from what frontal chest films look like to the net; about 1 for one of them."""
        projected = (features - self.middle) @ self.directions
        return (projected.square().mean(dim=1)).sqrt()

    def forward(self, films: Tensor) -> OrderedDict[str, Tensor]:
        return self.heads(self.features(films))
