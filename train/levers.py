"""`python -m train levers`: what each lever against shortcuts gives in hospitals the net never saw.

One plain recipe, one change at a time, all at the same small size and number of films; judged on the
sources that every run left out.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cxrtriage.reading.member import Member
from train.figures import Interval, auroc
from train.films import Labelled
from train.fit import Pictures, fit
from train.manifest import data_folder, read_films
from train.settings import SettingsError, settings_from_dict

_BATCH = 32


def study_levers(config: Path, runs: Path, results: Path, *, only: list[str] | None = None) -> None:
    """Train and measure every lever of `config` that has no run yet; write `levers.json` and `levers.md`.

    The configuration names a `base` configuration, `changes` made to it for all runs, and `levers`:
    by name, further changes as dotted keys.
    """
    study = yaml.safe_load(config.read_text(encoding="utf-8"))
    base = yaml.safe_load((config.parent / study["base"]).read_text(encoding="utf-8"))
    rows: dict[str, Any] = {}
    path = results / "levers.json"
    if path.is_file():
        rows = json.loads(path.read_text())
    for lever, changes in study["levers"].items():
        if only and lever not in only:
            continue
        values = changed(base, {**study["changes"], **(changes or {}), "name": f"lever_{lever}"})
        settings = settings_from_dict(values, f"{config}: {lever}")
        if not (runs / settings.run / f"{settings.run}.json").is_file():
            fit(settings, runs)
        rows[lever] = {"changes": changes or {}, **_measure(settings.run, runs)}
        path.write_text(json.dumps(rows, indent=1) + "\n")
        (results / "levers.md").write_text(_table(study, rows))
        print(lever, {name: figure["value"] for name, figure in rows[lever]["auroc"].items()}, flush=True)


def changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A configuration with dotted keys replaced (`augmentation.flip`); SettingsError where there is none."""
    values = deepcopy(values)
    for key, value in changes.items():
        *parts, last = key.split(".")
        place = values
        for part in parts:
            if not isinstance(place.get(part), dict):
                raise SettingsError(f"{key}: there is no {part} to change.")
            place = place[part]
        place[last] = value
    return values


def _measure(run: str, runs: Path) -> dict[str, Any]:
    """AUROC of a run on the films of the sources it left out, all splits together."""
    member = Member.load(run, runs / run)
    settings = settings_from_dict(member.card.settings)
    pictures = Pictures(settings, read_films(data_folder()), runs)
    films = pictures.films.of_sources(settings.leave_out)
    images = pictures.of(films.rows)
    logits = np.concatenate(
        [member.logits(np.asarray(images[start : start + _BATCH])) for start in range(0, len(images), _BATCH)]
    )
    figures = {}
    for source in settings.leave_out:
        figure = _against_normal(films, logits, "tuberculosis", (source,), (source,), settings.classes)
        if figure:
            figures[f"tuberculosis v normal, {source}"] = figure.to_dict()
    figure = _against_normal(
        films, logits, "covid19", settings.leave_out, settings.leave_out, settings.classes
    )
    if figure:
        figures["covid19 v normal, all left out"] = figure.to_dict()
    return {"sha256": member.card.sha256, "auroc": figures}


def _against_normal(
    films: Labelled,
    logits: np.ndarray,
    name: str,
    sick_of: tuple[str, ...],
    normal_of: tuple[str, ...],
    classes: tuple[str, ...],
) -> Interval | None:
    if name not in classes:
        return None
    sick = np.array([row.label == name and row.source in sick_of for row in films.rows], bool)
    normal = np.array([row.label == "normal" and row.source in normal_of for row in films.rows], bool)
    kept = np.flatnonzero(sick | normal)
    patients = [films.rows[i].patient for i in kept]
    return auroc(logits[kept, classes.index(name)], sick[kept], patients)


def _table(study: dict[str, Any], rows: dict[str, Any]) -> str:
    names = list(dict.fromkeys(name for row in rows.values() for name in row["auroc"]))
    lines = [
        "# What each lever gives in hospitals the net never saw",
        "",
        f"Made by `python -m train levers`. Base: `{study['base']}`; all runs at the same size and number of",
        f"films: {json.dumps(study['changes'])}.",
        "AUROC with 95 % bootstrap interval (by patient), all films of the sources left out. One seed a row.",
        "",
        f"| lever | change | {' | '.join(names)} |",
        "|---|---|" + "---|" * len(names),
    ]
    for lever, row in rows.items():
        cells = []
        for name in names:
            figure = row["auroc"].get(name)
            cells.append(
                f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})" if figure else "–"
            )
        change = ", ".join(f"{key}={json.dumps(value)}" for key, value in row["changes"].items()) or "none"
        lines.append(f"| {lever} | {change} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
