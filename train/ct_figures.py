"""`python -m train evaluate ct_lesion`: how well the lesion net marks lesions, calls slices, decides series.

The threshold of a lesion is set on validation slices, the lowest of those with about the highest Dice there,
and kept on the card with the rule.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from cxrtriage.ct.lesion_finder import LESION_NET, LesionFinder, nothing_found, sure_parts
from cxrtriage.ct.read import read_series
from cxrtriage.ct.reading import CtReading, SeriesReader, read_whole, refusal
from cxrtriage.ct.rule import Rule, lesions_of_slice
from cxrtriage.ct.series import Series, SeriesError, Slice
from cxrtriage.weights import write_card
from train.ct_slices import SliceRow, grey_of, mask_of, read_slices
from train.manifest import data_folder
from train.settings import SettingsError

# A drawn lesion from this many pixels on must be found, and a slice with one be called.
LEAST_LESION = 50
# A drawn lesion counts as found where this share of it is marked.
_FOUND_SHARE = 0.2
_THRESHOLDS = np.round(np.arange(0.2, 0.81, 0.05), 2)
_DRAWS = 1000
_AS_GOOD = 0.01
_LOST_PEAKS = 0.005
# Series of `hu/` by folder or file, and what a reader should say of them.
_HU = {
    "chest-ct-tcia-0117": "negative",
    "chest-ct-acrin-flt-breast-013.nii.gz": "negative",
    "abdomen-ct-totalsegmentator-example.nii.gz": "refused",
    "covid-ny-sbu": "undetermined",
}


@dataclass(frozen=True, eq=False)
class Measured:
    """A slice with what was drawn and what was found, in its own pixels. `patient`: what is drawn
    together."""

    patient: str
    lesion: np.ndarray
    chances: np.ndarray
    near: np.ndarray
    lungs: np.ndarray
    drawn_lungs: np.ndarray | None

    def marked(self, threshold: float, rule: Rule, peak: float = 0.0) -> np.ndarray:
        over = (self.chances > threshold) & self.near
        return lesions_of_slice(self.chances, over, sure_parts(self.chances, over, peak), rule)[0]


def evaluate_ct(runs: Path, weights: Path, results: Path) -> dict[str, Any]:
    """Figures of the lesion net onto its card, and `ct_lesion.json` and `ct_lesion.md`."""
    finder = LesionFinder.load(LESION_NET, weights)
    rows = read_slices(data_folder())
    groups = _groups(rows)
    validated = [one for name, one in groups.items() if name.endswith("val")]
    if not validated:
        raise SettingsError("there are no validation slices to set the threshold on.")
    val = [slice_ for group in validated for slice_ in _measure(group, finder)]
    rule = Rule()  # the card keeps the defaults
    by_threshold = {float(t): _dice(val, float(t), rule) for t in _THRESHOLDS}
    # Dice hardly moves over a wide range; of what is as good, the lowest misses least.
    threshold = min(t for t in by_threshold if by_threshold[t] >= max(by_threshold.values()) - _AS_GOOD)
    peak = _peak(val, threshold, rule)
    print("threshold", threshold, "peak", peak, by_threshold, flush=True)
    reading = {"threshold": threshold, "peak": peak, "rule": asdict(rule)}
    card = replace(finder.card, settings={**finder.card.settings, "reading": reading})
    finder = LesionFinder(card, finder.net)
    figures: dict[str, Any] = {
        "threshold": threshold,
        "peak": peak,
        "validation_dice": round(by_threshold[threshold], 4),
    }
    for name, group in groups.items():
        if not name.endswith("test"):
            continue
        measured = _measure(group, finder)
        figures[name] = _figures(measured, threshold, rule, peak)
        print(name, figures[name], flush=True)
    figures["series"] = _decisions(rows, finder)
    figures["speed"] = _speed(rows, finder)
    results.mkdir(parents=True, exist_ok=True)
    write_card(replace(card, figures=figures), weights)
    (results / "ct_lesion.json").write_text(json.dumps(figures, indent=1) + "\n")
    (results / "ct_lesion.md").write_text(_tables(figures))
    return figures


def _groups(rows: Sequence[SliceRow]) -> dict[str, list[SliceRow]]:
    """The experts' slices that are measured together: single slices, and those of series, by split."""
    groups: dict[str, list[SliceRow]] = {}
    for row in rows:
        if row.expert and row.split != "train":
            kind = "single slices" if row.single else "series"
            groups.setdefault(f"{kind}, {row.split}", []).append(row)
    return groups


def _series(name: str, rows: Sequence[SliceRow]) -> Series:
    ordered = sorted(rows, key=lambda row: row.number)
    return Series(
        name,
        tuple(Slice(row.file.stem, grey_of(row)) for row in ordered),
        calibrated=False,
        spacing_mm=ordered[0].spacing_mm,
    )


def _measure(rows: Sequence[SliceRow], finder: LesionFinder) -> list[Measured]:
    """As a user would have them read: each series at once, single slices one by one."""
    wholes: dict[str, list[SliceRow]] = {}
    for row in rows:
        wholes.setdefault(f"{row.series} {row.number}" if row.single else row.series, []).append(row)
    # All that may be a lesion at the lowest threshold; what is one follows from `marked`.
    low = LesionFinder(finder.card, finder.net)
    low.threshold, low.peak = float(_THRESHOLDS[0]), 0.0
    measured = []
    for name, its in wholes.items():
        ordered = sorted(its, key=lambda row: row.number)
        series = _series(name, ordered)
        try:
            view = low.look(series)
            found = list(low.find(series, view)) if view is not None else None
        except SeriesError:
            found = None
        for number, row in enumerate(ordered):
            shape = series.slices[number].pixels.shape
            one = found[number] if found is not None else nothing_found(shape)
            measured.append(
                Measured(
                    name,
                    mask_of(row.lesion, shape),
                    one.chances,
                    one.lesion,
                    one.lungs,
                    mask_of(row.lungs, shape) if row.lungs is not None else None,
                )
            )
    return measured


def _overlap(found: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    return 2 * int((found & truth).sum()), int(found.sum()) + int(truth.sum())


def _dice(slices: Sequence[Measured], threshold: float, rule: Rule) -> float:
    """Over all pixels of all slices."""
    shared, both = np.array([_overlap(one.marked(threshold, rule), one.lesion) for one in slices]).sum(0)
    return float(shared / both) if both else 1.0


def _peak(slices: Sequence[Measured], threshold: float, rule: Rule) -> float:
    """The highest chance that all but a few of the marked parts that meet a drawn lesion reach."""
    peaks = []
    for one in slices:
        labels = cv2.connectedComponents(one.marked(threshold, rule).astype(np.uint8))[1]
        met = np.unique(labels[one.lesion])
        peaks += [float(one.chances[labels == number].max()) for number in met if number]
    return round(float(np.quantile(peaks, _LOST_PEAKS)), 3) if peaks else 0.0


def _figures(slices: Sequence[Measured], threshold: float, rule: Rule, peak: float = 0.0) -> dict[str, Any]:
    marks = [one.marked(threshold, rule, peak) for one in slices]
    counts = np.array([_overlap(mark, one.lesion) for mark, one in zip(marks, slices, strict=True)])
    called = np.array([mark.any() for mark in marks])
    drawn = np.array([_parts(one.lesion) for one in slices])
    clear = np.array([not one.lesion.any() for one in slices])
    found, drawn_lesions = np.array(
        [_lesions_found(mark, one.lesion) for mark, one in zip(marks, slices, strict=True)]
    ).sum(0)
    lungs = [_overlap(one.lungs | mark, one.drawn_lungs | one.lesion) for mark, one in zip(marks, slices,
    strict=True)
             if one.drawn_lungs is not None]  # fmt: skip
    figures = {
        "slices": len(slices),
        "dice": round(float(counts[:, 0].sum() / max(counts[:, 1].sum(), 1)), 4),
        "dice_interval": _interval(counts),
        "dice_of_a_slice": round(float(np.mean([a / b for a, b in counts[counts[:, 1] > 0]])), 4),
        "lesions": int(drawn_lesions),
        "lesion_recall": round(float(found / max(drawn_lesions, 1)), 4),
        "slices_with_lesion": int((drawn > 0).sum()),
        "sensitivity": round(float(called[drawn > 0].mean()), 4) if (drawn > 0).any() else None,
        "slices_without_lesion": int(clear.sum()),
        "specificity": round(float((~called[clear]).mean()), 4) if clear.any() else None,
    }
    if lungs:
        shared, both = np.array(lungs).sum(0)
        figures["lungs_dice"] = round(float(shared / max(both, 1)), 4)
    return figures


def _parts(mask: np.ndarray) -> int:
    """Lesions of at least `LEAST_LESION` pixels."""
    stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2]
    return int((stats[1:, cv2.CC_STAT_AREA] >= LEAST_LESION).sum())


def _lesions_found(found: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(truth.astype(np.uint8))
    large = [n for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] >= LEAST_LESION]
    marked = np.bincount(labels[found], minlength=count)
    return sum(marked[n] >= _FOUND_SHARE * stats[n, cv2.CC_STAT_AREA] for n in large), len(large)


def _interval(counts: np.ndarray) -> list[float]:
    """95 % of Dice over slices drawn anew."""
    random = np.random.default_rng(1)
    values = []
    for _ in range(_DRAWS):
        drawn = counts[random.integers(len(counts), size=len(counts))].sum(0)
        values.append(drawn[0] / max(drawn[1], 1))
    return [round(float(v), 4) for v in np.quantile(values, (0.025, 0.975))]


def _decisions(rows: Sequence[SliceRow], finder: LesionFinder) -> dict[str, Any]:
    """What is decided of every series here, and what should be."""
    said: dict[str, Any] = {}
    names = dict.fromkeys(row.series for row in rows if not row.single)
    for name in names:
        its = [row for row in rows if row.series == name]
        said[name] = _said(read_whole(_series(name, its), finder), "positive", its[0].split)
    for name, expected in _HU.items():
        try:
            readings = [read_whole(one, finder) for one in read_series(data_folder() / "ct" / "hu" / name)]
        except SeriesError as error:
            readings = [refusal(name, error)]
        for number, reading in enumerate(readings, start=1):
            label = name if len(readings) == 1 else f"{name} #{number}"
            said[label] = _said(reading, expected, "never seen")
    return said


def _said(reading: CtReading, expected: str, split: str) -> dict[str, Any]:
    return {
        "split": split,
        "expected": expected,
        "decision": reading.decision or reading.status,
        "slices": len(reading.slices),
        "affected": reading.affected_slices,
        "evidence": asdict(reading.evidence) if reading.evidence else None,
        "percent_of_lung": reading.volume_ml.percent_of_lung if reading.volume_ml else None,
        "codes": list(reading.codes),
    }


def _speed(rows: Sequence[SliceRow], finder: LesionFinder) -> dict[str, float]:
    """Slices a second of a whole reading beside those of the bare net in batches of the same size."""
    name = next(row.series for row in rows if row.split == "test" and not row.single)
    series = _series(name, [row for row in rows if row.series == name])
    batch = torch.randn(4, 1, finder.form.rows, finder.form.columns).to(memory_format=torch.channels_last)
    bare, whole = [], []
    for _ in range(2):
        began = time.perf_counter()
        with torch.inference_mode():
            for _ in range(len(series.slices) // 4):
                finder.net(batch)
        bare.append((len(series.slices) // 4 * 4) / (time.perf_counter() - began))
        reader = SeriesReader(series, finder)
        began = time.perf_counter()
        for _ in reader.steps():
            pass
        reader.reading()
        whole.append(len(series.slices) / (time.perf_counter() - began))
    return {
        "slices_a_second": round(max(whole), 2),
        "bare_net": round(max(bare), 2),
        "ratio": round(max(whole) / max(bare), 3),
    }


def _tables(figures: dict[str, Any]) -> str:
    lines = [
        "# CT: lesions, slices, series",
        "",
        "Made by `python -m train evaluate ct_lesion`. Dice over all pixels of all slices, in the",
        "slices' own pixels, with its 95 % interval over slices drawn anew; a lesion counts from "
        f"{LEAST_LESION} pixels on and as found",
        f"where {_FOUND_SHARE:.0%} of it is marked; a slice is called where anything is marked. Lungs",
        f"hold their lesions. Threshold {figures['threshold']}; a slice shows lesions where one of them",
        f"has a chance of at least {figures['peak']}; set on validation slices (Dice there "
        f"{figures['validation_dice']:.3f}).",
        "",
        "| slices | number | Dice | of a slice | lesions found | with lesion called "
        "| without left clear | lungs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, part in figures.items():
        if not isinstance(part, dict) or "dice" not in part:
            continue
        low, high = part["dice_interval"]
        clear = (
            f"{part['specificity']:.2f} of {part['slices_without_lesion']}"
            if part["specificity"] is not None
            else "none here"
        )
        lungs = f"{part['lungs_dice']:.3f}" if "lungs_dice" in part else "not drawn"
        lines.append(
            f"| {name} | {part['slices']} | {part['dice']:.3f} ({low:.3f} to {high:.3f}) "
            f"| {part['dice_of_a_slice']:.3f} | {part['lesion_recall']:.2f} of {part['lesions']} "
            f"| {part['sensitivity']:.2f} of "
            f"{part['slices_with_lesion']} | {clear} | {lungs} |"
        )
    lines += [
        "",
        "Literature: Semi-Inf-Net has Dice 0.74 on the same single test slices (Fan 2020).",
        "",
        "| series | seen in training | expected | decided | slices affected | of lung |",
        "|---|---|---|---|---|---|",
    ]
    for name, said in figures["series"].items():
        share = f"{said['percent_of_lung']} %" if said["percent_of_lung"] is not None else "not known"
        lines.append(
            f"| {name} | {said['split']} | {said['expected']} | {said['decision']} "
            f"| {said['affected']} of {said['slices']} | {share} |"
        )
    speed = figures["speed"]
    lines += [
        "",
        f"Slices a second: {speed['slices_a_second']} with all that belongs to a reading, "
        f"{speed['bare_net']} through the bare net (ratio {speed['ratio']}).",
    ]
    return "\n".join(lines) + "\n"
