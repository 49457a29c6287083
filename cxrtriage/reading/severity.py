"""How much of the lungs is affected: several nets of one making, read together, with measured intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from cxrtriage.film.film import Film
from cxrtriage.nets.classifier import FilmClassifier
from cxrtriage.nets.opacities import OpacityOutputs
from cxrtriage.nets.severity import BRIXIA_ZONE, EXTENT, OPACITY, ZONES, ScaleOutputs
from cxrtriage.reading.assessment import Brixia, Category, LungsSeen, Severity, Zones
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lungs import Lungs
from cxrtriage.reading.severity_card import SCALES, SeverityCard, read_severity_card
from cxrtriage.reading.zones import zones_of
from cxrtriage.weights import WEIGHTS_FOLDER, Card, WeightsError, load_net, need_numbers, parts_of, read_card

# Outputs that nets and zone models both have; those on a scale are 0 or more, the array's are chances.
SCALED = ("brixia", "extent", "opacity")
SAID = ("array", *SCALED)
# Opacity below which a film is of each category; more is severe. Lara 2025 (arXiv:2502.16622) bins opacity
# 0 to 6 into three; 0 to 2, 3 to 4 and 5 to 6 are our own cut, since the paper's could not be had.
_CATEGORIES: tuple[tuple[float, Category], ...] = ((0.5, "none"), (2.5, "mild"), (4.5, "moderate"))


@dataclass(frozen=True, eq=False)
class SeverityMap:
    """`map`: (rows, columns) float32 in film pixels, the likelihood (0..1) of a lesion at that place as
    learnt from scores of zones and from what the opacity finder marks; 0 outside the lungs. `net`: names
    of the nets that it comes from."""

    map: np.ndarray
    net: str


@dataclass(frozen=True, eq=False)
class SeverityScores:
    """Mean outputs over nets and zone models: `array` (6,) raw chances, `brixia` (6,), `extent`, `opacity`,
    `map` (rows, columns) chances over the input."""

    array: np.ndarray
    brixia: np.ndarray
    extent: float
    opacity: float
    map: np.ndarray


@dataclass(frozen=True, eq=False)
class ZoneReader:
    """A linear model of the scales with the net whose maps it was fitted on."""

    card: Card
    model: torch.nn.Module
    trunk: FilmClassifier

    @classmethod
    def load(cls, name: str, folder: Path) -> ZoneReader:
        """WeightsError where model or net is missing or damaged, or the net is another one by now."""
        card = read_card(name, folder)
        with parts_of(card):
            trunk_name, digits = str(card.settings["trunk"]), str(card.settings["trunk_sha256"])
        trunk = read_card(trunk_name, folder)
        if trunk.sha256 != digits:
            raise WeightsError(
                "weights_damaged", f"{name} was fitted on another {trunk_name}; fetch the weights again."
            )
        return cls(card, load_net(card, folder), load_net(trunk, folder))

    def look(self, films: torch.Tensor, zones: torch.Tensor) -> ScaleOutputs:
        """Films (films, 1, size, size) and their zone numbers -> the scales."""
        said: ScaleOutputs = self.model(self.trunk.forward_features(films), zones)
        return said


@dataclass(frozen=True, eq=False)
class Finder:
    """A net that marks opacities."""

    card: Card
    net: torch.nn.Module

    @classmethod
    def load(cls, name: str, folder: Path) -> Finder:
        """WeightsError where it is missing or damaged."""
        card = read_card(name, folder)
        return cls(card, load_net(card, folder))

    def look(self, films: torch.Tensor, zones: torch.Tensor) -> OpacityOutputs:
        """Films (films, 1, size, size) and their zone numbers -> chances of zones and marks; WeightsError
        where it gives no number."""
        said: OpacityOutputs = self.net(films, zones)
        for each in (said.array, said.map):
            need_numbers(each, self.card.name)
        return said


@dataclass(frozen=True)
class Told:
    """How outputs become scores: scaling of the array, the least chance of a zone that counts, slopes of the
    scales (`SeverityCard.slopes`)."""

    scaling: tuple[float, float]
    least_chance: float
    slopes: dict[str, tuple[float, float]]

    def affected(self, parts: dict[str, np.ndarray]) -> np.ndarray:
        """(films, 6): chances of the zones that count, of the others 0."""
        return counted(calibrated_array(parts["array"], self.scaling), self.least_chance)

    def scores(self, parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by part (`SAID`) of films -> `array_score`, `brixia`, `extent`, `opacity` (films,) and
        `brixia_zone` (films, 6)."""
        zones = self.affected(parts)
        of_film = np.minimum(zones.sum(axis=1), 1)
        brixia = sloped(parts["brixia"], zones, self.slopes.get("brixia_zone"), BRIXIA_ZONE)
        return {
            "array_score": zones.sum(axis=1),
            "brixia": brixia.sum(axis=1),
            "brixia_zone": brixia,
            "extent": sloped(parts["extent"], of_film, self.slopes.get("extent"), EXTENT),
            "opacity": sloped(parts["opacity"], of_film, self.slopes.get("opacity"), OPACITY),
        }


class SeverityReader:
    """Shared by threads, since reading changes nothing in it."""

    def __init__(
        self,
        card: SeverityCard,
        cards: list[Card],
        nets: list[torch.nn.Module],
        zone_readers: Sequence[ZoneReader] = (),
        lone_finder: Finder | None = None,
        finder: Finder | None = None,
    ) -> None:
        self.card, self.nets, self.zone_readers = card, nets, zone_readers
        self.lone_finder, self.finder = lone_finder, finder
        self.net_cards = cards
        finders = [one.card for one in (lone_finder, finder) if one]
        self.cards = [*cards, *(one.card for one in zone_readers), *finders]
        with parts_of(cards[0]):
            self.form = InputForm.from_dict(cards[0].input)
        if any(other.input != cards[0].input for other in self.cards):
            raise WeightsError("weights_damaged", "The severity nets do not take the same picture.")

    @classmethod
    def load(cls, folder: Path = WEIGHTS_FOLDER) -> SeverityReader | None:
        """The nets of `severity.json`, None without it; WeightsError where one is missing or damaged."""
        card = read_severity_card(folder)
        if card is None:
            return None
        cards = [read_card(name, folder) for name in card.members]
        zone_readers = [ZoneReader.load(name, folder) for name in card.zone_models]
        lone, finder = (
            next((Finder.load(name, folder) for name in names), None)
            for names in (card.lone_finder, card.opacity_finder)
        )
        finders = [one.card for one in (lone, finder) if one]
        for one in [*cards, *(reader.card for reader in zone_readers), *finders]:
            if not one.sha256.startswith(card.checksums[one.name]):
                raise WeightsError(
                    "weights_damaged",
                    f"{one.name} is not the net that was measured for severity; fetch the weights again.",
                )
        return cls(card, cards, [load_net(one, folder) for one in cards], zone_readers, lone, finder)

    @property
    def lungs(self) -> dict[str, str]:
        """The lung net these nets were measured with."""
        return self.cards[0].lungs

    @property
    def name(self) -> str:
        """Of the nets that the map comes from."""
        return "+".join(card.name for card in [*self.net_cards, *([self.finder.card] if self.finder else [])])

    def look(self, picture: np.ndarray, zones: np.ndarray) -> SeverityScores:
        """(size, size) uint8 in the input form, and its zone numbers -> mean of the nets' outputs."""
        inputs, numbers = self.form.tensor(picture), torch.from_numpy(zones)[None]
        with torch.no_grad():
            said = [net(inputs, numbers) for net in self.nets]
            of_zones = [reader.look(inputs, numbers) for reader in self.zone_readers]
            lone = self.lone_finder.look(inputs, numbers) if self.lone_finder else None
            marked = self.finder.look(inputs, numbers) if self.finder else None
        for card, one in zip(self.net_cards, said, strict=True):
            for part in ("map", *SAID):
                need_numbers(getattr(one, part), card.name)
        for reader, other in zip(self.zone_readers, of_zones, strict=True):
            for part in SAID:
                need_numbers(getattr(other, part), reader.card.name)
        mean = {part: _mean(said, part) for part in SAID}
        if of_zones:
            share, of_array = self.card.zone_models_share, self.card.zone_models_array_share
            for part in SCALED:
                mean[part] = mixed(mean[part], _mean(of_zones, part), share)
            mean["array"] = mixed_chances(mean["array"], _mean(of_zones, "array"), of_array)
        chances = torch.stack([one.map[0].sigmoid() for one in said]).mean(dim=0).numpy()
        if lone is not None:
            mean["array"] = likelier(mean["array"], lone.array[0].double().numpy())
        if marked is not None:
            chances = marked_map(
                chances,
                marked.map[0].sigmoid().numpy(),
                zones > 0,
                self.card.opacity_finder_map_least,
                self.card.opacity_finder_map_against,
            )
        return SeverityScores(
            mean["array"], mean["brixia"], float(mean["extent"]), float(mean["opacity"]), chances
        )

    def zones(self, lungs: Lungs) -> np.ndarray:
        """(size, size) uint8 zone numbers in the input form."""
        return self.form.map_in(zones_of(lungs), lungs)

    def severity(self, scores: SeverityScores, lungs: Lungs) -> Severity:
        """The scores with their intervals, as they are told."""
        told = Told(self.card.array, self.card.least_chance, self.card.slopes)
        said = told.scores({part: np.asarray(getattr(scores, part))[None] for part in SAID})
        score = {name: self.card.scale(name, float(said[name][0])) for name in SCALES}
        return Severity(
            LungsSeen(lungs.found, round(lungs.confidence, 3), lungs.codes),
            _pairs(np.round(calibrated_array(scores.array, self.card.array), 3)),
            score["array_score"],
            Brixia(_pairs(np.round(said["brixia_zone"][0], 2)), score["brixia"]),
            score["extent"],
            score["opacity"],
            category_of(float(said["opacity"][0])),
        )

    def map(self, scores: SeverityScores, film: Film, lungs: Lungs) -> SeverityMap:
        """The map in film pixels, within the lungs."""
        back = np.clip(self.form.map_back(scores.map, film, lungs), 0, 1)
        inside = lungs.part((0, 0, film.rows, film.columns), film.rows, film.columns, film.rows, film.columns)
        return SeverityMap(np.where(inside, back, 0).astype(np.float32), self.name)


def mixed(of_nets: np.ndarray, of_zone_models: np.ndarray, share: float) -> np.ndarray:
    """Scores of the nets and of the zone models, which have this `share`, of any shape."""
    return np.asarray((1 - share) * of_nets + share * of_zone_models)


def mixed_chances(of_nets: np.ndarray, of_zone_models: np.ndarray, share: float) -> np.ndarray:
    """Chances (any shape, 0..1), of which the zone models have this `share` of the log odds."""
    logits = (1 - share) * _logits(of_nets) + share * _logits(of_zone_models)
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def likelier(chances: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """Chances of zones (any shape, 0..1), or what the lone finder says where that is more: it sees a lone
    nodule, but not all that is ill, so that what it does not find says nothing of a zone."""
    return np.maximum(chances, marked)


def raised(chances: np.ndarray, marked: np.ndarray, least: float, against: float) -> np.ndarray:
    """Chances of places (any shape, 0..1), raised by the log odds of what the opacity finder marks beyond
    those of `least`, and lowered by the share `against` of those by which it stays below."""
    beyond = _logits(marked) - _logits(np.asarray(least))
    logits = _logits(chances) + np.maximum(beyond, 0) + against * np.minimum(beyond, 0)
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def marked_map(
    chances: np.ndarray, marked: np.ndarray, lungs: np.ndarray, least: float, against: float
) -> np.ndarray:
    """A map of chances (any rows, any columns), raised and lowered place by place as `raised` has it; as fine
    as what the opacity finder marks (rows, columns), which is finer.

    Beside the `lungs` (rows, columns; bool) it was taught nothing: what it marks at the nearest place within
    them holds there, so that the film's own edge of the lungs, which is finer, shows no rim.
    """
    rows, columns = marked.shape
    fine = cv2.resize(np.asarray(chances, np.float32), (columns, rows), interpolation=cv2.INTER_LINEAR)
    return raised(fine, _nearest(marked, lungs), least, against).astype(np.float32)


def _nearest(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Of each place (rows, columns) the value at the nearest one that is `known` (bool); as they are where
    none is."""
    if not known.any():
        return values
    unknown = (~known).astype(np.uint8)
    numbers = cv2.distanceTransformWithLabels(unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1]
    of_number = np.zeros(int(numbers.max()) + 1)
    of_number[numbers[known]] = values[known]
    return np.asarray(of_number[numbers])


def _logits(chances: np.ndarray) -> np.ndarray:
    held = np.clip(chances, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(held / (1 - held)))


def _mean(said: Sequence[ScaleOutputs], part: str) -> np.ndarray:
    """Of the first film."""
    mean: np.ndarray = torch.stack([getattr(one, part)[0] for one in said]).double().mean(dim=0).numpy()
    return mean


def calibrated_array(chances: np.ndarray, scaling: tuple[float, float]) -> np.ndarray:
    """Chances (any shape) whose logits were stretched and shifted."""
    logits = scaling[0] * _logits(chances) + scaling[1]
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def sloped(said: Any, affected: Any, slopes: tuple[float, float] | None, most: float) -> np.ndarray:
    """Scores of the nets as they are told, at most `most`: by a slope, and by another that the chance (0..1)
    counts in with which a zone, or any zone of the film, is affected. Shapes alike."""
    values = np.asarray(said, float)
    if slopes is None:
        return values
    return np.asarray(np.clip(values * (slopes[0] + slopes[1] * np.asarray(affected, float)), 0, most))


def counted(chances: np.ndarray, least: float) -> np.ndarray:
    """Chances of zones, those below `least` as 0: six small ones are no affected zone."""
    return np.where(chances >= least, chances, 0.0)


def category_of(opacity: float) -> Category:
    """none, mild, moderate or severe, by the opacity 0..6."""
    return next((name for most, name in _CATEGORIES if opacity < most), "severe")


def _pairs(zones: np.ndarray) -> Zones:
    """(6,) upper right, upper left, and down -> rows of (right, left)."""
    assert zones.shape == (ZONES,)
    upper, middle, lower = zones.reshape(3, 2).tolist()
    return tuple(upper), tuple(middle), tuple(lower)
