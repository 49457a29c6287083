"""A UNet++ (Zhou 2018) that marks lesions and lungs on CT slices, on the encoder that has an ImageNet
start."""

from __future__ import annotations

from torch import Tensor, nn

from cxrtriage.nets.backbone import grey_imagenet_state, pad_as_tensorflow
from cxrtriage.nets.torchvision_import import import_torchvision

# What the two outputs mean.
CT_PARTS = ("lesion", "lung")


class CtLesionNet(nn.Module):
    """(slices, 1, rows, columns) float, sides divisible by 32 -> (slices, 2, rows, columns) logits.

    One output a part of `CT_PARTS`. The encoder is MobileNetV2 with TensorFlow's padding.
    """

    def __init__(self, decoder_channels: tuple[int, ...] = (96, 64, 48, 32, 16)) -> None:
        super().__init__()
        import_torchvision()
        import segmentation_models_pytorch as smp

        self.net = smp.UnetPlusPlus(
            "mobilenet_v2",
            encoder_weights=None,
            in_channels=1,
            classes=len(CT_PARTS),
            decoder_channels=tuple(decoder_channels),
        )
        pad_as_tensorflow(self.net.encoder)

    def forward(self, slices: Tensor) -> Tensor:
        return self.net(slices)

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Start the encoder from torchvision's keys (`features.*`)."""
        self.net.encoder.load_state_dict(grey_imagenet_state(state), strict=True)
