"""`python -m train evaluate NAME...`: measures nets, sets their thresholds and writes their cards.

Thresholds and temperature come from the validation split alone, figures from the test split.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from cxrtriage.film.film import Film
from cxrtriage.film.read import read_film
from cxrtriage.reading.ensemble import Ensemble, combination_name, write_ensemble
from cxrtriage.reading.member import Member
from cxrtriage.weights import WEIGHTS_FOLDER, OperatingPoint, write_card
from train.controls import border_only, lung_masks, masked_rows, without_lungs
from train.figures import Counts, auroc, bootstrap, calibration_error, temperature_for, threshold_for
from train.films import Labelled, cached_images, labelled
from train.fit import CACHE
from train.manifest import data_folder, read_films
from train.settings import Settings, settings_from_dict
from train.tables import write_table

RESULTS = Path("train/results")
POINTS = ("sensitivity_0.90", "specificity_0.70", "youden")
_BATCH = 32


@dataclass(frozen=True)
class Scores:
    """Films with their truths and one net's (or combination's) probability of a class."""

    films: Labelled
    truths: np.ndarray
    probabilities: np.ndarray

    def of(self, sources: Sequence[str]) -> Scores:
        keep = np.array([row.source in sources for row in self.films.rows], bool)
        return self.at(np.flatnonzero(keep))

    def at(self, index: np.ndarray) -> Scores:
        films = Labelled(
            tuple(self.films.rows[i] for i in index), tuple(self.films.targets[i] for i in index)
        )
        return Scores(films, self.truths[index], self.probabilities[index])

    @property
    def patients(self) -> list[str]:
        return [row.patient for row in self.films.rows]

    @property
    def sources(self) -> list[str]:
        return sorted({row.source for row in self.films.rows})

    def auroc(self) -> dict[str, Any] | None:
        interval = auroc(self.probabilities, self.truths, self.patients)
        return interval.to_dict() if interval else None


@dataclass(frozen=True)
class Measured:
    """A net with its thresholds, and what it said of the films of each split and left-out source."""

    member: Member
    validation: Scores
    test: Scores
    left_out: dict[str, tuple[Scores, str]]


def evaluate(
    names: Sequence[str], runs: Path, weights: Path = WEIGHTS_FOLDER, results: Path = RESULTS
) -> None:
    """Measure each net, write card and results, then the thresholds of every combination of them."""
    results.mkdir(parents=True, exist_ok=True)
    measured = {name: _evaluate_one(name, runs, weights, results) for name in names}
    if len(names) > 1:
        _write_ensemble(measured, weights, results)
    write_table(names, results)


def _evaluate_one(name: str, runs: Path, weights: Path, results: Path) -> Measured:
    member = Member.load(name, weights)
    settings = settings_from_dict(member.card.settings)
    films = labelled(read_films(data_folder()), settings)
    val, test = films.split("val"), films.split("test")
    val_logits = _logits(member, _cached(val, member, runs))
    temperature = temperature_for(val_logits, np.array(val.targets))
    member = replace(member, card=replace(member.card, temperature=temperature))
    val_scores = _scores(val, member.probabilities(val_logits))
    test_scores = _scores(test, member.probabilities(_logits(member, _cached(test, member, runs))))

    left_out = _left_out(name, runs)
    points = operating_points(val_scores.of(settings.threshold_sources))
    figures: dict[str, Any] = {
        "name": name,
        "sha256": member.card.sha256,
        "temperature": round(temperature, 4),
        "test": _split_figures(test_scores, points, settings),
        "controls": _controls(member, test_scores, settings),
        "leave_one_source_out": _left_out_figures(name, member.card.sha256, left_out, results),
    }
    class_name = member.card.classes[0]
    card = replace(
        member.card,
        operating_points={class_name: points},
        figures={key: figures[key] for key in ("test", "controls", "leave_one_source_out")},
        cautions=_cautions(settings),
    )
    write_card(card, weights)
    (results / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(f"{name}: AUROC {figures['test']['auroc']}", flush=True)
    return Measured(replace(member, card=card), val_scores, test_scores, left_out)


def _cautions(settings: Settings) -> tuple[str, ...]:
    return (
        "Trained on films of adults; not for children.",
        f"Answers tuberculosis against films labelled {', '.join(settings.negative_labels)}: "
        "another disease of the lung may raise the score as well.",
        "Thresholds come from few films of few hospitals; set your own where you can.",
    )


def _cached(films: Labelled, member: Member, runs: Path) -> np.ndarray:
    return cached_images(films.rows, member.form, runs / CACHE)


def _logits(member: Member, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """(films, size, size) uint8 -> (films, classes + 1) logits, in batches."""
    return np.concatenate(
        [member.logits(np.asarray(images[start : start + _BATCH])) for start in range(0, len(images), _BATCH)]
    )


def _scores(films: Labelled, probabilities: np.ndarray) -> Scores:
    return Scores(films, np.array(films.targets) == 1, probabilities[:, 1])


def operating_points(scores: Scores) -> dict[str, OperatingPoint]:
    """Every named point on these films, with the bootstrap interval of its threshold."""
    population = (
        f"{int(scores.truths.sum())} films with and {int((~scores.truths).sum())} without tuberculosis, "
        f"validation split of {', '.join(scores.sources)}"
    )
    points = {}
    for name in POINTS:
        threshold = threshold_for(scores.probabilities, scores.truths, name)
        drawn = bootstrap(partial(_threshold_of_draw, scores, name), scores.truths, scores.patients)
        counts = Counts.of(scores.probabilities >= threshold, scores.truths)
        low, high = np.quantile(drawn, [0.025, 0.975])
        points[name] = OperatingPoint(
            round(threshold, 4),
            (round(float(low), 4), round(float(high), 4)),
            round(counts.recall, 4),
            round(counts.specificity, 4),
            population,
        )
    return points


def _threshold_of_draw(scores: Scores, point: str, index: np.ndarray) -> float:
    return threshold_for(scores.probabilities[index], scores.truths[index], point)


def _split_figures(scores: Scores, points: dict[str, OperatingPoint], settings: Settings) -> dict[str, Any]:
    """Figures over the sources that may be quoted, per source, and at each operating point."""
    quoted = scores.of([s for s in scores.sources if s not in settings.unquoted_sources])
    both = quoted.of(settings.threshold_sources)
    return {
        "sources": quoted.sources,
        "auroc": quoted.auroc(),
        "auroc_within_sources_of_both_classes": both.auroc(),
        "at_half": Counts.of(quoted.probabilities >= 0.5, quoted.truths).to_dict(),
        "operating_points": {
            name: {
                "all": Counts.of(quoted.probabilities >= point.threshold, quoted.truths).to_dict(),
                "both_classes": Counts.of(both.probabilities >= point.threshold, both.truths).to_dict(),
            }
            for name, point in points.items()
        },
        "per_source": {source: _source_figures(quoted.of([source]), points) for source in quoted.sources},
        "calibration_error": round(calibration_error(quoted.probabilities, quoted.truths), 4),
        "brier": round(float(((quoted.probabilities - quoted.truths) ** 2).mean()), 4),
    }


def _source_figures(scores: Scores, points: dict[str, OperatingPoint]) -> dict[str, Any]:
    return {
        "auroc": scores.auroc(),
        "films": {"tuberculosis": int(scores.truths.sum()), "others": int((~scores.truths).sum())},
        "flagged": {
            name: round(float((scores.probabilities >= point.threshold).mean()), 4)
            for name, point in points.items()
        },
    }


def _controls(member: Member, scores: Scores, settings: Settings) -> dict[str, Any]:
    """AUROC of the very same films, whole, without lungs, and of their border alone."""
    scores = scores.of([s for s in scores.sources if s not in settings.unquoted_sources])
    masks = lung_masks(data_folder())
    index = np.array(masked_rows(scores.films.rows, masks), int)
    masked = scores.at(index)
    result: dict[str, Any] = {}
    if len(index) and masked.truths.any() and not masked.truths.all():
        rows = masked.films.rows
        result["lungs_out"] = {
            "films_of": masked.sources,
            "whole": masked.auroc(),
            "control": _changed(member, masked, lambda i, film: without_lungs(film, masks[rows[i].file])),
        }
    for name, part in (
        ("border_only", scores),
        ("border_only_same_source", scores.of(settings.threshold_sources)),
    ):
        if part.truths.any() and not part.truths.all():
            result[name] = {
                "films_of": part.sources,
                "whole": part.auroc(),
                "control": _changed(member, part, lambda _, film: border_only(film)),
            }
    return result


def _changed(member: Member, scores: Scores, change: Callable[[int, Film], Film]) -> dict[str, Any] | None:
    def images() -> Iterator[np.ndarray]:
        for number, row in enumerate(scores.films.rows):
            yield member.form.image(change(number, read_film(row.path)))

    probabilities = member.probabilities(_logits(member, np.stack(list(images()))))[:, 1]
    return replace(scores, probabilities=probabilities).auroc()


def _left_out(name: str, runs: Path) -> dict[str, tuple[Scores, str]]:
    """By left-out source: what the net that never saw it says of all its films, and that net's sha256."""
    found = {}
    for folder in sorted(runs.glob(f"{name}-without-*")):
        if not (folder / f"{folder.name}.json").is_file():
            continue  # still in training
        member = Member.load(folder.name, folder)
        settings = settings_from_dict(member.card.settings)
        films = labelled(read_films(data_folder()), settings).of_sources(settings.leave_out)
        scores = _scores(films, member.probabilities(_logits(member, _cached(films, member, runs))))
        found["+".join(settings.leave_out)] = (scores, member.card.sha256)
    return found


def _left_out_figures(
    name: str, sha256: str, left_out: dict[str, tuple[Scores, str]], results: Path
) -> dict[str, Any]:
    """Figures of the nets that never saw a source.

    Such nets are not shipped: where a run is not on this machine, the figure of the last evaluation
    is kept, if that was of the same weights.
    """
    path = results / f"{name}.json"
    figures: dict[str, Any] = {}
    if path.is_file():
        last = json.loads(path.read_text())
        if last["sha256"] == sha256:
            figures.update(last["leave_one_source_out"])
    for source, (scores, fold) in left_out.items():
        figures[source] = {"auroc": scores.auroc(), "sha256": fold}
    return figures


def _write_ensemble(measured: dict[str, Measured], weights: Path, results: Path) -> None:
    """Thresholds of every combination of two or more nets, and how each does on the test split."""
    first = next(iter(measured.values())).member.card
    settings, class_name = settings_from_dict(first.settings), first.classes[0]
    points: dict[str, dict[str, dict[str, OperatingPoint]]] = {}
    figures: dict[str, Any] = {}
    for size in range(2, len(measured) + 1):
        for names in combinations(sorted(measured), size):
            chosen = [measured[name] for name in names]
            together = combination_name(names)
            validation = _mean([net.validation for net in chosen]).of(settings.threshold_sources)
            points[together] = {class_name: operating_points(validation)}
            figures[together] = {
                **_split_figures(_mean([net.test for net in chosen]), points[together][class_name], settings),
                "leave_one_source_out": _left_out_together(chosen),
            }
            print(f"{together}: AUROC {figures[together]['auroc']}", flush=True)
    sums = {name: net.member.card.sha256 for name, net in measured.items()}
    write_ensemble(Ensemble(sums, POINTS[0], points), weights)
    (results / "ensemble.json").write_text(json.dumps({"weights": sums, "test": figures}, indent=1) + "\n")


def _left_out_together(nets: Sequence[Measured]) -> dict[str, Any]:
    """Figures of these nets' mean on the sources that none of them saw."""
    sources = set.intersection(*(set(net.left_out) for net in nets))
    return {
        source: {"auroc": _mean([net.left_out[source][0] for net in nets]).auroc()}
        for source in sorted(sources)
    }


def _mean(scores: Sequence[Scores]) -> Scores:
    if any(other.films.rows != scores[0].films.rows for other in scores):
        raise ValueError("nets that were not measured on the same films have no common threshold")
    return replace(scores[0], probabilities=np.mean([s.probabilities for s in scores], axis=0))
