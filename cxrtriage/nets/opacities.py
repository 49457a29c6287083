"""A U-Net that marks opacities place by place, as they were laid into films without any.

Scored films tell how much of a zone is affected, hardly one where a single nodule lies. What is pasted has
its place known to the pixel, in any number, and of shapes that scored films do not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from cxrtriage.nets.severity import of_strongest
from cxrtriage.nets.unet import DECODER_CHANNELS, MobileUnet

# Places of the map that are taken together before the strongest of a zone are looked for.
_COARSER = 4
# Share of a zone that an opacity must take for the zone to count as affected when it is taught.
_TOP = 0.06


@dataclass(frozen=True, eq=False)
class OpacityOutputs:
    """`array` (films, 6) chances in 0..1 that a zone shows an opacity, `map` (films, size, size) logits."""

    array: Tensor
    map: Tensor


class OpacityNet(MobileUnet):
    """(films, 1, size, size) float, (films, size, size) zone numbers 0..6 -> `OpacityOutputs`.

    A zone's chance is the mean of its strongest places.
    """

    def __init__(self, decoder_channels: Sequence[int] = DECODER_CHANNELS) -> None:
        super().__init__(1, decoder_channels)
        # Most places of most films show nothing.
        nn.init.constant_(self.net.segmentation_head[0].bias, -3.0)

    def forward(self, films: Tensor, zones: Tensor) -> OpacityOutputs:
        places = self.net(films)[:, 0].float()
        coarse = functional.avg_pool2d(places.sigmoid(), _COARSER)
        return OpacityOutputs(of_strongest(coarse, zones, _TOP), places)
