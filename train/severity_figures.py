"""`python -m train evaluate severity`: errors of the severity nets beside the readers' own.

Intervals and calibration come from films each net had not seen (its own fold); test films only give figures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cxrtriage.reading.severity import Told, calibrated_array, category_of, counted, mixed_chances
from cxrtriage.reading.severity_card import SCALES, SEVERITY_FILE, SeverityCard, read_severity_card
from cxrtriage.weights import Card, WeightsError, load_net, read_card
from train.figures import ROUNDS
from train.lesion_maps import LesionMap, drawn_lesions, map_by, of_size, table_of_maps
from train.opacity_finder import MAP_AGAINST, MAP_LEAST, OpacityFinder
from train.pasting import SHAPES, paste_opacities
from train.pointing import pointed
from train.settings import SettingsError
from train.severity import SeverityData, settings_of_card
from train.severity_films import SEEN, affected_zones
from train.severity_truths import CONVERSIONS, SeverityTruth
from train.zone_models import ZoneModels

PARTS = ("array_score", "brixia", "brixia_zone", "extent", "opacity")
# A zone's chance below one of these does not count: the least with which so many normal validation films of
# every source stay at 0.
_LEAST_CHANCES = np.round(np.arange(0.1, 0.41, 0.05), 2)
_STAY_AT_0 = 0.9
_WELL_WEIGHT = 0.25
# Films with a pasted opacity, of each shape.
_PASTED = 200
_NO_FOLDS = (
    "The opacity finder has learnt from scored films, and its nets without each fold are not among the runs: "
    "python -m train opacities makes them."
)
# Asked of nine readers' scores of ten.
_COVERED = 0.9
# Greatest values of the three steps of a scale that have a half-width each, as shares of it.
_STEPS = (0.2, 0.6, 1.0)


class Scored:
    """What nets and readers said of films: by part, (films,), or (films, 6) for `brixia_zone`."""

    def __init__(self, truths: Sequence[SeverityTruth], said: dict[str, np.ndarray]) -> None:
        self.truths, self.said = truths, said
        self.patients = np.array([truth.row.patient for truth in truths])
        self.readers = {
            "array_score": np.array([truth.array.sum() for truth in truths]),
            "brixia": np.array([truth.zones.sum() for truth in truths]),
            "brixia_zone": np.array([truth.zones for truth in truths]),
            "extent": np.array([truth.extent for truth in truths]),
            "opacity": np.array([truth.opacity for truth in truths]),
        }

    def known(self, part: str) -> np.ndarray:
        """(films,) bool: a reader scored this part."""
        truth = self.readers[part]
        return np.asarray(~np.isnan(truth if truth.ndim == 1 else truth[:, 0]))

    def errors(self, part: str) -> np.ndarray:
        """(films,) or (films, 6) said minus read, of the films known."""
        known = self.known(part)
        return np.asarray(self.said[part][known] - self.readers[part][known])


def evaluate_severity(runs: Path, weights: Path, results: Path) -> dict[str, Any]:
    """Measure the nets `severity_1`, ...; write `severity.json` beside them and figures to `results`."""
    names = sorted(path.stem for path in weights.glob("severity_*.json"))
    if not names:
        raise SettingsError(f"there are no severity nets in {weights}; train and take some first.")
    cards = [read_card(name, weights) for name in names]
    settings = settings_of_card(cards[0])
    data = SeverityData(settings, runs)
    folds = data.folds()
    nets = {int(card.settings["fold"]) - 1: load_net(card, weights) for card in cards}
    zone_models, lone = ZoneModels(data, weights), OpacityFinder.of_zones(weights)
    finders = OpacityFinder.by_fold(weights, runs, nets)
    finder = finders[-1]
    # Asked for first: what is not known then is said before minutes of measuring.
    before = None if set(nets) <= set(finders) else _maps_measured_before(weights, cards, finder)
    beside = zone_models, lone
    together = said_by(data, {-1: list(nets.values())}, folds, *beside)
    unseen = said_by(data, {fold: [net] for fold, net in nets.items()}, folds, *beside)
    told = fit_told(unseen[1], data, unseen[0])
    held = _scored(data, unseen, told)
    test = _scored(data, together, told)
    figures = {
        "ours": {part: error_figures(test, part) for part in PARTS},
        "unseen": {part: error_figures(held, part) for part in PARTS},
        "readers": readers_errors([truth for truth in data.truths if len(truth.brixia) == 2]),
        "category": category_accuracy(test),
        "without_opacity": without_opacity(data, together, told),
        "pasted": {
            name: pasted_zones(
                data,
                array_by(list(nets.values()), *beside),
                shapes,
                told,
                films=_PASTED,
                map_=map_by(list(nets.values()), finder),
            )
            for name, shapes in {**{shape: (shape,) for shape in SHAPES}, "all": SHAPES}.items()
        },
        "map": drawn_lesions(data, {fold: [net] for fold, net in nets.items()}, folds, finders),
        "by_extent": by_extent(test),
    }
    if before is not None:
        for name, parts in figures["map"].items():
            parts["unseen"] = before[name]["unseen"]
    card = SeverityCard(
        {card.name: card.sha256[:12] for card in cards},
        told.scaling,
        {name: interval_widths(held, name) for name in SCALES},
        {**figures, "coverage": {}},
        (
            "Learnt from 250 or so scored films of published COVID-19 cases and few of other diseases.",
            "Trained on films of adults; not for children.",
        ),
        told.slopes,
        told.least_chance,
        {name: digits[:12] for name, digits in zone_models.checksums.items()},
        zone_models.share,
        zone_models.array_share,
        {name: digits[:12] for name, digits in lone.checksums.items()},
        {name: digits[:12] for name, digits in finder.checksums.items()},
        MAP_LEAST,
        MAP_AGAINST,
    )
    figures["coverage"] = {name: coverage(test, card, name) for name in SCALES}
    card = replace(card, figures=figures)
    # Whole or not at all: a full disk must not leave the program without the old one.
    partial = (weights / SEVERITY_FILE).with_suffix(".part")
    partial.write_text(json.dumps(card.to_dict(), indent=1, allow_nan=False) + "\n")
    partial.replace(weights / SEVERITY_FILE)
    results.mkdir(parents=True, exist_ok=True)
    (results / SEVERITY_FILE).write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n")
    (results / "severity.md").write_text(table(card))
    print({part: figures["ours"][part] for part in PARTS}, flush=True)
    return figures


def _maps_measured_before(weights: Path, cards: Sequence[Card], finder: OpacityFinder) -> dict[str, Any]:
    """What was measured of the maps of the very same nets, joined in the same way, on films unseen, where the
    finder's nets without a fold are on another machine. SettingsError where it is not known."""
    try:
        before = read_severity_card(weights)
    except WeightsError as error:
        raise SettingsError(f"{_NO_FOLDS} {error}") from error
    ours = {card.name: card.sha256[:12] for card in cards}
    marks = {name: digits[:12] for name, digits in finder.checksums.items()}
    asked = (ours, marks, (MAP_LEAST, MAP_AGAINST))
    if before is None or (before.members, before.opacity_finder, before.opacity_finder_joined) != asked:
        raise SettingsError(_NO_FOLDS)
    print("Figures of the maps of films unseen are kept as they were measured.", flush=True)
    maps: dict[str, Any] = before.figures["map"]
    return maps


Said = tuple[np.ndarray, dict[str, np.ndarray]]


def said_by(
    data: SeverityData,
    nets: dict[int, list[torch.nn.Module]],
    folds: np.ndarray,
    zone_models: ZoneModels,
    lone: OpacityFinder,
) -> Said:
    """Index of the films of these folds (all scored, well ones of val and test), and what nets, zone models
    and the finder of zones say together, as a film is read."""
    well = data.split("val", "test") & ~data.scored
    index = np.flatnonzero(np.isin(folds, list(nets)) & (data.scored | well))
    parts: dict[str, list[np.ndarray]] = {"array": [], "brixia": [], "extent": [], "opacity": []}
    for number in index:
        film, zones = _asked(data, number)
        with torch.inference_mode():
            said = [net(film, zones) for net in nets[int(folds[number])]]
        for part, values in parts.items():
            values.append(torch.stack([getattr(one, part)[0] for one in said]).double().mean(dim=0).numpy())
    outputs = {part: np.array(values) for part, values in parts.items()}
    outputs = zone_models.mixed_with(outputs, index, folds)
    array = [
        lone.likelier(said, *_asked(data, number))
        for number, said in zip(index, outputs["array"], strict=True)
    ]
    return index, {**outputs, "array": np.array(array).reshape(outputs["array"].shape)}


def _asked(data: SeverityData, number: np.integer[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Film (1, 1, size, size) and zones (1, size, size) as the nets take them."""
    scale, shift = data.settings.input.scale_and_shift
    film = torch.from_numpy(data.images[number].astype(np.float32) * scale + shift)
    return film[None, None], torch.from_numpy(data.zones[number])[None]


def fit_told(parts: dict[str, np.ndarray], data: SeverityData, index: np.ndarray) -> Told:
    """On outputs (films, ...) for the films of `index` that their nets had not seen."""
    scaling = fit_array(parts, data, index)
    told = Told(scaling, least_chance(parts, data, index, scaling), {})
    return replace(told, slopes=fit_slopes(parts, data, index, told.affected(parts)))


def _scored(data: SeverityData, said: Said, told: Told) -> Scored:
    index, parts = said
    kept = data.scored[index]
    return Scored([data.truths[i] for i in index[kept]], told.scores({k: v[kept] for k, v in parts.items()}))


def fit_slopes(
    parts: dict[str, np.ndarray], data: SeverityData, index: np.ndarray, affected: np.ndarray
) -> dict[str, tuple[float, float]]:
    """By scale a and b, 0 or more, of told = said * (a + b * affected): least squares over scored films; well
    films, which are 0, weigh a quarter of them together."""
    from scipy.optimize import nnls

    truths = [data.truths[i] for i in index]
    of_film = np.minimum(affected.sum(axis=1), 1)[:, None]
    targets = {
        "brixia_zone": ("brixia", np.array([truth.zones for truth in truths]), affected),
        "extent": ("extent", np.array([truth.extent for truth in truths])[:, None], of_film),
        "opacity": ("opacity", np.array([truth.opacity for truth in truths])[:, None], of_film),
    }
    scored = data.scored[index]
    slopes = {}
    for name, (part, truth, chances) in targets.items():
        known = ~np.isnan(truth[:, 0])
        of = scored[known]
        weight = np.where(of, 1.0, _WELL_WEIGHT * of.sum() / max((~of).sum(), 1))
        said = parts[part].reshape(len(parts[part]), -1)[known]
        root = np.repeat(np.sqrt(weight), truth.shape[1])
        terms = np.stack([said.ravel(), (said * chances[known]).ravel()], axis=1)
        found, _ = nnls(terms * root[:, None], truth[known].ravel() * root)
        slopes[name] = (round(float(found[0]), 4), round(float(found[1]), 4))
    return slopes


def fit_array(parts: dict[str, np.ndarray], data: SeverityData, index: np.ndarray) -> tuple[float, float]:
    """Factor and shift of the logit of a zone's chance that suit the readers best (Platt 1999)."""
    truth = np.array([data.truths[i].array for i in index])
    known = ~np.isnan(truth[:, 0])
    held = np.clip(parts["array"][known].ravel(), 1e-4, 1 - 1e-4)
    logits = torch.from_numpy(np.log(held / (1 - held)))
    target = torch.from_numpy(truth[known].ravel())
    # Well films are many; each counts so little that all of them weigh as much as the scored ones.
    scored = data.scored[index][known]
    weight = np.where(scored, 1.0, scored.sum() / max((~scored).sum(), 1))
    weights = torch.from_numpy(np.repeat(weight, truth.shape[1]))
    scaling = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([scaling], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        lost = torch.nn.functional.binary_cross_entropy_with_logits(
            scaling[0] * logits + scaling[1], target, weight=weights
        )
        lost.backward()
        return lost

    optimiser.step(loss)
    factor, shift = scaling.detach().tolist()
    return round(factor, 4), round(shift, 4)


def least_chance(
    parts: dict[str, np.ndarray], data: SeverityData, index: np.ndarray, scaling: tuple[float, float]
) -> float:
    """The least chance of a zone that counts: the smallest with which, of every source's normal validation
    films, nine of ten stay at an array score of 0 when rounded, or the greatest tried. It costs films of few
    affected zones."""
    well = np.flatnonzero((~data.scored & data.split("val"))[index])
    if not len(well):
        return float(_LEAST_CHANCES[0])
    chances = calibrated_array(parts["array"][well], scaling)
    sources = np.array([data.truths[i].row.source for i in index[well]])
    for least in _LEAST_CHANCES:
        at_0 = counted(chances, float(least)).sum(axis=1) < 0.5
        if min(at_0[sources == source].mean() for source in np.unique(sources)) >= _STAY_AT_0:
            return float(least)
    return float(_LEAST_CHANCES[-1])


def error_figures(scored: Scored, part: str) -> dict[str, Any]:
    """MAE, MSE and R2 with 95 % intervals, bootstrap over patients; R2 against the films' own mean."""
    known = scored.known(part)
    if known.sum() < 5:
        return {"films": int(known.sum())}
    errors, truth = scored.errors(part), scored.readers[part][known]
    if errors.ndim == 1:
        errors, truth = errors[:, None], truth[:, None]
    patients = scored.patients[known]

    def at(films: np.ndarray) -> tuple[float, float, float]:
        e, t = errors[films], truth[films]
        spread = ((t - t.mean()) ** 2).mean()
        mse = float((e**2).mean())
        return float(np.abs(e).mean()), mse, 1 - mse / spread if spread > 0 else float("nan")

    drawn = np.array(drawn_over_patients(at, patients))
    values = at(np.arange(len(errors)))
    figures: dict[str, Any] = {"films": int(known.sum()), "patients": len(set(patients))}
    for number, name in enumerate(("mae", "mse", "r2")):
        if not np.isfinite(drawn[:, number]).any() or not np.isfinite(values[number]):
            continue  # films that are all alike have no spread to explain
        low, high = np.nanpercentile(drawn[:, number], [2.5, 97.5])
        figures[name] = round(float(values[number]), 3)
        figures[f"{name}_interval"] = [round(float(low), 3), round(float(high), 3)]
    return figures


def drawn_over_patients(at: Callable[[np.ndarray], Any], patients: np.ndarray) -> list[Any]:
    """What `at` gives of the films (their index) of each bootstrap draw of whole patients."""
    random = np.random.default_rng(0)
    of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    return [
        at(np.concatenate([of[i] for i in random.integers(len(of), size=len(of))])) for _ in range(ROUNDS)
    ]


def readers_errors(truths: Sequence[SeverityTruth]) -> dict[str, Any]:
    """How far two readers of the same film are apart, on the scales that two have scored."""
    if not truths:
        return {}
    pairs = np.array([truth.brixia for truth in truths])
    total = pairs.sum(axis=2)
    array = (pairs >= 1).sum(axis=2)
    return {
        "films": len(truths),
        "brixia": {"mae": round(float(np.abs(total[:, 0] - total[:, 1]).mean()), 3)},
        "brixia_zone": {"mae": round(float(np.abs(pairs[:, 0] - pairs[:, 1]).mean()), 3)},
        "array_score": {
            "mae": round(float(np.abs(array[:, 0] - array[:, 1]).mean()), 3),
            "mse": round(float(((array[:, 0] - array[:, 1]) ** 2).mean()), 3),
        },
    }


def category_accuracy(scored: Scored) -> dict[str, Any]:
    """Share of films of the readers' category by opacity (mild, moderate, severe; none counts as mild), of
    each category, and of those whose opacity rounded to a whole number is the readers' (seven classes)."""
    known = scored.known("opacity")
    values, truths = scored.said["opacity"][known], scored.readers["opacity"][known]
    said, read = [_three(value) for value in values], [_three(value) for value in truths]
    hits = np.array([one == other for one, other in zip(said, read, strict=True)], bool)
    if not len(hits):
        return {"films": 0, "accuracy": None, "seven": None, "each": {}}
    of = np.array(read)
    each = {
        name: [int((of == name).sum()), round(float(hits[of == name].mean()), 3)]
        for name in sorted(set(read))
    }
    seven = np.floor(values + 0.5) == np.floor(truths + 0.5)
    return {
        "films": len(hits),
        "accuracy": round(float(hits.mean()), 3),
        "seven": round(float(seven.mean()), 3),
        "each": each,
    }


def _three(opacity: float) -> str:
    name = category_of(opacity)
    return "mild" if name == "none" else name


def without_opacity(data: SeverityData, together: Said, told: Told) -> dict[str, Any]:
    """Of normal test films by source: share whose array score, rounded, stays at 0, and mean extent."""
    index, parts = together
    scores = told.scores(parts)
    by_source: dict[str, Any] = {}
    for source in sorted({data.truths[i].row.source for i in index if not data.scored[i]}):
        kept = np.array([data.truths[i].row.source == source and not data.scored[i] for i in index])
        by_source[source] = {
            "films": int(kept.sum()),
            "stay_at_0": round(float((scores["array_score"][kept] < 0.5).mean()), 3),
            "mean_extent": round(float(scores["extent"][kept].mean()), 3),
        }
    return by_source


def by_extent(scored: Scored) -> dict[str, Any]:
    """MAE of extent for films of little, middling and great extent."""
    known = scored.known("extent")
    truth, errors = scored.readers["extent"][known], np.abs(scored.errors("extent"))
    parts = {"0 to 2": truth <= 2, "2 to 5": (truth > 2) & (truth <= 5), "over 5": truth > 5}
    return {
        name: {"films": int(kept.sum()), "mae": round(float(errors[kept].mean()), 3)}
        for name, kept in parts.items()
        if kept.any()
    }


def array_by(
    nets: Sequence[torch.nn.Module],
    zone_models: ZoneModels | None = None,
    lone: OpacityFinder | None = None,
) -> Callable[[torch.Tensor, torch.Tensor], np.ndarray]:
    """What all of these together say of a film (1, 1, size, size) with its zones: (6,) chances."""

    def array(film: torch.Tensor, zones: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            said = torch.stack([net(film, zones).array[0] for net in nets]).double().mean(dim=0).numpy()
        if zone_models is not None and zone_models.cards:
            said = mixed_chances(said, zone_models.array(film, zones), zone_models.array_share)
        return np.asarray(said) if lone is None else lone.likelier(said, film, zones)

    return array


def pasted_zones(
    data: SeverityData,
    array: Callable[[torch.Tensor, torch.Tensor], np.ndarray],
    shapes: Sequence[str] = ("cloud",),
    told: Told | None = None,
    *,
    split: str = "test",
    films: int = 100,
    map_: LesionMap | None = None,
) -> dict[str, Any]:
    """Of normal films of a split, into each of which one opacity was pasted so that a reader would see it:
    the share whose likeliest zone is an affected one, with `told` the share in which its chance counts
    besides, and with `map_` the share whose map is greatest within what was pasted."""
    random = np.random.default_rng(1)
    index = np.flatnonzero(data.split(split) & ~data.scored)
    scale, shift = data.settings.input.scale_and_shift
    hits, counts, points = [], [], []
    for number in random.permutation(np.repeat(index, 10)):
        picture, brighter = paste_opacities(data.images[number], data.zones[number], 1, random, shapes)
        zones = affected_zones((brighter > SEEN).astype(np.uint8), data.zones[number])
        if np.nansum(zones == 1) < 1:
            continue
        film = torch.from_numpy(picture.astype(np.float32) * scale + shift)[None, None]
        numbers = torch.from_numpy(data.zones[number])[None]
        chances = array(film, numbers)
        if map_ is not None:
            points.append(pointed(of_size(map_(film, numbers), picture.shape), brighter > SEEN)[0])
        hits.append(zones[int(chances.argmax())] == 1)
        if told is not None:
            counts.append(hits[-1] and told.affected({"array": chances}).max() > 0)
        if len(hits) == films:
            break
    figures: dict[str, Any] = {
        "films": len(hits),
        "likeliest_zone_is_affected": round(float(np.mean(hits)), 3) if hits else None,
    }
    for name, values in (("and_counts", counts), ("map_points", points)):
        if values:
            figures[name] = round(float(np.mean(values)), 3)
    return figures


def interval_widths(held: Scored, name: str) -> tuple[tuple[float, float], ...]:
    """Half-widths by step of the scale: the conformal quantile of the errors of films no net had seen.

    A step with fewer than 20 films takes the quantile of all.
    """
    said, errors = held.said[name][held.known(name)], np.abs(held.errors(name))
    most, steps, below = SCALES[name], [], -1.0
    for share in _STEPS:
        inside = (said > below) & (said <= share * most)
        steps.append(
            (round(share * most, 2), round(_quantile(errors[inside] if inside.sum() >= 20 else errors), 2))
        )
        below = share * most
    return tuple(steps)


def _quantile(errors: np.ndarray) -> float:
    rank = min(int(np.ceil((len(errors) + 1) * _COVERED)), len(errors))
    return float(np.sort(errors)[rank - 1])


def coverage(test: Scored, card: SeverityCard, name: str) -> dict[str, Any]:
    """Share of test films whose readers' score lies in the interval told, and the intervals' mean width."""
    known = test.known(name)
    scales = [card.scale(name, float(value)) for value in test.said[name][known]]
    inside = [
        scale.interval[0] - 1e-6 <= truth <= scale.interval[1] + 1e-6
        for scale, truth in zip(scales, test.readers[name][known], strict=True)
    ]
    return {
        "films": len(inside),
        "covered": round(float(np.mean(inside)), 3) if inside else None,
        "mean_width": round(float(np.mean([s.interval[1] - s.interval[0] for s in scales])), 2)
        if scales
        else None,
    }


def table(card: SeverityCard) -> str:
    """The figures as Markdown."""
    figures = card.figures
    lines = [
        "# Severity",
        "",
        'Made by `python -m train evaluate severity`. Test films are in no fold. "Unseen": films of the',
        "train and val splits, each read by the net that had not seen its patient. In brackets the 95 %",
        "interval, bootstrap over patients. The truth of Brixia and array is the mean of two readers:",
        "",
        "| scale | test films | MAE | MSE | R2 | MAE, unseen | two readers' MAE | in its 90 % interval |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for part in PARTS:
        ours, unseen = figures["ours"][part], figures["unseen"][part]
        readers = figures["readers"].get(part, {}).get("mae")
        covered = figures["coverage"].get(part, {}).get("covered")
        cells = [
            part.replace("_", " "), str(ours["films"]), *(_told(ours, name) for name in ("mae", "mse", "r2")),
            f"{_told(unseen, 'mae')} ({unseen['films']} films)", "–" if readers is None else f"{readers:.2f}",
            "–" if covered is None else f"{covered:.2f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    accuracy = figures["category"]
    lines += [
        "",
        f"Categories by opacity: {accuracy['accuracy']} of {accuracy['films']} test films are the readers'",
        f"(mild, moderate, severe; films and share of each: {accuracy['each']}); of seven classes 0 to 6",
        f"{accuracy['seven']}. Lara 2025 reports 0.80 of three, 0.62 of seven (DenseNet161) and an MAE of",
        "0.57 (ViT) on other films, so that the figures cannot be held against each other.",
        "Opacities pasted one by one into normal test films, so that a reader would see them:",
        "",
        "| shape | films | likeliest zone is affected | and its chance counts | map is greatest within it |",
        "|---|---|---|---|---|",
        *(
            f"| {shape} | {of['films']} | {of['likeliest_zone_is_affected']} | {of['and_counts']} | "
            f"{of['map_points']} |"
            for shape, of in figures["pasted"].items()
        ),
        "",
        "| normal test films of | films | array score stays at 0 | mean extent |",
        "|---|---|---|---|",
        *(
            f"| {source} | {of['films']} | {of['stay_at_0']:.3f} | {of['mean_extent']:.2f} |"
            for source, of in figures["without_opacity"].items()
        ),
        "",
        *table_of_maps(figures["map"]),
        "",
        "| extent by readers | films | MAE |",
        "|---|---|---|",
        *(f"| {name} | {of['films']} | {of['mae']:.2f} |" for name, of in figures["by_extent"].items()),
        "",
        "## Conversions of scales",
        "",
        "| from | to | factor | why |",
        "|---|---|---|---|",
        *(
            f"| {old} | {new} | {'–' if factor is None else factor} | {why} |"
            for (old, new), (factor, why) in CONVERSIONS.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _told(figures: dict[str, Any], name: str) -> str:
    if name not in figures:
        return "–"
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:.2f} ({low:.2f} to {high:.2f})"
