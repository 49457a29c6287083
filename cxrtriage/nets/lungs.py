"""A U-Net that marks the lungs."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from cxrtriage.nets.unet import DECODER_CHANNELS, MobileUnet

# What the two outputs mean: manual masks come in two conventions, and a net taught both as one
# would blur the border behind the heart.
LUNG_CONVENTIONS = ("without retrocardiac lung", "with retrocardiac lung")


class LungNet(MobileUnet):
    """(films, 1, rows, columns) float, sides divisible by 32 -> (films, 2, rows, columns) logits.

    One output a convention of `LUNG_CONVENTIONS`.
    """

    def __init__(self, decoder_channels: Sequence[int] = DECODER_CHANNELS) -> None:
        super().__init__(len(LUNG_CONVENTIONS), decoder_channels)

    def forward(self, films: Tensor) -> Tensor:
        return self.net(films)
