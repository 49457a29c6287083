"""Transformers over places of a film: plain, on a convolutional stem, and over a corpus of findings.

The plain one cuts the film into patches (Dosovitskiy 2020). The hybrid gives the transformer the maps of a
convolutional stem instead. Over a corpus it gets the maps of a backbone that knows chest findings: the
features before their pooling, or the maps of the findings themselves (Park 2021, arXiv:2104.07235).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrtriage.nets.backbone import Backbone
from cxrtriage.nets.torchvision_import import import_torchvision

import_torchvision()

from torchvision.models.vision_transformer import Encoder  # noqa: E402  (after the mend)


class Patches(Backbone):
    """Square patches of the film, each through one linear map: the stem of the plain transformer."""

    stride: int

    def __init__(self, size: int = 16, width: int = 768) -> None:
        super().__init__()
        self.stride = size
        self.channels = (width,)
        self.conv_proj = nn.Conv2d(1, width, kernel_size=size, stride=size)

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        raise ValueError("patches alone have no ImageNet weights; the whole transformer has")

    def forward(self, films: Tensor) -> list[Tensor]:
        return [self.conv_proj(films)]


class TransformerClassifier(nn.Module):
    """(films, 1, rows, columns) float -> (films, classes + findings) logits.

    `stem` gives the maps whose last the transformer reads, one token a place. `size` is the side of the
    films it is built for; the learnt positions are stretched to films of another size. `layers`, `heads` and
    `width` are those of the encoder, whose own hidden layers are four times as wide. `corpus` 0 reads the
    features of the stem, any other number so many maps of findings made of them (sigmoid, as in PCAM).
    `frozen` leaves the stem as it is, statistics too.
    """

    def __init__(
        self,
        stem: Backbone,
        classes: int,
        findings: int = 0,
        size: int = 224,
        layers: int = 4,
        heads: int = 8,
        width: int = 256,
        corpus: int = 0,
        dropout: float = 0.1,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if classes + findings < 1:
            raise ValueError("a classifier needs at least one output")
        if layers < 1 or width % heads:
            raise ValueError("layers must be at least 1, and width a multiple of heads")
        side = math.ceil(size / stem.stride)
        self.backbone = stem
        self.frozen = frozen
        self.corpus = nn.Conv2d(stem.channels[-1], corpus, kernel_size=1) if corpus else None
        channels = corpus or stem.channels[-1]
        self.project: nn.Module = (
            nn.Identity() if isinstance(stem, Patches) else nn.Conv2d(channels, width, kernel_size=1)
        )
        self.side = side
        self.num_features = self.map_channels = width
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder = Encoder(side * side + 1, layers, heads, width, 4 * width, dropout, 0.0)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes + findings)
        if frozen:
            stem.requires_grad_(False)

    def train(self, mode: bool = True) -> TransformerClassifier:
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take the keys of torchvision's `vit_b_16` (`conv_proj`, `class_token`, `encoder.*`); KeyError or
        RuntimeError where they do not fit. Positions are stretched to this net's grid."""
        if not isinstance(self.backbone, Patches):
            raise ValueError("only a transformer over patches has ImageNet weights of its own")
        own = {key: value.float() for key, value in state.items() if not key.startswith("heads.")}
        self.backbone.conv_proj.load_state_dict(
            {
                "weight": own.pop("conv_proj.weight").sum(dim=1, keepdim=True),
                "bias": own.pop("conv_proj.bias"),
            }
        )
        with torch.no_grad():
            self.class_token.copy_(own.pop("class_token"))
        key = "encoder.pos_embedding"
        theirs = math.isqrt(own[key].shape[1] - 1)
        own[key] = stretched_positions(own[key], theirs, (self.side, self.side))
        self.encoder.load_state_dict({key.removeprefix("encoder."): value for key, value in own.items()})

    def forward_features(self, films: Tensor) -> list[Tensor]:
        """The stem's maps, finest first, then what enters the last layer: the class token
        (films, width, 1, 1) and the tokens of the places as a map (films, width, rows, columns)."""
        maps = self.backbone(films)
        tokens, (rows, columns) = self.first_tokens(maps)
        for layer in self.encoder.layers[:-1]:
            tokens = layer(tokens)
        return [*maps, tokens[:, 0, :, None, None], _as_map(tokens[:, 1:], rows, columns)]

    def first_tokens(self, maps: list[Tensor]) -> tuple[Tensor, tuple[int, int]]:
        """The stem's maps -> what enters the first layer, (films, 1 + places, width), the class token first;
        and the grid of the places, row by row."""
        corpus = maps[-1] if self.corpus is None else self.corpus(maps[-1]).sigmoid()
        places = self.project(corpus)
        rows, columns = places.shape[-2:]
        tokens = places.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        positions = stretched_positions(self.encoder.pos_embedding, self.side, (rows, columns))
        return self.encoder.dropout(tokens + positions), (rows, columns)

    def last_tokens(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """What `forward_features` gave -> class token (films, width), places (films, width, rows,
        columns)."""
        first, places = maps[-2].flatten(1)[:, None], maps[-1]
        tokens = torch.cat([first, places.flatten(2).transpose(1, 2)], dim=1)
        tokens = self.encoder.ln(self.encoder.layers[-1](tokens))
        return tokens[:, 0], _as_map(tokens[:, 1:], places.shape[-2], places.shape[-1])

    def pool(self, maps: list[Tensor]) -> Tensor:
        """What `forward_features` gave -> (films, num_features), the class token after the last layer."""
        return self.last_tokens(maps)[0]

    def forward_head(self, maps: list[Tensor]) -> Tensor:
        """What `forward_features` gave -> (films, classes + findings) logits."""
        return self.head(self.dropout(self.pool(maps)))

    def forward(self, films: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(films))


def stretched_positions(positions: Tensor, side: int, grid: tuple[int, int]) -> Tensor:
    """(1, 1 + side * side, width) learnt positions, the class token's first, for another grid."""
    if grid == (side, side):
        return positions
    places = _as_map(positions[:, 1:], side, side)
    places = functional.interpolate(places, size=grid, mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], places.flatten(2).transpose(1, 2)], dim=1)


def _as_map(tokens: Tensor, rows: int, columns: int) -> Tensor:
    """(films, rows * columns, width) -> (films, width, rows, columns)."""
    return tokens.transpose(1, 2).reshape(len(tokens), -1, rows, columns)
