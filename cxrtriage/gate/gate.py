"""The gate: is this a whole frontal chest film, which way up, whose age; asked before any disease is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from cxrtriage.film.box import PixelBox
from cxrtriage.film.film import Film
from cxrtriage.gate.side_marker import SIDE_MARKER, SideMarkers
from cxrtriage.gate.surround import Surround, film_in, surround_of
from cxrtriage.nets.gate import KINDS, SIGNS, GateNet
from cxrtriage.weights import (
    WEIGHTS_FOLDER,
    Card,
    WeightsError,
    load_net,
    need_numbers,
    parts_of,
    read_card,
)

GATE, GATE_FINE = "gate", "gate_fine"
Verdict = Literal["accepted", "cautioned", "refused"]

# Of the two codes that a picture earns at once, the one said first, since mending it may mend the other.
_REFUSING = (
    "too_small", "flat", "too_bright", "too_dark", "not_frontal_chest", "lateral", "inverted", "rotated_180",
    "rotated_90", "cropped",
)  # fmt: skip
_CHILD_YEARS = 15.0
# Side in pixels under which ribs and vessels are gone; the smallest detectors give ten times as many.
_LEAST_SIDE = 96
_NO_PICTURE = 24  # and under which a picture shows nothing
# A film is longer than wide or the other way round, but no strip.
_MOST_RATIO = 2.2
# Differences of grey, as shares of the whole range, that a picture must have at least.
_FLAT = 0.04
_BRIGHT, _DARK = 0.97, 0.03
# A picture turned by a quarter is in the mirror turned the other way.
_TURNS_MIRRORED = [0, 3, 2, 1]
# Kinds that show no chest film in any way.
_FOREIGN = ("ct", "other_xray", "other_scan", "not_medical")
# Hardly a frontal film has more of their chance: of 544 validation films none has 0.014, of 1,267 of
# hospitals that a net was not taught one has 0.43, too little else to pass. Set with a net that gave
# a CT scout, which looks like a film, 0.11.
_FOREIGN_MOST = 0.1
# What lies on something even with straight sides may look a little more foreign than other photographs do,
# as words around a film look like a form: of 200 forms made of validation films, whose lines of words are
# straight too, none lies on such a thing and between the two limits, of 430 pages twelve.
_FOREIGN_ON_PLATE = 0.08
_CACHED = 224  # the size at which films were equalised for training


@dataclass(frozen=True)
class Thresholds:
    """On the net's chances, set on validation films; `distance` is in the units of `GateNet.distance`, and
    `view` is the least chance of a view for it to be said. `photograph`: of the chance that it is a frontal
    film, whole or photographed, the share that it is photographed. Over a chance of `foreign` that it is a
    scan, another X-ray or nothing medical, a picture is neither a part nor a photograph of a chest film: of
    these the net is hardly ever in doubt, while forms and legs often look like them."""

    frontal: float = 0.5
    photograph: float = 0.5
    inverted: float = 0.5
    turned: float = 0.5
    mirrored: float = 0.95
    child: float = 0.98
    distance: float = 3.0
    view: float = 0.5
    foreign: float = 0.05


@dataclass(frozen=True)
class GateResult:
    """What the gate says of a film.

    `codes`: of `cxrtriage.film.codes`, the weightiest first. `view`: by the file's tag where it has one, else
    by look, else None where the look is unsure. `frontal_chest`: chance that it is one, the right way up.
    `turns`: quarter turns counter-clockwise and `invert`: what would right the film, where that is all
    that is wrong with it. `film_at`: where the film lies in a picture of it that is cautioned of, if that is
    seen and what lies there is not refused.
    """

    verdict: Verdict
    codes: tuple[str, ...]
    view: str | None
    frontal_chest: float
    turns: int = 0
    invert: bool = False
    film_at: PixelBox | None = None

    @property
    def rightable(self) -> bool:
        """Whether turning or inverting makes it a film that can be read."""
        return bool(self.turns or self.invert)

    def cautioned(self, code: str) -> GateResult:
        """Of a film that is not refused: with another reason for caution, the weightiest."""
        return replace(self, verdict="cautioned", codes=(code, *self.codes))

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "codes": list(self.codes),
            "view": self.view,
            "frontal_chest": round(self.frontal_chest, 4),
        }


@dataclass(frozen=True)
class Look:
    """What the net says of one picture: chances by kind, of each quarter turn and of each sign, the
    distance."""

    kinds: dict[str, float]
    turns: tuple[float, ...]
    signs: dict[str, float]
    distance: float

    @property
    def frontal(self) -> float:
        return self.kinds["frontal_chest"]

    @property
    def photographed(self) -> float:
        """Of the chance of a frontal film, whole or photographed, the share that it is photographed."""
        photograph = self.kinds["photograph_of_film"]
        return photograph / max(photograph + self.frontal, 1e-9)

    @property
    def foreign(self) -> float:
        """The greatest chance of a kind that shows no chest film in any way."""
        return max(self.kinds[kind] for kind in _FOREIGN)

    @property
    def kind(self) -> str:
        return max(self.kinds, key=lambda kind: self.kinds[kind])


class Gate:
    """One net, or several that look at a picture each in its own size and speak in the mean of their chances.
    Shared by threads, since looking changes nothing in it.

    `card` is of the net that comes first; it holds the thresholds, which are of all together, and names the
    nets `beside` it, and what reads side `markers`, with the checksums of their weights.
    """

    def __init__(
        self,
        card: Card,
        net: GateNet,
        beside: Sequence[tuple[Card, GateNet]] = (),
        markers: SideMarkers | None = None,
    ) -> None:
        self.card, self.markers = card, markers
        self.nets = ((card, net), *beside)
        self._sizes = []
        for one, _ in self.nets:
            with parts_of(one):
                self._sizes.append(int(one.input["size"]))
        with parts_of(card):
            limits = card.settings.get("thresholds", {})
            self.thresholds = Thresholds(**{name: float(limit) for name, limit in limits.items()})

    @classmethod
    def load(cls, folder: Path = WEIGHTS_FOLDER) -> Gate:
        """Cards and weights; WeightsError where they are missing, damaged or do not belong together."""
        card = read_card(GATE, folder)
        with parts_of(card):
            named = dict(card.settings.get("beside", {}))
            markers_sha256 = card.settings.get("markers")
        beside = [
            (other, _gate_net(other, folder))
            for other in (_of_checksum(name, sha256, folder) for name, sha256 in named.items())
        ]
        markers = None
        if markers_sha256:
            _of_checksum(SIDE_MARKER, markers_sha256, folder)
            markers = SideMarkers.load(folder)
        return cls(card, _gate_net(card, folder), beside, markers)

    def picture(self, pixels: np.ndarray) -> np.ndarray:
        """(rows, columns) float in 0..1 -> (224, 224) uint8, equalised as the training films were."""
        small = cv2.resize(pixels, (_CACHED, _CACHED), interpolation=cv2.INTER_AREA)
        low, high = float(small.min()), float(small.max())
        small = (small - low) * (255.0 / (high - low) if high > low else 0.0)
        return np.asarray(cv2.equalizeHist(np.clip(small + 0.5, 0, 255).astype(np.uint8)))

    def look(self, picture: np.ndarray) -> Look:
        """What the net says of a picture in its form."""
        return self.looks([picture])[0]

    def looks(self, pictures: list[np.ndarray]) -> list[Look]:
        """The same of several; WeightsError `no_score` where a net gives no number: then nothing passes."""
        said = [
            _said(card, net, np.stack([_at_size(picture, size) for picture in pictures]))
            for (card, net), size in zip(self.nets, self._sizes, strict=True)
        ]
        kinds, turns, signs, distance = (torch.stack(each).mean(0) for each in zip(*said, strict=True))
        return [
            Look(
                dict(zip(KINDS, kinds[n].tolist(), strict=True)),
                tuple(turns[n].tolist()),
                dict(zip(SIGNS, signs[n].tolist(), strict=True)),
                float(distance[n]),
            )
            for n in range(len(pictures))
        ]

    def check(self, film: Film) -> GateResult:
        """The verdict on a film. Accepted films may be read; cautioned ones on the reader's own word; refused
        ones not, though some only need to be turned or inverted (`rightable`)."""
        result = self._checked(film)
        if result.verdict != "cautioned" or "photograph" not in result.codes:
            return result
        box = film_in(film.pixels)
        if box is None or self._checked(cut_out(film, box)).verdict == "refused":
            return result
        return replace(result, film_at=box)

    def _checked(self, film: Film) -> GateResult:
        """The verdict, without a look for what could be cut out."""
        measured = measured_codes(film)
        if measured and (measured != ("too_small",) or min(film.rows, film.columns) < _NO_PICTURE):
            return GateResult("refused", measured, film.view, 0.0)
        picture = self.picture(film.pixels)
        first = self.look(picture)
        turns, invert, look = self._righted(picture, first)
        upright = np.rot90(film.pixels, -turns)
        upright = np.float32(1.0) - upright if invert else upright
        around = surround_of(upright)
        # A thumbnail of something else is that first, and small second.
        codes = self._refusals(look, film, around) or list(measured)
        righting: list[str] = []
        if not codes and invert:
            righting.append("inverted")
        if not codes and turns:
            righting.append("rotated_180" if turns == 2 else "rotated_90")
        cautions = [] if codes else self._cautions(look, film, upright, around)
        ordered = sorted([*codes, *righting], key=_REFUSING.index)
        verdict: Verdict = "refused" if ordered else "cautioned" if cautions else "accepted"
        view = film.view or ("lateral" if "lateral" in codes else None)
        if view is None and not codes:
            view = self._view(look)
        rightable = bool(righting) and not codes
        return GateResult(
            verdict,
            (*ordered, *cautions),
            view,
            first.frontal if not ordered else min(first.frontal, 0.5),
            (-turns) % 4 if rightable else 0,
            invert and rightable,
        )

    def _righted(self, picture: np.ndarray, first: Look) -> tuple[int, bool, Look]:
        """How the film was turned and whether inverted, and what the net says of it the right way up.

        A film that looks turned is looked at again the other way: only if it then looks more like a chest
        film was it turned, since what is no chest film has no right way up.
        """
        limits = self.thresholds
        turns = int(np.argmax(first.turns))
        turns = turns if first.turns[turns] > limits.turned else 0
        invert = first.signs["inverted"] > limits.inverted
        if not turns and not invert:
            return 0, False, first
        other = np.rot90(picture, -turns)
        other = 255 - other if invert else other
        second = self.look(np.ascontiguousarray(other))
        upright = int(np.argmax(second.turns)) == 0 and second.signs["inverted"] <= limits.inverted
        if upright and (second.frontal >= limits.frontal or second.frontal >= first.frontal):
            return turns, invert, second
        return 0, False, first

    def _refusals(self, look: Look, film: Film, around: Surround) -> list[str]:
        """Codes of what is no whole frontal chest film."""
        if film.view == "lateral":
            return ["lateral"]
        limits = self.thresholds
        photograph = look.kinds["photograph_of_film"]
        # Words around a film look like a form, which the film among them is not.
        page = around.on_page and photograph > look.foreign
        most = max(limits.foreign, _FOREIGN_ON_PLATE) if around.on_plate else limits.foreign
        foreign = look.foreign > most and not page
        # A photograph of a film shows a film: it is cautioned.
        frontal = look.frontal + photograph >= limits.frontal and (page or look.foreign <= _FOREIGN_MOST)
        if not frontal or (photograph > look.frontal and foreign):
            chances = {"lateral": look.kinds["lateral_chest"], "cropped": look.kinds["part_of_chest"]}
            # All that shows no single chest film has one code.
            chances["not_frontal_chest"] = 1 - sum(chances.values()) - look.frontal
            code = max(chances, key=lambda code: chances[code])
            return ["not_frontal_chest" if foreign and code == "cropped" else code]
        far = look.distance > limits.distance and look.frontal > photograph
        return ["not_frontal_chest"] if far else []

    def _view(self, look: Look) -> Literal["AP", "PA"] | None:
        """AP or PA by look, if it is sure enough to be said."""
        chance = look.signs["AP"]
        if max(chance, 1 - chance) < self.thresholds.view:
            return None
        return "AP" if chance > 0.5 else "PA"

    def _mirrored(self, look: Look, upright: np.ndarray) -> bool:
        """By heart and vessels as the nets see them, and by the side marker where one can be read."""
        odds, limit = _log_odds(look.signs["mirrored"]), _log_odds(self.thresholds.mirrored)
        if self.markers is None or odds + self.markers.most <= limit:  # no marker can turn it
            return odds > limit
        return odds + self.markers.mirrored(upright) > limit

    def _cautions(self, look: Look, film: Film, upright: np.ndarray, around: Surround) -> list[str]:
        codes = []
        if look.photographed > self.thresholds.photograph or around.on_plate or around.window:
            codes.append("photograph")
        if self._mirrored(look, upright):
            codes.append("mirrored")
        by_look = film.age_years is None and look.signs["child"] > self.thresholds.child
        if by_look or (film.age_years is not None and film.age_years < _CHILD_YEARS):
            codes.append("child")
        return codes


def _log_odds(chance: float) -> float:
    return math.log(max(chance, 1e-9) / max(1 - chance, 1e-9))


def _of_checksum(name: str, sha256: str, folder: Path) -> Card:
    """The card of weights that go with the gate's; WeightsError where they are others."""
    card = read_card(name, folder)
    if card.sha256 != sha256:
        raise WeightsError(
            "weights_damaged", f"The gate's thresholds are not of these weights {name}; fetch all again."
        )
    return card


def _gate_net(card: Card, folder: Path) -> GateNet:
    net = load_net(card, folder)
    if not isinstance(net, GateNet):
        raise WeightsError(
            "weights_damaged", f"The card {card.name}.json is of no gate; fetch the weights again."
        )
    return net


def _at_size(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture of the gate -> (size, size) uint8, equalised at its size too."""
    return np.asarray(cv2.equalizeHist(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)))


def _said(card: Card, net: GateNet, pictures: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(pictures, size, size) uint8 -> what a net says: chances by kind, by quarter turns and by sign, and
    the distance; each the mean of the picture and its mirror image."""
    batch = torch.from_numpy(pictures)[:, None].float() / 127.5 - 1
    with torch.inference_mode():
        features = net.features(torch.cat([batch, batch.flip(-1)]))
        out = net.heads(features)
        away = net.distance(features)
        for said in (*out.values(), away):
            need_numbers(said, card.name)
        return (
            _of_both(out["kind"].softmax(1)),
            _of_both(out["turn"].softmax(1), lambda mirrored: mirrored[:, _TURNS_MIRRORED]),
            _of_both(out["sign"].sigmoid(), _signs_mirrored),
            _of_both(away),
        )


def _of_both(said: Tensor, back: Callable[[Tensor], Tensor] = lambda mirrored: mirrored) -> Tensor:
    """Mean of what was said of pictures and, brought `back` to these, of their mirror images after them."""
    plain, mirrored = said.chunk(2)
    return (plain + back(mirrored)) / 2


def _signs_mirrored(signs: Tensor) -> Tensor:
    """What the signs of a mirror image say of the picture."""
    back = signs.clone()
    back[:, SIGNS.index("mirrored")] = 1 - back[:, SIGNS.index("mirrored")]
    return back


def measured_codes(film: Film) -> tuple[str, ...]:
    """What plain measurements say against a film, before any net is asked."""
    if min(film.rows, film.columns) < _LEAST_SIDE:
        return ("too_small",)
    if max(film.rows, film.columns) > _MOST_RATIO * min(film.rows, film.columns):
        return ("not_frontal_chest",)
    low, high = (float(value) for value in np.quantile(film.pixels[::4, ::4], (0.02, 0.98)))
    if low > _BRIGHT:
        return ("too_bright",)
    if high < _DARK:
        return ("too_dark",)
    return ("flat",) if high - low < _FLAT else ()


def mended(film: Film, result: GateResult) -> Film:
    """The film turned and inverted, or cut out of a picture of it, as the gate says; itself where that would
    not make it one to be read."""
    if result.rightable:
        return righted(film, result)
    return film if result.film_at is None else cut_out(film, result.film_at)


def righted(film: Film, result: GateResult) -> Film:
    """The film turned and inverted as the gate says it should be, with the note `righted`; boxes that were
    blanked turn with it."""
    pixels = np.rot90(film.pixels, result.turns)
    if result.invert:
        pixels = np.float32(1.0) - pixels
    spacing = film.spacing_mm
    if spacing is not None and result.turns % 2:
        spacing = (spacing[1], spacing[0])
    return replace(
        film,
        pixels=np.ascontiguousarray(pixels, np.float32),
        spacing_mm=spacing,
        notes=(*film.notes, "righted"),
        blanked=tuple(box.turned(result.turns, film.rows, film.columns) for box in film.blanked),
    )


def cut_out(film: Film, box: PixelBox) -> Film:
    """What of a picture lies in the box, as a film with the note `cut_out`: the film without what it was
    photographed on. Its grey levels are those of the picture."""
    return replace(
        film.noted("cut_out"),
        pixels=np.ascontiguousarray(film.pixels[box.top : box.bottom, box.left : box.right]),
        blanked=tuple(inside for one in film.blanked if (inside := one.within(box))),
    )
