"""Boxes in pixels of a film."""

from __future__ import annotations

from cxrtriage.film.box import PixelBox


def test_what_of_a_box_lies_in_another_is_told_in_pixels_of_that_one():
    part = PixelBox(10, 20, 50, 60)
    assert PixelBox(15, 30, 25, 35).within(part) == PixelBox(5, 10, 15, 15)
    assert PixelBox(0, 0, 12, 100).within(part) == PixelBox(0, 0, 2, 40)
    assert PixelBox(40, 50, 90, 90).within(part) == PixelBox(30, 30, 40, 40)
    assert part.within(part) == PixelBox(0, 0, 40, 40)


def test_of_boxes_that_only_touch_nothing_lies_in_the_other():
    part = PixelBox(10, 20, 50, 60)
    assert PixelBox(50, 20, 70, 60).within(part) is None
    assert PixelBox(10, 0, 50, 20).within(part) is None
    assert PixelBox(0, 0, 5, 5).within(part) is None


def test_a_box_in_a_part_of_a_film_is_moved_to_where_the_part_lies():
    part, box = PixelBox(10, 20, 50, 60), PixelBox(15, 30, 25, 35)
    assert box.within(part).moved(part.left, part.top) == box
