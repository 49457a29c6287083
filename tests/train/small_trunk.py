"""A small untrained net for tests, on whose maps models can be fitted."""

from __future__ import annotations

from pathlib import Path

from cxrtriage import nets
from cxrtriage.weights import Card, save_net, write_card


def write_small_trunk(folder: Path) -> None:
    sha256 = save_net(nets.build("mobilenet_v2", classes=1), folder / "small.safetensors")
    card = Card("small", "", ("tuberculosis",), "mobilenet_v2", {"classes": 1}, {"size": 32}, sha256, "none")
    write_card(card, folder)
