"""The JSON of a film, there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrtriage.reading.assessment import (
    SCHEMA,
    Assessment,
    ClassScore,
    Diagnosis,
    FilmFacts,
    Versions,
)

share = st.floats(0, 1)
text = st.text(max_size=12)
scores = st.builds(
    ClassScore,
    probability=share,
    threshold=share,
    interval=st.tuples(share, share),
    operating_point=text,
    threshold_source=text,
    population=text,
    call=st.sampled_from(["flagged", "not_flagged", "uncertain"]),
    sensitivity=st.none() | share,
    specificity=st.none() | share,
)
assessments = st.builds(
    Assessment,
    file=text,
    sha256=st.none() | text,
    status=st.sampled_from(["read", "refused"]),
    versions=st.builds(Versions, cxrtriage=text, weights=st.dictionaries(text, text)),
    codes=st.lists(text).map(tuple),
    message=st.none() | text,
    film=st.none()
    | st.builds(
        FilmFacts,
        rows=st.integers(1),
        columns=st.integers(1),
        bits=st.integers(1, 32),
        format=text,
        spacing_mm=st.none() | st.tuples(share, share),
        blanked=st.lists(st.tuples(*[st.integers(0, 9999)] * 4), max_size=3).map(tuple),
    ),
    diagnosis=st.none()
    | st.builds(
        Diagnosis,
        classes=st.dictionaries(text, scores),
        members=st.dictionaries(text, st.dictionaries(text, share)),
        uncertain=st.booleans(),
    ),
    findings=st.none() | st.dictionaries(text, share),
    gate=st.none(),
    severity=st.none(),
    seconds=st.dictionaries(text, share),
)


@given(assessments)
def test_an_assessment_survives_its_json(assessment):
    line = assessment.to_json()
    assert "\n" not in line
    assert Assessment.from_json(line) == assessment


def test_a_line_from_before_sensitivities_were_kept_is_still_read():
    score = ClassScore(0.8, 0.4, (0.3, 0.5), "youden", "card", "films", "flagged", 0.9, 0.7)
    diagnosis = Diagnosis({"tuberculosis": score}, {"tb_a": {"tuberculosis": 0.8}}, False)
    values = Assessment("a", None, "read", Versions("0.1.0", {}), diagnosis=diagnosis).to_dict()
    for key in ("sensitivity", "specificity"):
        del values["diagnosis"]["classes"]["tuberculosis"][key]
    read = Assessment.from_json(json.dumps(values)).diagnosis.classes["tuberculosis"]
    assert (read.probability, read.sensitivity, read.specificity) == (0.8, None, None)


def test_the_keys_are_those_of_the_schema():
    values = json.loads(Assessment("a.dcm", None, "refused", Versions("0.1.0", {})).to_json())
    assert list(values) == [
        "schema", "file", "sha256", "status", "versions", "codes", "message", "film", "gate",
        "diagnosis", "findings", "severity", "seconds",
    ]  # fmt: skip
    assert values["schema"] == SCHEMA


@pytest.mark.parametrize(
    "line", ["[]", "{}", '{"schema": "other/1"}', f'{{"schema": "{SCHEMA}"}}', "no json"]
)
def test_another_line_is_no_assessment(line):
    with pytest.raises(ValueError, match=r"not a cxrtriage/assessment/1|Expecting"):
        Assessment.from_json(line)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema":' * 100_000, "[]", "null", "1"])
def test_what_is_no_assessment_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        Assessment.from_json(text)
