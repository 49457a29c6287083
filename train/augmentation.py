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

from cxrtriage.reading.input_form import bands_of  # noqa: E402
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
        """(channels, rows, columns) uint8; the first channel is the film, others only move with it."""
        for _ in range(self.settings.policies):
            operation = self.OPERATIONS[int(torch.randint(len(self.OPERATIONS), ()))]
            sign = 1.0 if torch.rand(()) < 0.5 else -1.0
            film = self.apply(film, operation, sign * self.settings.magnitude)
        return film

    @staticmethod
    def apply(film: Tensor, operation: str, strength: float) -> Tensor:
        """One operation on (channels, rows, columns) uint8 at a signed strength in -1..1."""
        if operation in ("brightness", "contrast", "sharpness", "autocontrast", "equalise"):
            shades = ChestRandAugment.shade(film[:1], operation, strength)
            return shades if len(film) == 1 else torch.cat([shades, film[1:]])
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
        return film

    @staticmethod
    def shade(film: Tensor, operation: str, strength: float) -> Tensor:
        """One operation on the shades of (1, rows, columns) uint8."""
        match operation:
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
        """(channels, rows, columns) uint8; the first channel is the film, others only move with it."""
        s = self.settings
        rows, columns = film.shape[-2:]
        film = _affine(
            film,
            angle=_uniform(s.rotation),
            scale=math.exp(_uniform(math.log1p(s.scale))),
            translate=(round(_uniform(s.shift) * columns), round(_uniform(s.shift) * rows)),
            stretch=math.exp(_uniform(math.log1p(s.stretch))),
        )
        shades = film[:1].float()
        if s.bands:
            bands, rest = bands_of(shades[0].numpy())
            for band in bands:
                rest = rest + band * math.exp(_uniform(math.log1p(s.bands)))
            shades = torch.from_numpy(rest).clamp(0, 255)[None]
        shades = self._shaded(shades / 255.0)
        shades = (shades.clamp(0, 1) * 255.0 + 0.5).to(torch.uint8)
        return shades if len(film) == 1 else torch.cat([shades, film[1:]])

    def _shaded(self, shades: Tensor) -> Tensor:
        s = self.settings
        rows, columns = shades.shape[-2:]
        if s.coarsen < 1 and torch.rand(()) < 0.5:
            share = s.coarsen + float(torch.rand(())) * (1 - s.coarsen)
            small = [max(round(rows * share), 8), max(round(columns * share), 8)]
            shades = functional.resize(functional.resize(shades, small, antialias=True), [rows, columns])
        if s.gamma:
            shades = shades ** math.exp(_uniform(math.log1p(s.gamma)))
        if s.blur and torch.rand(()) < 0.5:
            sigma = 0.1 + float(torch.rand(())) * s.blur
            shades = functional.gaussian_blur(shades, [2 * math.ceil(2 * sigma) + 1] * 2, [sigma, sigma])
        if s.noise and torch.rand(()) < 0.5:
            shades = shades + torch.randn_like(shades) * (float(torch.rand(())) * s.noise / 255.0)
        return shades


def film_augmentation(settings: Augmentation) -> v2.Compose:
    """What is done to one (channels, size, size) uint8 film before it joins a batch."""
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
    stretch: float = 1.0,
) -> Tensor:
    if stretch != 1.0:
        # Wider by `stretch`, and cut or filled to the old width.
        rows, columns = film.shape[-2:]
        film = functional.resize(film, [rows, max(round(columns * stretch), 1)], antialias=True)
        film = functional.center_crop(film, [rows, columns])
    return functional.affine(
        film,
        angle=angle,
        translate=list(translate),
        scale=scale,
        shear=list(shear),
        interpolation=v2.InterpolationMode.BILINEAR,
    )


def only_lungs(films: Tensor, lungs: Tensor, share: float) -> Tensor:
    """(films, 1, rows, columns) with everything but the lungs black in a random `share` of the films.

    `lungs` is bool of the same shape. A net that must do without all else now and then cannot lean on it.
    """
    chosen = torch.rand(len(films), 1, 1, 1, device=films.device) < share
    return torch.where(chosen & ~lungs, films.new_zeros(()), films)


def mixed_styles(films: Tensor, share: float, reach: float = 0.03) -> Tensor:
    """(films, 1, rows, columns) float with the lowest spatial frequencies' strength of other films.

    Fourier domain adaptation (Yang 2020): shapes are in the phase, and a hospital's shading is in the
    low end of the amplitude. `reach` is the share of the frequencies, as a radius.
    """
    chosen = torch.rand(len(films), device=films.device) < share
    other = torch.randperm(len(films), device=films.device)
    spectrum = torch.fft.rfft2(films.float())
    strength, phase = spectrum.abs(), spectrum.angle()
    rows, columns = films.shape[-2:]
    high, wide = max(round(rows * reach), 1), max(round(columns * reach), 1)
    mixed = strength.clone()
    blend = torch.rand(len(films), 1, 1, 1, device=films.device)
    for part in (slice(0, high), slice(-high, None)):
        own, theirs = strength[:, :, part, :wide], strength[other][:, :, part, :wide]
        mixed[:, :, part, :wide] = own * blend + theirs * (1 - blend)
    drawn = torch.fft.irfft2(torch.polar(mixed, phase), s=(rows, columns))
    return torch.where(chosen[:, None, None, None], drawn, films.float())
