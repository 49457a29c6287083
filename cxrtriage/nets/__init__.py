"""Torch modules and their registry: `build(name, **options)`. No files, no films."""

from cxrtriage.nets.classifier import FilmClassifier
from cxrtriage.nets.registry import architectures, build, stem_of
from cxrtriage.nets.transformer import TransformerClassifier

__all__ = ["FilmClassifier", "TransformerClassifier", "architectures", "build", "stem_of"]
