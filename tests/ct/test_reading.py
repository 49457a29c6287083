"""A series read: lesions where they were drawn, the same from raw and windowed slices, JSON, stopping."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cxrtriage.ct.read import read_series, series_of_files
from cxrtriage.ct.reading import SeriesReader, read_whole, refusal
from cxrtriage.ct.rule import Rule
from cxrtriage.ct.series import Series, SeriesError, Slice
from tests.ct.series_maker import Threshold, dicom_series, draw_chest, threshold_finder, windowed

LESIONS = dict.fromkeys(range(2, 7), (50, 35))


def series_of(volume: np.ndarray, step: float = 5.0) -> Series:
    return series_of_files("a", dicom_series(volume, step))[0]


def test_lesions_are_found_where_they_were_drawn():
    reading = read_whole(series_of(draw_chest(10, lesions=LESIONS)), threshold_finder())
    assert reading.decision == "positive"
    assert (reading.evidence.quadrant, reading.evidence.first, reading.evidence.last) == (2, 2, 6)
    assert [bool(one.boxes) for one in reading.slices] == [2 <= n <= 6 for n in range(10)]
    (box,) = reading.slices[3].boxes
    assert abs(box.x - 35) <= 1
    assert abs(box.y - 50) <= 1
    assert box.area == pytest.approx(100, abs=25)
    # 5 slices of 100 pixels of 1 mm, 5 mm apart: 2.5 ml, on the patient's right.
    assert reading.volume_ml.lesion == pytest.approx(2.5, abs=0.5)
    assert reading.volume_ml.left == 0


def test_a_clear_series_is_not_positive():
    reading = read_whole(series_of(draw_chest(10)), threshold_finder())
    assert (reading.decision, reading.evidence, reading.affected_slices) == ("negative", None, 0)


def test_raw_slices_and_their_windowed_copy_give_the_same_answer():
    volume = draw_chest(8, lesions=LESIONS)
    raw = read_whole(series_of(volume), threshold_finder())
    copy = read_whole(series_of_files("a", windowed(volume))[0], threshold_finder())
    assert [one.boxes for one in raw.slices] == [one.boxes for one in copy.slices]
    assert (raw.decision, raw.evidence) == (copy.decision, copy.evidence)
    assert copy.volume_ml is None
    assert copy.spacing_mm is None


def test_what_shows_no_lungs_is_no_chest():
    volume = np.full((8, 96, 128), 40, np.int16)
    volume[:, :4] = -1000
    reading = read_whole(series_of(volume), threshold_finder())
    assert (reading.status, reading.codes) == ("refused", ("not_a_chest",))
    assert json.loads(reading.to_json())["slices"] is None


def test_slices_below_and_above_the_lungs_are_not_searched():
    volume = draw_chest(40, lesions=dict.fromkeys(range(40), (50, 35)))
    empty = draw_chest(1)[0]
    empty[(empty > -900) & (empty < -800)] = 40
    empty[50:60, 35:45] = -450  # gas and stool
    volume[:20] = empty
    reading = read_whole(series_of(volume), threshold_finder())
    assert not any(one.boxes for one in reading.slices[:17])
    assert all(one.boxes for one in reading.slices[20:])


def test_a_reading_can_be_stopped_and_says_so():
    reader = SeriesReader(series_of(draw_chest(12)), threshold_finder())
    steps = reader.steps()
    for _ in range(5):
        next(steps)
    reading = reader.reading()
    assert (reading.decision, reading.volume_ml, len(reading.slices)) == ("undetermined", None, 5)
    assert "stopped" in reading.codes


def test_another_rule_is_held_against_the_same_masks():
    series = series_of(draw_chest(10, lesions={2: (50, 35), 3: (50, 35)}))
    reader = SeriesReader(series, threshold_finder())
    first = [found.lesion for _, found in reader.steps()]
    assert reader.reading().decision == "negative"
    masks = reader.ruled(Rule(slices=2, least_mm=0.0))
    assert reader.reading().decision == "positive"
    np.testing.assert_array_equal(np.stack(masks), np.stack(first))
    reader.ruled(Rule(min_area=1000))
    assert reader.reading().affected_slices == 0


def test_the_rule_and_threshold_come_from_the_card():
    finder = threshold_finder(threshold=0.7, rule={"slices": 5, "min_area": 20})
    assert (finder.threshold, finder.rule.slices, finder.rule.min_area) == (0.7, 5, 20)
    assert read_whole(series_of(draw_chest(9)), finder).rule.slices == 5


def test_slices_of_different_sizes_are_read_one_by_one():
    volume = draw_chest(6, lesions=LESIONS)
    files = [(f"{n}.png", data) for n, (_, data) in enumerate(windowed(volume[:3]))]
    files += [(f"{n + 3}.png", data) for n, (_, data) in enumerate(windowed(draw_chest(3, 120, 160)))]
    reading = read_whole(series_of_files("a", files)[0], threshold_finder())
    assert "sizes_differ" in reading.codes
    assert [bool(one.boxes) for one in reading.slices] == [False, False, True, False, False, False]


def test_json_has_the_forms_others_rely_on():
    plain = json.loads(read_whole(series_of(draw_chest(7, lesions=LESIONS)), threshold_finder()).to_json())
    assert plain["schema"] == "cxrtriage/ct/1"
    assert set(plain) >= {
        "series", "status", "codes", "message", "slices", "decision", "rule", "evidence", "volume_ml",
        "spacing_mm", "versions", "seconds",
    }  # fmt: skip
    assert set(plain["slices"][0]) == {
        "name", "position_mm", "lesion_pixels", "lung_pixels", "quadrants", "boxes"
    }  # fmt: skip
    assert set(plain["slices"][2]["boxes"][0]) == {"x", "y", "width", "height", "area", "likelihood"}
    assert plain["evidence"] == {"quadrant": 2, "first": 2, "last": 6}
    assert json.loads(refusal("b", SeriesError("no_slices")).to_json())["message"].endswith(".")


def test_one_slice_alone_is_undetermined():
    series = Series("a", (Slice("s", draw_chest(1, lesions={0: (50, 35)})[0]),), calibrated=True)
    reading = read_whole(series, threshold_finder())
    assert (reading.decision, reading.codes) == ("undetermined", ("too_short",))
    assert reading.affected_slices == 1


@pytest.mark.slow
def test_the_shipped_net_on_real_series(data_folder):
    """Two chests without COVID-19 and an abdomen, which it never saw in any form."""
    from cxrtriage.ct.lesion_finder import LesionFinder

    finder, place = LesionFinder.load(), data_folder / "ct" / "hu"
    said = {}
    for name in (
        "chest-ct-tcia-0117",
        "chest-ct-acrin-flt-breast-013.nii.gz",
        "abdomen-ct-totalsegmentator-example.nii.gz",
    ):
        reading = read_whole(read_series(place / name)[0], finder)
        said[name.split("-")[2]] = reading.decision or reading.codes[0]
    assert said == {"tcia": "negative", "acrin": "negative", "totalsegmentator": "not_a_chest"}


def test_less_sure_lesions_count_beside_a_sure_one_but_not_for_the_rule():
    volume = draw_chest(8, lesions={3: (50, 35), 4: (50, 35)})
    # Denser: sure to the net below. The other lesions reach a chance of 0.8 alone.
    volume[3, 30:40, 85:95] = -300

    class Unsure(Threshold):
        def forward(self, slices):
            logits = super().forward(slices)
            faint = (logits[:, 0] > 0) & ((slices[:, 0] + 1) * 127.5 < 165)
            logits[:, 0] = torch.where(faint, 1.4, logits[:, 0])
            return logits

    finder = threshold_finder(peak=0.9)
    finder.net = Unsure()
    reading = read_whole(series_of(volume), finder)
    assert [len(one.boxes) for one in reading.slices] == [0, 0, 0, 2, 0, 0, 0, 0]
    assert reading.slices[3].quadrants == (False, True, False, False)
    reader = SeriesReader(series_of(volume), finder)
    seen = [found.lesion for _, found in reader.steps()]
    assert all((one == other).all() for one, other in zip(seen, reader.ruled(Rule()), strict=True))
