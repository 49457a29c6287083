"""A box in whole pixels of a film."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PixelBox:
    """A box in whole pixels, half-open: rows `top`..`bottom` - 1, columns `left`..`right` - 1."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def rows(self) -> int:
        return self.bottom - self.top

    @property
    def columns(self) -> int:
        return self.right - self.left

    def share_in(self, other: PixelBox) -> float:
        """Share of this box that lies in another, 0..1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0) * max(height, 0) / (self.rows * self.columns)

    def around(self, other: PixelBox) -> PixelBox:
        """The smallest box that holds both."""
        return PixelBox(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def moved(self, columns: int, rows: int) -> PixelBox:
        """The box so many columns and rows farther on."""
        return PixelBox(self.left + columns, self.top + rows, self.right + columns, self.bottom + rows)

    def within(self, other: PixelBox) -> PixelBox | None:
        """What of this box lies in another, in pixels of that one; None where nothing does."""
        left, right = max(self.left, other.left), min(self.right, other.right)
        top, bottom = max(self.top, other.top), min(self.bottom, other.bottom)
        if left >= right or top >= bottom:
            return None
        return PixelBox(left, top, right, bottom).moved(-other.left, -other.top)

    def turned(self, turns: int, rows: int, columns: int) -> PixelBox:
        """The box after `turns` quarter turns counter-clockwise (as `np.rot90`) of a film of this size."""
        box = self
        for _ in range(turns % 4):
            box = PixelBox(box.top, columns - box.right, box.bottom, columns - box.left)
            rows, columns = columns, rows
        return box
