"""`python -m train compare severity-pooling`: the severity map and array, part by part.

How the map is pooled over a zone, and what it learns from: outlines, pasted opacities, one set of readers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from cxrtriage.weights import load_net
from train.compare import CONFIGS
from train.figures import auroc
from train.grading_figures import error_cell
from train.levers import changed
from train.pointing import mean_over_patients
from train.settings import SettingsError
from train.severity import SeverityData, SeveritySettings, severity_settings, train_fold
from train.severity_figures import Scored, array_by, error_figures, pasted_zones
from train.severity_truths import BRIXIA, OUTLINES
from train.study_results import kept_rows, write_study

NAME = "compare_severity_pooling"
CONFIG = CONFIGS / "severity_pooling_cpu.yaml"
ERRORS = {"array_score": "array score", "brixia": "Brixia", "extent": "extent", "opacity": "opacity"}
_SHARES = ("zones", "outlines", "normal")
# An outlined film with fewer places on either side has no curve.
_LEAST_PLACES = 5


def study_pooling(config: Path, runs: Path, results: Path, *, only: Sequence[str] = ()) -> None:
    """Train and measure what has no run yet; write `compare_severity_pooling.json` and its `.md`.

    Figures of runs that are no longer on this machine are kept.
    """
    study = read_pooling_study(config)
    rows = kept_rows(results / f"{NAME}.json", ("change", "figures"))
    data: SeverityData | None = None
    for row, settings in study["settings"].items():
        if only and row not in only:
            continue
        names = [f"{settings.name}_{fold}" for fold in study["trained_folds"]]
        trained = all((runs / name / f"{name}.json").is_file() for name in names)
        if not trained and rows.get(row, {}).get("folds") == study["trained_folds"]:
            continue
        # What is learnt from may be less than what is measured on; the folds are those of all films.
        data = SeverityData(replace(settings, graders=(), sources=()), runs) if data is None else data
        taught, folds = data.under(settings), data.folds()
        nets = {}
        for number in study["trained_folds"]:
            card = train_fold(taught, folds, number - 1, runs)
            nets[number - 1] = load_net(card, runs / card.name)
        rows[row] = {
            "change": study["rows"][row].get("change", {}),
            "folds": study["trained_folds"],
            "figures": net_figures(data, folds, nets),
        }
        write_study(results, NAME, rows, table(study, rows))
        print(row, json.dumps(rows[row]["figures"]), flush=True)


def read_pooling_study(config: Path) -> dict[str, Any]:
    """A study with the `settings` of each row; SettingsError names what is wrong.

    Its `base` is the configuration of the nets, or another study.
    """
    try:
        study = yaml.safe_load(config.read_text(encoding="utf-8"))
        base = yaml.safe_load((config.parent / study["base"]).read_text(encoding="utf-8"))
        if "rows" in base:
            study = {**base, **study, "base": base["base"]}
            base = yaml.safe_load((config.parent / study["base"]).read_text(encoding="utf-8"))
        study["rows"] = {row: said or {} for row, said in study["rows"].items()}
        study["trained_folds"] = folds = list(study["trained_folds"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{config} is no study: {error}") from error
    study["settings"] = {
        row: _settings(base, study, row, said, config) for row, said in study["rows"].items()
    }
    most = next(iter(study["settings"].values())).folds
    if not folds or not all(number in range(1, most + 1) for number in folds):
        raise SettingsError(f"{config}: trained_folds must be some of 1 to {most}.")
    return study


def _settings(
    base: dict[str, Any], study: dict[str, Any], row: str, said: dict[str, Any], config: Path
) -> SeveritySettings:
    size = changed(base, study.get("changes", {}))["input"]["size"]
    name = f"severity_pooling_{size}_{row}"
    values = changed(base, {**study.get("changes", {}), **said.get("change", {}), "name": name})
    return severity_settings(values, f"{config}: {row}")


def net_figures(data: SeverityData, folds: np.ndarray, nets: Mapping[int, nn.Module]) -> dict[str, Any]:
    """Figures on films of the folds of `nets`, each read by its fold's net; pasted opacities by all nets."""
    unseen = np.flatnonzero(np.isin(folds, list(nets)) & (data.scored | data.split("val")))
    array, brixia, extent, opacity, outlines = [], [], [], [], []
    scale, shift = data.settings.input.scale_and_shift
    for number in unseen:
        film = torch.from_numpy(data.images[number].astype(np.float32) * scale + shift)[None, None]
        zones = torch.from_numpy(data.zones[number])[None]
        with torch.inference_mode():
            said = nets[int(folds[number])](film, zones)
        array.append(said.array[0].double().numpy())
        brixia.append(float(said.brixia[0].sum()))
        extent.append(float(said.extent[0]))
        opacity.append(float(said.opacity[0]))
        if data.truths[number].lesions is not None:
            outlines.append(
                (int(number), _outlined(said.map[0].numpy(), data.zones[number], data.lesions[number]))
            )
    scored = data.scored[unseen]
    parts = {
        "array_score": np.array(array).sum(axis=1),
        "brixia": np.array(brixia),
        "extent": np.array(extent),
        "opacity": np.array(opacity),
    }
    films = Scored([data.truths[i] for i in unseen[scored]], {k: v[scored] for k, v in parts.items()})
    return {
        **{part: error_figures(films, part) for part in ERRORS},
        "zones": _zones_figure(films, np.array(array)[scored]),
        "outlines": _outlines_figure(data, outlines),
        "normal": _normal_figure(data, unseen[~scored], parts["array_score"][~scored]),
        "pasted": pasted_zones(data, array_by(list(nets.values()))),
    }


def _outlined(map_: np.ndarray, zones: np.ndarray, lesions: np.ndarray) -> float | None:
    """AUROC of the map's logits (rows, columns) within the lungs against the lesion, both (size, size)."""
    import cv2
    from sklearn.metrics import roc_auc_score

    size = (zones.shape[1], zones.shape[0])
    fine = cv2.resize(map_.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    inside = zones > 0
    truth = lesions[inside] == 1
    if min(truth.sum(), (~truth).sum()) < _LEAST_PLACES:
        return None
    return float(roc_auc_score(truth, fine[inside]))


def _zones_figure(films: Scored, array: np.ndarray) -> dict[str, Any] | None:
    """AUROC of the chances (films, 6) over zones that all readers of a film call alike."""
    truth = np.array([one.array for one in films.truths])
    agreed = (truth == 0) | (truth == 1)
    patients = np.repeat(films.patients[:, None], truth.shape[1], axis=1)
    figure = auroc(array[agreed], truth[agreed] == 1, patients[agreed].tolist()) if agreed.any() else None
    return figure.to_dict() if figure else None


def _outlines_figure(
    data: SeverityData, outlines: Sequence[tuple[int, float | None]]
) -> dict[str, Any] | None:
    kept = [(data.truths[number].row.patient, value) for number, value in outlines if value is not None]
    if not kept:
        return None
    value, low, high = mean_over_patients(np.array([v for _, v in kept]), [patient for patient, _ in kept])
    return {"value": round(value, 3), "low": round(low, 3), "high": round(high, 3), "films": len(kept)}


def _normal_figure(data: SeverityData, index: np.ndarray, scores: np.ndarray) -> dict[str, Any] | None:
    if not len(index):
        return None
    patients = [data.truths[i].row.patient for i in index]
    value, low, high = mean_over_patients((scores < 0.5).astype(float), patients)
    return {"value": round(value, 3), "low": round(low, 3), "high": round(high, 3), "films": len(index)}


def table(study: dict[str, Any], rows: dict[str, Any]) -> str:
    """The study as Markdown."""
    heads = ["row", "folds", "films", *(f"{name} MAE" for name in ERRORS.values()), *_SHARES, "pasted"]
    lines = [
        f"# {study['title']}", "",
        "Made by `python -m train compare severity-pooling`. " + " ".join(study["about"].split()), "",
        f"Base: `{study['base']}`, for all rows changed by {json.dumps(study.get('changes', {}))}. In",
        "brackets the 95 % interval, bootstrap over patients.",
        "",
        f"| {' | '.join(heads)} |", "|" + "---|" * len(heads),
    ]  # fmt: skip
    for row, said in study["rows"].items():
        label = said.get("label", row)
        if row not in rows:
            lines.append(f"| {label} | – | not run yet |" + " |" * (len(heads) - 3))
            continue
        figures, told = rows[row]["figures"], _told_scales(rows[row]["change"].get("graders", ()))
        counts = {"Brixia": "brixia", "extent": "extent", "outlined": "outlines", "normal": "normal"}
        films = {name: (figures[part] or {}).get("films", 0) for name, part in counts.items()}
        cells = [
            ", ".join(map(str, rows[row]["folds"])),
            ", ".join(f"{number} {name}" for name, number in films.items()),
            *(error_cell(figures[part], "mae") if part in told else "–" for part in ERRORS),
            *(_interval(figures[part]) for part in _SHARES),
            str(figures["pasted"]["likeliest_zone_is_affected"]),
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _told_scales(graders: Sequence[str]) -> list[str]:
    """Scales that some reader's work teaches a row; what normal films alone teach is no figure."""
    told = ["array_score"]
    if not graders or BRIXIA in graders:
        told.append("brixia")
    if not graders or set(graders) - {BRIXIA, OUTLINES}:
        told += ["extent", "opacity"]
    return told


def _interval(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return "–"
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"
