"""Scores as HTML: the same rows for the page and the report. The words come from the caller.

Classes are styled by `cxrtriage/ui/style.css`. Everything that could hold a foreign character is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from cxrtriage.reading.assessment import ClassScore


def two_decimals(probability: float) -> str:
    """A probability as it is written everywhere: 0.00 to 1.00."""
    return f"{probability:.2f}"


def meter(score: ClassScore, label: str) -> str:
    """A bar from 0 to 1: below, uncertain band, above; a tick at the threshold, a mark at the score."""
    low, high = score.interval
    return (
        f'<div class="cx-meter" role="img" aria-label="{escape(label)}">'
        f'<i class="cx-below" style="width:{_percent(low)}"></i>'
        f'<i class="cx-band" style="left:{_percent(low)};width:{_percent(high - low)}"></i>'
        f'<i class="cx-above" style="left:{_percent(high)};width:{_percent(1 - high)}"></i>'
        f'<i class="cx-threshold" style="left:{_percent(score.threshold)}"></i>'
        f'<i class="cx-mark" style="left:{_percent(score.probability)}"></i></div>'
    )


def score_row(name: str, score: ClassScore, *, meter_label: str, sentence: str, moved: str = "") -> str:
    """One class: its name and number, its bar, the sentence, and how an adjustment moved it."""
    return (
        f'<div class="cx-score cx-{escape(score.call)}"><div class="cx-line"><b>{escape(name)}</b>'
        f'<span class="cx-number">{two_decimals(score.probability)}</span></div>{meter(score, meter_label)}'
        f'<p class="cx-call">{escape(sentence)}</p>'
        + (f'<p class="cx-moved">{escape(moved)}</p>' if moved else "")
        + "</div>"
    )


def waiting_row(name: str, sentence: str, members: int) -> str:
    """A row of the same height without a score, so that nothing moves when it arrives."""
    blank = '<div class="cx-member"><span>–</span><div class="cx-meter cx-thin"></div><span>–</span></div>'
    return (
        f'<div class="cx-score cx-waiting"><div class="cx-line"><b>{escape(name)}</b>'
        f'<span class="cx-number">–</span></div><div class="cx-meter" aria-hidden="true"></div>'
        f'<p class="cx-call">{escape(sentence)}</p></div>'
        f'<div class="cx-spread" aria-hidden="true"><p>–</p>'
        f'<div class="cx-members">{blank * members}</div></div>'
    )


def member_rows(heading: str, scores: Mapping[str, float], threshold: float) -> str:
    """The nets side by side for one class, each on the same scale."""
    rows = "".join(
        f'<div class="cx-member"><span>{escape(net)}</span><div class="cx-meter cx-thin" aria-hidden="true">'
        f'<i class="cx-threshold" style="left:{_percent(threshold)}"></i>'
        f'<i class="cx-mark" style="left:{_percent(score)}"></i></div>'
        f'<span class="cx-number">{two_decimals(score)}</span></div>'
        for net, score in scores.items()
    )
    return f'<div class="cx-spread"><p>{escape(heading)}</p><div class="cx-members">{rows}</div></div>'


def _percent(fraction: float) -> str:
    return f"{100 * min(1.0, max(0.0, fraction)):.2f}%"
