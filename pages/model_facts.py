"""Model facts: every model's card and what was measured of it, as a clinician would read it."""

import streamlit as st

from cxrtriage.reading.facts import ENSEMBLE, SEVERITY, model_facts, model_names
from cxrtriage.ui import facts as panels
from cxrtriage.ui.choice import choice
from cxrtriage.ui.framed import framed_texts
from cxrtriage.ui.panels import problem
from cxrtriage.weights import WeightsError

texts = framed_texts("pages/model_facts.py")
with st.container(key="facts"):
    names = model_names()
    if not names:
        problem(texts["facts_none"])
        st.stop()
    name = choice(
        texts["facts_model"],
        list(names),
        key="facts_model",
        start=names[0],
        words=lambda one: {ENSEMBLE: texts["facts_ensemble"], SEVERITY: texts["facts_severity"]}.get(
            one, one
        ),
        help=texts["facts_model_help"],
    )
    try:
        facts = model_facts(name)
    except WeightsError as error:
        problem(texts.fill("bad_file", message=error.message, code=error.code))
        st.stop()
    panels.what_it_is(texts, facts)
    if facts.task == "ct":
        panels.ct_figures(texts, facts)
    elif facts.task == "gate":
        panels.gate_figures(texts, facts)
    elif facts.classes:
        panels.failures(texts, facts)
        for class_name in facts.classes:
            panels.class_figures(texts, facts, class_name)
        panels.pointing_figures(texts, facts)
    elif facts.task == "severity":
        panels.severity_figures(texts, facts)
    else:
        panels.lung_figures(texts, facts)
    panels.trained_on(texts, facts)
