"""The CT page by AppTest: opening, reading to the end, the decision, the rule, export, what is wrong."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cxrtriage.ct.lesion_finder import LesionFinder
from cxrtriage.ct.reading import SeriesReader
from cxrtriage.ct.synthetic import draw_series
from cxrtriage.show.ct import csv_cell, montage
from cxrtriage.ui import ct_session
from cxrtriage.ui.ct_examples import series_examples
from cxrtriage.ui.opening import EXAMPLES_FOLDER
from cxrtriage.ui.texts import Texts
from cxrtriage.weights import WEIGHTS_FOLDER, WeightsError
from tests.ct.series_maker import dicom_series, draw_chest, threshold_finder, windowed

PAGE = str(Path(__file__).parents[2] / "pages" / "ct_series.py")
LESIONS = dict.fromkeys(range(2, 7), (50, 35))


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(ct_session, "loaded_finder", threshold_finder)
    import cxrtriage.ui.ct_session

    monkeypatch.setattr(cxrtriage.ui.ct_session, "loaded_finder", threshold_finder)
    page = AppTest.from_file(PAGE, default_timeout=120)
    page.session_state["framed"] = True  # as the app does before it runs a page
    return page.run()


def opened(page: AppTest, files: list[tuple[str, bytes]]) -> AppTest:
    for name, data in files:
        page.file_uploader[0].upload(name, data, "application/octet-stream")
    return page.run()


def words(page: AppTest) -> str:
    return " ".join(
        part.value if hasattr(part, "value") else str(part) for part in page.get("html")
    ) + " ".join(str(one.proto) for one in page.get("html"))


def test_an_empty_page_says_what_to_do(page):
    assert not page.exception
    assert "Waiting for a series" in words(page)


def test_a_series_is_read_to_its_end_and_decided(page):
    opened(page, dicom_series(draw_chest(10, lesions=LESIONS)))
    assert not page.exception
    said = words(page)
    assert "Positive" in said
    assert "lower left quadrant of the picture on 5 slices in a row, slice 3 to 7" in said
    assert "ml" in said
    assert page.session_state["ct_session"].done


def test_the_drawn_example_opens_with_one_click_and_says_what_it_is(page):
    (button,) = [one for one in page.button if one.label.startswith("Drawn")]
    button.click()
    page.run()
    assert not page.exception
    session = page.session_state["ct_session"]
    assert session.done
    said = words(page)
    drawn = draw_series(1)
    assert f"with 4 opacities of {drawn.lesion_ml:.0f} ml in all. No patient." in said
    assert "This series was drawn by a program and shows no patient" in said
    assert "synthetic_series" in session.reading().to_json()
    next(one for one in page.button if one.label == "Close").click()
    page.run()
    assert "drawn by a program" not in words(page)


def test_each_filed_example_opens_and_states_its_licence(page):
    entries = json.loads((EXAMPLES_FOLDER / "series.json").read_text())
    for entry in entries:
        assert entry["licence"].startswith("CC BY ")
        next(one for one in page.button if one.label == entry["title"]).click()
        page.run()
        assert not page.exception
        assert f"{entry['title']}. {entry['licence']}. " in words(page)
        assert page.session_state["ct_session"].done
        next(one for one in page.button if one.label == "Close").click()
        page.run()


@pytest.mark.slow
@pytest.mark.skipif(not (WEIGHTS_FOLDER / "ct_lesion.json").is_file(), reason="there are no CT weights")
def test_the_shipped_net_reads_the_examples_as_they_are():
    """The drawn opacities are found and decide; the chest without COVID-19 is not called positive."""
    finder = LesionFinder.load()
    decided = {}
    for example in series_examples(Texts()):
        ((series,), _) = example.read()
        reader = SeriesReader(series, finder)
        found = np.stack([one.lesion for _, one in reader.steps()])
        decided[example.title] = reader.reading().decision
        if "synthetic_series" in series.codes:
            true = draw_series(1).lesions
            dice = 2 * (found & true).sum() / (found.sum() + true.sum())
            assert dice > 0.6
    assert list(decided.values()) == ["positive", "negative"]


def test_another_rule_is_tried_without_reading_anew(page):
    opened(page, dicom_series(draw_chest(10, lesions={2: (50, 35), 3: (50, 35)})))
    assert "Not positive" in words(page)
    page.number_input[0].set_value(2)
    page.run()
    assert "Positive" in words(page)
    assert "Not the rule of the card (3 slices, 50 pixels)" in words(page)


def test_several_series_can_be_chosen_among(page):
    first = [(f"a{n}", data) for n, (_, data) in enumerate(dicom_series(draw_chest(5, lesions=LESIONS)))]
    other = dicom_series(draw_chest(7))
    other = [(f"b{n}", data.replace(b"1.2.3\0", b"1.2.4\0")) for n, (_, data) in enumerate(other)]
    opened(page, first + other)
    box = page.selectbox[0]
    assert [option.rsplit(",")[-1].strip() for option in box.options] == ["5 slices", "7 slices"]
    assert "Not positive" in words(page)
    box.set_value(0)
    page.run()
    assert "Positive" in words(page)


def test_what_is_no_series_is_said_and_the_page_lives_on(page):
    opened(page, [("a.txt", b"hello")])
    assert "No CT slice was found" in words(page)
    opened(page, windowed(draw_chest(9)))
    assert "Not positive" in words(page)
    assert "No CT slice was found" not in words(page)


def test_closing_forgets_the_series(page):
    opened(page, dicom_series(draw_chest(6)))
    next(button for button in page.button if button.label == "Close").click()
    page.run()
    assert "Waiting for a series" in words(page)
    assert not page.session_state["ct_session"].series


def test_missing_weights_are_one_sentence(page, monkeypatch):
    def missing():
        raise WeightsError("weights_missing", "The weights are not there.")

    monkeypatch.setattr(ct_session, "loaded_finder", missing)
    opened(page, dicom_series(draw_chest(6)))
    assert not page.exception
    assert "The weights are not there." in words(page)


def test_a_stopped_reading_decides_nothing_and_goes_on(page, monkeypatch):
    monkeypatch.setattr(ct_session, "_SECONDS_A_STEP", -1.0)
    session = page.session_state["ct_session"]
    session.open(_Words(), dicom_series(draw_chest(9)))
    session.stopped = True
    page.run()
    assert not session.done
    next(button for button in page.button if button.label == "Go on reading").click()
    page.run()
    assert session.done
    assert "Not positive" in words(page)


class _Words(dict):
    language = "en"

    def __missing__(self, key):
        return key

    def fill(self, key, **_):
        return key


def test_names_of_files_cannot_become_formulas_or_markup(page):
    files = [(f"=cmd{n}<b>.png", data) for n, (_, data) in enumerate(windowed(draw_chest(6)))]
    opened(page, files)
    assert "<b>" not in words(page).replace('<b class="cx-call">', "")
    assert csv_cell("=cmd1") == "'=cmd1"
    assert csv_cell(3) == 3


def test_the_montage_is_a_picture_of_the_affected_slices():
    from PIL import Image

    from cxrtriage.ct.read import series_of_files
    from cxrtriage.ct.reading import SeriesReader

    (series,) = series_of_files("a", dicom_series(draw_chest(10, lesions=LESIONS)))
    reader = SeriesReader(series, threshold_finder())
    list(reader.steps())
    with Image.open(io.BytesIO(montage(series, reader.slices))) as image:
        assert image.size == (6 * 220, 220)
        red = sum(1 for r, g, b in image.convert("RGB").get_flattened_data() if r > 200 and g < 100)
    assert red > 100


def test_the_csv_has_a_row_a_slice():
    from cxrtriage.ct.read import series_of_files
    from cxrtriage.ct.reading import SeriesReader
    from cxrtriage.show.ct import table_rows

    (series,) = series_of_files("a", dicom_series(draw_chest(10, lesions=LESIONS)))
    reader = SeriesReader(series, threshold_finder())
    list(reader.steps())
    rows = table_rows(reader.slices, ["ul", "ur", "ll", "lr"])
    stream = io.StringIO()
    csv.DictWriter(stream, list(rows[0])).writerows(rows)
    assert [row["quadrants"] for row in rows] == ["ll" if 2 <= n <= 6 else "" for n in range(10)]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"), (" =1", "' =1"), ("a;=1", "a;'=1"), ("a,-b", "a,'-b"), ('a"=1', "a\"'=1"),
        ("\uff1d1", "'\uff1d1"), ("slice-1", "slice-1"), ("a=b", "a=b"), (-2.5, -2.5), (None, None),
    ],
)  # fmt: skip
def test_a_cell_is_no_formula_wherever_a_spreadsheet_may_begin_it(name, safe):
    assert csv_cell(name) == safe
