"""What thresholds of a hospital's own give, on scores of two hospitals that lie apart."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from train import own_thresholds
from train.films import Labelled
from train.manifest import FilmRow
from train.scores import Scores
from train.settings import SettingsError, settings_from_dict


def scores_of(source: str, films: int, shift: float, patients: int | None = None) -> Scores:
    """Scores that lie `shift` higher (in log odds) than those of another hospital, in the same order."""
    random = np.random.default_rng(len(source))
    truths = np.arange(films) % 2 == 0
    logits = random.normal(2.0 * truths - 1 + shift, 1.0)
    rows = tuple(
        FilmRow(Path("f"), f"{n}.png", source, f"{source}-{n % (patients or films)}", label, "val")
        for n, label in enumerate(np.where(truths, "tuberculosis", "normal"))
    )
    return Scores("tuberculosis", Labelled(rows, truths[:, None]), truths, 1 / (1 + np.exp(-logits)))


@pytest.fixture
def fold(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A net left without `north`, whose films it scores far higher than those of `south`."""
    monkeypatch.setattr(own_thresholds, "_DRAWS", 100)
    settings = settings_from_dict(
        {
            "name": "net", "architecture": "vit", "classes": ["tuberculosis"],
            "labels": ["normal", "tuberculosis"], "sources": {"north": 1, "south": 1}, "leave_out": ["north"],
            "threshold_sources": ["south"],
        }
    )  # fmt: skip
    of = {"north": scores_of("north", 400, 3.0), "south": scores_of("south", 400, 0.0)}
    told = {name: SimpleNamespace(scores=lambda _, one=scores: one) for name, scores in of.items()}
    return SimpleNamespace(
        left_out=("north",), settings=settings, unseen=told["north"], validation=told["south"]
    )


def test_own_thresholds_give_what_was_asked_where_those_of_elsewhere_do_not(fold: Any) -> None:
    row = own_thresholds.row_of(fold, fold.unseen.scores(""), (20, 50, 190))
    assert row is not None
    sensitivity, specificity = row["models"]["sensitivity_0.90"]
    assert sensitivity > 0.97
    assert specificity < 0.15
    assert set(row["own"]) == {"20", "50"}  # of 190 too few would be left to measure on
    for films in row["own"].values():
        assert films["sensitivity_0.90"]["sensitivity"]["mean"] == pytest.approx(0.90, abs=0.02)
        assert films["sensitivity_0.90"]["specificity"]["mean"] > 0.6
        assert films["specificity_0.85"]["specificity"]["mean"] == pytest.approx(0.86, abs=0.03)
        for rates in films.values():
            assert rates["sensitivity"]["within"] > 0.85
            low, high = rates["sensitivity"]["range"]
            assert low <= rates["sensitivity"]["mean"] <= high
    wide, narrow = (
        np.ptp(row["own"][films]["sensitivity_0.90"]["sensitivity"]["range"]) for films in ("20", "50")
    )
    assert narrow < wide


def test_one_film_a_patient_counts_and_few_patients_are_not_measured(fold: Any) -> None:
    row = own_thresholds.row_of(fold, scores_of("north", 400, 3.0, patients=100), (20,))
    assert row is not None
    assert row["films"] == [50, 50]
    assert own_thresholds.row_of(fold, scores_of("north", 400, 3.0, patients=60), (20,)) is None


def test_the_study_writes_what_it_measured_and_says_where_nothing_is_there(
    fold: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_thresholds.Member, "load", lambda *_: None)
    monkeypatch.setattr(own_thresholds, "read_films", lambda _: [])
    monkeypatch.setattr(own_thresholds, "folds_of", lambda *_: {})
    with pytest.raises(SettingsError, match="no net was left without a hospital"):
        own_thresholds.study_own_thresholds(tmp_path, tmp_path, tmp_path, only=["net"])
    fold.unseen = SimpleNamespace(scores=lambda _: scores_of("north", 200, 3.0))
    monkeypatch.setattr(own_thresholds, "folds_of", lambda *_: {"north": fold})
    own_thresholds.study_own_thresholds(tmp_path, tmp_path, tmp_path, only=["net"], films=(20,))
    page = (tmp_path / "compare_thresholds.md").read_text()
    assert "| net without north, north | 100, 100 |" in page
    assert page.count("own, 20 films each") == 3
    own_thresholds.study_own_thresholds(tmp_path, tmp_path, tmp_path, only=["net", "other"], films=(20,))
    assert "other without north" in (tmp_path / "compare_thresholds.md").read_text()
