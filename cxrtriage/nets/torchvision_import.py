"""Let torchvision import beside a CPU build of torch.

Where torch is a CPU build and torchvision a CUDA build, the compiled operators of torchvision do not
load and its import dies with ``operator torchvision::nms does not exist``. Only the schemas of two
operators are missing for models and transforms to work, so on that very error they are declared and
the import is tried again. `ops.nms`, `ops.roi_align` and `io.read_image` stay unavailable then.
Where the import works, nothing is touched.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_MISSING = "operator torchvision::nms does not exist"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def import_torchvision() -> ModuleType:
    """torchvision, mended if and only if its import fails on the missing operator schema."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _MISSING not in str(error):
            raise
    _drop_half_imported()
    _declare_schemas()
    return importlib.import_module("torchvision")


def _drop_half_imported() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


def _declare_schemas() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    # The schemas live as long as the library object does: keep it with torch itself.
    torch._cxrtriage_torchvision_library = library  # type: ignore[attr-defined]
