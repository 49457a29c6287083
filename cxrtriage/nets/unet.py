"""U-Nets on the encoder that has an ImageNet start, for all that is marked place by place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from cxrtriage.nets.backbone import grey_imagenet_state, pad_as_tensorflow
from cxrtriage.nets.torchvision_import import import_torchvision

DECODER_CHANNELS = (96, 64, 48, 32, 16)


class MobileUnet(nn.Module):
    """`net`: (pictures, 1, rows, columns) float, sides divisible by 32 -> (pictures, outputs, rows, columns)
    logits.

    A U-Net (Ronneberger 2015) or a UNet++ (Zhou 2018) on MobileNetV2 with TensorFlow's padding.
    """

    def __init__(
        self,
        outputs: int,
        decoder_channels: Sequence[int] = DECODER_CHANNELS,
        kind: Literal["Unet", "UnetPlusPlus"] = "Unet",
    ) -> None:
        super().__init__()
        import_torchvision()
        import segmentation_models_pytorch as smp

        self.net = getattr(smp, kind)(
            "mobilenet_v2",
            encoder_weights=None,
            in_channels=1,
            classes=outputs,
            decoder_channels=tuple(decoder_channels),
        )
        pad_as_tensorflow(self.net.encoder)

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Start the encoder from torchvision's keys (`features.*`)."""
        self.net.encoder.load_state_dict(grey_imagenet_state(state), strict=True)
