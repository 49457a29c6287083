"""Can the hospital be told from what a net made of a healthy film? The less, the better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from train.films import Labelled
from train.manifest import FilmRow

# Fewer normal films of a source are no sample of its style.
LEAST = 30
# So many train films of a source are enough for a linear probe, and the passes are dear.
MOST = 120
# Of the logistic regression on standardised features: firm, as there are more features than films.
_STRENGTH = 0.1


def probe_films(films: Labelled) -> tuple[Labelled, Labelled]:
    """Normal films of sources with enough: of the train split to teach, of the test split to ask."""
    normal = films.where(lambda row: row.label == "normal")
    number = Counter(row.source for row in normal.rows)
    splits = {(row.source, row.split) for row in normal.rows}
    kept = [s for s in number if number[s] >= LEAST and {(s, "train"), (s, "test")} <= splits]
    normal = normal.of_sources(kept)
    train, seen = normal.split("train"), Counter[str]()
    index = []
    for place, row in enumerate(train.rows):
        seen[row.source] += 1
        if seen[row.source] <= MOST:
            index.append(place)
    return train.at(np.array(index, int)), normal.split("test")


def source_probe(
    train_rows: Sequence[FilmRow], train: np.ndarray, test_rows: Sequence[FilmRow], test: np.ndarray
) -> dict[str, Any]:
    """Balanced accuracy with which a linear probe tells the source of normal films, beside chance.

    `train` and `test` are (films, features) pooled features. Empty where there are not two sources.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    sources = np.array([row.source for row in train_rows])
    truths = np.array([row.source for row in test_rows])
    if len(set(sources)) < 2:
        return {}
    probe = make_pipeline(
        StandardScaler(), LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=500)
    )
    told = probe.fit(train, sources).predict(test)
    shares = {source: float((told == truths)[truths == source].mean()) for source in sorted(set(truths))}
    return {
        "balanced_accuracy": round(float(np.mean(list(shares.values()))), 4),
        "chance": round(1 / len(shares), 4),
        "films": [len(sources), len(truths)],
        "told_of_each_source": {str(source): round(share, 4) for source, share in shares.items()},
    }
