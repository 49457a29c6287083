"""A second look by the gate, once the lungs are found: whether they run out of the film."""

from __future__ import annotations

from cxrtriage.gate.gate import GateResult
from cxrtriage.reading.lungs import Lungs


def with_cut_lungs(gate: GateResult, lungs: Lungs | None) -> GateResult:
    """What the gate says, and the caution `cropped` where the lungs are cut.

    To the gate's net a crop from the middle of the lungs may look like a whole film.
    """
    if gate.verdict == "refused" or lungs is None or not lungs.cut:
        return gate
    return gate.cautioned("cropped")
