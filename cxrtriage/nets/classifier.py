"""A film classifier: backbone, neck, pooling, one fully connected layer.

Every output is a logit of its own (a sigmoid is applied by whoever reads it): diseases do not compete,
since a screening asks of each whether it is there (a softmax over diseases costs 0.04 to 0.06 AUROC
in hospitals the net never saw).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from cxrtriage.nets.backbone import Backbone

Neck = Literal["fpn", "none"]
Pooling = Literal["mean", "pcam"]


class FilmClassifier(nn.Module):
    """(films, 1, rows, columns) float -> (films, classes + findings) logits.

    `neck="fpn"` pools every level of a feature pyramid (Lin 2017) of `neck_channels` over the last
    `neck_levels` stages, as the TB paper does; `neck="none"` pools the last stage alone.
    `pooling="pcam"` is probabilistic class activation map pooling (Ye 2020), without a neck.
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
    ) -> None:
        super().__init__()
        if classes + findings < 1:
            raise ValueError("a classifier needs at least one output")
        if not 1 <= neck_levels <= 4:
            raise ValueError("neck_levels must be 1 to 4")
        if pooling not in ("mean", "pcam") or (pooling == "pcam" and neck != "none"):
            raise ValueError("pooling must be mean, or pcam without a neck")
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
        self.head = nn.Linear(self.num_features, classes + findings)

    def forward_features(self, films: Tensor) -> list[Tensor]:
        """The backbone's maps, finest first, each (films, channels, rows, columns)."""
        return self.backbone(films)

    def pool(self, maps: list[Tensor]) -> Tensor:
        """Maps of the backbone -> (films, num_features), the mean over places."""
        if self.neck is None:
            levels = [maps[-1]]
        else:
            named = OrderedDict((str(i), map_) for i, map_ in enumerate(maps[-self.neck_levels :]))
            levels = list(self.neck(named).values())
        return torch.cat([level.mean(dim=(2, 3)) for level in levels], dim=1)

    def forward_head(self, maps: list[Tensor]) -> Tensor:
        """Maps of the backbone -> (films, classes + findings) logits."""
        if self.pooling == "mean":
            return self.head(self.dropout(self.pool(maps)))
        # (films, places, outputs): each place's own logit. The head is linear, so weighing the
        # features by the normalised probabilities and weighing the logits is the same.
        places = self.head(self.dropout(maps[-1].flatten(2).transpose(1, 2)))
        weights = places.sigmoid()
        return (places * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1e-6)

    def forward(self, films: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(films))

    @property
    def saliency_layer(self) -> nn.Module:
        """The layer whose output Grad-CAM weighs: the last convolutional stage."""
        return self.backbone.saliency_layer
