"""The thresholds page by Streamlit's AppTest, on rows as the shipped nets would have scored films."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cxrtriage.reading.assessment import Assessment, ClassScore, Diagnosis, Versions
from cxrtriage.reading.ensemble import read_ensemble
from cxrtriage.reading.site import Site
from cxrtriage.show.thresholds import Marked, threshold_figure
from cxrtriage.weights import read_card

APP = str(Path(__file__).parents[2] / "app.py")
PAGE = str(Path(__file__).parents[2] / "pages" / "thresholds.py")
FILMS = 60


def scores(probabilities: list[float]) -> bytes:
    """Rows in which every net of the ensemble says the same of every class."""
    ensemble = read_ensemble()
    lines = []
    for number, probability in enumerate(probabilities):
        score = ClassScore(probability, 0.4, (0.3, 0.5), "sensitivity_0.90", "card", "films", "flagged")
        nets = {net: [name for name, of in ensemble.readers.items() if net in of] for net in ensemble.members}
        row = Assessment(
            f"films/{number}.png", f"{number:064d}", "read",
            Versions("0", {net: ensemble.weights[net][:12] for net in nets}),
            diagnosis=Diagnosis(
                dict.fromkeys(ensemble.readers, score),
                {net: dict.fromkeys(names, probability) for net, names in nets.items()},
                False,
            ),
        )  # fmt: skip
        lines.append(row.to_json())
    return "\n".join(lines).encode()


# All of them lie above the shipped thresholds, those with tuberculosis higher.
SCORES = scores([0.95 + (0.04 if n % 2 else 0.02) + 0.0001 * n for n in range(FILMS)])
TRUTHS = ("file,tuberculosis\n" + "".join(f"{n}.png,{n % 2}\n" for n in range(FILMS))).encode()


@pytest.fixture
def page() -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.session_state["framed"] = True  # as the app does before it runs a page
    return page.run()


def shown(page: AppTest) -> str:
    return "\n".join(str(part.proto.body) for part in page.get("html"))


def dropped(page: AppTest, *files: bytes) -> AppTest:
    for number, data in enumerate(files):
        page.file_uploader[0].upload(f"file{number}", data, "application/octet-stream").run()
    assert not page.exception
    return page


def test_an_empty_bench_says_what_it_takes(page: AppTest) -> None:
    assert not page.exception
    assert "No scores yet" in shown(page)
    assert "No truths yet" in shown(page)
    assert not page.selectbox


def test_what_the_models_thresholds_give_here_stands_beside_own_ones(page: AppTest) -> None:
    said = shown(dropped(page, SCORES, TRUTHS))
    assert "60 films have both." in said
    assert "30 films with it, 30 without, one a patient." in said
    assert "models&#x27; sensitivity 0.90" in said
    assert "0.00 (0.00 to 0.12)" in said  # the models' thresholds flag every film without it
    assert "own sensitivity 0.90" in said
    assert "0.90 (0.78 to 0.98)" in said  # what three missed of 31 promise: Beta(28, 3)
    assert "COVID-19" not in said
    (chart,) = page.get("plotly_chart")
    assert chart is not None
    page.selectbox(key="bench_ask_sensitivity").select("0.95").run()
    assert "own sensitivity 0.95" in shown(page)
    assert "own sensitivity 0.90" not in shown(page)


def test_thresholds_get_a_name_and_are_used_in_this_session(page: AppTest) -> None:
    dropped(page, SCORES, TRUTHS)
    assert page.button(key="bench_use").disabled
    page.text_input(key="bench_name").input("Clinic A").run()
    page.button(key="bench_use").click().run()
    assert "held against the thresholds of Clinic A" in shown(page)
    site = page.session_state["site"]
    assert isinstance(site, Site)
    assert list(site.points) == ["tuberculosis"]
    assert list(site.points["tuberculosis"]) == ["sensitivity_0.90", "specificity_0.70"]
    page.text_input(key="bench_name").input("Clinic B").run()
    assert "held against" not in shown(page)  # those of Clinic A are used, these are not yet


def test_thresholds_of_one_net_alone_are_not_used_where_several_read(page: AppTest) -> None:
    card = read_card("tb_efficientnet_b0")
    lines = []
    for line in SCORES.decode().splitlines():
        row = json.loads(line)
        row["diagnosis"]["members"] = {card.name: row["diagnosis"]["members"][card.name]}
        row["versions"]["weights"] = {card.name: card.sha256[:12]}
        lines.append(json.dumps(row))
    dropped(page, "\n".join(lines).encode(), TRUTHS)
    assert "own sensitivity 0.90" in shown(page)
    page.text_input(key="bench_name").input("Clinic A").run()
    page.button(key="bench_use").click().run()
    assert not page.exception
    assert "set with other models" in shown(page)
    assert "held against the thresholds" not in shown(page)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([b"nothing"], "The truths must have a column file"),
        ([b"{}"], "no rows of films as assess writes them"),
        ([SCORES, b"file,tuberculosis\nother.png,1\n"], "No film of the truths is among the scores."),
        ([SCORES.replace(b'"tb_', b'"tc_'), TRUTHS], "other models"),
        ([SCORES.replace(b'"probability": 0.9', b'"probability": 0.8'), TRUTHS], "other models"),
    ],
)
def test_files_of_another_kind_are_one_sentence_with_a_code(
    page: AppTest, files: list[bytes], sentence: str
) -> None:
    dropped(page, *files)
    said = shown(page)
    assert sentence in said
    assert 'role="alert"' in said
    assert not page.get("plotly_chart")


def test_few_films_show_what_the_models_thresholds_give_and_set_none(page: AppTest) -> None:
    said = shown(dropped(page, SCORES, b"\n".join(TRUTHS.splitlines()[:21])))
    assert "10 films with it, 10 without" in said
    assert "takes at least 20 films" in said
    assert "own sensitivity" not in said
    assert not page.text_input


def test_the_curves_are_the_shares_at_each_threshold() -> None:
    ill, well = np.array([0.2, 0.6, 0.9]), np.array([0.1, 0.3])
    words = dict.fromkeys(("title", "x", "y", "sensitivity", "specificity", "with", "without"), "word")
    figure = threshold_figure(ill, well, [Marked(0.6, "own", True), Marked(0.25, "card", False)], words)
    sensitivity, with_, specificity, without = figure.data
    assert list(with_.customdata) == [0.2, 0.6, 0.9]
    assert list(without.customdata) == [0.1, 0.3]
    for curve, share, at in (
        (sensitivity, lambda t: (ill >= t).mean(), 0.7),
        (specificity, lambda t: (well < t).mean(), 0.2),
    ):
        places = np.asarray(curve.x)
        after = int(np.searchsorted(places, np.log(at / (1 - at))))
        assert curve.y[after] == pytest.approx(share(at))
        assert curve.y[0] in (0, 1)
        assert curve.y[-1] == 1 - curve.y[0]
    assert [shape.line.dash for shape in figure.layout.shapes] == ["dot", "solid"]
    (alone, _) = threshold_figure(np.array([]), well, [], words | {"specificity": "known"}).data
    assert alone.name == "known"


def test_the_page_is_in_the_app() -> None:
    app = AppTest.from_file(APP, default_timeout=60).run()
    app.switch_page("pages/thresholds.py").run()
    assert not app.exception
    assert "No scores yet" in shown(app)
