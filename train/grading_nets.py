"""Nets that grade a film as Lara 2025 (arXiv:2502.16622) does: seven classes and a score, over any trunk.

The registry holds the nets of that paper from torchvision (VGG-16, AlexNet, DenseNet161, SqueezeNet) beside
every backbone and transformer of `cxrtriage.nets`. A trunk takes (films, 1, rows, columns) and gives
(films, width) features; what the published net had as its last layer is left away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cxrtriage import nets
from cxrtriage.nets import TransformerClassifier
from cxrtriage.nets.backbone import BACKBONES, Backbone, densenet_keys, with_grey_kernels
from cxrtriage.nets.registry import TRANSFORMERS
from cxrtriage.nets.torchvision_import import import_torchvision
from cxrtriage.reading.input_form import InputForm
from cxrtriage.weights import load_net, read_card
from train.settings import SettingsError, Start
from train.start import PUBLIC, load_start, load_vit_start, public_imagenet

import_torchvision()

from torchvision import models  # noqa: E402  (after the mend)

# The opacity score 0 to 6, rounded.
GRADES = 7


class Trunk(nn.Module):
    """(films, 1, rows, columns) float -> (films, `width`) features."""

    width: int

    def start(self, start: Start, form: InputForm, runs: Path) -> None:
        """Take the weights the trunk starts from; SettingsError where they cannot be had or do not fit."""
        raise NotImplementedError


# By name: torchvision's maker, the first convolution, the last layer, and how many features enter it.
_TORCHVISION: dict[str, tuple[Callable[..., nn.Module], str, str, int]] = {
    "vgg16": (models.vgg16, "features.0", "classifier.6", 4096),
    "alexnet": (models.alexnet, "features.0", "classifier.6", 4096),
    "densenet161": (models.densenet161, "features.conv0", "classifier", 2208),
    "squeezenet1_1": (models.squeezenet1_1, "features.0", "classifier.1", 512),
}


class TorchvisionTrunk(Trunk):
    """A net of torchvision on one grey channel, without its last layer."""

    def __init__(self, name: str) -> None:
        super().__init__()
        make, self.first, self.last, self.width = _TORCHVISION[name]
        self.name = name
        self.net = make(weights=None)
        old = self.net.get_submodule(self.first)
        assert isinstance(old, nn.Conv2d)
        grey = nn.Conv2d(
            1, old.out_channels, old.kernel_size, old.stride, old.padding, bias=old.bias is not None  # type: ignore[arg-type]  # pairs
        )  # fmt: skip
        nn.init.kaiming_normal_(grey.weight)
        self.net.set_submodule(self.first, grey)
        # SqueezeNet's last layer comes before the activation and the pooling over places, which stay.
        self.net.set_submodule(self.last, nn.Identity())

    def start(self, start: Start, form: InputForm, runs: Path) -> None:
        named = {kind: name for kind, name in asdict(start).items() if name}
        if not named:
            return
        if named != {"imagenet": PUBLIC}:
            raise SettingsError(f"start: {self.name} starts from scratch or from imagenet: {PUBLIC}.")
        self.load_imagenet(public_imagenet(self.name))

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take torchvision's keys; RuntimeError where they do not fit."""
        state = densenet_keys(state) if self.name.startswith("densenet") else state
        own = {key: value for key, value in state.items() if not key.startswith(f"{self.last}.")}
        self.net.load_state_dict(with_grey_kernels(own, f"{self.first}.weight"), strict=True)

    def forward(self, films: Tensor) -> Tensor:
        features: Tensor = self.net(films)
        return features


class BackboneTrunk(Trunk):
    """A convolutional backbone of the program, the mean over the places of its last map."""

    def __init__(self, name: str, backbone: Backbone) -> None:
        super().__init__()
        self.name, self.backbone, self.width = name, backbone, backbone.channels[-1]

    def start(self, start: Start, form: InputForm, runs: Path) -> None:
        load_start(self.backbone, self.name, start, form, runs)

    def forward(self, films: Tensor) -> Tensor:
        maps: list[Tensor] = self.backbone(films)
        return maps[-1].mean(dim=(2, 3))


class TransformerTrunk(Trunk):
    """A transformer of the program, its class token."""

    def __init__(self, name: str, net: TransformerClassifier) -> None:
        super().__init__()
        self.name, self.net, self.width = name, net, net.num_features
        # Grading has a layer of its own.
        net.head = nn.Identity()  # type: ignore[assignment]  # takes what a layer takes

    def start(self, start: Start, form: InputForm, runs: Path) -> None:
        """Whole from shipped weights of the same name (`weights`), else as any transformer starts."""
        if self.name == "vit":
            load_vit_start(self.net, start)
        elif start.weights:
            shipped = load_net(read_card(start.weights)).state_dict()
            own = {key: value for key, value in shipped.items() if not key.startswith("head.")}
            try:
                self.net.load_state_dict(own)
            except RuntimeError as error:
                raise SettingsError(f"start.weights: {start.weights} is no such {self.name}.") from error
        elif any(asdict(start).values()):
            raise SettingsError(f"start: a {self.name} that grades starts from scratch or from weights.")

    def forward(self, films: Tensor) -> Tensor:
        return self.net.pool(self.net.forward_features(films))


def trunks() -> tuple[str, ...]:
    """Names that `build_trunk` knows."""
    return (*_TORCHVISION, *BACKBONES, *TRANSFORMERS)


def build_trunk(name: str, options: dict[str, Any]) -> Trunk:
    """A trunk with random weights; `options` are those of a transformer. SettingsError for a name that is not
    in `trunks()`."""
    if name in TRANSFORMERS:
        net = nets.build(name, classes=1, **options)
        assert isinstance(net, TransformerClassifier)
        return TransformerTrunk(name, net)
    if options:
        raise SettingsError(f"options: {name} has none.")
    if name in _TORCHVISION:
        return TorchvisionTrunk(name)
    if name in BACKBONES:
        return BackboneTrunk(name, BACKBONES[name]())
    raise SettingsError(f"there is no net {name} that grades; known are {', '.join(trunks())}.")


class GradingNet(nn.Module):
    """(films, 1, rows, columns) float -> (films, 8): logits of the grades 0 to 6, then the score itself."""

    def __init__(self, trunk: Trunk, dropout: float = 0.2) -> None:
        super().__init__()
        self.trunk = trunk
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(trunk.width, GRADES + 1)

    def forward(self, films: Tensor) -> Tensor:
        return self.head(self.dropout(self.trunk(films)))
