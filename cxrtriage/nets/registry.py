"""The registry of architectures: a name and plain options give a net."""

from __future__ import annotations

from typing import Any

from torch import nn

from cxrtriage.nets.backbone import BACKBONES
from cxrtriage.nets.classifier import FilmClassifier
from cxrtriage.nets.ct_lesion import CtLesionNet
from cxrtriage.nets.gate import GateNet
from cxrtriage.nets.lungs import LungNet
from cxrtriage.nets.opacities import OpacityMaps, OpacityNet
from cxrtriage.nets.severity import SeverityNet, ZoneModel
from cxrtriage.nets.side_marker import SideMarkerNet
from cxrtriage.nets.transformer import Patches, TransformerClassifier

LUNG_UNET = "lung_unet"
SEVERITY = "severity"
ZONE_MODEL = "zone_model"
OPACITY_FINDER = "opacity_finder"
OPACITY_MAPS = "opacity_maps"
CT_LESION = "ct_lesion"
GATE = "gate"
SIDE_MARKER = "side_marker"
# Stage of a stem whose map the transformer reads: stride 16 leaves it something to do, the last stage is
# what the findings were told from.
TRANSFORMERS = {"vit": 0, "hybrid_vit": 3, "corpus_vit": 4}


def classifiers() -> tuple[str, ...]:
    """Names of the architectures that score classes and findings of a whole film."""
    return (*BACKBONES, *TRANSFORMERS, OPACITY_MAPS)


def architectures() -> tuple[str, ...]:
    """Names that `build` knows."""
    return (*classifiers(), LUNG_UNET, SEVERITY, ZONE_MODEL, OPACITY_FINDER, CT_LESION, GATE, SIDE_MARKER)


def build(name: str, **options: Any) -> nn.Module:
    """A net with random weights.

    `options` are those of `FilmClassifier`, of `TransformerClassifier` (with `backbone`, the name of its
    stem's architecture, or for `vit` `patch`, the side of a patch), of `LungNet` for `lung_unet`, of
    `CtLesionNet` for `ct_lesion`, of `GateNet` for `gate`, of `SideMarkerNet` for `side_marker`, of
    `ZoneModel` for `zone_model`, of `OpacityNet` for `opacity_finder`, or of `SeverityNet` for `severity`
    (with `trunk`, the options of its `corpus_vit`); JSON types only, so that they travel on a card. Raises
    ValueError for a name that is not in `architectures()`.
    """
    if name == LUNG_UNET:
        return LungNet(**options)
    if name == GATE:
        return GateNet(**options)
    if name == SIDE_MARKER:
        return SideMarkerNet(**options)
    if name == ZONE_MODEL:
        return ZoneModel(**options)
    if name == OPACITY_FINDER:
        return OpacityNet(**options)
    if name == CT_LESION:
        return CtLesionNet(**options)
    if name == SEVERITY:
        trunk = options.pop("trunk", {"classes": 1})
        return SeverityNet(build("corpus_vit", **trunk), **options)  # type: ignore[arg-type]  # a transformer
    if name == "vit":
        width = options.setdefault("width", 768)
        return TransformerClassifier(Patches(options.pop("patch", 16), width), **options)
    if name in TRANSFORMERS:
        stem = BACKBONES[options.pop("backbone", "densenet121")]()
        if TRANSFORMERS[name] < len(stem.channels):
            stem.cut(TRANSFORMERS[name])
        return TransformerClassifier(stem, **options)
    if name == OPACITY_MAPS:
        return FilmClassifier(OpacityMaps(), **{"pooling": "marks", **options})
    if name not in BACKBONES:
        raise ValueError(f"unknown architecture {name!r}; known are {', '.join(architectures())}")
    return FilmClassifier(BACKBONES[name](), **options)


def stem_of(architecture: str, options: dict[str, Any]) -> str:
    """The architecture whose weights the stem of a net can start from; of a plain backbone, itself."""
    if architecture in TRANSFORMERS and architecture != "vit":
        return str(options.get("backbone", "densenet121"))
    return architecture
