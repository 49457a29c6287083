"""Convolutional backbones that give their feature maps stage by stage.

Every backbone takes (films, 1, rows, columns) and returns the maps of its stages at strides 4, 8,
16 and 32. `channels` are their depths, `saliency_layer` is the module whose output carries the last
map, and `load_imagenet` takes the weights the architecture is usually started from.
"""

from __future__ import annotations

import re

from torch import Tensor, nn
from torch.nn import functional

from cxrtriage.nets.torchvision_import import import_torchvision

import_torchvision()

from torchvision.models import densenet121, mobilenet_v2, resnet50, resnet152  # noqa: E402  (after the mend)


class Backbone(nn.Module):
    """Contract of all backbones; see the module's docstring."""

    channels: tuple[int, ...]
    stride: int = 32

    def forward(self, films: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def cut(self, stages: int) -> None:
        """Keep the first stages only, as the stem of another net; ValueError where it cannot be cut."""
        raise ValueError(f"{type(self).__name__} cannot be cut")

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Start from ImageNet weights; ValueError where no such weights are known for this net."""
        raise ValueError(f"no ImageNet weights are known for {type(self).__name__}")

    @property
    def saliency_layer(self) -> nn.Module:
        raise NotImplementedError


class ResNet50(Backbone):
    """ResNet50 (He 2015) of torchvision on one grey channel."""

    channels: tuple[int, ...] = (256, 512, 1024, 2048)
    _STAGES = ("layer1", "layer2", "layer3", "layer4")
    _make = staticmethod(resnet50)

    def __init__(self) -> None:
        super().__init__()
        self.net = self._make(weights=None)
        self.net.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(self.net.conv1.weight, mode="fan_out", nonlinearity="relu")
        del self.net.fc, self.net.avgpool
        # The last normalisation of a block starts at zero, so that a deep net trained from scratch
        # starts as a shallow one (Goyal 2017).
        for module in self.net.modules():
            last = getattr(module, "bn3", None)
            if last is not None:
                nn.init.zeros_(last.weight)

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take torchvision's keys (`conv1`, `layer1.*` and so on)."""
        state = {f"net.{key}": value for key, value in state.items() if not key.startswith("fc.")}
        self.load_state_dict(with_grey_kernels(state, "net.conv1.weight"), strict=True)

    def forward(self, films: Tensor) -> list[Tensor]:
        net = self.net
        x = net.maxpool(net.relu(net.bn1(net.conv1(films))))
        maps = []
        for stage in self._STAGES[: len(self.channels)]:
            x = getattr(net, stage)(x)
            maps.append(x)
        return maps

    def cut(self, stages: int) -> None:
        for stage in self._STAGES[stages:]:
            delattr(self.net, stage)
        self.channels, self.stride = self.channels[:stages], 2 ** (1 + stages)

    @property
    def saliency_layer(self) -> nn.Module:
        return self.net.layer4


class ResNet152(ResNet50):
    """ResNet152 (He 2015) of torchvision on one grey channel."""

    _make = staticmethod(resnet152)


class EfficientNetB0(Backbone):
    """EfficientNet-b0 (Tan 2019) of efficientnet-pytorch on one grey channel."""

    channels: tuple[int, ...] = (24, 40, 112, 1280)

    def __init__(self) -> None:
        from efficientnet_pytorch import EfficientNet

        super().__init__()
        self.net = EfficientNet.from_name("efficientnet-b0", in_channels=1, include_top=False)
        # The memory-saving swish is an autograd function of its own, which costs time and is not
        # needed at these sizes.
        self.net.set_swish(memory_efficient=False)
        # The activation after the last convolution is a module that the net calls many times, so
        # the last map gets a module of its own.
        self.last = nn.Identity()

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take the keys of efficientnet-pytorch (`_conv_stem`, `_blocks.*` and so on), or those of
        torchvision's MobileNetV2 (`features.*`), which `grafted_mobilenet_v2` fits in."""
        if "features.0.0.weight" in state:
            self.load_state_dict(grafted_mobilenet_v2(state, self.state_dict()), strict=True)
            return
        state = {f"net.{key}": value for key, value in state.items() if not key.startswith("_fc.")}
        self.load_state_dict(with_grey_kernels(state, "net._conv_stem.weight"), strict=True)

    def forward(self, films: Tensor) -> list[Tensor]:
        ends = self.net.extract_endpoints(films)
        return [ends["reduction_2"], ends["reduction_3"], ends["reduction_4"], self.last(ends["reduction_6"])]

    @property
    def saliency_layer(self) -> nn.Module:
        return self.last


class SamePaddedConv2d(nn.Conv2d):
    """A 3 x 3 convolution of stride 2 padded as TensorFlow does: nothing left and top, one right and bottom.

    Weights that were trained so lose a quarter of their meaning under symmetric padding.
    """

    def forward(self, x: Tensor) -> Tensor:
        bottom = (x.shape[-2] % 2 == 0) + 0
        right = (x.shape[-1] % 2 == 0) + 0
        x = functional.pad(x, (1 - right, 1, 1 - bottom, 1))
        return functional.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def pad_as_tensorflow(net: nn.Module) -> None:
    """Give a MobileNetV2's convolutions of stride 2 TensorFlow's padding, and the first one grey input."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
                channels_in = 1 if child.in_channels == 3 else child.in_channels
                same = SamePaddedConv2d(
                    channels_in, child.out_channels, 3, 2, 0, groups=child.groups, bias=False
                )
                nn.init.kaiming_normal_(same.weight, mode="fan_out")
                setattr(module, name, same)


def with_grey_kernels(state: dict[str, Tensor], first: str) -> dict[str, Tensor]:
    """A state in float32 with the three colour kernels of its first convolution summed.

    A grey film is the same in all three channels, so the sum computes the same features. KeyError
    where the state has no `first`.
    """
    state = {key: value.float() for key, value in state.items()}
    return {**state, first: state[first].sum(dim=1, keepdim=True)}


def grey_imagenet_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The `features.*` of torchvision's MobileNetV2 for grey films."""
    own = {key: value for key, value in state.items() if key.startswith("features.")}
    return with_grey_kernels(own, "features.0.0.weight")


class MobileNetV2(Backbone):
    """MobileNetV2 (Sandler 2018) of torchvision, TensorFlow padding, on one grey channel."""

    channels: tuple[int, ...] = (24, 32, 96, 1280)
    _ENDS = (3, 6, 13, 18)

    def __init__(self) -> None:
        super().__init__()
        self.features = mobilenet_v2(weights=None).features
        pad_as_tensorflow(self.features)

    def forward(self, films: Tensor) -> list[Tensor]:
        maps, x = [], films
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._ENDS:
                maps.append(x)
        return maps

    def cut(self, stages: int) -> None:
        self.features = self.features[: self._ENDS[stages - 1] + 1]
        self.channels, self.stride = self.channels[:stages], 2 ** (1 + stages)

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take torchvision's keys (`features.*`)."""
        self.load_state_dict(grey_imagenet_state(state), strict=True)

    @property
    def saliency_layer(self) -> nn.Module:
        return self.features[18]


# Which block of MobileNetV2 each block of EfficientNet-b0 takes: stage by stage, both shrink the film alike.
# b0 # has one block more in its sixth stage (None) and one less in its third and fourth.
_GRAFTS: tuple[int | None, ...] = (1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15, 16, None, 17)


def grafted_mobilenet_v2(state: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of an EfficientNet-b0 that starts out as the MobileNetV2 of `state` (torchvision's keys).

    Both are inverted residuals, b0 nowhere narrower, so that its weights can be chosen to compute what
    MobileNetV2 does (Net2Net; Chen 2015, arXiv:1511.05641): new channels keep the weights of `own` that make
    them and get zeros where they are read, kernels of 5 hold those of 3 in their middle, squeeze and
    excitation lets all pass, and the block without a counterpart adds nothing. What differs is the activation
    and two blocks left away, which training mends.
    """
    state = grey_imagenet_state(state)
    own = {key: value.clone() for key, value in own.items()}

    def convolution(ours: str, theirs: str, *, depthwise: bool = False) -> None:
        source, target = state[f"{theirs}.weight"], own[f"{ours}.weight"]
        out, read, side = source.shape[0], source.shape[1], source.shape[-1]
        edge = (target.shape[-1] - side) // 2
        if not depthwise:
            target[:, read:] = 0.0
        target[:out] = 0.0
        target[:out, :read, edge : edge + side, edge : edge + side] = source

    def normalisation(ours: str, theirs: str) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            source = state[f"{theirs}.{part}"]
            own[f"{ours}.{part}"][: len(source)] = source

    convolution("net._conv_stem", "features.0.0")
    normalisation("net._bn0", "features.0.1")
    for number, block in enumerate(_GRAFTS):
        ours = f"net._blocks.{number}"
        own[f"{ours}._se_expand.weight"].zero_()
        own[f"{ours}._se_expand.bias"].fill_(4.0)  # a gate of 0.98
        if block is None:
            own[f"{ours}._bn2.weight"].zero_()
            continue
        theirs = f"features.{block}.conv"
        if block > 1:
            convolution(f"{ours}._expand_conv", f"{theirs}.0.0")
            normalisation(f"{ours}._bn0", f"{theirs}.0.1")
        before_last = 0 if block == 1 else 1
        convolution(f"{ours}._depthwise_conv", f"{theirs}.{before_last}.0", depthwise=True)
        normalisation(f"{ours}._bn1", f"{theirs}.{before_last}.1")
        convolution(f"{ours}._project_conv", f"{theirs}.{before_last + 1}")
        normalisation(f"{ours}._bn2", f"{theirs}.{before_last + 2}")
    convolution("net._conv_head", "features.18.0")
    normalisation("net._bn1", "features.18.1")
    return own


def densenet_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A DenseNet's state by the names of its modules; torchvision's files say `norm.1` for `norm1`."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.", r"\1", key): value for key, value in state.items()
    }


class DenseNet121(Backbone):
    """DenseNet-121 (Huang 2016) of torchvision on one grey channel."""

    channels: tuple[int, ...] = (256, 512, 1024, 1024)
    _ENDS = ("denseblock1", "denseblock2", "denseblock3", "relu5")

    def __init__(self) -> None:
        super().__init__()
        self.features = densenet121(weights=None).features
        self.features.conv0 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(self.features.conv0.weight)
        # torchvision applies the last activation outside its list of features.
        self.features.add_module("relu5", nn.ReLU())

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take torchvision's keys (`features.*`), also those of its file, which say `norm.1` for `norm1`."""
        state = {k: v for k, v in densenet_keys(state).items() if k.startswith("features.")}
        self.load_state_dict(with_grey_kernels(state, "features.conv0.weight"), strict=True)

    def forward(self, films: Tensor) -> list[Tensor]:
        maps, x = [], films
        for name, layer in self.features.named_children():
            x = layer(x)
            if name in self._ENDS:
                maps.append(x)
        return maps

    @property
    def saliency_layer(self) -> nn.Module:
        return self.features.relu5


BACKBONES: dict[str, type[Backbone]] = {
    "resnet50": ResNet50,
    "resnet152": ResNet152,
    "efficientnet_b0": EfficientNetB0,
    "mobilenet_v2": MobileNetV2,
    "densenet121": DenseNet121,
}
