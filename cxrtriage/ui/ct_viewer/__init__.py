"""The CT viewer: slices on black with boxes, outlines and the strip of quadrants, all drawn in the browser.

Slices travel as packs of JPEG in components of their own, which Streamlit sends once; what was found on them
comes as it is found and is sent again with each report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from cxrtriage.show.ct import LEVEL_GREYS, LEVEL_UNITS, WINDOWS

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "cxrtriage.ct_viewer",
    html=(_HERE / "ct_viewer.html").read_text(encoding="utf-8"),
    css=(_HERE / "ct_viewer.css").read_text(encoding="utf-8"),
    js=(_HERE / "ct_viewer.js").read_text(encoding="utf-8"),
)
_carrier = st.components.v2.component(
    "cxrtriage.ct_carrier", js=(_HERE / "ct_viewer.js").read_text(encoding="utf-8")
)
SLICES_A_PACK = 24


@dataclass(frozen=True, eq=False)
class Stack:
    """The slices of a series for the browser: `packs` of JPEG, `sizes` (rows, columns) of each slice.

    `windows`: whether the greys stand for Hounsfield units, so that a window can be set.
    """

    name: str
    packs: tuple[bytes, ...]
    sizes: tuple[tuple[int, int], ...]
    windows: bool


def pack_slices(name: str, first: int, pictures: Sequence[bytes]) -> bytes:
    """4 bytes length of the header (little endian), the header as JSON, then the pictures."""
    header = {"stack": name, "first": first, "lengths": [len(picture) for picture in pictures]}
    head = json.dumps(header).encode()
    return len(head).to_bytes(4, "little") + head + b"".join(pictures)


def ct_viewer(
    stack: Stack | None,
    found: Sequence[Mapping[str, Any]],
    *,
    evidence: Mapping[str, int] | None,
    texts: Mapping[str, str],
    key: str = "ct_viewer",
) -> None:
    """Draw the viewer; `found` is what is known of the slices so far, in order: `boxes` (x, y, width, height,
    likelihood), `outlines`, `quadrants`. Without a stack the empty stage says what to do."""
    data: dict[str, Any] = {
        "stack": None,
        "found": list(found),
        "evidence": dict(evidence) if evidence else None,
        "texts": dict(texts),
        "levels": {"greys": LEVEL_GREYS, "units": LEVEL_UNITS},
        "window_values": WINDOWS,
    }
    if stack is not None:
        data["stack"] = {"name": stack.name, "sizes": stack.sizes, "windows": stack.windows}
    with st.container(gap=None):
        _component(data=data, key=key)
        for number, pack in enumerate(stack.packs if stack else ()):
            _carrier(data=pack, key=f"{key}_pack_{number}", height=1)
