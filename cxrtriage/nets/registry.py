"""The registry of architectures: a name and plain options give a net."""

from __future__ import annotations

from typing import Any

from torch import nn

from cxrtriage.nets.backbone import BACKBONES
from cxrtriage.nets.classifier import FilmClassifier
from cxrtriage.nets.lungs import LungNet

LUNG_UNET = "lung_unet"


def architectures() -> tuple[str, ...]:
    """Names that `build` knows."""
    return (*BACKBONES, LUNG_UNET)


def build(name: str, **options: Any) -> nn.Module:
    """A net with random weights.

    `options` are those of `FilmClassifier`, or of `LungNet` for `lung_unet`, JSON types only, so that
    they travel on a card. Raises ValueError for a name that is not in `architectures()`.
    """
    if name == LUNG_UNET:
        return LungNet(**options)
    if name not in BACKBONES:
        raise ValueError(f"unknown architecture {name!r}; known are {', '.join(architectures())}")
    return FilmClassifier(BACKBONES[name](), **options)
