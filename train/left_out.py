"""Nets trained anew without some sources, asked about just those: what holds in a hospital never seen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cxrtriage.reading.member import Member
from train.figures import Counts
from train.fit import Pictures
from train.manifest import FilmRow
from train.measures import aurocs
from train.scores import Predictions, Scores, outputs_of, pooled
from train.settings import Settings, SettingsError, settings_from_dict
from train.thresholds import DEFAULT_POINT, operating_points


@dataclass(frozen=True, eq=False)
class Fold:
    """What a net says of all films of the sources it never saw, and of validation films of the others."""

    left_out: tuple[str, ...]
    settings: Settings
    sha256: str
    unseen: Predictions
    validation: Predictions


def folds_of(member: Member, rows: list[FilmRow], runs: Path) -> dict[str, Fold]:
    """The finished runs `NAME-without-SOURCE` of this machine, by the sources left out.

    They are calibrated as the net `member` itself is: a source left out may have held all validation films of
    a class. The order in which one net puts films does not change by it, but that of several together
    depends on how sure each of them is.
    """
    name = member.card.name
    found = {}
    for folder in sorted(runs.glob(f"{name}-without-*")):
        if not (folder / f"{folder.name}.json").is_file():
            continue  # still in training
        left = Member.load(folder.name, folder)
        left = replace(left, card=replace(left.card, calibration=member.card.calibration))
        fold = _fold(left, rows, runs)
        found["+".join(fold.left_out)] = fold
    return found


def _fold(member: Member, rows: list[FilmRow], runs: Path) -> Fold:
    settings = settings_from_dict(member.card.settings)
    pictures = Pictures(settings, rows, runs)
    quoted = pictures.films.where(lambda row: row.source not in settings.unquoted_sources)
    unseen, seen = (
        Predictions.of(member, outputs_of(member, films, pictures.of(films.rows)))
        for films in (
            quoted.of_sources(settings.leave_out),
            quoted.where(lambda row: row.source not in settings.leave_out).split("val"),
        )
    )
    return Fold(settings.leave_out, settings, member.card.sha256, unseen, seen)


def fold_figures(fold: Fold) -> dict[str, Any]:
    """By class: AUROC in the sources left out, and what a threshold set elsewhere does there."""
    return {"sha256": fold.sha256, **_figures(fold.unseen, fold.validation, fold.settings)}


def folds_together(members: Sequence[Mapping[str, Fold]]) -> dict[str, Any]:
    """The same of nets together, for what all of them left out."""
    common = set.intersection(*(set(folds) for folds in members))
    result = {}
    for name in sorted(common):
        folds = [member[name] for member in members]
        result[name] = _figures(
            pooled([fold.unseen for fold in folds]),
            pooled([fold.validation for fold in folds]),
            folds[0].settings,
        )
    return result


def kept_figures(name: str, sha256: str, folds: Mapping[str, Fold], results: Path) -> dict[str, Any]:
    """Figures of the folds here, and those of the last evaluation of the same weights for folds elsewhere.

    Nets of folds are not shipped, so that a machine without the runs must not forget them.
    """
    path = results / f"{name}.json"
    figures: dict[str, Any] = {}
    if path.is_file():
        last = json.loads(path.read_text())
        if last["sha256"] == sha256:
            # Files of before there were several classes hold no "classes".
            figures.update({fold: f for fold, f in last["leave_one_source_out"].items() if "classes" in f})
    figures.update({left_out: fold_figures(fold) for left_out, fold in folds.items()})
    return figures


def _figures(unseen: Predictions, validation: Predictions, settings: Settings) -> dict[str, Any]:
    classes = {}
    for name in unseen.classes:
        scores = unseen.scores(name)
        if not scores.truths.any():
            continue
        classes[name] = {
            "all": aurocs(scores),
            "per_source": {
                source: aurocs(scores.of_sources([source]))
                for source in scores.sources
                if scores.of_sources([source]).enough
            },
            "calls": _calls(scores, validation.scores(name), settings),
        }
    return {"films_of": list(unseen.scores(unseen.classes[0]).sources), "classes": classes}


def _calls(scores: Scores, validation: Scores, settings: Settings) -> dict[str, Any] | None:
    """Confusion at the default point, whose threshold knows nothing of the sources left out."""
    try:
        point = operating_points(validation, settings)[DEFAULT_POINT]
    except SettingsError:  # the other sources do not show the class
        return None
    flagged = scores.probabilities >= point.threshold
    return {"operating_point": DEFAULT_POINT, **Counts.of(flagged, scores.truths).to_dict()}
