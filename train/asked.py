"""A net asked about all films of the evaluation: one pass each, and its calibration from that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from cxrtriage.reading.member import Member
from cxrtriage.weights import Calibration
from train.findings import finding_targets, read_findings
from train.fit import Pictures
from train.left_out import Fold, folds_of
from train.manifest import FilmRow, data_folder
from train.measures import scalings_for
from train.scores import Outputs, Predictions, outputs_of
from train.settings import Settings, SettingsError, settings_from_dict


@dataclass(frozen=True, eq=False)
class Asked:
    """A net, calibrated, and what it said of the validation and test films and of left-out sources."""

    member: Member
    settings: Settings
    pictures: Pictures
    scalings: dict[str, dict[str, Calibration]]
    val: Outputs
    test: Outputs
    folds: dict[str, Fold]

    @cached_property
    def validation(self) -> Predictions:
        return Predictions.of(self.member, self.val)

    @cached_property
    def tested(self) -> Predictions:
        return Predictions.of(self.member, self.test)


def ask(name: str, rows: list[FilmRow], runs: Path, weights: Path) -> Asked:
    """The forward passes of a net, and its calibration from those of the validation films."""
    member = Member.load(name, weights)
    settings = settings_from_dict(member.card.settings)
    pictures = Pictures(settings, rows, runs)
    found = pictures.finder.version if pictures.finder else {}
    if found != member.card.lungs:
        raise SettingsError(f"{name} was trained on the crop of {member.card.lungs}, but here is {found}.")
    val, test = (
        outputs_of(member, films, pictures.of(films.rows))
        for films in (pictures.films.split("val"), pictures.films.split("test"))
    )
    scalings = _scalings(member, settings, val)
    member = replace(member, card=replace(member.card, calibration=scalings["temperature and shift"]))
    print(f"{name}: {len(val.logits)} validation and {len(test.logits)} test films read", flush=True)
    return Asked(member, settings, pictures, scalings, val, test, folds_of(member, rows, runs))


def _scalings(member: Member, settings: Settings, val: Outputs) -> dict[str, dict[str, Calibration]]:
    """By scaling, then class or finding, from the validation films of the threshold sources.

    Findings have a table of their own, which says of which films they are known.
    """
    classes = member.card.classes
    own = np.array([row.source in settings.threshold_sources for row in val.films.rows], bool)
    known, targets = known_findings(val, member.card.findings)
    scalings: dict[str, dict[str, Calibration]] = {"temperature": {}, "temperature and shift": {}}
    for number, name in enumerate(member.outputs):
        if number < len(classes):
            logits, truths = val.logits[own, number], val.films.truths[own, number]
        else:
            column = targets[:, number - len(classes)]
            told = ~np.isnan(column)
            logits, truths = val.logits[known[told], number], column[told] > 0.5
        found = scalings_for(logits, truths)
        for by_name, scaling in zip(scalings.values(), found, strict=True):
            by_name[name] = scaling
    return scalings


def known_findings(outputs: Outputs, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the films in the table of findings, and their (films, findings) targets of 0, 1 and NaN."""
    table = read_findings(data_folder(), names)
    index = np.array([i for i, row in enumerate(outputs.films.rows) if row.file in table], int)
    return index, finding_targets([outputs.films.rows[i] for i in index], data_folder(), names)
