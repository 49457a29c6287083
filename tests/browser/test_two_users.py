"""Two users of one server in Chromium, with small nets: each sees their own film, also on a slow line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cxrtriage.film.read import read_film
from cxrtriage.reading.triage import Triage
from cxrtriage.show.scores import two_decimals
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
    """The scores of a film of `film_file`, by its number, as the page words them."""
    triage = Triage.load(folder)

    def scores(number: int) -> list[str]:
        classes = triage.assess(read_film(film_file(number)[0])).diagnosis.classes.values()
        return [two_decimals(one.probability) for one in classes]

    return scores


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


def scores(page: Any) -> list[str]:
    return page.locator(".st-key-scores .cx-line .cx-number").all_inner_texts()


def saved(page: Any) -> dict[str, Any]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as JSON").click()
    return json.loads(Path(download.value.path()).read_text(encoding="utf-8"))


def test_films_opened_in_turns_keep_their_own_scores(users: list[Any], expected: Any) -> None:
    first, second = users
    for turn in range(2):
        numbers = (2 * turn + 1, 2 * turn + 2)
        for page, number in zip(users, numbers, strict=True):
            show(page, number)  # the second is sent while the first is read
        for page, number in zip(users, numbers, strict=True):
            shown(page, number)
            assert scores(page) == expected(number)
    assert scores(first) != scores(second)
    for page, number in ((first, 3), (second, 4)):
        told = saved(page)
        assert told["file"] == f"film-{number}.png"
        assert told["sha256"] == hashlib.sha256(film_file(number)[0]).hexdigest()


def test_a_second_film_sent_while_the_first_is_read_is_the_one_that_is_told(
    users: list[Any], expected: Any
) -> None:
    page, _ = users
    for number in (11, 12, 13):
        show(page, number)
    shown(page, 13)
    assert scores(page) == expected(13)
    assert saved(page)["file"] == "film-13.png"


def test_one_who_leaves_in_the_middle_leaves_the_other_alone(users: list[Any], expected: Any) -> None:
    leaves, stays = users
    show(leaves, 21)
    show(stays, 22)
    leaves.close()
    shown(stays, 22)
    assert scores(stays) == expected(22)
    assert saved(stays)["file"] == "film-22.png"


def test_a_slow_line_gets_its_own_film_and_keeps_nobody_waiting(users: list[Any], expected: Any) -> None:
    slow, quick = users
    line = {"offline": False, "latency": 500, "downloadThroughput": 60_000, "uploadThroughput": 60_000}
    slow.context.new_cdp_session(slow).send("Network.emulateNetworkConditions", line)
    show(slow, 31)
    for number in (32, 33):
        upload(quick, number)
        assert scores(quick) == expected(number)
    shown(slow, 31)
    assert scores(slow) == expected(31)
