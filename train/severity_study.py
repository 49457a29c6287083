"""`python -m train compare severity`: opacity and extent by the papers' nets and models, on our films.

Nets of Lara 2025 that grade opacity, with their trunk trained and with their last layer alone, and the linear
models of Cohen 2020. Nothing of it is kept but what the nets said of films they had not seen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from cxrtriage.reading.input_form import InputForm
from cxrtriage.weights import WEIGHTS_FOLDER, read_card
from train.compare import CONFIGS
from train.grading import (
    GradedFilms,
    GradingSettings,
    average_fold,
    frozen_features,
    grade_fold,
    grade_fold_frozen,
    said_of,
)
from train.grading_figures import cells, row_figures
from train.grading_nets import GradingNet, build_trunk
from train.levers import changed
from train.linear_severity import linear_figures, nearer, scale_figures
from train.settings import SettingsError, Start, build_settings
from train.severity_figures import category_accuracy
from train.severity_tables import AVERAGE, LINEAR, MODES, SEVERITY_NETS, table
from train.severity_unseen import SCALES, severity_checksums, unseen_scores
from train.study_results import kept_rows, same_settings, write_study

NAME = "compare_severity"
CONFIG = CONFIGS / "severity_nets_cpu.yaml"
_ROW_PARTS = ("settings", "figures")


@dataclass(frozen=True)
class SeverityStudy:
    """A study as its file says: `nets` by row and mode, `linear` the nets asked for linear models."""

    said: dict[str, Any]
    nets: dict[tuple[str, str], GradingSettings]
    linear: tuple[str, ...]

    @classmethod
    def read(cls, config: Path) -> SeverityStudy:
        """SettingsError names what is wrong."""
        try:
            said = _with_base(config)
            said["rows"] = {row: of or {} for row, of in said["rows"].items()}
            base = said["settings"]
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"{config} is no study: {error}") from error
        nets = {}
        for row, of in said["rows"].items():
            if "impossible" not in of:
                settings = _settings(changed(base, of.get("change", {})), f"{config}: {row}")
                for mode in MODES:
                    nets[row, mode] = replace(settings, frozen=mode == "frozen")
        return cls(said, nets, tuple(said.get("linear", ())))


def _with_base(config: Path) -> dict[str, Any]:
    """A study's file over the one it names as `base`, whose settings it changes by dotted keys."""
    said: dict[str, Any] = yaml.safe_load(config.read_text(encoding="utf-8"))
    if "base" not in said:
        return said
    base = _with_base(config.parent / said["base"])
    return {**base, **said, "settings": changed(base["settings"], said.get("changes", {}))}


def _settings(values: dict[str, Any], where: str) -> GradingSettings:
    try:
        values["input"] = InputForm.from_dict(values.get("input", {}))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{where}: {error}") from error
    values["start"] = build_settings(Start, values.get("start") or {}, f"{where}: start")
    settings: GradingSettings = build_settings(GradingSettings, values, where)
    return settings


def study_severity(
    runs: Path,
    results: Path,
    weights: Path = WEIGHTS_FOLDER,
    config: Path = CONFIG,
    *,
    only: Sequence[str] = (),
) -> None:
    """Train and measure what is not in `compare_severity.json` yet, fold by fold; write it and its `.md`.

    A row whose settings have changed is trained again; rows that were measured elsewhere are kept. A row that
    says `impossible` is not trained: its sentence stands in the table.
    """
    study = SeverityStudy.read(config)
    rows = kept_rows(results / f"{NAME}.json", _ROW_PARTS)
    settings = next(iter(study.nets.values()))
    films = GradedFilms(settings.lungs, settings.folds, runs)
    rows[AVERAGE] = _average(films, settings.folds)
    if study.linear and (not only or LINEAR in only):
        _measure_linear(study, films, rows, weights, runs)
    write_study(results, NAME, rows, table(study.said, rows))
    for (row, mode), asked in study.nets.items():
        if only and row not in only:
            continue
        key = f"{row}/{mode}"
        plain = _plain(asked)
        measured = key in rows and same_settings(rows[key]["settings"], plain)
        if not measured or not _of_these_films(rows[key], films):
            rows[key] = {"settings": plain, "figures": {}, "folds": {}, "seconds": 0.0}
        for _ in _folds(asked, films, rows[key]):
            if len(rows[key]["folds"]) == asked.folds:
                rows[key]["figures"] = row_figures(films, rows[key]["folds"])
                rows[key]["parameters"] = _parameters(asked)
                print(key, {part: cells(of) for part, of in rows[key]["figures"].items()}, flush=True)
            write_study(results, NAME, rows, table(study.said, rows))


def _of_these_films(row: dict[str, Any], films: GradedFilms) -> bool:
    return all(
        set(said) == {films.truths[i].row.file for i in films.read_by(int(fold) - 1)}
        for fold, said in row["folds"].items()
    )


def _folds(settings: GradingSettings, films: GradedFilms, row: dict[str, Any]) -> Iterator[int]:
    """Fill in fold by fold what is missing of a row; yields after each."""
    features = None
    for fold in range(settings.folds):
        if str(fold + 1) in row["folds"]:
            continue
        began = time.process_time()
        if settings.frozen:
            features = frozen_features(settings, films) if features is None else features
            said = grade_fold_frozen(films, fold, features)
        else:
            said = grade_fold(settings, films, fold)
        row["folds"][str(fold + 1)] = said_of(films.truths, films.read_by(fold), said)
        row["seconds"] = round(row["seconds"] + time.process_time() - began, 1)
        yield fold


def _average(films: GradedFilms, folds: int) -> dict[str, Any]:
    said = {
        str(fold + 1): said_of(films.truths, films.read_by(fold), average_fold(films, fold))
        for fold in range(folds)
    }
    return {"settings": {}, "figures": row_figures(films, said)}


def _measure_linear(
    study: SeverityStudy, films: GradedFilms, rows: dict[str, Any], weights: Path, runs: Path
) -> None:
    """Fill in the linear models and the severity nets, where weights or films are not those measured."""
    files = [truth.row.file for truth in films.truths]
    asked = {"nets": {name: read_card(name, weights).sha256 for name in study.linear}, "films": files}
    if rows.get(LINEAR, {}).get("settings") != asked:
        rows[LINEAR] = {"settings": asked, "figures": linear_figures(films, study.linear, weights)}
    asked = {"nets": severity_checksums(weights), "films": files}
    if asked["nets"] and rows.get(SEVERITY_NETS, {}).get("settings") != asked:
        rows[SEVERITY_NETS] = {"settings": asked, "figures": _severity_figures(weights, runs)}
    if SEVERITY_NETS in rows:
        rows[LINEAR]["nearer"] = _nearer(films, rows)


def _severity_figures(weights: Path, runs: Path) -> dict[str, Any]:
    return {
        part: {
            **{scale: scale_figures(scored.truths, scale, scored.said[scale]) for scale in SCALES},
            "category": category_accuracy(scored),
        }
        for part, scored in unseen_scores(weights, runs).items()
    }


def _nearer(films: GradedFilms, rows: dict[str, Any]) -> dict[str, Any]:
    """By scale the linear model of the least MAE on unseen films, and how much less the severity nets' is."""
    told = {}
    for scale in SCALES:
        models = {
            (net, what): of[scale]["unseen"]
            for net, inputs in rows[LINEAR]["figures"].items()
            for what, of in inputs.items()
        }
        (net, what), best = min(models.items(), key=lambda model: model[1].get("mae", float("inf")))
        own = rows[SEVERITY_NETS]["figures"]["unseen"][scale]["said"]
        told[scale] = {"net": net, "inputs": what, "less": nearer(films.truths, scale, own, best["said"])}
    return told


def _parameters(settings: GradingSettings) -> int:
    import torch

    with torch.device("meta"):  # their number alone
        net = GradingNet(build_trunk(settings.net, settings.options))
    return sum(weight.numel() for weight in net.parameters())


def _plain(settings: GradingSettings) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps({**asdict(settings), "input": settings.input.to_dict()}))
    return plain
