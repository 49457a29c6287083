"""The panels of the model facts page: what a model is for, and how far it can be trusted."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from cxrtriage.reading.facts import ENSEMBLE, ModelFacts, Weakness, weaknesses
from cxrtriage.reading.map_methods import Pointing, map_figures
from cxrtriage.show.facts import bullets, fact_table, reliability_figure, roc_figure
from cxrtriage.ui.panels import card, class_label, foot
from cxrtriage.ui.score_card import point_words
from cxrtriage.ui.texts import Texts

_PLOT = {"displayModeBar": False}


def what_it_is(texts: Texts, facts: ModelFacts) -> None:
    """For what, not for what, from what, under which terms."""
    lines = [texts[f"facts_for_{facts.task}"]]
    lines += [
        texts.fill("facts_members", label=class_label(texts, name), members=", ".join(members))
        for name, members in facts.readers.items()
    ]
    for one in facts.cards:
        lines.append(
            texts.fill(
                "facts_net",
                name=one.name,
                architecture=one.architecture,
                size=_seen(one.input),
                digits=one.sha256[:12],
            )
        )
    of_nets: dict[str, list[str]] = {}
    for one in facts.cards:
        for caution in one.cautions:
            of_nets.setdefault(caution, []).append(one.name)
    # What holds for all is said without names, and first.
    of_all = [caution for caution, nets in of_nets.items() if len(nets) == len(facts.cards)]
    of_some = [f"{', '.join(nets)}: {caution}" for caution, nets in of_nets.items() if caution not in of_all]
    cautions = [*of_all, *of_some]
    content = (
        f"<h3>{escape(texts['facts_what_for'])}</h3>{bullets(lines)}"
        f"<h3>{escape(texts['facts_not_for'])}</h3>{bullets([texts['facts_never'], *cautions])}"
        f"<h3>{escape(texts['facts_licence'])}</h3>"
        + bullets(list(dict.fromkeys(one.licence for one in facts.cards)))
    )
    st.html(card(content, texts["facts_about"]))


def _seen(form: dict[str, Any]) -> str:
    """The size of what a net sees."""
    if "columns" in form:
        return f"{form['columns']} × {form['rows']}"
    return f"{form.get('size', '?')} × {form.get('size', '?')}"


def trained_on(texts: Texts, facts: ModelFacts) -> None:
    """Sources with their films by label and their terms; of members, the same films once."""
    rows: dict[str, list[str]] = {}
    for one in facts.cards:
        for part in one.training_data:
            films = part.get("films")
            said = (
                ", ".join(f"{count} {texts.named('label', label)}" for label, count in films.items())
                if isinstance(films, dict)
                else texts.fill("facts_some_films", count=films)
                if films
                else texts.fill("facts_some_slices", count=part["slices"])
                if "slices" in part
                else texts.fill("facts_masks", count=part.get("masks", "?"))
            )
            rows.setdefault(str(part["source"]), [said, str(part.get("licence", "–"))])
    heads = [texts["facts_source"], texts["facts_films"], texts["facts_terms"]]
    table = fact_table(heads, [[source, *cells] for source, cells in sorted(rows.items())])
    st.html(card(table + foot(texts["facts_trained_foot"]), texts["facts_trained"]))


def class_figures(texts: Texts, facts: ModelFacts, name: str) -> None:
    """How a class does on the test films: AUROC, the operating point, curves, source by source."""
    of = facts.of_class(name)
    if not of:
        st.html(card(foot(texts["facts_unmeasured"]), class_label(texts, name)))
        return
    point = of["operating_points"].get(facts.operating_point)
    lines = [
        texts.fill("facts_auroc", against=texts[key], value=_interval(of[figure]))
        for key, figure in (("facts_rest", "against_rest"), ("facts_normal", "against_normal"))
        if of[figure]
    ]
    within = of["within_sources"]
    if within["auroc"]:
        lines.append(
            texts.fill(
                "facts_within", sources=", ".join(within["films_of"]), value=_interval(within["auroc"])
            )
        )
    if point:
        lines.append(
            texts.fill(
                "facts_point",
                point=point_words(texts, facts.operating_point),
                sensitivity=_interval(point["sensitivity_interval"]),
                specificity=_interval(point["specificity_interval"]),
                uncertain=f"{100 * (point['uncertain'] or 0):.0f}",
            )
        )
    reliability = facts.reliability(name)
    if reliability:
        lines.append(
            texts.fill("facts_ece", ece=f"{reliability['ece']:.3f}", brier=f"{reliability['brier']:.3f}")
        )
    st.html(card(bullets(lines) + _by_source(texts, facts, of), class_label(texts, name)))
    left, right = st.columns(2)
    if of.get("roc"):
        called = (point["specificity"], point["recall"]) if point else None
        words = {
            "title": texts["facts_roc"], "x": texts["facts_false_alarms"], "y": texts["facts_sensitivity"],
            "point": point_words(texts, facts.operating_point),
        }  # fmt: skip
        left.plotly_chart(roc_figure(of["roc"], called, words), config=_PLOT, key=f"roc_{name}")
    if reliability:
        words = {
            "title": texts["facts_reliability"], "x": texts["facts_probability"], "y": texts["facts_share"],
            "films": texts["facts_step_films"],
        }  # fmt: skip
        figure = reliability_figure(reliability["reliability"], words)
        right.plotly_chart(figure, config=_PLOT, key=f"reliability_{name}")


def failures(texts: Texts, facts: ModelFacts) -> None:
    """What the figures say against the model, in sentences."""
    if facts.figures is None:
        sentences = [texts["facts_unmeasured"]]
    else:
        sentences = [failure_words(texts, weakness) for weakness in weaknesses(facts)]
    content = bullets(sentences or [texts["facts_no_failures"]])
    st.html(card(content + foot(texts["facts_failures_foot"]), texts["facts_failures"]))


def failure_words(texts: Texts, weakness: Weakness) -> str:
    """One failing as a sentence."""
    values: dict[str, Any] = {}
    for key, value in weakness.values.items():
        if isinstance(value, dict):
            values[key] = _interval(value)
        elif key == "net":
            values[key] = texts["facts_ensemble_short"] if value == ENSEMBLE else value
        elif isinstance(value, list):
            values[key] = ", ".join(texts.named("finding", name).lower() for name in value)
        else:
            values[key] = f"{value:.2f}" if isinstance(value, float) else value
    calls = weakness.kind == "unseen" and weakness.values["sensitivity"] is not None
    key = f"failure_{weakness.kind}{'_calls' if calls else ''}"
    return texts.fill(key, disease=texts.named("disease", weakness.class_name), **values)


def pointing_figures(texts: Texts, facts: ModelFacts) -> None:
    """How often the maps of each net and method point at lesions drawn by hand, beside chance."""
    measured = {one.name: map_figures(one) for one in facts.cards}
    rows = [
        [name, method, _pointed(of)] for name, net in measured.items() for method, of in net.methods.items()
    ]
    chance = next((net.chance for net in measured.values() if net.chance), None)
    if not rows or chance is None:
        return
    rows.append([texts["facts_map_chance"], "–", f"{chance.pointing.value:.2f}"])
    heads = [texts[key] for key in ("facts_model", "facts_map_method", "facts_map_hit")]
    words = texts.fill("facts_maps_foot", films=chance.films, patients=chance.patients)
    st.html(card(fact_table(heads, rows) + foot(words), texts["facts_maps"]))


def _pointed(of: Pointing) -> str:
    return f"{of.pointing.value:.2f} ({of.pointing.low:.2f}–{of.pointing.high:.2f})"


def lung_figures(texts: Texts, facts: ModelFacts) -> None:
    """Dice of a lung net by source."""
    dice = facts.cards[0].figures.get("dice_test") or {}
    if dice:
        rows = [[texts.named("dice", source), f"{value:.3f}"] for source, value in dice.items()]
        table = fact_table([texts["facts_source"], texts["facts_dice"]], rows)
        st.html(card(table + foot(texts["facts_dice_foot"]), texts["facts_lungs"]))


def ct_figures(texts: Texts, facts: ModelFacts) -> None:
    """Dice, lesions found and slices called, on slices it never saw; what was decided of series."""
    figures = facts.cards[0].figures
    rows = [
        [
            texts.named("ct_measured", name.split(",")[0].replace(" ", "_")),
            f"{of['dice']:.2f} ({of['dice_interval'][0]:.2f}–{of['dice_interval'][1]:.2f})",
            f"{100 * of['lesion_recall']:.0f} % / {of['lesions']}",
            "–"
            if of["sensitivity"] is None
            else f"{100 * of['sensitivity']:.0f} % / {of['slices_with_lesion']}",
            "–"
            if of["specificity"] is None
            else f"{100 * of['specificity']:.0f} % / {of['slices_without_lesion']}",
        ]
        for name, of in figures.items()
        if isinstance(of, dict) and "dice" in of
    ]
    heads = ("facts_slices", "facts_dice", "facts_lesions", "facts_called", "facts_clear")
    content = fact_table([texts[key] for key in heads], rows) + foot(texts["facts_ct_foot"])
    decided = [
        [name, said["expected"], said["decision"], f"{said['affected']} / {said['slices']}"]
        for name, said in figures.get("series", {}).items()
        if said["split"] != "train"
    ]
    columns = ("facts_series", "facts_expected", "facts_decided", "facts_affected")
    content += fact_table([texts[key] for key in columns], decided) + foot(texts["facts_series_foot"])
    st.html(card(content if rows else foot(texts["facts_unmeasured"]), texts["facts_ct_errors"]))


def gate_figures(texts: Texts, facts: ModelFacts) -> None:
    """What passes and what is recognised, first in hospitals that the gate was not taught."""
    measured = {name: of for name, of in facts.cards[0].figures.items() if name != "thresholds"}
    for name, of in sorted(measured.items(), key=lambda one: one[0] == "shipped"):
        share, number = of["accepted"], of["films"]
        rows = [[texts["facts_gate_accepted"], f"{100 * share:.1f}\u00a0%", str(number)]]
        signs = {
            **of["recognised"],
            "view": of["view_right"],
            "view_written": of.get("view_right_written"),
            "view_said": of.get("view_said"),
            "mirrored": of["mirrored_seen"],
        }
        rows += [
            [texts.named("gate_sign", sign), f"{100 * found[0]:.1f}\u00a0%", str(found[1])]
            for sign, found in signs.items()
            if found
        ]
        others = {**of["made_up"], **{k: v for k, v in of["others"].items() if k != "all"}}
        rows += [
            [kind.replace("_", " "), f"{100 * found['not_accepted']:.1f}\u00a0%", str(found["number"])]
            for kind, found in others.items()
        ]
        heads = [texts[key] for key in ("facts_gate_what", "facts_share_head", "facts_films")]
        title = (
            texts["facts_gate_shipped"]
            if name == "shipped"
            else texts.fill("facts_gate_unseen", sources=name)
        )
        st.html(card(fact_table(heads, rows) + foot(texts["facts_gate_foot"]), title))
    if not measured:
        st.html(card(foot(texts["facts_unmeasured"]), texts["facts_gate_shipped"]))


def severity_figures(texts: Texts, facts: ModelFacts) -> None:
    """Errors on each scale beside the readers' own, and how films without opacity fare."""
    figures = facts.figures or {}
    rows = []
    for scale, ours in figures.get("ours", {}).items():
        if "mae" not in ours:
            continue
        low, high = ours["mae_interval"]
        readers = figures["readers"].get(scale, {}).get("mae")
        covered = figures["coverage"].get(scale, {}).get("covered")
        rows.append(
            [
                texts.named("measured", scale),
                str(ours["films"]),
                f"{ours['mae']:.2f} ({low:.2f}–{high:.2f})",
                "–" if readers is None else f"{readers:.2f}",
                "–" if covered is None else f"{100 * covered:.0f}\u00a0%",
            ]
        )
    heads = ("facts_scale", "facts_films", "facts_our_error", "facts_readers_error", "facts_covered")
    content = fact_table([texts[key] for key in heads], rows) + foot(texts["facts_severity_foot"])
    still = [
        [source, str(of["films"]), f"{100 * of['stay_at_0']:.0f}\u00a0%"]
        for source, of in figures.get("without_opacity", {}).items()
    ]
    if still:
        columns = ("facts_source", "facts_films", "facts_stay_at_0")
        content += fact_table([texts[key] for key in columns], still) + foot(texts["facts_still_foot"])
    st.html(card(content, texts["facts_severity_errors"]))


def _by_source(texts: Texts, facts: ModelFacts, of: dict[str, Any]) -> str:
    rows = []
    for source, figures in of["per_source"].items():
        films = figures["films"]
        auroc = figures["against_rest"]
        flagged = figures["flagged"].get(facts.operating_point)
        rows.append(
            [
                source,
                str(films["with"]),
                str(films["without"]),
                _interval(auroc) if auroc else "–",
                "–" if flagged is None else f"{100 * flagged:.0f}\u00a0%",
            ]
        )
    keys = ("facts_source", "facts_with", "facts_without", "facts_auroc_head", "facts_flagged")
    heads = [texts[key] for key in keys]
    return fact_table(heads, rows) + foot(texts["facts_sources_foot"])


def _interval(figure: dict[str, Any]) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f}–{figure['high']:.2f})"
