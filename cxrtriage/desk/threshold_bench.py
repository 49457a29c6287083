"""The threshold bench: scores of a hospital's own films beside what they truly showed.

It says what the cards' thresholds give there, and sets thresholds that promise the asked sensitivity or
specificity of further films like these. That promise needs no model of the scores, only that further films
come as these did (are exchangeable): of n films with the disease the m-th lowest score misses m of n + 1
further ones on average, and the sensitivity behind it is distributed as Beta(n + 1 - m, m) (Vovk 2012, split
conformal prediction). So a small set asks for a lower threshold, and its interval says how small it was.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from scipy import stats

from cxrtriage.reading.assessment import Assessment
from cxrtriage.reading.call import logit, pooled_probability
from cxrtriage.reading.ensemble import read_ensemble, speakers
from cxrtriage.reading.site import Site, SitePoint, site_name
from cxrtriage.weights import Card, OperatingPoint, read_card

FEWEST_FILMS = 20  # with the disease, and as many without: of 20 the interval of 0.90 begins at 0.75
SENSITIVITIES = (0.90,)
SPECIFICITIES = (0.70,)
_SURE = 0.95
_DRAWS = 1000
_EQUAL = 1e-6  # logits that went through JSON


class BenchError(Exception):
    """Scores or truths that nothing can be set on; `message` is one sentence for the user."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


@dataclass(frozen=True)
class Rate:
    """A share (0..1) of films with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True)
class Tried:
    """A threshold and what it gives on the films of the bench."""

    name: str
    threshold: float
    sensitivity: Rate
    specificity: Rate


@dataclass(frozen=True, eq=False)
class ClassBench:
    """One class on the bench, one film a patient.

    `scores_with`, `scores_without`: (films,) float, probabilities of films with and without the class,
    sorted. `auroc`: how well the score orders them (area under the ROC curve; None where that would rest on
    one film). `card`: what the cards' thresholds give. `own`: those set here; none where films are too few.
    """

    scores_with: np.ndarray
    scores_without: np.ndarray
    auroc: Rate | None
    card: tuple[Tried, ...]
    own: dict[str, SitePoint]

    @property
    def own_tried(self) -> tuple[Tried, ...]:
        """The thresholds set here, told as those of the cards are."""
        return tuple(
            Tried(
                name,
                one.threshold,
                Rate(one.sensitivity, *one.sensitivity_interval),
                Rate(one.specificity, *one.specificity_interval),
            )
            for name, one in self.own.items()
        )

    @property
    def films_with(self) -> int:
        return len(self.scores_with)

    @property
    def films_without(self) -> int:
        return len(self.scores_without)


@dataclass(frozen=True)
class Truth:
    """What is known of a film: by class whether it has the disease; `patient` groups films of one person."""

    file: str
    classes: dict[str, bool]
    patient: str | None = None


@dataclass(frozen=True)
class Nets:
    """The nets whose scores lie on the bench: their cards, which class each speaks of, and their
    thresholds."""

    cards: dict[str, Card]
    readers: dict[str, tuple[str, ...]]
    points: dict[str, dict[str, OperatingPoint]]

    @classmethod
    def installed(cls, rows: Sequence[Assessment]) -> Nets:
        """The installed nets that the first row was scored by; BenchError (`other_models`) where no threshold
        was ever measured for these together, WeightsError where they are not installed."""
        assert rows[0].diagnosis is not None
        ensemble = read_ensemble()
        names = rows[0].diagnosis.members
        if not names or not set(names) <= set(ensemble.weights):
            raise BenchError("other_models", _OTHER_NETS)
        cards = {name: read_card(name) for name in names}
        points = next(iter(cards.values())).operating_points if len(cards) == 1 else ensemble.points(cards)
        if not points:
            raise BenchError("other_models", _OTHER_NETS)
        return cls(cards, speakers(cards, ensemble), points)

    def probability(self, row: Assessment, class_name: str) -> float:
        """Of a class, from each net's own score; BenchError where the row says otherwise: it was scored by
        nets that were calibrated in another way."""
        assert row.diagnosis is not None
        nets = self.readers[class_name]
        try:
            own = [row.diagnosis.members[net][class_name] for net in nets]
            probability = pooled_probability(own, [self.cards[net].deviation(class_name) for net in nets])
            said = row.diagnosis.classes[class_name].probability
            same = 0 <= probability <= 1 and abs(logit(probability) - logit(said)) <= _EQUAL
        except (KeyError, TypeError, ValueError) as error:  # a row that somebody wrote by hand
            raise BenchError("no_scores", "The scores hold lines that assess did not write.") from error
        if not same:
            raise BenchError("other_models", _OTHER_NETS)
        return probability


_OTHER_NETS = (
    "These scores are of other models than those that are installed here; score the films anew "
    "(python -m cxrtriage assess)."
)


def truths_of(data: bytes, classes: Sequence[str]) -> list[Truth]:
    """The truths of a CSV: `file`, a column a class with 1, 0 or nothing (not known), and `patient` if there
    are several films of one.

    BenchError (`no_truths`) where it is no such table. Names of files are not repeated: one may be a
    patient's.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BenchError("no_truths", f"The truths cannot be read as CSV: {error}.") from error
    columns = [name for name in classes if rows and name in rows[0]]
    if not rows or "file" not in rows[0] or not columns:
        raise BenchError(
            "no_truths",
            f"The truths must have a column file and at least one of {', '.join(classes)}, each with 1, 0 or "
            "nothing.",
        )
    return [
        Truth(
            row["file"] or "",
            {name: known for name in columns if (known := _truth(row[name], line, name)) is not None},
            row.get("patient") or None,
        )
        for line, row in enumerate(rows, start=2)
    ]


def _truth(words: str | None, line: int, column: str) -> bool | None:
    known = {"1": True, "0": False, "": None}
    stripped = (words or "").strip()
    if stripped not in known:
        raise BenchError(
            "no_truths",
            f"Line {line} of the truths has {stripped[:20]!r} as {column}; it must be 1, 0 or nothing.",
        )
    return known[stripped]


def scores_of(data: bytes) -> list[Assessment]:
    """The rows that `assess` wrote and in which a film was read; BenchError (`no_scores`) where there are
    none."""
    try:
        rows = [Assessment.from_json(line) for line in data.decode("utf-8").splitlines() if line.strip()]
    except ValueError as error:  # also where it is no UTF-8
        raise BenchError(
            "no_scores", "The scores hold lines that are no rows of films as assess writes them."
        ) from error
    read = [row for row in rows if row.diagnosis is not None]
    if not read:
        raise BenchError("no_scores", "The scores hold no film that was read.")
    return read


def matched(rows: Sequence[Assessment], truths: Sequence[Truth]) -> list[tuple[Assessment, Truth]]:
    """Each truth with the row of its film, by the file's whole path or, where no two have it, by its name
    alone; truths without a row are left out, and a film counts once.

    BenchError where two truths contradict each other about one film, or none has a row.
    """
    by_path = {row.file: row for row in rows}
    by_name: dict[str, list[Assessment]] = {}
    for row in by_path.values():
        by_name.setdefault(_name(row.file), []).append(row)
    found: dict[str | None, tuple[Assessment, Truth]] = {}
    for truth in truths:
        alike = [by_path[truth.file]] if truth.file in by_path else by_name.get(_name(truth.file), [])
        if len(alike) != 1:
            continue
        row, known = found.setdefault(alike[0].sha256, (alike[0], truth))
        if known.classes != truth.classes:
            raise BenchError(
                "no_truths", "The truths contradict each other about a film that they name twice."
            )
    if not found:
        raise BenchError("no_truths", "No film of the truths is among the scores.")
    return list(found.values())


def _name(file: str) -> str:
    return PurePosixPath(file.replace("\\", "/")).name


def bench(
    pairs: Sequence[tuple[Assessment, Truth]],
    nets: Nets,
    sensitivities: Sequence[float] = SENSITIVITIES,
    specificities: Sequence[float] = SPECIFICITIES,
) -> dict[str, ClassBench]:
    """Every class of which a truth is known. `sensitivities`, `specificities`: what thresholds are to promise
    (each between 0 and 1).

    BenchError where the scores are not of these nets.
    """
    for row, _ in pairs:
        own = {name: row.versions.weights.get(name) for name in nets.cards}
        if own != {name: card.sha256[:12] for name, card in nets.cards.items()} or set(
            row.diagnosis.members if row.diagnosis else ()
        ) != set(nets.cards):
            raise BenchError("other_models", _OTHER_NETS)
    found = {}
    for class_name in (name for name in nets.readers if name in nets.points):
        scores = _one_a_patient(pairs, nets, class_name)
        if scores is not None:
            found[class_name] = _class_bench(*scores, nets.points[class_name], sensitivities, specificities)
    return found


def _one_a_patient(
    pairs: Sequence[tuple[Assessment, Truth]], nets: Nets, class_name: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """(films with,), (films without,) float: probabilities, sorted; the first film of each patient. Films of
    one patient are alike, and would make an interval too narrow."""
    seen: set[str] = set()
    of: dict[bool, list[float]] = {True: [], False: []}
    for row, truth in pairs:
        if class_name not in truth.classes or (truth.patient is not None and truth.patient in seen):
            continue
        if truth.patient is not None:
            seen.add(truth.patient)
        of[truth.classes[class_name]].append(nets.probability(row, class_name))
    if not of[True] and not of[False]:
        return None
    return np.sort(of[True]), np.sort(of[False])


def _class_bench(
    ill: np.ndarray,
    well: np.ndarray,
    points: Mapping[str, OperatingPoint],
    sensitivities: Sequence[float],
    specificities: Sequence[float],
) -> ClassBench:
    own: dict[str, SitePoint] = {}
    if min(len(ill), len(well)) >= FEWEST_FILMS:
        for share in sensitivities:
            if found := for_sensitivity(ill, well, share):
                own[f"sensitivity_{_digits(share)}"] = found
        for share in specificities:
            if found := for_specificity(ill, well, share):
                own[f"specificity_{_digits(share)}"] = found
    card = tuple(_tried(name, point.threshold, ill, well) for name, point in points.items())
    return ClassBench(ill, well, _auroc(ill, well), card, own)


def _digits(share: float) -> str:
    """0.90, 0.975: two digits, more where these are not all."""
    text = f"{share:.6f}".rstrip("0")
    return text if len(text) >= len("0.00") else f"{share:.2f}"


def for_sensitivity(ill: np.ndarray, well: np.ndarray, share: float) -> SitePoint | None:
    """The highest threshold that is expected to miss no more than 1 - share of further films with the
    disease; None where these are too few to promise it."""
    place = math.floor((1 - share) * (len(ill) + 1) + _EQUAL)
    if place < 1:
        return None
    threshold = float(ill[place - 1])  # a film at the threshold is flagged
    held = _expected(len(ill), place)
    return _point(threshold, held, _counted(well < threshold), ill, well)


def for_specificity(ill: np.ndarray, well: np.ndarray, share: float) -> SitePoint | None:
    """The lowest threshold that is expected to flag no more than 1 - share of further films without the
    disease; None where these are too few to promise it."""
    place = math.floor((1 - share) * (len(well) + 1) + _EQUAL)
    if place < 1:
        return None
    highest = float(well[len(well) - place])
    if highest >= 1:
        return None
    threshold = math.nextafter(highest, 1.0)  # just above: that film is not flagged
    held = _expected(len(well), place)
    return _point(threshold, _counted(ill >= threshold), held, ill, well)


def _point(
    threshold: float, sensitivity: Rate, specificity: Rate, ill: np.ndarray, well: np.ndarray
) -> SitePoint:
    return SitePoint(
        threshold,
        sensitivity.value,
        sensitivity.interval,
        specificity.value,
        specificity.interval,
        len(ill),
        len(well),
    )


def _expected(films: int, place: int) -> Rate:
    """The share of further films on the right side of the score in this place (1 for the outermost)."""
    right = stats.beta(films + 1 - place, place)
    low, high = right.interval(_SURE)
    return Rate(float(right.mean()), float(low), float(high))


def _counted(right: np.ndarray) -> Rate:
    """A share of films at a threshold that these films did not set, with its exact interval (Clopper
    1934)."""
    found = stats.binomtest(int(right.sum()), len(right)).proportion_ci(_SURE, method="exact")
    return Rate(float(right.mean()), float(found.low), float(found.high))


def _tried(name: str, threshold: float, ill: np.ndarray, well: np.ndarray) -> Tried:
    nothing = Rate(math.nan, 0.0, 1.0)
    return Tried(
        name,
        threshold,
        _counted(ill >= threshold) if len(ill) else nothing,
        _counted(well < threshold) if len(well) else nothing,
    )


def _auroc(ill: np.ndarray, well: np.ndarray) -> Rate | None:
    """With its bootstrap interval; None where it would rest on one film."""
    if min(len(ill), len(well)) < 2:
        return None

    def area(one: np.ndarray, other: np.ndarray, axis: int = -1) -> np.ndarray:
        above = stats.mannwhitneyu(one, other, axis=axis, method="asymptotic").statistic
        return np.asarray(above / (one.shape[axis] * other.shape[axis]))

    drawn = stats.bootstrap(
        (ill, well), area, n_resamples=_DRAWS, vectorized=True, method="percentile",
        confidence_level=_SURE, rng=np.random.default_rng(0),
    )  # fmt: skip
    low, high = drawn.confidence_interval
    return Rate(float(area(ill, well)), float(low), float(high))


def site_of(name: str, found: Mapping[str, ClassBench], nets: Nets) -> Site:
    """The thresholds set on the bench, bound to the nets. BenchError where films of every class are too few,
    or the name is none."""
    points = {class_name: one.own for class_name, one in found.items() if one.own}
    if not points:
        raise BenchError(
            "too_few_films",
            f"No threshold can be set: that needs at least {FEWEST_FILMS} films with a disease and as many "
            "without it, of different patients.",
        )
    try:
        written = site_name(name)
    except ValueError as error:
        raise BenchError("no_name", f"The site cannot be called so: {error}.") from error
    return Site(
        written,
        {net: card.sha256 for net, card in nets.cards.items()},
        {net: card.calibration_sha256 for net, card in nets.cards.items()},
        {class_name: nets.readers[class_name] for class_name in points},
        points,
    )


def bench_lines(found: Mapping[str, ClassBench]) -> Iterator[str]:
    """The bench in plain words, a line each."""
    for class_name, one in found.items():
        yield f"{class_name}: {one.films_with} films with it, {one.films_without} without, one a patient"
        if one.auroc is not None:
            yield f"  area under the ROC curve {_words(one.auroc)}"
        for tried in one.card:
            yield (
                f"  card {tried.name}, threshold {tried.threshold:.4g}: "
                f"sensitivity {_words(tried.sensitivity)}, specificity {_words(tried.specificity)}"
            )
        for own in one.own_tried:
            yield (
                f"  own {own.name}, threshold {own.threshold:.4g}: expected of further films "
                f"sensitivity {_words(own.sensitivity)}, specificity {_words(own.specificity)}"
            )
        if not one.own:
            yield f"  no threshold of its own: that needs {FEWEST_FILMS} films with it and as many without"


def _words(rate: Rate) -> str:
    if math.isnan(rate.value):
        return "not known"
    return f"{rate.value:.2f} ({rate.low:.2f} to {rate.high:.2f})"
