"""`python -m train ct`: teaches the UNet++ where lesions and lungs are on CT slices.

There are few slices, and each series was saved in one window: so grey, noise and geometry vary much, slices
without a lesion are drawn as often as they deserve, and lesions are carried over into clear lungs (in the
manner of Ghiasi 2021, arXiv:2012.07177).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import lightning as L
import numpy as np
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

from cxrtriage import nets
from cxrtriage.ct.slice_form import Box, SliceForm, levelled
from cxrtriage.nets.ct_lesion import CT_PARTS, CtLesionNet
from cxrtriage.weights import Card, load_net, read_card, save_net, write_card
from train.ct_slices import Slice, load_slices, read_slices, resized_mask
from train.manifest import data_folder
from train.schedule import cosine_after_warmup
from train.settings import SettingsError, build_settings
from train.trainer import last_state, trainer_of


@dataclass(frozen=True)
class CtSettings:
    """All of a run of the lesion net.

    `pseudo`: share of the slices drawn whose lesions another net marked. `without_lesion`: share of those
    drawn from the experts' slices that show none. `singles`: share from patients of one slice. `carried`: how
    often a lesion is carried into a clear slice. `whole`: how often the whole slice is seen instead of the
    lungs' box. `start`: the shipped weights it goes on from. `average`: decay of the running mean of the
    weights, which is what is kept (0: the last ones). `each_lesion`: weight of the loss in which
    every lesion counts alike, however small.
    """

    name: str
    architecture: str = "ct_lesion"
    options: dict[str, Any] = field(default_factory=dict)
    input: SliceForm = field(default_factory=SliceForm)
    imagenet: str | None = None
    pseudo: float = 0.0
    without_lesion: float = 0.3
    singles: float = 0.35
    carried: float = 0.4
    whole: float = 0.15
    start: str | None = None
    average: float = 0.0
    each_lesion: float = 0.0
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    batch: int = 8
    epochs: int = 30
    slices_per_epoch: int = 320
    precision: str = "32-true"
    workers: int = 1
    seed: int = 1


def read_ct_settings(path: Path) -> CtSettings:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "input" in values:
        values["input"] = SliceForm.from_dict(values["input"])
    return build_settings(CtSettings, values, str(path))


class CtSlices(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Slice (1, rows, columns) float32 grey 0..255, masks of lesion and lung (2, rows, columns) uint8, and
    whether its lungs were drawn; varied at random where `settings` are given."""

    def __init__(self, slices: Sequence[Slice], form: SliceForm, settings: CtSettings | None) -> None:
        self.slices, self.form, self.settings = slices, form, settings
        self.donors = [one for one in slices if one.lesion.any()]

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        one = self.slices[index]
        if self.settings is None:
            picture = self._levelled(self.form.picture(one.grey, one.box), one)
            lesion, lungs = (resized_mask(mask, self.form, one.box) for mask in (one.lesion, one.lungs))
        else:
            random = np.random.default_rng(int(torch.randint(2**31, ())))
            picture, lesion, lungs = self._varied(one, random)
        return (
            torch.from_numpy(np.ascontiguousarray(picture, np.float32))[None],
            torch.from_numpy(np.ascontiguousarray(np.stack([lesion, lungs]))),
            torch.tensor(one.has_lungs),
        )

    def _levelled(self, picture: np.ndarray, one: Slice) -> np.ndarray:
        return levelled(picture, one.tissue, self.form.tissue)

    def _varied(self, one: Slice, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        assert self.settings is not None
        whole = one.has_lungs and random.random() < self.settings.whole
        box: Box = (0, 0, *one.grey.shape) if whole else one.box
        picture, lesion, lungs = self._warped(one, box, random)
        if not lesion.any() and one.has_lungs and not whole and random.random() < self.settings.carried:
            donor = self.donors[random.integers(len(self.donors))]
            picture, lesion = carry_lesions(
                picture, lungs, *self._warped(donor, donor.box, random)[:2], random
            )
        if random.random() < 0.5:
            picture, lesion, lungs = (part[:, ::-1] for part in (picture, lesion, lungs))
        if random.random() < 0.1:  # a patient who lies on the belly
            picture, lesion, lungs = (part[::-1] for part in (picture, lesion, lungs))
        return shaded(picture, random), lesion, lungs

    def _warped(
        self, one: Slice, box: Box, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Levelled picture and masks of a box that was moved, sized, stretched and turned at random."""
        high, wide = box[2] - box[0], box[3] - box[1]
        centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        centre += random.uniform(-0.07, 0.07, 2) * (high, wide)
        size = np.exp(random.uniform(-0.2, 0.25)) * np.array([high, wide])
        size *= np.exp(random.uniform(-0.1, 0.1, 2))
        angle = np.deg2rad(random.uniform(-12, 12))
        step = size / (self.form.rows, self.form.columns)
        # From the input's columns and rows to those of the slice.
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        turn = np.array([[cos * step[1], -sin * step[0]], [sin * step[1], cos * step[0]]])
        middle = np.array([self.form.columns / 2, self.form.rows / 2])
        matrix = np.column_stack([turn, centre[::-1] - turn @ middle])
        frame = (self.form.columns, self.form.rows)
        inverse = cv2.WARP_INVERSE_MAP
        picture = cv2.warpAffine(one.grey, matrix, frame, flags=cv2.INTER_LINEAR | inverse)
        lesion, lungs = (
            cv2.warpAffine(mask.astype(np.uint8), matrix, frame, flags=cv2.INTER_NEAREST | inverse)
            for mask in (one.lesion, one.lungs)
        )
        return self._levelled(picture, one), np.asarray(lesion), np.asarray(lungs)


def carry_lesions(
    picture: np.ndarray,
    lungs: np.ndarray,
    donor: np.ndarray,
    donor_lesion: np.ndarray,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """A clear slice (rows, columns) with the donor's lesions where they meet its lungs, and their mask.

    What lies outside the lungs stays; of a few pixels nothing is carried.
    """
    mask = donor_lesion & lungs
    if mask.sum() < 40:
        return picture, np.zeros_like(lungs)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), float(random.uniform(0.6, 1.5)))
    return picture * (1 - soft) + donor * soft, mask


def shaded(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Grey 0..255 in another window, softer or sharper, noisier: no slice keeps the looks of its series."""
    shades: np.ndarray = picture / 255
    if random.random() < 0.8:
        low, high = random.uniform(-0.15, 0.2), random.uniform(0.85, 1.2)
        shades = (shades - low) / (high - low)
    shades = np.clip(shades, 0, 1) ** float(np.exp(random.uniform(-0.35, 0.35)))
    if random.random() < 0.3:
        shades = np.asarray(cv2.GaussianBlur(shades, (0, 0), float(random.uniform(0.4, 1.3))))
    elif random.random() < 0.2:
        shades = shades + random.uniform(0.3, 1.0) * (shades - cv2.GaussianBlur(shades, (0, 0), 1.2))
    if random.random() < 0.5:
        noise = random.standard_normal(shades.shape).astype(np.float32)
        if random.random() < 0.5:  # the grain of a smooth kernel
            noise = 3 * np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.0), np.float32)
        shades = shades + noise * float(random.uniform(0, 0.06))
    return np.asarray(np.clip(shades, 0, 1) * 255, np.float32)


def overlap_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy and soft Dice over a batch of (slices, rows, columns)."""
    chance = logits.sigmoid()
    shared = (chance * truth).sum()
    dice = (2 * shared + 1) / (chance.sum() + truth.sum() + 1)
    return functional.binary_cross_entropy_with_logits(logits, truth) + 1 - dice


def missed_of_each(logits: Tensor, truth: Tensor) -> Tensor:
    """Share of a lesion of (slices, rows, columns) that is missed, mean over lesions; 0 where there is none.

    A small one counts as much as a large one (in the manner of Kofler 2022, arXiv:2205.08209).
    """
    weights = np.zeros(truth.shape, np.float32)
    lesions = 0
    for weight, mask in zip(weights, truth.cpu().numpy(), strict=True):
        count, labels, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8))
        share = np.zeros(count, np.float32)
        share[1:] = 1 / stats[1:, cv2.CC_STAT_AREA]
        weight[:] = share[labels]
        lesions += count - 1
    if not lesions:
        return logits.sum() * 0.0
    return ((1 - logits.sigmoid()) * torch.from_numpy(weights).to(logits.device)).sum() / lesions


class CtLearner(L.LightningModule):
    def __init__(self, settings: CtSettings) -> None:
        super().__init__()
        self.settings = settings
        self.net = nets.build(settings.architecture, **settings.options)
        self.counts = np.zeros((len(CT_PARTS), 3))

    def setup(self, stage: str) -> None:
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs

    def forward(self, slices: Tensor) -> Tensor:
        return self.net((slices / 127.5 - 1).to(memory_format=torch.channels_last)).float()

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> Tensor:
        slices, masks, has_lungs = batch
        logits, truth = self(slices), masks.float()
        loss = overlap_loss(logits[:, 0], truth[:, 0])
        if self.settings.each_lesion:
            loss = loss + self.settings.each_lesion * missed_of_each(logits[:, 0], masks[:, 0])
        if has_lungs.any():
            loss = loss + 0.5 * overlap_loss(logits[has_lungs, 1], truth[has_lungs, 1])
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> None:
        slices, masks, has_lungs = batch
        found, truth = (self(slices) > 0).numpy(), masks.numpy() > 0
        for part in range(len(CT_PARTS)):
            seen = np.ones(len(found), bool) if part == 0 else has_lungs.numpy()
            ours, theirs = found[seen, part], truth[seen, part]
            self.counts[part] += (2 * (ours & theirs).sum(), ours.sum(), theirs.sum())

    def on_validation_epoch_end(self) -> None:
        for part, (shared, ours, theirs) in zip(CT_PARTS, self.counts, strict=True):
            self.log(f"val_dice_{part}", float(shared / max(ours + theirs, 1)), prog_bar=True)
        self.counts[:] = 0

    def configure_optimizers(self) -> Any:
        s = self.settings
        optimiser = torch.optim.AdamW(self.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
        schedule = cosine_after_warmup(optimiser, int(self.trainer.estimated_stepping_batches), 0.05)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def draw_shares(slices: Sequence[Slice], settings: CtSettings) -> np.ndarray:
    """(slices,) float: how often each is drawn. Within a group, series count by the square root of their
    slices."""
    groups: list[tuple[str, str]] = []
    for one in slices:
        if not one.row.expert:
            kind = "pseudo"
        elif one.row.single:
            kind = "single"
        else:
            kind = "lesion" if one.lesion.any() else "clear"
        groups.append((kind, one.row.series))
    experts = 1 - settings.pseudo
    series = experts - experts * settings.singles
    share = {
        "pseudo": settings.pseudo,
        "single": experts * settings.singles,
        "lesion": series * (1 - settings.without_lesion),
        "clear": series * settings.without_lesion,
    }
    number = {group: groups.count(group) for group in groups}
    roots: dict[str, float] = {}
    for (kind, _), count in number.items():
        roots[kind] = roots.get(kind, 0.0) + count**0.5
    return np.array([share[g[0]] / roots[g[0]] / number[g] ** 0.5 for g in groups])


def train_ct(settings: CtSettings, runs: Path, *, steps: int | None = None) -> Card:
    """Train as the settings say and write `runs/NAME/NAME.safetensors` and its card."""
    folder = runs / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    plain = {**asdict(settings), "input": settings.input.to_dict()}
    (folder / "settings.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    L.seed_everything(settings.seed, workers=True)
    rows = [row for row in read_slices(data_folder()) if row.expert or settings.pseudo > 0]
    train = load_slices([row for row in rows if row.split == "train"], settings.input)
    val = load_slices([row for row in rows if row.split == "val" and row.expert], settings.input)
    if not any(one.lesion.any() for one in train):
        raise SettingsError("no slice with a lesion is left to train on.")
    loader = DataLoader(
        CtSlices(train, settings.input, settings),
        settings.batch,
        sampler=WeightedRandomSampler(draw_shares(train, settings).tolist(), settings.slices_per_epoch),
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        drop_last=settings.slices_per_epoch > settings.batch,
    )
    checks = DataLoader(CtSlices(val, settings.input, None), settings.batch) if val else None
    learner = CtLearner(settings)
    if settings.imagenet:
        assert isinstance(learner.net, CtLesionNet)
        learner.net.load_imagenet(load_file(data_folder() / settings.imagenet))
    if settings.start:
        started = read_card(settings.start)
        if (started.architecture, started.options) != (settings.architecture, settings.options):
            raise SettingsError(f"start: {settings.start} is another net than this one.")
        learner.net.load_state_dict(load_net(started).state_dict())
        learner.net.requires_grad_(True)
    trainer = trainer_of(folder, settings.epochs, settings.precision, steps, settings.average)
    trainer.fit(learner, loader, checks, ckpt_path=last_state(folder))
    settle_norms(learner.net.cpu(), loader)
    sha256 = save_net(learner.net, folder / f"{settings.name}.safetensors")
    card = Card(
        name=settings.name,
        task="lesions and lungs on axial CT slices of the chest",
        classes=CT_PARTS,
        architecture=settings.architecture,
        options=settings.options,
        input=settings.input.to_dict(),
        sha256=sha256,
        licence="Under the terms of the slices' sources; the Radiopaedia images forbid commercial use.",
        training_data=_training_data(train),
        settings=plain,
        cautions=(
            "Learnt from COVID-19 pneumonia of adults; other lesions look alike to it, and tumours may.",
            "Nodules under about 5 mm are not what it looks for.",
        ),
    )
    write_card(card, folder)
    return card


def settle_norms(net: torch.nn.Module, loader: DataLoader, most: int = 40) -> None:
    """Measure the means and variances of batch normalisation anew over `most` batches of the finished net.

    Those kept in training lag behind the weights and rest on the last few small batches, which cost the first
    net 0.04 of Dice (Wu 2021, arXiv:2105.07576, "precise BN").
    """
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    net.train()
    with torch.no_grad():
        for number, (slices, _, _) in enumerate(loader):
            if number == most:
                break
            net((slices / 127.5 - 1).to(memory_format=torch.channels_last))
    net.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _training_data(slices: Sequence[Slice]) -> list[dict[str, Any]]:
    parts: dict[str, dict[str, Any]] = {}
    for one in slices:
        part = parts.setdefault(
            one.row.series,
            {"source": one.row.series, "slices": 0, "with_lesion": 0, "licence": one.row.licence},
        )
        part["slices"] += 1
        part["with_lesion"] += int(one.lesion.any())
    return list(parts.values())
