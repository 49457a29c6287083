"""A film classifier: backbone, neck, pooling, one fully connected layer.

The shape of the TB paper this program stands on: backbone, feature pyramid, fully connected layer,
softmax (the softmax is applied by whoever reads the logits).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from cxrtriage.nets.backbone import Backbone

Neck = Literal["fpn", "none"]


class FilmClassifier(nn.Module):
    """(films, 1, rows, columns) float -> (films, classes) logits.

    `neck="fpn"` pools every level of a feature pyramid (Lin 2017) of `neck_channels` over the last
    `neck_levels` stages; `neck="none"` pools the last stage alone.
    """

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        neck: Neck = "fpn",
        neck_channels: int = 256,
        neck_levels: int = 4,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError("a softmax needs at least two classes")
        if not 1 <= neck_levels <= 4:
            raise ValueError("neck_levels must be 1 to 4")
        self.backbone = backbone
        self.neck: nn.Module | None = None
        self.neck_levels = neck_levels
        self.num_features = backbone.channels[-1]
        if neck == "fpn":
            from torchvision.ops import FeaturePyramidNetwork

            self.neck = FeaturePyramidNetwork(list(backbone.channels[-neck_levels:]), neck_channels)
            self.num_features = neck_channels * neck_levels
        elif neck != "none":
            raise ValueError(f"neck must be fpn or none, not {neck!r}")
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.num_features, classes)

    def forward_features(self, films: Tensor) -> list[Tensor]:
        """The backbone's maps, finest first, each (films, channels, rows, columns)."""
        return self.backbone(films)

    def pool(self, maps: list[Tensor]) -> Tensor:
        """Maps of the backbone -> (films, num_features)."""
        if self.neck is None:
            levels = [maps[-1]]
        else:
            named = OrderedDict((str(i), map_) for i, map_ in enumerate(maps[-self.neck_levels :]))
            levels = list(self.neck(named).values())
        return torch.cat([level.mean(dim=(2, 3)) for level in levels], dim=1)

    def forward_head(self, features: Tensor) -> Tensor:
        """(films, num_features) -> (films, classes) logits."""
        return self.head(self.dropout(features))

    def forward(self, films: Tensor) -> Tensor:
        return self.forward_head(self.pool(self.forward_features(films)))

    @property
    def saliency_layer(self) -> nn.Module:
        """The layer whose output Grad-CAM weighs: the last convolutional stage."""
        return self.backbone.saliency_layer
