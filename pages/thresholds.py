"""Thresholds: a hospital's own scores beside what its films truly showed, and thresholds set on them."""

import streamlit as st

from cxrtriage.ui import threshold_bench
from cxrtriage.ui.framed import framed_texts

texts = framed_texts("pages/thresholds.py")
with st.container(key="bench"):
    threshold_bench.bench_row(texts)
    on_bench = threshold_bench.on_the_bench(texts)
    if on_bench is not None:
        found, nets = on_bench
        for class_name, one in found.items():
            threshold_bench.class_bench(texts, class_name, one)
        threshold_bench.take_along(texts, found, nets)
