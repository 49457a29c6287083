"""A U-Net that marks opacities place by place, as they were laid into films without any or drawn by readers.

Scored films tell how much of a zone is affected, hardly one where a single nodule lies. What is pasted has
its place known to the pixel, in any number, and of shapes that scored films do not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrtriage.nets.backbone import Backbone
from cxrtriage.nets.severity import of_strongest
from cxrtriage.nets.unet import DECODER_CHANNELS, MobileUnet

# Places of the map that are taken together before the strongest of a zone are looked for.
_COARSER = 4
# Share of a zone that an opacity must take for the zone to count as affected when it is taught.
_TOP = 0.06
# Places by which the lungs are cut out too wide.
_RIM = 2
# The least chance that is told from none.
_LEAST_CHANCE = 1e-3


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


class OpacityMaps(Backbone):
    """The marks of an `OpacityNet` as the maps of a backbone, for a classifier that is told from them alone.

    (films, 1, size, size) float of films in which all beside the lungs is darkest (`InputForm.mask`)
    -> `seen`, 1 where a place lies within the lungs and 0 elsewhere, and `marks`, its log odds of an opacity
    above the least that are told apart, 0 or more; both (films, 1, size / 4, size / 4). What marks
    place by place can lean on a hospital's look of the whole film little.
    """

    channels: tuple[int, ...] = (1, 1)
    stride: int = _COARSER

    def __init__(self, decoder_channels: Sequence[int] = DECODER_CHANNELS) -> None:
        super().__init__()
        self.unet = MobileUnet(1, decoder_channels)
        self.marks = nn.Identity()

    def load_opacities(self, net: OpacityNet) -> None:
        """Take the weights of a net that marks opacities."""
        self.unet.net.load_state_dict(net.net.state_dict())

    def forward(self, films: Tensor) -> list[Tensor]:
        chances = functional.avg_pool2d(self.unet.net(films).float().sigmoid(), _COARSER)
        odds = torch.logit(chances.clamp(_LEAST_CHANCE, 1 - _LEAST_CHANCE))
        least = torch.logit(torch.tensor(_LEAST_CHANCE)).to(odds)
        return [_within_lungs(films), self.marks(odds - least)]

    @property
    def saliency_layer(self) -> nn.Module:
        return self.marks


def _within_lungs(films: Tensor) -> Tensor:
    """(films, 1, size / 4, size / 4) float: 1 where most of a place and of those around it is brighter than
    the film's darkest value. The lungs of a film are cut out a little wide (`Lungs.part`), and what lies on
    their rim was never taught."""
    darkest = films.amin(dim=(1, 2, 3), keepdim=True)
    beside = (functional.avg_pool2d((films > darkest).float(), _COARSER) < 0.5).float()
    return 1 - functional.max_pool2d(beside, 2 * _RIM + 1, stride=1, padding=_RIM)
