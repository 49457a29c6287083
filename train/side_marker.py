"""`python -m train side-marker`: which shapes on a film name the patient's left, and which the right.

Nobody wrote down what stands on these films. But hardly one of them is mirrored, so that the side a letter
lies on says what it names: of what lies on the right of the picture as often as on the left (ribs, cables,
words) the net learns to say nothing. Letters are shown mirrored half of the time, so that no slant of a
shoulder behind a letter gives its side away. Drawn ones beside them are of more types than these hospitals
have: L and R, and digits and letters that name no side.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from PIL import Image, ImageDraw, ImageFont
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional

from cxrtriage import nets
from cxrtriage.film import glyphs
from cxrtriage.film.read import read_film
from cxrtriage.gate import side_marker
from cxrtriage.gate.side_marker import Letters, SideMarkers, letter_tensor, letters_on
from cxrtriage.nets.side_marker import LETTER_SIDE, SideMarkerNet
from cxrtriage.weights import Card, save_net, write_card
from train.films import CACHE
from train.manifest import FilmRow, data_folder, read_films
from train.schedule import cosine_after_warmup
from train.settings import SettingsError, build_settings

# Letters and digits that name no side in any language that is likely here (D and I do, J is an L backwards).
_NEITHER = "0123456789ABCEFGHKMNOPSTUVWXYZ+"
_CANVAS = 96  # pixels that a letter is drawn on, before it is shown at the net's size
_PLAIN_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)


@dataclass(frozen=True)
class SideMarkerSettings:
    """All of a run. `exclude`: sources that are kept out, to be judged by. `most`: how far a letter may move
    the log odds. `drawn`: share of the letters shown that are drawn."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    most: float = 4.0
    drawn: float = 0.25
    learning_rate: float = 0.002
    weight_decay: float = 0.05
    batch: int = 256
    epochs: int = 7
    seed: int = 0


@dataclass(frozen=True, eq=False)
class LettersOfFilms:
    """The letters of many films, and of each the number of its film among `rows`."""

    rows: Sequence[FilmRow]
    letters: Letters
    film: np.ndarray

    def of(self, number: int) -> Letters:
        first, last = np.searchsorted(self.film, (number, number + 1))
        return Letters(self.letters.pictures[first:last], self.letters.right[first:last])


def read_side_marker_settings(path: Path) -> SideMarkerSettings:
    return build_settings(SideMarkerSettings, yaml.safe_load(path.read_text(encoding="utf-8")), str(path))


def train_side_marker(settings: SideMarkerSettings, runs: Path, *, steps: int | None = None) -> Card:
    """Train as the settings say and write `runs/NAME/NAME.safetensors` and its card; `steps` ends it early,
    for a trial of the whole path."""
    folder = runs / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for row in read_films(data_folder()) if row.view != "lateral"]
    found = letters_of_films(rows, runs / CACHE)
    kept = [n for n, row in enumerate(rows) if row.source not in settings.exclude]
    train = np.flatnonzero(np.isin(found.film, [n for n in kept if rows[n].split == "train"]))
    if not train.size:
        raise SettingsError(f"{settings.name}: no film to learn from shows anything like a letter.")
    torch.manual_seed(settings.seed)
    net = nets.build("side_marker", **settings.options)
    assert isinstance(net, SideMarkerNet)
    _learn(net, found, train, settings, steps)
    sources = Counter(rows[n].source for n in kept if rows[n].split == "train")
    card = Card(
        name=settings.name,
        task="which side of the patient a marker on a film names",
        classes=("left",),
        architecture="side_marker",
        options=settings.options,
        input={"size": LETTER_SIDE},
        sha256=save_net(net, folder / f"{settings.name}.safetensors"),
        licence="Under the terms of the films' sources; several forbid commercial use.",
        training_data=[{"source": source, "films": number} for source, number in sorted(sources.items())],
        settings={**asdict(settings), "weight": 1.0},
        cautions=("It knows the markers of the hospitals it was taught; one of another kind says nothing.",),
    )
    val = [n for n in kept if rows[n].split == "val"]
    markers = SideMarkers(card, net)
    told = np.array([markers.told(found.of(n)) for n in val])
    card = replace(card, settings={**card.settings, "weight": weight_of(told)})
    write_card(card, folder)
    return card


def weight_of(told: np.ndarray) -> float:
    """What log odds of films that are not mirrored must be multiplied by to be right as often as they say;
    0 where they err more often than not. `told` (films,): those of being mirrored."""
    if not told.any():
        return 0.0
    found = minimize_scalar(
        lambda weight: np.logaddexp(0, weight * told).mean(), bounds=(0, 4), method="bounded"
    )
    return round(float(found.x), 3)


def letters_of_films(rows: Sequence[FilmRow], cache: Path) -> LettersOfFilms:
    """Found once and kept in the cache, as long as what finds them stays the same."""
    finding = [inspect.getsource(module) for module in (glyphs, side_marker)]
    key = json.dumps([finding, [[str(row.path), row.path.stat().st_size] for row in rows]])
    path = cache / f"letters-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if not path.is_file():
        each = [letters_on(read_film(row.path).pixels) for row in rows]
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.part.npz")
        np.savez(
            partial,
            pictures=np.concatenate([one.pictures for one in each]),
            right=np.concatenate([one.right for one in each]),
            film=np.repeat(np.arange(len(rows)), [len(one.right) for one in each]),
        )
        partial.replace(path)
    kept = np.load(path)
    return LettersOfFilms(rows, Letters(kept["pictures"], kept["right"]), kept["film"])


def _learn(
    net: SideMarkerNet,
    found: LettersOfFilms,
    train: np.ndarray,
    settings: SideMarkerSettings,
    steps: int | None,
) -> None:
    """Of the letters numbered `train`, drawn by the square root of how many their source has."""
    sources = np.array([found.rows[n].source for n in found.film[train]])
    count = Counter(sources.tolist())
    chances = np.array([count[source] ** -0.5 for source in sources])
    chances /= chances.sum()
    random = np.random.default_rng(settings.seed)
    steps = steps or max(1, settings.epochs * len(train) // settings.batch)
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = cosine_after_warmup(optimiser, steps, 0.2)
    net.train()
    added = round(settings.drawn * settings.batch)
    for _ in range(steps):
        chosen = random.choice(train, settings.batch - added, p=chances)
        grounds = found.letters.pictures[random.choice(train, added), 0]
        drawn = [drawn_letter(ground, random) for ground in grounds]
        pictures = np.concatenate([found.letters.pictures[chosen], *[one[None] for one, _ in drawn]])
        left = net.layers(_varied(letter_tensor(pictures)))[:, 0]
        truth = torch.tensor([*found.letters.right[chosen], *[names for _, names in drawn]]).float()
        loss = functional.binary_cross_entropy_with_logits(left, truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    net.eval()


def _varied(letters: Tensor) -> Tensor:
    """Mirrored half of the time, leaning by up to 14 degrees, larger or smaller, and off the middle."""
    number = len(letters)
    letters = torch.where((torch.rand(number) < 0.5)[:, None, None, None], letters.flip(3), letters)
    lean, scale = (torch.rand(number) - 0.5) * 0.5, 1 + (torch.rand(number) - 0.5) * 0.4
    laid = torch.zeros(number, 2, 3)
    laid[:, 0, 0] = laid[:, 1, 1] = scale * lean.cos()
    laid[:, 1, 0] = scale * lean.sin()
    laid[:, 0, 1] = -laid[:, 1, 0]
    laid[:, :, 2] = (torch.rand(number, 2) - 0.5) * 0.2
    grid = functional.affine_grid(laid, list(letters.shape), align_corners=False)
    return functional.grid_sample(letters, grid, padding_mode="border", align_corners=False)


def drawn_letter(ground: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, bool]:
    """A letter drawn on (32, 32) uint8 -> picture (2, 32, 32) uint8 as `letters_on` gives it, and whether it
    names the left: L does, R does not; of others, and in words, chance says so."""
    names = bool(random.random() < 0.5)
    letter = "RL"[names] if random.random() < 0.5 else str(random.choice(list(_NEITHER)))
    ink = _inked(letter, random)
    beside = np.zeros_like(ink)
    if random.random() < 0.4:  # a letter of a word
        shift = int(random.choice((-1, 1)) * _CANVAS * random.uniform(0.6, 0.75))
        beside = np.roll(_inked(str(random.choice(list(_NEITHER))), random), shift, axis=1)
        beside[:, : max(shift, 0)] = 0
        beside[:, _CANVAS + min(shift, 0) :] = 0
        names = bool(random.random() < 0.5)
    size = (LETTER_SIDE, LETTER_SIDE)
    own, all_ink = (
        cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (ink, np.maximum(ink, beside))
    )
    share = cv2.GaussianBlur(all_ink, (0, 0), random.uniform(0.3, 1.0)).astype(float) / 255
    dark = ground * random.uniform(0.1, 0.6)
    greys = dark + share * (random.uniform(dark.max(), 255) - dark)
    greys += random.normal(0, random.uniform(0, 6), greys.shape)
    return np.stack([np.clip(greys, 0, 255).astype(np.uint8), own]), names


def _inked(letter: str, random: np.random.Generator) -> np.ndarray:
    """(96, 96) uint8, the letter in its middle with the room around it that one on a film is shown with."""
    canvas = Image.new("L", (2 * _CANVAS, 2 * _CANVAS))
    pen = ImageDraw.Draw(canvas)
    pen.text((_CANVAS, _CANVAS), letter, 255, _font(), anchor="mm", stroke_width=int(random.integers(0, 7)))
    inked = np.asarray(canvas)
    if random.random() < 0.5:  # strokes of one width, as bent of wire
        inked = np.zeros_like(inked)
        font, stroke = int(random.choice(_PLAIN_FONTS)), int(random.integers(3, 16))
        cv2.putText(inked, letter, (_CANVAS // 2, 3 * _CANVAS // 2), font, 3.5, 255, stroke, cv2.LINE_AA)
    left, top, width, height = cv2.boundingRect(inked)
    middle = (left + width / 2, top + height / 2)
    return cv2.warpAffine(
        inked,
        cv2.getRotationMatrix2D(middle, 0, _CANVAS / 1.5 / max(width, height))
        + np.array([[0, 0, _CANVAS / 2 - middle[0]], [0, 0, _CANVAS / 2 - middle[1]]]),
        (_CANVAS, _CANVAS),
        flags=cv2.INTER_AREA,
    )


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_CANVAS)
