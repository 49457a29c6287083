"""The reading page in Chromium, with the real weights: from a file to a score that moves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cxrtriage.film.synthetic import draw_film
from cxrtriage.reading.ensemble import read_ensemble
from cxrtriage.ui.opening import EXAMPLES_FOLDER
from cxrtriage.weights import WEIGHTS_FOLDER
from tests.browser.acting import boxes, choose

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (WEIGHTS_FOLDER / "ensemble.json").is_file(), reason="READING PAGE LEFT OUT: there are no weights"
    ),
]

READ_MS = 120_000  # the first film waits for the models, on a busy machine
PHONE = {"viewport": {"width": 412, "height": 915}, "has_touch": True, "is_mobile": True}
CLASSES = ["Tuberculosis", "COVID-19", "Other infection"]
CLASS_NAMES = ("tuberculosis", "covid19", "other_infection")
CAUTION = "Research and teaching. Not a medical device. Nothing leaves this machine."


@pytest.fixture(scope="session")
def film_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shipped real film, or a drawn one where none is shipped."""
    listed = EXAMPLES_FOLDER / "examples.json"
    if listed.is_file():
        return EXAMPLES_FOLDER / json.loads(listed.read_text(encoding="utf-8"))[0]["file"]
    path = tmp_path_factory.mktemp("film") / "synthetic.png"
    cv2.imwrite(str(path), np.rint(draw_film(1).pixels * 65535).astype(np.uint16))
    return path


@pytest.fixture
def page(tab: Any, served: Any) -> Any:
    tab.goto(served("app.py"))
    tab.wait_for_selector(".viewer", timeout=READ_MS)
    return tab


@pytest.fixture
def read_page(page: Any, film_file: Path) -> Any:
    """The page with a film that has been read."""
    page.set_input_files("input[type=file]", film_file)
    wait_for_score(page)
    return page


def wait_for_score(page: Any) -> None:
    page.wait_for_selector(".cx-flagged, .cx-not_flagged, .cx-uncertain", timeout=READ_MS)
    page.wait_for_selector(".viewer.has-film:not(.waiting)")


def wait_for_map(page: Any) -> None:
    """Scores are shown before their maps are drawn."""
    viewer = page.locator(".viewer").element_handle()
    page.wait_for_function("e => e.viewerState().hasMap", arg=viewer, timeout=READ_MS)


def score(page: Any) -> float:
    return float(page.locator(".cx-line .cx-number").first.inner_text())


def test_a_film_gets_a_score_a_map_and_its_versions(read_page: Any, complaints: list[str]) -> None:
    assert 0 <= score(read_page) <= 1
    assert read_page.locator(".st-key-scores .cx-line b").all_inner_texts() == CLASSES
    for call in read_page.locator(".cx-call").all_inner_texts():
        assert "threshold" in call
    more = read_page.locator(".cx-score details").first
    more.locator("summary").click()
    assert more.locator(".cx-member").count() >= 2
    assert "set on" in more.inner_text()
    wait_for_map(read_page)
    assert "not where disease is" in read_page.locator(".map-words").inner_text()
    assert "Weights:" in read_page.locator(".cx-about").inner_text()
    assert CAUTION in read_page.locator(".cx-header").inner_text()
    assert not complaints


def test_nothing_moves_when_the_score_arrives(page: Any, film_file: Path) -> None:
    (before,) = boxes(page, ".st-key-read_adjusted")
    page.set_input_files("input[type=file]", film_file)
    wait_for_score(page)
    (after,) = boxes(page, ".st-key-read_adjusted")
    assert after["y"] == pytest.approx(before["y"], abs=45)  # the reader's notes may take lines of their own


def test_crop_and_adjust_move_the_score_only_with_the_switch_on(
    read_page: Any, complaints: list[str]
) -> None:
    page = read_page
    filed = score(page)
    page.locator("[data-tool=crop]").click()
    (box,) = boxes(page, ".stage")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 0.2 * box["height"], y - 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(x + 0.02 * box["height"], y + 0.1 * box["height"], steps=5)
    page.mouse.up()
    page.locator("[data-act=invert]").click()
    page.wait_for_timeout(1500)
    assert score(page) == filed
    page.locator(".st-key-read_adjusted label").first.click()
    page.wait_for_selector(".cx-moved", timeout=READ_MS)
    moved = page.locator(".cx-moved")
    assert moved.count() == len(CLASSES)
    before, after = map(float, re.findall(r"\d\.\d\d", moved.first.inner_text())[:2])
    assert before == filed
    assert after == score(page)
    assert any(len(set(re.findall(r"\d\.\d\d", words)[:2])) == 2 for words in moved.all_inner_texts())
    page.locator(".st-key-read_adjusted label").first.click()
    page.wait_for_selector(".cx-moved", state="detached")
    assert score(page) == filed
    assert not complaints


def test_what_is_adjusted_while_the_film_is_read_stays(page: Any, film_file: Path) -> None:
    page.set_input_files("input[type=file]", film_file)
    page.wait_for_selector(".viewer.has-film:not(.waiting)", timeout=READ_MS)
    page.locator("[data-act=invert]").click()
    wait_for_score(page)
    page.wait_for_timeout(1000)
    assert page.locator(".viewer").evaluate("e => e.viewerState().adjustment.invert") is True


def test_the_opacity_slider_redraws_the_map_without_a_rerun(read_page: Any) -> None:
    page = read_page
    wait_for_map(page)
    canvas = page.locator("canvas.film")
    shown = canvas.evaluate("e => e.toDataURL()")
    page.locator("input[name=opacity]").evaluate("e => { e.value = 0; e.dispatchEvent(new Event('input')); }")
    page.wait_for_function("([e, before]) => e.toDataURL() !== before", arg=[canvas.element_handle(), shown])
    assert page.locator("[data-testid=stStatusWidget]").count() == 0


def test_another_class_lays_its_own_map_over_the_film(read_page: Any, complaints: list[str]) -> None:
    page = read_page
    wait_for_map(page)
    for name, words in [("COVID-19", "COVID-19"), ("Other infection", "another lung infection")]:
        choose(page, "Map of the score", name)
        page.wait_for_selector(f".map-words:has-text('for {words}')", timeout=READ_MS)
    assert not complaints


def test_a_transformers_map_can_be_made_by_relevance(read_page: Any, complaints: list[str]) -> None:
    page = read_page
    transformer = "corpus_vit"
    readers = read_ensemble().readers
    read = [label for name, label in zip(CLASS_NAMES, CLASSES, strict=True) if transformer in readers[name]]
    if not read:
        pytest.skip("no transformer reads")
    wait_for_map(page)
    choose(page, "Map of the score", read[0])
    method = page.locator("[data-testid=stButtonGroup]", has_text="Relevance")
    assert method.count() == 0
    choose(page, "Model", transformer)
    method.wait_for(timeout=READ_MS)
    canvas = page.locator("canvas.film")
    page.wait_for_selector(f".map-words:has-text('in {transformer}, not where disease is')", timeout=READ_MS)
    by_cam = canvas.evaluate("e => e.toDataURL()")
    method.get_by_text("Relevance").click()
    page.wait_for_selector(".map-words:has-text('by relevance, not where disease is')", timeout=READ_MS)
    wait_for_map(page)
    page.wait_for_function("([e, before]) => e.toDataURL() !== before", arg=[canvas.element_handle(), by_cam])
    # A class that it does not read is shown by the nets that do.
    others = [label for label in CLASSES if label not in read]
    if others:
        choose(page, "Map of the score", others[0])
        page.wait_for_selector(".map-words:has-text('in the mean of the models')", timeout=READ_MS)
    assert not complaints


def test_other_thresholds_move_the_call_and_not_the_score(read_page: Any, complaints: list[str]) -> None:
    page = read_page
    wait_for_map(page)
    numbers = page.locator(".cx-line .cx-number").all_inner_texts()
    choose(page, "Thresholds", "Youden's index")
    page.wait_for_selector(".cx-call:has-text('Youden')", timeout=READ_MS)
    assert page.locator(".cx-line .cx-number").all_inner_texts() == numbers
    assert not complaints


def test_what_a_positive_means_follows_the_prevalence(read_page: Any, complaints: list[str]) -> None:
    page = read_page
    wait_for_map(page)
    page.locator(".st-key-prevalence summary").click()
    choose(page, "Disease", "Tuberculosis")
    percent = page.locator("[data-testid=stNumberInput] input")
    percent.fill("2")
    percent.press("Enter")
    page.wait_for_selector(
        ".st-key-prevalence .cx-counts:has-text('Of 1,000 such people, 20 have tuberculosis.')",
        timeout=READ_MS,
    )
    assert "as measured on" in page.locator(".st-key-prevalence .cx-counts").inner_text()
    assert not complaints


def test_a_bad_file_is_one_sentence_with_its_code(page: Any, complaints: list[str]) -> None:
    bad = {"name": "film.dcm", "mimeType": "application/dicom", "buffer": b"<!doctype html><html></html>"}
    page.set_input_files("input[type=file]", bad)
    page.wait_for_selector(".cx-problem")
    assert re.search(r"\(code: [a-z_]+\)$", page.locator(".cx-problem").inner_text())
    page.wait_for_selector(".viewer .empty:visible")
    assert not complaints


def test_a_photograph_meets_the_gate_and_the_camera_is_put_away(page: Any, complaints: list[str]) -> None:
    page.locator(".st-key-opening_camera label").first.click()
    page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0", timeout=READ_MS)
    page.wait_for_timeout(1500)  # a picture taken before the first frame is none
    page.get_by_role("button", name="Take Photo").click()
    # The test's camera shows a pattern, which is no chest film.
    page.wait_for_selector(".cx-refused", timeout=READ_MS)
    page.wait_for_selector("[data-testid=stCameraInput]", state="detached", timeout=READ_MS)
    said = page.locator(".st-key-gate").inner_text()
    assert "JPEG" in said
    assert "Not read" in said
    assert not complaints


@pytest.mark.parametrize("tab", [PHONE], indirect=True)
def test_a_phone_shows_one_column_without_side_scrolling(read_page: Any, complaints: list[str]) -> None:
    page = read_page
    assert page.evaluate("document.documentElement.scrollWidth") <= 412
    film, scores = boxes(page, ".viewer", ".st-key-scores")
    assert scores["y"] >= film["y"] + film["height"]
    assert CAUTION in page.locator(".cx-header").inner_text()
    assert not complaints


def test_the_browser_speaks_to_this_machine_only(tab: Any, served: Any, film_file: Path) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(served("app.py"))
    tab.wait_for_selector(".viewer", timeout=READ_MS)
    tab.set_input_files("input[type=file]", film_file)
    wait_for_score(tab)
    away = [url for url in asked if not url.startswith((served("app.py"), "blob:", "data:"))]
    assert away == []
