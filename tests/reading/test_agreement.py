"""Where classes, map and zones contradict each other, and where they do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cxrtriage.reading.agreement import affected_zones, disagreements, map_place, zone_at
from cxrtriage.reading.assessment import Assessment, Brixia, ClassScore, Diagnosis, Scale, Versions
from tests.browser.pages_for_tests.severity_readings import PLACES, SEVERITY, drawn_lesions, drawn_lungs

NOTHING = ((0.1, 0.1), (0.2, 0.1), (0.2, 0.1))
NO_BRIXIA = Brixia(((0.1, 0.1), (0.2, 0.1), (0.2, 0.1)), Scale(0.8, (0, 2)))
SIZE = 200


def assessed(call: Any, severity: Any = SEVERITY) -> Assessment:
    score = 0.81 if call == "flagged" else 0.2
    classes = {"tuberculosis": ClassScore(score, 0.4, (0.35, 0.45), "p", "card", "films", call)}
    return Assessment(
        "a.png", "0" * 64, "read", Versions("0", {}), severity=severity,
        diagnosis=Diagnosis(classes, {"net": {"tuberculosis": score}}, False),
    )  # fmt: skip


def kinds(*given: Any) -> list[str]:
    return [one.kind for one in disagreements(*given)]


def peak_at(down: float, across: float) -> np.ndarray:
    saliency = np.zeros((SIZE, SIZE), np.float32)
    saliency[int(down * SIZE), int(across * SIZE)] = 1
    return saliency


def test_a_flagged_class_with_affected_zones_contradicts_nothing() -> None:
    assert kinds(assessed("flagged")) == []
    assert kinds(assessed("flagged"), drawn_lesions(SIZE, SIZE), drawn_lesions(SIZE, SIZE)) == []


def test_a_flagged_class_without_an_affected_zone_is_told() -> None:
    clear = replace(SEVERITY, array=NOTHING, brixia=NO_BRIXIA)
    (found,) = disagreements(assessed("flagged", clear))
    assert (found.kind, found.class_name) == ("class_without_zone", "tuberculosis")
    assert kinds(assessed("not_flagged", clear)) == []
    assert kinds(assessed("uncertain", clear)) == []


def test_several_affected_zones_without_a_flagged_class_are_told_and_one_is_not() -> None:
    (found,) = disagreements(assessed("not_flagged"))
    assert (found.kind, found.zones) == ("zones_without_class", 3)
    assert affected_zones(SEVERITY) == ((1, 0), (2, 0), (2, 1))
    one = replace(SEVERITY, array=((0.1, 0.1), (0.4, 0.1), (0.9, 0.1)))
    assert kinds(assessed("not_flagged", one)) == []
    assert kinds(assessed("uncertain")) == []


def test_a_map_that_peaks_in_another_zone_than_the_lesions_is_told_with_the_zone() -> None:
    lesions = drawn_lesions(SIZE, SIZE)
    (found,) = disagreements(assessed("flagged"), peak_at(0.2, 0.7), lesions)
    assert (found.kind, found.zone) == ("map_elsewhere", (0, 1))
    assert kinds(assessed("flagged"), peak_at(0.68, 0.3), lesions) == []
    mostly_inside = lesions + 2 * peak_at(0.95, 0.5)
    assert kinds(assessed("flagged"), mostly_inside, lesions) == ["map_outside"]
    assert kinds(assessed("flagged"), np.zeros((SIZE, SIZE), np.float32), lesions) == []
    assert kinds(assessed("flagged"), peak_at(0.2, 0.7), None) == []


def test_a_map_of_which_much_lies_outside_the_lungs_is_told_with_its_share() -> None:
    lesions = drawn_lesions(SIZE, SIZE)
    inside = lesions > 0
    for share, told in ((0.3, False), (0.5, True), (0.9, True)):
        saliency = np.where(inside, (1 - share) / inside.sum(), share / (~inside).sum()).astype(np.float32)
        saliency[np.unravel_index(lesions.argmax(), lesions.shape)] *= 1.5 / (1 - share)  # peaks in a lesion
        place = map_place(assessed("flagged"), saliency, lesions)
        assert place is not None
        assert place.share_outside == pytest.approx(share, abs=0.01)
        assert not place.peak_outside
        assert map_place(assessed("uncertain"), saliency, lesions) is None
        # The severity map may come in another size.
        found = disagreements(assessed("flagged"), saliency, drawn_lesions(SIZE // 2, SIZE // 2))
        outside = [one for one in found if one.kind == "much_outside"]
        assert [one.share for one in outside] == ([pytest.approx(share, abs=0.03)] if told else [])
        for call in ("uncertain", "not_flagged"):
            assert "much_outside" not in kinds(assessed(call), saliency, lesions)


def test_a_map_outside_the_lungs_is_told_once_and_also_where_no_zone_is_affected() -> None:
    lesions, around = drawn_lesions(SIZE, SIZE), np.zeros((SIZE, SIZE), np.float32)
    around[-20:] = 1
    place = map_place(assessed("flagged"), around, lesions)
    assert place is not None
    assert (place.share_outside, place.peak_outside) == (1, True)
    assert kinds(assessed("flagged"), around, lesions) == ["much_outside"]
    clear = replace(SEVERITY, array=NOTHING, brixia=NO_BRIXIA)
    assert kinds(assessed("flagged", clear), around, lesions) == ["class_without_zone", "much_outside"]


@pytest.mark.parametrize(
    ("chance", "brixia", "told"), [(0.9, 0.2, True), (0.1, 2.0, True), (0.55, 0.4, False), (0.9, 1.4, False)]
)
def test_array_and_brixia_are_apart_only_where_both_are_clear(
    chance: float, brixia: float, told: bool
) -> None:
    zones = Brixia(((0.1, brixia), (1.4, 0.6), (2.6, 1.1)), Scale(6, (3, 9)))
    severity = replace(SEVERITY, array=((0.1, chance), *SEVERITY.array[1:]), brixia=zones)
    found = disagreements(assessed("flagged", severity))
    assert [one.zone for one in found if one.kind == "scales_apart"] == ([(0, 1)] if told else [])


def test_zones_follow_each_lungs_own_height() -> None:
    lungs = np.zeros((120, 100), bool)
    lungs[10:70, 10:40] = True  # the right lung ends higher than the left
    lungs[20:110, 60:90] = True
    for side, column, rows in ((0, 0.25, (12, 40, 68)), (1, 0.75, (22, 60, 108))):
        zones = [zone_at(lungs, (row + 0.5) / 120, column) for row in rows]
        assert zones == [(0, side), (1, side), (2, side)]
    assert zone_at(lungs, 0.3, 0.43) == (1, 0)  # a little beside it
    assert zone_at(lungs, 0.99, 0.25) is None
    assert zone_at(np.zeros((9, 9), bool), 0.5, 0.5) is None


def test_lungs_that_touch_are_parted_in_the_middle() -> None:
    lungs = drawn_lungs(SIZE, SIZE)
    lungs[80:90, 80:120] = True
    for side, (across, down) in enumerate(PLACES.values()):
        assert zone_at(lungs, down, across) == (1, side)


def test_without_severity_or_diagnosis_nothing_is_said() -> None:
    assert kinds(assessed("flagged", None)) == []
    assert kinds(replace(assessed("flagged"), diagnosis=None)) == []
