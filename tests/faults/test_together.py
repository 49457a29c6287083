"""Several users at once: what the threads of one server share is told apart, nets, films, series and all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cxrtriage.film.synthetic import draw_film
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.reading.lungs import Lungs
from cxrtriage.reading.triage import Triage
from cxrtriage.ui import ct_session
from cxrtriage.ui.ct_session import CtSession
from cxrtriage.ui.texts import Texts
from tests.ct.series_maker import dicom_series, draw_chest, threshold_finder
from tests.reading.small_nets import write_small_gate, write_small_nets, write_small_severity

USERS = 4


def at_once(number: int, act: Callable[[int], object]) -> list[object]:
    """What `act` gives for each number, all begun at the same moment in threads of their own."""
    gate, given = threading.Barrier(number), {}

    def begin(user: int) -> None:
        gate.wait()
        given[user] = act(user)

    threads = [threading.Thread(target=begin, args=(user,)) for user in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [given[user] for user in range(number)]


@pytest.fixture(scope="module")
def triage(tmp_path_factory: pytest.TempPathFactory) -> Triage:
    folder: Path = tmp_path_factory.mktemp("weights")
    write_small_nets(folder)
    write_small_severity(folder)
    write_small_gate(folder)
    return Triage.load(folder, ["tb_a", "tb_b"])


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lungs, whose place depends on the film."""

    def find(self: LungFinder, film) -> Lungs:
        chances = np.full((64, 64), 0.1, np.float32)
        top = 6 + int(40 * float(film.pixels.mean())) % 12
        chances[top : top + 36, 8:28] = chances[top : top + 36, 36:56] = 0.9
        return Lungs.of(chances)

    monkeypatch.setattr(LungFinder, "find", find)


def test_films_read_at_once_are_told_as_if_each_were_alone(triage, found):
    films = [draw_film(seed, rows=200 + 10 * seed, columns=180) for seed in range(USERS)]
    alone = [(triage.read(film), triage.severity_map(film).map) for film in films]
    # Films that no thread can take for one another.
    assert len({tuple(one.diagnosis.members["tb_a"].values()) for (one, _), _ in alone}) == USERS
    assert len({lesions.tobytes() for _, lesions in alone}) == USERS

    def user(number: int) -> list[object]:
        # Each goes through all films, beginning with another one.
        order = [(number + step) % USERS for step in range(USERS)]
        return [(n, triage.read(films[n]), triage.severity_map(films[n]).map) for n in order]

    for readings in at_once(USERS, user):
        for number, (assessment, maps), lesions in readings:
            (expected, expected_maps), expected_lesions = alone[number]
            assert assessment.sha256 == expected.sha256
            assert assessment.gate == expected.gate
            for net, scores in expected.diagnosis.members.items():
                assert assessment.diagnosis.members[net] == pytest.approx(scores, abs=1e-5)
            assert assessment.findings == pytest.approx(expected.findings, abs=1e-5)
            assert assessment.severity.to_dict() == expected.severity.to_dict()
            for one, other in zip(maps, expected_maps, strict=True):
                assert (one.net, one.class_name) == (other.net, other.class_name)
                np.testing.assert_allclose(one.map, other.map, atol=1e-4)
            np.testing.assert_allclose(lesions, expected_lesions, atol=1e-5)


def test_two_series_read_at_once_in_two_sessions(monkeypatch):
    monkeypatch.setattr(ct_session, "_SECONDS_A_STEP", 0.0)  # a slice at a time, so that both take turns
    finder, texts = threshold_finder(), Texts()
    series = [
        dicom_series(draw_chest(10, lesions=dict.fromkeys(range(2, 7), (50, 35)))),
        dicom_series(draw_chest(14, lesions=dict.fromkeys(range(8, 13), (30, 85)))),
    ]

    def read(number: int) -> CtSession:
        session = CtSession()
        session.open(texts, series[number])
        while not session.done:
            assert not session.problem
            session.read_on(texts, finder)
        return session

    alone = [read(0), read(1)]
    for one, other in zip(alone, at_once(2, read), strict=True):
        assert other.reading().slices == one.reading().slices
        assert other.reading().evidence == one.reading().evidence
        assert other.found == one.found
    assert alone[0].reading().evidence != alone[1].reading().evidence


def test_a_session_that_leaves_in_the_middle_takes_nothing_along(monkeypatch):
    monkeypatch.setattr(ct_session, "_SECONDS_A_STEP", 0.0)
    finder, texts, session = threshold_finder(), Texts(), CtSession()
    session.open(texts, dicom_series(draw_chest(12, lesions=dict.fromkeys(range(2, 7), (50, 35)))))
    session.read_on(texts, finder)
    assert 0 < len(session.found) < 12
    session.open(texts, dicom_series(draw_chest(9)))
    assert session.found == []
    while not session.done:
        session.read_on(texts, finder)
    assert len(session.found) == 9
    assert session.reading().decision == "negative"
