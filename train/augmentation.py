"""The paper's three augmentations and the disguise of the source, on 8-bit films.

Random Erasing works on the normalised batch and lives in the learner, as its zero is the mean there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cxrtriage.nets.torchvision_import import import_torchvision

import_torchvision()

from torchvision.transforms import v2  # noqa: E402  (after the mend)
from torchvision.transforms.v2 import functional  # noqa: E402

from train.settings import Augmentation, Disguise, Erasing, RandAugment  # noqa: E402


class ChestRandAugment:
    """RandAugment with `policies` operations at `magnitude` (0..1) of each one's range.

    Left out are those that make another film of it: posterise, solarise and invert (density is the
    finding) and colour (there is none).
    """

    OPERATIONS = (
        "identity",
        "rotate",
        "shear_x",
        "shear_y",
        "translate_x",
        "translate_y",
        "brightness",
        "contrast",
        "sharpness",
        "autocontrast",
        "equalise",
    )

    def __init__(self, settings: RandAugment) -> None:
        self.settings = settings

    def __call__(self, film: Tensor) -> Tensor:
        for _ in range(self.settings.policies):
            operation = self.OPERATIONS[int(torch.randint(len(self.OPERATIONS), ()))]
            sign = 1.0 if torch.rand(()) < 0.5 else -1.0
            film = self.apply(film, operation, sign * self.settings.magnitude)
        return film

    @staticmethod
    def apply(film: Tensor, operation: str, strength: float) -> Tensor:
        """One operation on (1, rows, columns) uint8 at a signed strength in -1..1."""
        rows, columns = film.shape[-2:]
        match operation:
            case "rotate":
                return _affine(film, angle=30.0 * strength)
            case "shear_x":
                return _affine(film, shear=(17.0 * strength, 0.0))
            case "shear_y":
                return _affine(film, shear=(0.0, 17.0 * strength))
            case "translate_x":
                return _affine(film, translate=(round(0.3 * columns * strength), 0))
            case "translate_y":
                return _affine(film, translate=(0, round(0.3 * rows * strength)))
            case "brightness":
                return functional.adjust_brightness(film, 1.0 + 0.9 * strength)
            case "contrast":
                return functional.adjust_contrast(film, 1.0 + 0.9 * strength)
            case "sharpness":
                return functional.adjust_sharpness(film, 1.0 + 0.9 * strength)
            case "autocontrast":
                return functional.autocontrast(film)
            case "equalise":
                return functional.equalize(film)
        return film


class SourceDisguise:
    """Geometry, gamma, blur and noise within the ranges of `Disguise`."""

    def __init__(self, settings: Disguise) -> None:
        self.settings = settings

    def __call__(self, film: Tensor) -> Tensor:
        s = self.settings
        rows, columns = film.shape[-2:]
        film = _affine(
            film,
            angle=_uniform(s.rotation),
            scale=math.exp(_uniform(math.log1p(s.scale))),
            translate=(round(_uniform(s.shift) * columns), round(_uniform(s.shift) * rows)),
        )
        shades = film.float() / 255.0
        if s.gamma:
            shades = shades ** math.exp(_uniform(math.log1p(s.gamma)))
        if s.blur and torch.rand(()) < 0.5:
            sigma = 0.1 + float(torch.rand(())) * s.blur
            shades = functional.gaussian_blur(shades, [2 * math.ceil(2 * sigma) + 1] * 2, [sigma, sigma])
        if s.noise and torch.rand(()) < 0.5:
            shades = shades + torch.randn_like(shades) * (float(torch.rand(())) * s.noise / 255.0)
        return (shades.clamp(0, 1) * 255.0 + 0.5).to(torch.uint8)


def film_augmentation(settings: Augmentation) -> v2.Compose:
    """What is done to one (1, size, size) uint8 film before it joins a batch."""
    steps: list[object] = []
    if settings.disguise:
        steps.append(SourceDisguise(settings.disguise))
    if settings.randaugment:
        steps.append(ChestRandAugment(settings.randaugment))
    if settings.flip:
        steps.append(v2.RandomHorizontalFlip(settings.flip))
    return v2.Compose(steps or [v2.Identity()])


def batch_erasing(settings: Erasing | None) -> v2.RandomErasing | None:
    """Random Erasing for one normalised film at a time, or None."""
    if settings is None:
        return None
    return v2.RandomErasing(settings.p, scale=list(settings.area), ratio=list(settings.aspect), value=0)


def _uniform(reach: float) -> float:
    return float(torch.rand(())) * 2 * reach - reach


def _affine(
    film: Tensor,
    angle: float = 0.0,
    translate: tuple[int, int] = (0, 0),
    scale: float = 1.0,
    shear: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    return functional.affine(
        film,
        angle=angle,
        translate=list(translate),
        scale=scale,
        shear=list(shear),
        interpolation=v2.InterpolationMode.BILINEAR,
    )
