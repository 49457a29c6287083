"""Every setting of a training run, read from a YAML file, printed and saved beside its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from cxrtriage.reading.input_form import InputForm


class SettingsError(Exception):
    """A configuration that cannot be used; the message names file and key."""


def name_without(name: str, sources: Sequence[str]) -> str:
    """What a run that was shown no film of these sources is called."""
    return f"{name}-without-{'-'.join(sources)}" if sources else name


@dataclass(frozen=True)
class Erasing:
    """Random Erasing (Zhong 2017): a rectangle of the normalised film set to zero."""

    p: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    aspect: tuple[float, float] = (0.3, 3.3)


@dataclass(frozen=True)
class RandAugment:
    """RandAugment (Cubuk 2019) over operations that leave a chest film a chest film."""

    policies: int = 2
    magnitude: float = 0.3


@dataclass(frozen=True)
class Disguise:
    """Random changes that hide which hospital a film comes from, beyond the paper's three.

    Rotation in degrees, scale, stretch (of the aspect) and shift as shares, gamma as exponent range
    around 1, blur as greatest sigma in pixels of the input, noise as greatest deviation in grey levels.
    `coarsen`: half of the films are made as coarse as a film of so small a share of the input's size.
    `bands`: each band of spatial frequencies is strengthened or weakened by up to this share.
    """

    rotation: float = 8.0
    scale: float = 0.12
    shift: float = 0.06
    gamma: float = 0.4
    blur: float = 1.5
    noise: float = 6.0
    stretch: float = 0.0
    coarsen: float = 1.0
    bands: float = 0.0


@dataclass(frozen=True)
class Augmentation:
    """`mask`: share of the films shown with nothing but their lungs. `style`: share whose lowest
    spatial frequencies are taken from another film of the batch (Fourier mixing; Yang 2020)."""

    erasing: Erasing | None = field(default_factory=Erasing)
    randaugment: RandAugment | None = field(default_factory=RandAugment)
    flip: float = 0.5
    disguise: Disguise | None = None
    mask: float = 0.0
    style: float = 0.0


@dataclass(frozen=True)
class Start:
    """Where the backbone starts: at random where nothing is named; more than one cannot be.

    `imagenet`: a safetensors of ImageNet weights in the data folder, or `public` for those published
    with the architecture, which are fetched. `distilled`: a run of `python -m train distil` or
    `simclr` in the folder of runs. `weights`: shipped weights of the same backbone. `findings`: a net
    that learnt findings, a run or shipped. `xrv`: chest-film weights of TorchXRayVision by their name.
    `opacities`: a net that marks opacities, a run or shipped, for `opacity_maps`.
    """

    imagenet: str | None = None
    distilled: str | None = None
    weights: str | None = None
    findings: str | None = None
    xrv: str | None = None
    opacities: str | None = None


@dataclass(frozen=True)
class Teacher:
    """A trained net whose last feature map and scores the new net imitates while it learns.

    `name` is a run of this folder of runs; `features` and `scores` weigh the two extra losses.
    """

    name: str
    features: float = 1.0
    scores: float = 0.5


@dataclass(frozen=True)
class Refit:
    """A last layer fitted by penalised logistic regressions before all else goes along (`train/refit.py`).

    `penalty`: of half the squared length of the slopes, beside the sum of the films' losses. `most`: so many
    films of a source and label count in full, more of them no more together. `norms` measures batch
    normalisation's means and variances on the training films first.
    """

    penalty: float = 100.0
    most: int = 150
    norms: bool = True


@dataclass(frozen=True)
class Settings:
    """All of a run. `sources` gives each source's share of the films drawn, summing to anything.

    `options` are those of `cxrtriage.nets.build`. `lungs` names the lung net whose crop the input
    form needs. A class is learnt against normal films with weight 1, and against other diseases
    (every other label in `labels`) with `other_diseases`: 0 asks "this disease or none?", 1 "this
    disease or anything else?". `loss` softmax lets the classes compete, as a comparison.
    `findings_weight`, `lung_weight`: of the losses of the findings and of a lung mask told from the
    features. `adversary`: strength of a head that tries to tell the source, reversed (Ganin 2015).
    `source_offset`: how far, in logits, the share of a class in a source is taken off a film's logit in
    training (logit adjustment, Menon 2021, source by source), so that a source need not be told for it.
    `average`: decay of the weights' running mean, which is what is kept; 0 keeps the last weights.
    `views` keeps to films of these views in training and in every figure; none named takes all.
    `optimiser` sgd has a momentum of 0.9. `schedule`: cosine, or step, a tenth of the rate after
    every third of the steps; both rise first over the share `warmup` of them.
    `films_per_epoch` None draws each training film once on average. `leave_out` keeps sources
    out of training altogether.
    `refit` fits the last layer before the training, which then starts with all else (LP-FT, Kumar 2022,
    arXiv:2202.10054); with 0 `epochs` it is all there is.
    `threshold_sources` are those, with both classes, whose validation films set the thresholds;
    `unquoted_sources` are trained on but too easily told apart to measure anything by.
    """

    name: str
    architecture: str
    options: dict[str, Any] = field(default_factory=dict)
    input: InputForm = field(default_factory=InputForm)
    classes: tuple[str, ...] = ("tuberculosis",)
    labels: tuple[str, ...] = ("normal", "tuberculosis")
    findings: tuple[str, ...] = ()
    lungs: str | None = None
    sources: dict[str, float] = field(default_factory=dict)
    views: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    threshold_sources: tuple[str, ...] = ()
    unquoted_sources: tuple[str, ...] = ()
    augmentation: Augmentation = field(default_factory=Augmentation)
    start: Start = field(default_factory=Start)
    teacher: Teacher | None = None
    refit: Refit | None = None
    other_diseases: float = 0.3
    loss: Literal["sigmoid", "softmax"] = "sigmoid"
    findings_weight: float = 0.5
    lung_weight: float = 0.0
    adversary: float = 0.0
    source_offset: float = 0.0
    average: float = 0.0
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    schedule: Literal["cosine", "step"] = "cosine"
    learning_rate: float = 0.001
    weight_decay: float = 0.05
    warmup: float = 0.05
    batch: int = 32
    epochs: int = 10
    films_per_epoch: int | None = None
    precision: str = "32-true"
    workers: int = 2
    seed: int = 1

    def to_dict(self) -> dict[str, Any]:
        return _plain(asdict(self))

    @property
    def run(self) -> str:
        """Folder of the run below the folder of runs."""
        return name_without(self.name, self.leave_out)


def read_settings(path: Path, **changes: Any) -> Settings:
    """Settings of a YAML file; `changes` replace top-level keys. SettingsError names the bad key."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds no settings.")
    return settings_from_dict({**values, **changes}, str(path))


def settings_from_dict(values: dict[str, Any], where: str = "settings") -> Settings:
    values = dict(values)
    try:
        if "input" in values:
            values["input"] = InputForm.from_dict(values["input"])
        if "augmentation" in values:
            parts = dict(values["augmentation"])
            for key, kind in (("erasing", Erasing), ("randaugment", RandAugment), ("disguise", Disguise)):
                if parts.get(key) is not None:
                    parts[key] = build_settings(kind, parts[key], f"{where}: augmentation.{key}")
            values["augmentation"] = build_settings(Augmentation, parts, f"{where}: augmentation")
        if values.get("start") is not None:
            values["start"] = build_settings(Start, values["start"], f"{where}: start")
        if values.get("teacher") is not None:
            values["teacher"] = build_settings(Teacher, values["teacher"], f"{where}: teacher")
        if values.get("refit") is not None:
            values["refit"] = build_settings(Refit, values["refit"], f"{where}: refit")
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{where}: {error}") from error
    settings: Settings = build_settings(Settings, values, where)
    return settings


def build_settings(kind: Any, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise SettingsError(f"{where} must hold keys and values.")
    known = {f.name for f in fields(kind)}
    for key in values:
        if key not in known:
            raise SettingsError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}.")
    try:
        return kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
    except TypeError as error:
        raise SettingsError(f"{where}: {error}") from error


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value
