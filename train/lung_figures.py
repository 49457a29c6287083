"""`python -m train evaluate lungs`: how well the lung net's masks agree with manual ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cxrtriage.nets.registry import LUNG_UNET
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.reading.lungs import Lungs
from cxrtriage.weights import read_card, write_card
from train.films import CACHE, cached_images
from train.lungs import LungTruth, dice, mask_images, read_lung_masks
from train.manifest import data_folder, read_films
from train.settings import SettingsError
from train.severity_truths import read_severity

_BATCH = 16
# Geographic extent (0..8) from which a film counts as one with white lungs.
_WHITE = 6.0


def lung_net_names(weights: Path) -> list[str]:
    """The lung nets of a folder of weights."""
    found = []
    for path in sorted(weights.glob("*.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.get("architecture") == LUNG_UNET:
            found.append(path.stem)
    return found


def evaluate_lungs(runs: Path, weights: Path, results: Path) -> dict[str, Any]:
    """Dice of every lung net on test films, by source and where lungs are white, onto its card."""
    names = lung_net_names(weights)
    if not names:
        raise SettingsError(f"there is no lung net in {weights}.")
    films = read_films(data_folder())
    truths = [truth for truth in read_lung_masks(data_folder(), films) if truth.row.split == "test"]
    white = {t.row.file for t in read_severity(data_folder(), films) if t.extent >= _WHITE}
    figures = {name: _measured(name, truths, white, runs, weights) for name in names}
    results.mkdir(parents=True, exist_ok=True)
    (results / "lungs.json").write_text(json.dumps(figures, indent=1) + "\n")
    (results / "lungs.md").write_text(_table(figures))
    for name, found in figures.items():
        write_card(replace(read_card(name, weights), figures=found), weights)
        print(name, found, flush=True)
    return figures


def _measured(
    name: str, truths: Sequence[LungTruth], white: set[str], runs: Path, weights: Path
) -> dict[str, Any]:
    finder = LungFinder.load(name, weights)
    rows = [truth.row for truth in truths]
    images = cached_images(rows, finder.form, runs / CACHE)[:, 0]
    masks = mask_images(list(truths), finder.form.size) > 0
    of = np.array([truth.convention for truth in truths])
    chances = np.concatenate(
        [finder.both(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    )
    overlap = dice(chances[np.arange(len(of)), of] > 0.5, masks)
    found = [Lungs.of(each.max(axis=0)).found for each in chances]
    parts = {"all": np.full(len(rows), True), "white": np.array([row.file in white for row in rows])}
    parts |= {
        source: np.array([row.source == source for row in rows])
        for source in sorted({r.source for r in rows})
    }
    return {
        "dice_test": {
            **{part: round(float(overlap[index].mean()), 4) for part, index in parts.items() if index.any()},
            "lowest": round(float(overlap.min()), 4),
        },
        "films": {part: int(index.sum()) for part, index in parts.items()},
        "two_lungs_found": round(float(np.mean([number == 2 for number in found])), 4),
    }


def _table(figures: dict[str, Any]) -> str:
    parts = list(next(iter(figures.values()))["films"])
    lines = [
        "# Lungs",
        "",
        "Made by `python -m train evaluate lungs`. Mean Dice with the manual masks of the test films, each",
        f"under the convention of its mask, at the net's input size. White: extent {_WHITE:g} or more.",
        "",
        f"| net | {' | '.join(parts)} | lowest |",
        "|---|" + "---|" * (len(parts) + 1),
    ]
    for name, found in figures.items():
        cells = [
            f"{found['dice_test'].get(part, float('nan')):.3f} ({found['films'][part]})" for part in parts
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {found['dice_test']['lowest']:.3f} |")
    return "\n".join(lines) + "\n"
