"""Film to assessment. `Triage` is loaded on first use, as it brings torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxrtriage.reading.triage import Triage

__all__ = ["Triage"]


def __getattr__(name: str) -> Any:
    if name == "Triage":
        from cxrtriage.reading.triage import Triage

        return Triage
    raise AttributeError(name)
