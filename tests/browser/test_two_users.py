"""Two users of one server in Chromium, with small nets: each sees their own film, also on a slow line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxrtriage.film.read import read_film
from cxrtriage.reading.triage import Triage
from cxrtriage.show.scores import two_decimals
from tests.browser.acting import saved
from tests.browser.conftest import PATIENCE_MS, start_server
from tests.faults.many_uploads import SMALL, film_file, show, shown, upload
from tests.reading.small_nets import write_small_nets

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_small_nets(folder)
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> Any:
    """The probabilities of a film of `film_file`, by its number."""
    triage = Triage.load(folder)

    def probabilities(number: int) -> list[float]:
        return told(triage.assess(read_film(film_file(number)[0])).to_dict())

    assert len({tuple(np.round(probabilities(number), 3)) for number in (1, 2, 3, 4)}) == 4
    return probabilities


def told(assessment: dict[str, Any]) -> list[float]:
    return [score["probability"] for score in assessment["diagnosis"]["classes"].values()]


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    server, address = start_server(SMALL, folder / "server.log", SMALL_NETS=str(folder))
    yield address
    server.terminate()
    server.wait()


@pytest.fixture
def users(browser: Any, address: str) -> Iterator[list[Any]]:
    contexts = [browser.new_context(), browser.new_context()]
    pages = []
    for context in contexts:
        context.set_default_timeout(PATIENCE_MS)
        pages.append(context.new_page())
        pages[-1].goto(address)
        pages[-1].wait_for_selector(".viewer")
    yield pages
    for context in contexts:
        context.close()


def saved_assessment(page: Any) -> dict[str, Any]:
    """The assessment as the user saves it."""
    file = saved(page, page.get_by_role("button", name="Save as JSON"))
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def belongs_together(page: Any, number: int, expected: Any) -> None:
    """What is shown and what is saved are of this film."""
    assessment = saved_assessment(page)
    assert assessment["file"] == f"film-{number}.png"
    assert assessment["sha256"] == hashlib.sha256(film_file(number)[0]).hexdigest()
    assert told(assessment) == pytest.approx(expected(number), abs=1e-4)
    shown_scores = page.locator(".st-key-scores .cx-line .cx-number").all_inner_texts()
    assert shown_scores == [two_decimals(score) for score in told(assessment)]


def test_films_opened_in_turns_keep_their_own_scores(users: list[Any], expected: Any) -> None:
    for numbers in ((1, 2), (3, 4)):
        for page, number in zip(users, numbers, strict=True):
            show(page, number)  # the second is sent while the first is read
        for page, number in zip(users, numbers, strict=True):
            shown(page, number)
            belongs_together(page, number, expected)


def test_a_second_film_sent_while_the_first_is_read_is_the_one_that_is_told(
    users: list[Any], expected: Any, folder: Path
) -> None:
    page, _ = users
    (folder / "hold").touch()
    try:
        show(page, 11)
        page.locator(".st-key-gate", has_text=film_file(11)[1]).wait_for()
        show(page, 12)
    finally:
        (folder / "hold").unlink()
    shown(page, 12)
    belongs_together(page, 12, expected)


def test_while_a_film_is_read_nothing_of_the_film_before_it_stands_beside_it(
    users: list[Any], expected: Any, folder: Path
) -> None:
    page, _ = users
    upload(page, 41)
    belongs_together(page, 41, expected)
    findings = page.locator(".st-key-findings .cx-card")
    findings.wait_for()
    (folder / "hold").touch()
    try:
        show(page, 42)
        page.locator(".st-key-gate", has_text=film_file(42)[1]).wait_for()
        page.get_by_role("button", name="Save as JSON", disabled=True).wait_for()
        assert page.get_by_role("button", name="Save as JSON", disabled=False).count() == 0
        findings.wait_for(state="detached")
        numbers = page.locator(".st-key-scores .cx-line .cx-number").all_inner_texts()
        assert not any(character.isdigit() for number in numbers for character in number)
    finally:
        (folder / "hold").unlink()
    shown(page, 42)
    belongs_together(page, 42, expected)


def test_one_who_leaves_in_the_middle_leaves_the_other_alone(users: list[Any], expected: Any) -> None:
    leaves, stays = users
    show(leaves, 21)
    show(stays, 22)
    leaves.close()
    shown(stays, 22)
    belongs_together(stays, 22, expected)


def test_a_slow_line_gets_its_own_film_and_keeps_nobody_waiting(users: list[Any], expected: Any) -> None:
    slow, quick = users
    line = {"offline": False, "latency": 500, "downloadThroughput": 60_000, "uploadThroughput": 60_000}
    slow.context.new_cdp_session(slow).send("Network.emulateNetworkConditions", line)
    show(slow, 31)
    upload(quick, 32)
    belongs_together(quick, 32, expected)
    shown(slow, 31)
    belongs_together(slow, 31, expected)
