"""The net that tells a mark of the left side from one of the right."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LETTER_SIDE = 32  # rows and columns of what it is shown


class SideMarkerNet(nn.Module):
    """(letters, 2, 32, 32) float in -1..1, greys and ink, -> (letters,) log odds that a letter stands on the
    patient's left and not on the right.

    A letter and its mirror image get the same answer: a marker of lead reads backwards on a film that is seen
    from the other side, as films with the patient's back to the tube often are.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_step(2, width),
            *_step(width, 2 * width),
            *_step(2 * width, 4 * width),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(4 * width * (LETTER_SIDE // 8) ** 2, 1),
        )

    def forward(self, letters: Tensor) -> Tensor:
        both = self.layers(torch.cat([letters, letters.flip(-1)]))[:, 0]
        one, other = both.chunk(2)
        return (one + other) / 2


def _step(before: int, after: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)
    ]  # fmt: skip
