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


def score_row(
    name: str, score: ClassScore, *, meter_label: str, sentence: str, moved: str = "", more: str = ""
) -> str:
    """One class: name and number, bar, sentence, how an adjustment moved it, and `more` as HTML."""
    return (
        f'<div class="cx-score cx-{escape(score.call)}"><div class="cx-line"><b>{escape(name)}</b>'
        f'<span class="cx-number">{two_decimals(score.probability)}</span></div>{meter(score, meter_label)}'
        f'<p class="cx-call">{escape(sentence)}</p>'
        + (f'<p class="cx-moved">{escape(moved)}</p>' if moved else "")
        + f"{more}</div>"
    )


def waiting_row(name: str) -> str:
    """A row of the same height without a score, so that nothing moves when it arrives."""
    return (
        f'<div class="cx-score cx-waiting"><div class="cx-line"><b>{escape(name)}</b>'
        '<span class="cx-number">–</span></div><div class="cx-meter" aria-hidden="true"></div>'
        '<p class="cx-call" aria-hidden="true">&nbsp;</p>'
        '<p class="cx-more" aria-hidden="true">&nbsp;</p></div>'
    )


def folded(summary: str, content: str) -> str:
    """A line that opens on a click, over `content` as HTML."""
    return f'<details class="cx-more"><summary>{escape(summary)}</summary>{content}</details>'


def paragraphs(*sentences: str, kind: str = "") -> str:
    """Those of the sentences that are not empty, one below the other, in the style `kind`."""
    style = f' class="{escape(kind)}"' if kind else ""
    return "".join(f"<p{style}>{escape(sentence)}</p>" for sentence in sentences if sentence)


def member_rows(scores: Mapping[str, float], threshold: float) -> str:
    """The nets side by side for one class, each on the same scale with the same threshold."""
    rows = "".join(
        _small_row(
            net,
            f'<i class="cx-threshold" style="left:{_percent(threshold)}"></i>'
            f'<i class="cx-mark" style="left:{_percent(score)}"></i>',
            score,
        )
        for net, score in scores.items()
    )
    return f'<div class="cx-members">{rows}</div>'


def finding_rows(findings: Mapping[str, float]) -> str:
    """A thin bar from 0 to 1 for each finding; no threshold, since none was set for findings."""
    rows = "".join(
        _small_row(name, f'<i class="cx-fill" style="width:{_percent(value)}"></i>', value)
        for name, value in findings.items()
    )
    return f'<div class="cx-members">{rows}</div>'


def _small_row(name: str, marks: str, value: float) -> str:
    return (
        f'<div class="cx-member"><span>{escape(name)}</span>'
        f'<div class="cx-meter cx-thin" aria-hidden="true">{marks}</div>'
        f'<span class="cx-number">{two_decimals(value)}</span></div>'
    )


def _percent(fraction: float) -> str:
    return f"{100 * min(1.0, max(0.0, fraction)):.2f}%"
