"""Torch modules and their registry: `build(name, **options)`. No files, no films."""

from cxrtriage.nets.classifier import FilmClassifier
from cxrtriage.nets.registry import architectures, build

__all__ = ["FilmClassifier", "architectures", "build"]
