"""What nets say of films: outputs of one forward pass, probabilities of classes, scores of one class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from cxrtriage.reading.call import pooled_probability
from cxrtriage.reading.member import Member
from train.figures import auroc
from train.films import Labelled
from train.manifest import FilmRow

# Of fewer films with or without a class nothing can be said of them.
LEAST = 5
_BATCH = 32


@dataclass(frozen=True, eq=False)
class Outputs:
    """Films, (films, classes + findings) float64 logits, (films, features) float32 pooled features."""

    films: Labelled
    logits: np.ndarray
    features: np.ndarray


def outputs_of(member: Member, films: Labelled, images: np.ndarray) -> Outputs:
    """One pass over (films, size, size) uint8 pictures, in batches."""
    logits = [np.zeros((0, len(member.outputs)))]
    features = [np.zeros((0, member.net.num_features), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            batch = torch.cat([member.form.tensor(image) for image in images[start : start + _BATCH]])
            maps = member.net.forward_features(batch)
            logits.append(member.net.forward_head(maps).double().numpy())
            features.append(member.net.pool(maps).numpy())
    return Outputs(films, np.concatenate(logits), np.concatenate(features))


@dataclass(frozen=True, eq=False)
class Scores:
    """Films with their (films,) bool truths and (films,) float probabilities of one class.

    `members` (films, nets) are each net's own probabilities where several speak together, `deviations`
    (nets,) of their log odds on validation films.
    """

    class_name: str
    films: Labelled
    truths: np.ndarray
    probabilities: np.ndarray
    members: np.ndarray | None = None
    deviations: np.ndarray | None = None

    def where(self, keep: Callable[[FilmRow], bool]) -> Scores:
        return self.at(np.flatnonzero([keep(row) for row in self.films.rows]))

    def at(self, index: np.ndarray) -> Scores:
        index = index.astype(int)
        return replace(
            self,
            films=self.films.at(index),
            truths=self.truths[index],
            probabilities=self.probabilities[index],
            members=None if self.members is None else self.members[index],
        )

    def of_sources(self, sources: Sequence[str]) -> Scores:
        return self.where(lambda row: row.source in sources)

    def against_normal(self) -> Scores:
        """Without the films of other diseases."""
        return self.where(lambda row: row.label in (self.class_name, "normal"))

    def within_sources(self, least: int = LEAST) -> Scores:
        """The sources that show at least so many films with the class and so many without: there the
        source does not tell the class."""
        counts = {
            source: self.truths[[row.source == source for row in self.films.rows]] for source in self.sources
        }
        return self.of_sources([s for s, t in counts.items() if min(t.sum(), (~t).sum()) >= least])

    @property
    def patients(self) -> list[str]:
        return [row.patient for row in self.films.rows]

    @property
    def sources(self) -> list[str]:
        return sorted({row.source for row in self.films.rows})

    @property
    def of_both(self) -> bool:
        """Whether there are films with the class and films without."""
        return bool(self.truths.any() and not self.truths.all())

    @property
    def enough(self) -> bool:
        """Whether there are enough of both to measure by."""
        return bool(min(self.truths.sum(), (~self.truths).sum()) >= LEAST)

    def area(self) -> float:
        """AUROC alone; ValueError where one of both is missing."""
        return float(roc_auc_score(self.truths, self.probabilities))

    def auroc(self) -> dict[str, Any] | None:
        """AUROC with its interval; None of too few films."""
        if not self.enough:
            return None
        found = auroc(self.probabilities, self.truths, self.patients)
        return found.to_dict() if found else None


@dataclass(frozen=True, eq=False)
class Predictions:
    """Films with (films, classes) probabilities, of a net or of nets together.

    `members` (films, classes, nets) are each net's own where several speak together, NaN of a class that a
    net does not know. `deviations` (classes,), or (classes, nets), are those of the log odds on the films
    that each was calibrated on.
    """

    films: Labelled
    classes: tuple[str, ...]
    probabilities: np.ndarray
    deviations: np.ndarray
    members: np.ndarray | None = None

    @classmethod
    def of(cls, member: Member, outputs: Outputs) -> Predictions:
        classes = member.card.classes
        probabilities = member.probabilities(outputs.logits)[:, : len(classes)]
        return cls(
            outputs.films, classes, probabilities, np.array([member.card.deviation(c) for c in classes])
        )

    def scores(self, class_name: str) -> Scores:
        number = self.classes.index(class_name)
        members = deviations = None
        if self.members is not None:
            speak = ~np.isnan(self.deviations[number])
            members, deviations = self.members[:, number, speak], self.deviations[number, speak]
        return Scores(
            class_name,
            self.films,
            self.films.truths[:, number],
            self.probabilities[:, number],
            members,
            deviations,
        )

    def without_sources(self, sources: Sequence[str]) -> Predictions:
        index = np.flatnonzero([row.source not in sources for row in self.films.rows])
        return replace(
            self,
            films=self.films.at(index),
            probabilities=self.probabilities[index],
            members=None if self.members is None else self.members[index],
        )


def pooled(
    predictions: Sequence[Predictions], readers: Mapping[str, Collection[int]] | None = None
) -> Predictions:
    """Nets together: of each class the probability of the mean of the log odds of those that know it, each in
    its own deviation.

    All were asked of the same films, and one of them knows every class that another does. `readers`: by
    class, the numbers of the nets that speak of it; every one that knows it by default.
    """
    widest = max(predictions, key=lambda p: len(p.classes))
    every = np.full((*widest.probabilities.shape, len(predictions)), np.nan)
    deviations = np.full(every.shape[1:], np.nan)
    for net, other in enumerate(predictions):
        if other.films.rows != widest.films.rows or not set(other.classes) <= set(widest.classes):
            raise ValueError("nets that were not asked the same of the same films have no common score")
        for number, name in enumerate(other.classes):
            if readers is None or net in readers[name]:
                every[:, widest.classes.index(name), net] = other.probabilities[:, number]
                deviations[widest.classes.index(name), net] = other.deviations[number]
    # By the program's own rule, so that a threshold is set on what users will see.
    speak = ~np.isnan(deviations)
    scores = [
        [
            pooled_probability(of[nets].tolist(), own[nets].tolist())
            for of, own, nets in zip(film, deviations, speak, strict=True)
        ]
        for film in every
    ]
    probabilities = np.array(scores, float).reshape(widest.probabilities.shape)
    return replace(widest, probabilities=probabilities, members=every, deviations=deviations)
