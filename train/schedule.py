"""The learning rate's course, the same for everything trained here."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def cosine_after_warmup(optimiser: Optimizer, steps: int, warmup: float) -> LambdaLR:
    """Linear rise over the share `warmup` of `steps`, then half a cosine down to 0 (Loshchilov 2016)."""
    rise = max(1, round(warmup * steps))

    def rate(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, steps - rise))))

    return LambdaLR(optimiser, rate)


def steps_after_warmup(optimiser: Optimizer, steps: int, warmup: float) -> LambdaLR:
    """Linear rise over the share `warmup` of `steps`, then a tenth after every third of the rest."""
    rise = max(1, round(warmup * steps))

    def rate(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.1 ** min(2, 3 * (step - rise) // max(1, steps - rise))

    return LambdaLR(optimiser, rate)


SCHEDULES: dict[str, Callable[[Optimizer, int, float], LambdaLR]] = {
    "cosine": cosine_after_warmup,
    "step": steps_after_warmup,
}
