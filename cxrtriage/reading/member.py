"""One net of the reading: its card, its weights, its input form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cxrtriage.film.film import Film
from cxrtriage.nets import FilmClassifier, TransformerClassifier
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lungs import Lungs
from cxrtriage.reading.map_methods import GRAD_CAM, RELEVANCE, MapMethod
from cxrtriage.reading.relevance import relevance_through
from cxrtriage.reading.saliency import Saliency, grad_cam
from cxrtriage.weights import (
    WEIGHTS_FOLDER,
    Calibration,
    Card,
    WeightsError,
    load_net,
    need_numbers,
    parts_of,
    read_card,
)


@dataclass(frozen=True, eq=False)
class Member:
    """A net ready to read; shared by threads, since reading changes nothing in it."""

    card: Card
    net: FilmClassifier | TransformerClassifier
    form: InputForm

    @classmethod
    def load(cls, name: str, folder: Path = WEIGHTS_FOLDER) -> Member:
        """Card and weights of `name`; WeightsError where they are missing or damaged."""
        card = read_card(name, folder)
        with parts_of(card):
            form = InputForm.from_dict(card.input)
        return cls(card, load_net(card, folder), form)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """(films, size, size) uint8 in the input form -> (films, classes + findings) float64 logits."""
        with torch.inference_mode():
            batch = torch.cat([self.form.tensor(image) for image in images])
            return self.net(batch).double().numpy()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """(films, classes + findings) logits -> calibrated probabilities of the same shape."""
        parts = [self.card.calibration.get(name, Calibration()) for name in self.outputs]
        temperatures = np.array([part.temperature for part in parts])
        shifts = np.array([part.shift for part in parts])
        return sigmoid(logits / temperatures + shifts)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the net's outputs in order: classes, then findings."""
        return (*self.card.classes, *self.card.findings)

    def look(self, image: np.ndarray) -> list[torch.Tensor]:
        """The backbone's maps of one (size, size) uint8 picture in the input form: the costly part."""
        with torch.no_grad():
            maps: list[torch.Tensor] = self.net.forward_features(self.form.tensor(image))
        return maps

    def scores(self, maps: list[torch.Tensor]) -> dict[str, float]:
        """Calibrated probability by class and finding, from what `look` gave."""
        with torch.no_grad():
            logits = self.net.forward_head(maps)
        need_numbers(logits, self.card.name)
        scores = self.probabilities(logits.double().numpy())[0]
        if not np.isfinite(scores).all():
            raise WeightsError(
                "no_score", f"{self.card.name} gave no number for this film; nothing is shown."
            )
        return dict(zip(self.outputs, map(float, scores), strict=True))

    def cam(self, maps: list[torch.Tensor], class_name: str) -> np.ndarray:
        """The raw Grad-CAM of a class, from what `look` gave; only the head is run again."""
        return grad_cam(self.net, maps, self.outputs.index(class_name))

    @property
    def methods(self) -> tuple[MapMethod, ...]:
        """How this net's maps can be made: Grad-CAM, and relevance where the net is a transformer."""
        return (GRAD_CAM, RELEVANCE) if isinstance(self.net, TransformerClassifier) else (GRAD_CAM,)

    def raw_map(self, maps: list[torch.Tensor], class_name: str, method: MapMethod) -> np.ndarray:
        """The raw map of a class or finding by one of `methods`, from what `look` gave.

        Raises ValueError for a method the net does not have, and for an output it does not have.
        """
        if class_name not in self.outputs:
            raise ValueError(f"{self.card.name} has no output {class_name}")
        if method not in (GRAD_CAM, RELEVANCE):
            raise ValueError(f"unknown method {method!r}; known are {GRAD_CAM} and {RELEVANCE}")
        if method == GRAD_CAM:
            return self.cam(maps, class_name)
        return relevance_through(self.net, maps, self.outputs.index(class_name))

    def relevance(self, film: Film, lungs: Lungs | None, class_name: str) -> Saliency:
        """The relevance of a film's places for a class, in film pixels.

        Raises ValueError where the net is no transformer or has no such class or finding.
        """
        raw = self.raw_map(self.look(self.form.image(film, lungs)), class_name, RELEVANCE)
        return self.saliency(film, lungs, class_name, raw, RELEVANCE)

    def saliency(
        self, film: Film, lungs: Lungs | None, class_name: str, raw: np.ndarray, method: MapMethod = GRAD_CAM
    ) -> Saliency:
        """The raw map of a class, made by `method`, in film pixels, 1 at its strongest place."""
        if not np.isfinite(raw).all():
            raise WeightsError("no_score", f"{self.card.name} gave no map for this film; nothing is shown.")
        peak = float(raw.max())
        empty = not peak > 0
        map_ = np.zeros((film.rows, film.columns), np.float32)
        if not empty:
            map_ = np.clip(self.form.map_back(raw / peak, film, lungs), 0, 1)
        return Saliency(map_, method, self.card.name, class_name, empty)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logits))
