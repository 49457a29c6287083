"""The lung net, ready to find the lungs of a film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from cxrtriage.film.film import Film
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.lungs import Lungs
from cxrtriage.weights import WEIGHTS_FOLDER, Card, load_net, need_numbers, parts_of, read_card


class LungFinder:
    """Shared by threads, since finding changes nothing in it."""

    def __init__(self, card: Card, net: nn.Module) -> None:
        self.card, self.net = card, net
        with parts_of(card):
            self.form = InputForm.from_dict(card.input)

    @classmethod
    def load(cls, name: str, folder: Path = WEIGHTS_FOLDER) -> LungFinder:
        """Card and weights of `name`; WeightsError where they are missing or damaged."""
        card = read_card(name, folder)
        return cls(card, load_net(card, folder))

    @property
    def version(self) -> dict[str, str]:
        """What the card of a net that needs this one's crop keeps of it."""
        return {"name": self.card.name, "sha256": self.card.sha256[:12]}

    def chances(self, images: np.ndarray) -> np.ndarray:
        """(films, size, size) uint8 in the input form -> (films, size, size) float32 chances of lung.

        The higher of the two conventions' chances, so that the lung behind the heart belongs to it.
        """
        return np.asarray(self.both(images).max(axis=1))

    def both(self, images: np.ndarray) -> np.ndarray:
        """(films, size, size) uint8 -> (films, 2, size, size) float32 chances, one a convention."""
        with torch.inference_mode():
            batch = torch.cat([self.form.tensor(image) for image in images])
            logits = self.net(batch)
            need_numbers(logits, self.card.name)
            chances: np.ndarray = logits.sigmoid().numpy()
        return chances

    def find(self, film: Film) -> Lungs:
        return Lungs.of(self.chances(self.form.image(film)[None])[0])
