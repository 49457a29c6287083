"""A UNet++ that marks lesions and lungs on CT slices."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from cxrtriage.nets.unet import DECODER_CHANNELS, MobileUnet

# What the two outputs mean.
CT_PARTS = ("lesion", "lung")


class CtLesionNet(MobileUnet):
    """(slices, 1, rows, columns) float, sides divisible by 32 -> (slices, 2, rows, columns) logits.

    One output a part of `CT_PARTS`.
    """

    def __init__(self, decoder_channels: Sequence[int] = DECODER_CHANNELS) -> None:
        super().__init__(len(CT_PARTS), decoder_channels, "UnetPlusPlus")

    def forward(self, slices: Tensor) -> Tensor:
        return self.net(slices)
