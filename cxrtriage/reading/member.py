"""One net of the reading: its card, its weights, its input form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cxrtriage.film.film import Film
from cxrtriage.nets import FilmClassifier
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.saliency import Saliency, grad_cam
from cxrtriage.weights import WEIGHTS_FOLDER, Card, WeightsError, load_net, read_card


@dataclass(frozen=True, eq=False)
class Member:
    """A net ready to read; shared by threads, since reading changes nothing in it."""

    card: Card
    net: FilmClassifier
    form: InputForm

    @classmethod
    def load(cls, name: str, folder: Path = WEIGHTS_FOLDER) -> Member:
        """Card and weights of `name`; WeightsError where they are missing or damaged."""
        card = read_card(name, folder)
        return cls(card, load_net(card, folder), InputForm.from_dict(card.input))

    def logits(self, images: np.ndarray) -> np.ndarray:
        """(films, size, size) uint8 in the input form -> (films, classes + 1) float64 logits."""
        with torch.inference_mode():
            batch = torch.cat([self.form.tensor(image) for image in images])
            return self.net(batch).double().numpy()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """(films, classes + 1) logits -> calibrated softmax of the same shape (Guo 2017)."""
        return softmax(logits / self.card.temperature)

    def read(self, image: np.ndarray, maps: bool = True) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Probability by class, and the raw Grad-CAM by class, from one forward pass.

        `image` is (size, size) uint8 in the input form.
        """
        raw: dict[str, np.ndarray] = {}
        with torch.no_grad():
            features = self.net.forward_features(self.form.tensor(image))
            if not maps:
                logits = self.net.forward_head(self.net.pool(features))
        if maps:
            # The map's own pass through neck and head gives the logits too.
            for output, name in enumerate(self.card.classes, start=1):
                raw[name], logits = grad_cam(self.net, features, output)
        scores = self.probabilities(logits.double().numpy())[0, 1:]
        if not np.isfinite(scores).all():
            raise WeightsError(
                "no_score", f"{self.card.name} gave no number for this film; nothing is shown."
            )
        return dict(zip(self.card.classes, map(float, scores), strict=True)), raw

    def saliency(self, film: Film, class_name: str, raw: np.ndarray) -> Saliency:
        """The raw map of a class in film pixels, 1 at its strongest place."""
        peak = float(raw.max())
        empty = not peak > 0
        map_ = np.zeros((film.rows, film.columns), np.float32)
        if not empty:
            map_ = np.clip(self.form.map_back(raw / peak, film), 0, 1)
        return Saliency(map_, "Grad-CAM", self.card.name, class_name, empty)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
