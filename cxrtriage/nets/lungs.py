"""A U-Net (Ronneberger 2015) that marks the lungs, on the encoder that has an ImageNet start."""

from __future__ import annotations

from torch import Tensor, nn

from cxrtriage.nets.backbone import grey_imagenet_state, pad_as_tensorflow
from cxrtriage.nets.torchvision_import import import_torchvision

# What the two outputs mean: manual masks come in two conventions, and a net taught both as one
# would blur the border behind the heart.
LUNG_CONVENTIONS = ("without retrocardiac lung", "with retrocardiac lung")


class LungNet(nn.Module):
    """(films, 1, rows, columns) float, sides divisible by 32 -> (films, 2, rows, columns) logits.

    One output a convention of `LUNG_CONVENTIONS`. The encoder is MobileNetV2 with TensorFlow's padding.
    """

    def __init__(self, decoder_channels: tuple[int, ...] = (96, 64, 48, 32, 16)) -> None:
        super().__init__()
        import_torchvision()
        import segmentation_models_pytorch as smp

        self.net = smp.Unet(
            "mobilenet_v2",
            encoder_weights=None,
            in_channels=1,
            classes=len(LUNG_CONVENTIONS),
            decoder_channels=tuple(decoder_channels),
        )
        pad_as_tensorflow(self.net.encoder)

    def forward(self, films: Tensor) -> Tensor:
        return self.net(films)

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Start the encoder from torchvision's keys (`features.*`)."""
        self.net.encoder.load_state_dict(grey_imagenet_state(state), strict=True)
