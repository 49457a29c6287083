"""Small decisions of the page: which class speaks loudest, how a share is written."""

from __future__ import annotations

import pytest

from cxrtriage.reading.assessment import ClassScore
from cxrtriage.ui.map_choice import strongest_class
from cxrtriage.ui.prevalence import percent_words, prevalence_sentences
from cxrtriage.ui.score_card import point_words
from cxrtriage.ui.texts import Texts


def scored(probability: float, threshold: float, call: str) -> ClassScore:
    return ClassScore(
        probability, threshold, (threshold, threshold), "youden", "card", "films", call, 0.9, 1.0
    )  # type: ignore[arg-type]


def test_the_strongest_class_is_the_one_farthest_above_its_own_threshold() -> None:
    classes = {
        "tuberculosis": scored(0.80, 0.70, "flagged"),
        "covid19": scored(0.40, 0.10, "flagged"),
        "other_infection": scored(0.90, 0.20, "uncertain"),
    }
    assert strongest_class(classes) == "covid19"
    del classes["covid19"], classes["tuberculosis"]
    assert strongest_class({"x": scored(0.99, 1.0, "not_flagged"), **classes}) == "other_infection"


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "0 %"), (0.00123, "0.12 %"), (0.0156, "1.6 %"), (0.28, "28 %"), (0.9996, "99 %"), (1.0, "100 %")],
)
def test_a_share_has_two_figures_and_is_all_only_where_it_is(share: float, words: str) -> None:
    assert percent_words(share) == words


@pytest.mark.parametrize(
    ("prevalence", "said"),
    [
        (0.0, ["0 have tuberculosis", "Nobody lies above the threshold 0.40.", "0 of them"]),
        (1.0, ["1,000 have tuberculosis", "900 of them have tuberculosis (100 %)", "100 of them"]),
    ],
)
def test_nobody_and_everybody_are_told_plainly(prevalence: float, said: list[str]) -> None:
    sentences = prevalence_sentences(Texts(), "tuberculosis", scored(0.5, 0.4, "flagged"), prevalence)
    for part, sentence in zip(said, sentences, strict=False):
        assert part in sentence


def test_an_operating_point_without_words_keeps_its_name() -> None:
    assert point_words(Texts(), "sensitivity_0.90") == "sensitivity 0.90"
    assert point_words(Texts(), "youden") == "Youden's index"
    assert point_words(Texts(), "cost_5") == "cost 5"
