"""Depthwise convolutions in single precision where the rest of a net is trained in bfloat16 on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _InSinglePrecision:
    """Mixed in before a convolution's own class."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())  # type: ignore[misc]  # of the convolution


def depthwise_in_single_precision(net: nn.Module) -> None:
    """Take the depthwise convolutions of a net out of autocast, in place; its state is the same as before.

    oneDNN's backward pass of a depthwise convolution in bfloat16 takes three to six times as long as in
    float32, and they are a small share of the arithmetic: EfficientNet-b0 trains a quarter faster so.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1 and not isinstance(module, _InSinglePrecision):
            own = type(module)
            module.__class__ = type(own.__name__, (_InSinglePrecision, own), {})


def laid_out_for_training(net: nn.Module, precision: str, device: torch.device) -> None:
    """Put a net's weights in the order that is fastest for films, and mind depthwise convolutions where it is
    trained in bfloat16 on a CPU; in place."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    if precision.startswith("bf16") and device.type == "cpu":
        depthwise_in_single_precision(net)
