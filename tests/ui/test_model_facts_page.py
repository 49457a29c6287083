"""The model facts page by Streamlit's AppTest, on the shipped cards and results."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import cxrtriage.reading.facts as facts
from cxrtriage.reading.facts import ENSEMBLE, model_names
from cxrtriage.ui.facts import failure_words
from cxrtriage.ui.texts import Texts

PAGE = str(Path(__file__).parents[2] / "pages" / "model_facts.py")
pytestmark = pytest.mark.skipif(ENSEMBLE not in model_names(), reason="there are no weights")


def opened() -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.session_state["framed"] = True  # as the app does before it runs a page
    return page.run()


def shown(page: AppTest) -> str:
    return "\n".join(str(part.proto.body) for part in page.get("html"))


def test_the_ensemble_comes_first_with_its_failings_and_every_class():
    page = opened()
    assert not page.exception
    text = shown(page)
    for words in ("What speaks against it", "Tuberculosis", "COVID-19", "Other infection", "Trained on"):
        assert words in text
    assert "not for children" in text


@pytest.mark.parametrize("name", model_names())
def test_every_model_can_be_looked_at(name):
    page = opened()
    page.selectbox[0].set_value(name).run()
    assert not page.exception
    assert shown(page).count("<section") >= 3
    assert ("radiopaedia" if name == "ct_lesion" else "shenzhen") in shown(page)


def test_every_failing_has_a_sentence_with_nothing_left_to_fill():
    texts = Texts()
    seen = set()
    for name in model_names():
        for weakness in facts.weaknesses(facts.model_facts(name)):
            sentence = failure_words(texts, weakness)
            assert "{" not in sentence
            seen.add(weakness.kind)
    assert {"few_films", "findings_hidden"} <= seen


def test_without_weights_the_page_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(facts, "model_names", lambda: ())
    page = opened()
    assert not page.exception
    assert "No model is there" in shown(page)
