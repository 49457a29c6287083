"""Thresholds of a hospital's own: what they promise of further films, and what nothing is set on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from cxrtriage.desk.threshold_bench import (
    FEWEST_FILMS,
    BenchError,
    Nets,
    Truth,
    bench,
    bench_lines,
    matched,
    scores_of,
    site_of,
    truths_of,
)
from cxrtriage.reading.assessment import Assessment, ClassScore, Diagnosis, Versions
from cxrtriage.reading.call import pooled_probability
from cxrtriage.reading.site import Site
from cxrtriage.weights import Calibration, Card, OperatingPoint
from tests.odd_json import odd_parts

POINT = OperatingPoint(0.5, (0.4, 0.6), 0.9, 0.8, "films elsewhere", spread=0.3)
CARDS = {
    name: Card(
        name, "task", ("tuberculosis",), "made up", {}, {}, name * 32, "none",
        calibration={"tuberculosis": Calibration(1.0, 0.0, deviation)},
    )
    for name, deviation in (("aa", 1.0), ("bb", 2.0))
}  # fmt: skip
NETS = Nets(CARDS, {"tuberculosis": ("aa", "bb")}, {"tuberculosis": {"sensitivity_0.90": POINT}})


def row(name: str, one: float, other: float | None = None) -> Assessment:
    """A film's row: what each of the two nets says."""
    own = {"aa": one, "bb": one if other is None else other}
    probability = pooled_probability(list(own.values()), [1.0, 2.0])
    score = ClassScore(
        probability, 0.5, (0.4, 0.6), "sensitivity_0.90", "card", "films elsewhere", "flagged", 0.9, 0.8
    )
    members = {net: {"tuberculosis": value} for net, value in own.items()}
    return Assessment(
        name, f"sum of {name}", "read", Versions("0", {net: 2 * net * 3 for net in CARDS}),
        diagnosis=Diagnosis({"tuberculosis": score}, members, False),
    )  # fmt: skip


def pairs(ill: np.ndarray, well: np.ndarray) -> list[tuple[Assessment, Truth]]:
    truths = [*(True for _ in ill), *(False for _ in well)]
    scores = [*ill, *well]
    return [
        (row(f"{n}.png", float(score)), Truth(f"{n}.png", {"tuberculosis": truth}))
        for n, (score, truth) in enumerate(zip(scores, truths, strict=True))
    ]


def benched(ill: np.ndarray, well: np.ndarray, **asked: tuple[float, ...]):
    return bench(pairs(ill, well), NETS, **asked)["tuberculosis"]


def test_further_films_are_found_as_often_as_was_promised() -> None:
    """Over many hospitals, each with its own draw of films; scores are shares of the ill, so that the true
    sensitivity of a threshold is known."""
    random = np.random.default_rng(1)
    truly: dict[str, list[float]] = {"sensitivity_0.90": [], "specificity_0.70": []}
    within = dict.fromkeys(truly, 0)
    hospitals, films = 200, 29
    for _ in range(hospitals):
        ill, well = random.uniform(0.3, 1.0, films), random.uniform(0.0, 0.7, films)
        for name, point in benched(ill, well).own.items():
            rate = "sensitivity" if name.startswith("sensitivity") else "specificity"
            share = (1 - point.threshold) / 0.7 if rate == "sensitivity" else point.threshold / 0.7
            low, high = getattr(point, f"{rate}_interval")
            truly[name].append(min(share, 1.0))
            within[name] += low <= share <= high
    assert np.mean(truly["sensitivity_0.90"]) >= 0.89
    assert np.mean(truly["specificity_0.70"]) >= 0.69
    assert np.mean(truly["sensitivity_0.90"]) <= 0.94  # no lower threshold than the promise needs
    for name in within:
        assert 0.90 <= within[name] / hospitals <= 0.99, name


def test_what_the_card_gives_here_stands_beside_what_is_set_here() -> None:
    ill, well = np.linspace(0.7, 0.99, 40), np.linspace(0.6, 0.9, 30)
    one = benched(ill, well, sensitivities=(0.9, 0.95), specificities=(0.8,))
    (card,) = one.card
    assert (card.sensitivity.value, card.specificity.value) == (1.0, 0.0)
    assert card.specificity.high == pytest.approx(0.116, abs=0.001)  # Clopper and Pearson: 0 of 30
    assert list(one.own) == ["sensitivity_0.90", "sensitivity_0.95", "specificity_0.80"]
    own = one.own["sensitivity_0.90"]
    assert own.threshold == pytest.approx(ill[3])  # the fourth lowest of 40: 4 of 41 are missed
    assert own.sensitivity == pytest.approx(37 / 41)
    assert own.specificity == pytest.approx((well < ill[3]).mean())
    assert one.own["specificity_0.80"].specificity == pytest.approx(25 / 31)
    assert one.own["specificity_0.80"].sensitivity == pytest.approx((ill > well[-6]).mean())
    assert one.auroc is not None
    assert one.auroc.low < one.auroc.value < one.auroc.high
    assert one.auroc.value == pytest.approx((ill[:, None] > well).mean(), abs=1e-6)
    said = "\n".join(bench_lines({"tuberculosis": one}))
    assert "40 films with it, 30 without" in said
    assert "card sensitivity_0.90, threshold 0.5: sensitivity 1.00 (0.91 to 1.00)" in said
    assert "own sensitivity_0.90" in said


def test_films_with_one_score_are_all_flagged_at_it() -> None:
    one = benched(np.full(25, 0.8), np.full(25, 0.8))
    assert one.own["sensitivity_0.90"].specificity == 0.0
    assert one.own["specificity_0.70"].sensitivity == 0.0
    assert one.own["specificity_0.70"].threshold > 0.8


def test_too_few_films_set_nothing_and_it_is_said() -> None:
    few = benched(np.linspace(0.5, 0.9, FEWEST_FILMS - 1), np.linspace(0.1, 0.6, 50))
    assert few.own == {}
    assert few.auroc is not None
    assert any("no threshold of its own" in line for line in bench_lines({"tuberculosis": few}))
    with pytest.raises(BenchError, match="at least 20 films with a disease and as many without"):
        site_of("Clinic", {"tuberculosis": few}, NETS)
    # 0.99 cannot be promised by 40 films: their lowest score misses 1 of 41.
    enough = benched(np.linspace(0.5, 0.9, 40), np.linspace(0.1, 0.6, 40), sensitivities=(0.9, 0.975, 0.99))
    assert list(enough.own) == ["sensitivity_0.90", "sensitivity_0.975", "specificity_0.70"]


def test_films_of_one_kind_alone_say_what_they_can() -> None:
    one = benched(np.array([]), np.linspace(0.1, 0.6, 30))
    assert (one.films_with, one.films_without, one.auroc, one.own) == (0, 30, None, {})
    assert "sensitivity not known, specificity 0.80" in "\n".join(bench_lines({"tuberculosis": one}))


def test_only_the_first_film_of_a_patient_counts() -> None:
    several = [
        (one, replace(truth, patient="p" if n < 3 else str(n)))
        for n, (one, truth) in enumerate(pairs(np.linspace(0.5, 0.9, 5), np.linspace(0.1, 0.4, 4)))
    ]
    one = bench(several, NETS)["tuberculosis"]
    assert (one.films_with, one.films_without) == (3, 4)


def test_scores_of_other_nets_or_another_calibration_are_refused() -> None:
    found = pairs(np.linspace(0.5, 0.9, 3), np.linspace(0.1, 0.6, 3))
    other = replace(found[2][0], versions=Versions("0", {"aa": "aaaaaa", "bb": "cccccc"}))
    with pytest.raises(BenchError, match="other models than those that are installed"):
        bench([*found, (other, found[2][1])], NETS)
    weighted = replace(NETS, cards={**CARDS, "bb": replace(CARDS["bb"], calibration={})})
    unlike = (row("u.png", 0.9, 0.2), Truth("u.png", {"tuberculosis": True}))
    bench([unlike], NETS)
    with pytest.raises(BenchError, match="other models than those that are installed"):
        bench([unlike], weighted)


def test_the_site_is_bound_to_its_nets_and_comes_back_from_its_file() -> None:
    found = {"tuberculosis": benched(np.linspace(0.5, 0.9, 25), np.linspace(0.1, 0.6, 25))}
    site = site_of("  Clinic Zürich ", found, NETS)
    assert site.name == "Clinic Zürich"
    assert Site.from_json(site.to_json()) == site
    site.needs(CARDS, NETS.readers)
    for name in ("", " ", "a" * 61, "two\nlines"):
        with pytest.raises(BenchError, match="cannot be called so"):
            site_of(name, found, NETS)


def test_truths_go_to_their_film_by_path_or_by_a_name_that_is_the_only_one() -> None:
    rows = [row(name, 0.5) for name in ("a/1.png", "b/1.png", "a/2.png", "C:\\films\\3.png")]
    truths = [Truth(name, {"tuberculosis": True}) for name in ("b/1.png", "1.png", "2.png", "3.png", "4.png")]
    assert [found.file for found, _ in matched(rows, truths)] == ["b/1.png", "a/2.png", "C:\\films\\3.png"]
    twice = [*truths, Truth("a/2.png", {"tuberculosis": True})]
    assert [truth.file for _, truth in matched(rows, twice)] == ["b/1.png", "2.png", "3.png"]
    with pytest.raises(BenchError, match="contradict each other"):
        matched(rows, [*truths, Truth("a/2.png", {"tuberculosis": False})])
    with pytest.raises(BenchError, match="No film of the truths"):
        matched(rows, truths[-1:])


def test_a_table_of_truths_with_gaps_and_a_mark_of_its_coding() -> None:
    table = "\ufefffile,patient,tuberculosis,covid19\r\n1.png,p1,1,\r\n2.png,,0, 1\r\n".encode()
    assert truths_of(table, ["tuberculosis", "covid19"]) == [
        Truth("1.png", {"tuberculosis": True}, "p1"),
        Truth("2.png", {"tuberculosis": False, "covid19": True}),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "must have a column file"),
        (b"file,tb\n1.png,1\n", "must have a column file and at least one of tuberculosis"),
        (b"name,tuberculosis\n1.png,1\n", "must have a column file"),
        (b"file,tuberculosis\n1.png,1\n2.png,yes\n", "Line 3 of the truths has 'yes' as tuberculosis"),
        (b"\xff\xfe\x00", "cannot be read as CSV"),
    ],
)
def test_what_is_no_table_of_truths_is_one_sentence(text: bytes, sentence: str) -> None:
    with pytest.raises(BenchError, match=sentence) as raised:
        truths_of(text, ["tuberculosis"])
    assert raised.value.code == "no_truths"


def test_what_are_no_scores_is_one_sentence() -> None:
    refused = replace(row("1.png", 0.5), status="refused", diagnosis=None).to_json()
    for data, sentence in (
        (b"", "no film that was read"),
        (b"\xff", "no rows of films"),
        (b'{"schema": "another"}', "no rows of films"),
        (refused.encode(), "no film that was read"),
    ):
        with pytest.raises(BenchError, match=sentence) as raised:
            scores_of(data)
        assert raised.value.code == "no_scores"
    assert [one.file for one in scores_of(f"{refused}\n{row('2.png', 0.5).to_json()}\n".encode())] == [
        "2.png"
    ]


def test_rows_with_any_part_of_another_kind_are_one_sentence() -> None:
    asked = read = 0
    for said, text in odd_parts(json.loads(row("1.png", 0.7).to_json())):
        asked += 1
        try:
            rows = scores_of(text.encode())
            found = bench(matched(rows, [Truth(rows[0].file, {"tuberculosis": True})]), NETS)
        except BenchError:
            continue
        read += 1  # the part says nothing of the score
        assert found["tuberculosis"].films_with == 1, said
    assert 0 < read < asked / 2
