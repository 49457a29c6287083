"""A net that gives NaN or infinity: no number is made of it, and what does not depend on it goes on."""

from __future__ import annotations

import io
import json
import math
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from cxrtriage.cli import main
from cxrtriage.ct.lesion_finder import LesionFinder
from cxrtriage.ct.read import series_of_files
from cxrtriage.film.synthetic import draw_film
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.reading.lungs import Lungs
from cxrtriage.reading.triage import Triage
from cxrtriage.ui import ct_session, readings
from cxrtriage.ui.ct_session import CtSession
from cxrtriage.ui.texts import Texts
from cxrtriage.weights import WeightsError, load_net, read_card, save_net, write_card
from tests.ct.series_maker import dicom_series, draw_chest, threshold_finder
from tests.reading.small_nets import write_small_gate, write_small_nets, write_small_severity

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_small_nets(folder)
    write_small_severity(folder)
    write_small_gate(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Triage:
    return Triage.load(folder, ["tb_a"])


@pytest.fixture
def triage(loaded: Triage) -> Triage:
    """Nets of its own for each test, which breaks them."""
    return deepcopy(loaded)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any film's lungs: two boxes."""
    chances = np.full((64, 64), 0.1, np.float32)
    chances[12:52, 8:28] = chances[12:52, 36:56] = 0.9
    monkeypatch.setattr(LungFinder, "find", lambda self, film: Lungs.of(chances))


@pytest.fixture(scope="module")
def film():
    return draw_film(3, rows=256, columns=200)


def last_layer(net: torch.nn.Module) -> torch.nn.Parameter:
    return [part for part in net.parameters() if part.ndim == 1][-1]


def strict(line: str) -> dict:
    def refuse(word: str):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(line, parse_constant=refuse)


@pytest.mark.parametrize(
    ("net", "value"),
    [("tb_a", math.nan), ("tb_a", math.inf), ("lungs", -math.inf), ("gate", math.nan), ("gate", math.inf)],
)
def test_a_net_that_every_score_rests_on_refuses_the_film_by_its_name(triage, film, net, value):
    broken = {
        "tb_a": triage._members["tb_a"].net,
        "lungs": triage._lungs.net,
        "gate": triage._gate.nets[0][1],
    }[net]
    last_layer(broken).data.fill_(value)
    with pytest.raises(
        WeightsError, match=f"^no_score: {net} gave no number for this film; nothing is shown"
    ):
        triage.read(film)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_stand_where_only_severity_gives_no_number(triage, film, found, value):
    sound = triage.assess(film)
    assert sound.severity is not None
    for part in triage._severity.nets[1].map_head.parameters():
        part.data.fill_(value)
    assessment = triage.assess(film)
    assert assessment.diagnosis == sound.diagnosis
    assert assessment.severity is None
    assert "severity_failed" in assessment.codes
    assert strict(assessment.to_json())["severity"] is None
    with pytest.raises(WeightsError, match="severity_2 gave no number"):
        triage.severity_map(film)


def test_a_film_that_a_net_fails_on_is_a_refused_row_and_the_others_are_read(
    triage, tmp_path, monkeypatch, capsys
):
    head, calls = triage._members["tb_a"].net.forward_head, []

    def second_fails(maps):
        calls.append(1)
        return head(maps) * (math.nan if len(calls) == 2 else 1.0)

    monkeypatch.setattr(triage._members["tb_a"].net, "forward_head", second_fails)
    monkeypatch.setattr(Triage, "load", lambda **_: triage)
    for name in "abc":
        shutil.copy(ROOT / "cxrtriage/examples/shenzhen-00010.webp", tmp_path / f"{name}.webp")
    assert main(["assess", str(tmp_path)]) == 3
    rows = [strict(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["status"] for row in rows] == ["read", "refused", "read"]
    assert rows[1]["codes"] == ["no_score"]
    assert rows[1]["message"] == "tb_a gave no number for this film; nothing is shown."
    assert rows[1]["diagnosis"] is None
    assert rows[1]["sha256"] == rows[0]["sha256"]


def png(grey: int) -> bytes:
    file = io.BytesIO()
    pixels = np.full((200, 160), grey, np.uint8)
    pixels[::2, ::3] //= 2
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def words(page: AppTest) -> str:
    return " ".join(str(element.proto.body) for element in page.get("html"))


def page_of(name: str, triage: Triage, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(readings, "loaded_triage", lambda: triage)
    page = AppTest.from_file(str(ROOT / "pages" / name), default_timeout=120)
    page.session_state["framed"] = True
    return page.run()


def test_the_reading_page_says_a_sentence_and_shows_no_number(triage, monkeypatch):
    last_layer(triage._members["tb_a"].net).data.fill_(math.nan)
    page = page_of("reading.py", triage, monkeypatch)
    page.file_uploader[0].upload("film.png", png(180), "image/png")
    said = words(page.run())
    assert not page.exception
    assert "tb_a gave no number for this film; nothing is shown. (code: no_score)" in said
    assert "threshold 0.50 (" not in said
    assert "nan" not in said.lower()


def test_the_reading_page_shows_the_scores_and_says_that_severity_failed(triage, found, monkeypatch):
    for part in triage._severity.nets[0].map_head.parameters():
        part.data.fill_(math.nan)
    page = page_of("reading.py", triage, monkeypatch)
    page.file_uploader[0].upload("film.png", png(180), "image/png")
    said = words(page.run())
    assert not page.exception
    assert "threshold 0.50 (" in said
    assert "A severity net is damaged or gave no number, so zones and scales were not read" in said


def test_follow_up_reads_the_other_films_of_the_course(triage, monkeypatch):
    head = triage._members["tb_a"].net.forward_head
    calls = []

    def first_fails(maps):
        calls.append(1)
        return head(maps) * (math.nan if len(calls) == 1 else 1.0)

    monkeypatch.setattr(triage._members["tb_a"].net, "forward_head", first_fails)
    page = page_of("follow_up.py", triage, monkeypatch)
    for name, grey in (("one.png", 180), ("two.png", 90)):
        page.file_uploader[0].upload(name, png(grey), "image/png")
    page.run()
    assert not page.exception
    one, two = page.session_state["course"].films
    assert (one.assessment.status, one.assessment.codes) == ("refused", ("no_score",))
    assert two.assessment.status == "read"


def nan_finder() -> LesionFinder:
    finder = threshold_finder()
    finder.net = _NaN()
    return finder


class _NaN(torch.nn.Module):
    """Finds the lungs of the whole series at first, and then gives no number."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.sound = 0, threshold_finder().net

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.sound(slices) * (math.nan if self.calls > 4 else 1.0)


def test_a_ct_series_without_numbers_is_refused_and_not_called_negative(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(LesionFinder, "load", staticmethod(nan_finder))
    for name, data in dicom_series(draw_chest(16)):
        (tmp_path / name).write_bytes(data)
    assert main(["ct", str(tmp_path)]) == 3
    row = strict(capsys.readouterr().out)
    assert (row["status"], row["decision"], row["codes"]) == ("refused", None, ["no_score"])
    assert row["message"] == "ct_lesion gave no number for this series; nothing is shown."


def test_the_ct_page_stops_with_a_sentence(monkeypatch):
    finder = nan_finder()
    monkeypatch.setattr(ct_session, "loaded_finder", lambda: finder)
    page = AppTest.from_file(str(ROOT / "pages" / "ct_series.py"), default_timeout=120)
    page.session_state["framed"] = True
    page.run()
    for name, data in dicom_series(draw_chest(16)):
        page.file_uploader[0].upload(name, data, "application/dicom")
    for _ in range(2):  # nor does another run of the page begin again by itself
        said = words(page.run())
        assert not page.exception
        assert "ct_lesion gave no number for this series; nothing is shown. (code: no_score)" in said
        assert "Not positive" not in said
        assert page.session_state["ct_session"].reading() is None


def test_reading_on_after_a_failure_starts_over(monkeypatch):
    session, texts = CtSession(), Texts()
    session.series = series_of_files("chest", dicom_series(draw_chest(16)))
    monkeypatch.setattr(ct_session, "_SECONDS_A_STEP", 60.0)
    session.read_on(texts, nan_finder())
    assert session.stopped
    assert session.reading() is None
    session.read_on(texts, threshold_finder())
    assert session.done


def test_weights_that_hold_no_number_are_not_loaded(folder, tmp_path):
    card = read_card("tb_a", folder)
    net = load_net(card, folder)
    last_layer(net).data[0] = math.nan
    write_card(replace(card, sha256=save_net(net, tmp_path / "tb_a.safetensors")), tmp_path)
    with pytest.raises(WeightsError, match=r"tb_a\.safetensors hold what is no number"):
        load_net(read_card("tb_a", tmp_path), tmp_path)
