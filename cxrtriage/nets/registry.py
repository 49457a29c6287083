"""The registry of architectures: a name and plain options give a net."""

from __future__ import annotations

from typing import Any

from cxrtriage.nets.backbone import BACKBONES
from cxrtriage.nets.classifier import FilmClassifier


def architectures() -> tuple[str, ...]:
    """Names that `build` knows."""
    return tuple(BACKBONES)


def build(name: str, **options: Any) -> FilmClassifier:
    """A net with random weights.

    `options` are those of `FilmClassifier`, JSON types only, so that they travel on a card.
    Raises ValueError for a name that is not in `architectures()`.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown architecture {name!r}; known are {', '.join(BACKBONES)}")
    return FilmClassifier(BACKBONES[name](), **options)
