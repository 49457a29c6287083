"""Small untrained nets in a folder of weights as the program ships it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import torch

from cxrtriage import nets
from cxrtriage.nets.gate import KINDS
from cxrtriage.nets.lungs import LUNG_CONVENTIONS
from cxrtriage.reading.ensemble import Ensemble, write_ensemble
from cxrtriage.reading.input_form import InputForm
from cxrtriage.reading.severity_card import LONE_FINDER, SCALES, SEVERITY_FILE, SeverityCard
from cxrtriage.weights import Calibration, Card, OperatingPoint, save_net, write_card

CLASSES = ("tuberculosis", "covid19", "other_infection")
FINDINGS = ("opacity", "effusion")
OPTIONS = {
    "classes": len(CLASSES), "findings": len(FINDINGS), "neck": "fpn", "neck_channels": 16, "neck_levels": 3,
}  # fmt: skip
CALIBRATION = {"tuberculosis": Calibration(1.5, -0.2), "opacity": Calibration(1.0, 0.4)}
POPULATION = "ten films made for the test"
POINTS = {
    "sensitivity_0.90": OperatingPoint(0.5, (0.45, 0.55), 0.9, 0.8, POPULATION, spread=0.4),
    "specificity_0.70": OperatingPoint(0.4, (0.35, 0.45), 0.95, 0.7, POPULATION, spread=0.4),
}
NETS = {"tb_a": "mobilenet_v2", "tb_b": "efficientnet_b0", "tb_c": "resnet50"}
LUNGS = "lungs"
TRUNK = {"backbone": "mobilenet_v2", "classes": 1, "size": 64, "width": 16, "layers": 2, "heads": 2}
STEPS = {name: ((most / 2, 0.5), (most, 1.0)) for name, most in SCALES.items()}


def write_lungs(folder: Path) -> dict[str, str]:
    """An untrained lung net, and what a card that needs its crop keeps of it."""
    sha256 = save_net(nets.build("lung_unet"), folder / f"{LUNGS}.safetensors")
    write_card(
        Card(
            name=LUNGS,
            task="lung masks",
            classes=LUNG_CONVENTIONS,
            architecture="lung_unet",
            options={},
            input=InputForm(size=64).to_dict(),
            sha256=sha256,
            licence="none",
        ),
        folder,
    )
    return {"name": LUNGS, "sha256": sha256[:12]}


def write_small_nets(folder: Path) -> None:
    """Three nets of 64 pixels that see the lungs' crop, and thresholds for all together and for a with b."""
    torch.manual_seed(0)
    lungs = write_lungs(folder)
    points = dict.fromkeys(CLASSES, POINTS)
    sums, calibrations = {}, {}
    for name, architecture in NETS.items():
        net = nets.build(architecture, **OPTIONS)
        # A head that tells films apart, so that scores are not all one half.
        torch.nn.init.normal_(net.head.weight, std=2.0)
        sums[name] = save_net(net, folder / f"{name}.safetensors")
        card = Card(
            name=name,
            task="three lung diseases",
            classes=CLASSES,
            architecture=architecture,
            options=OPTIONS,
            input=InputForm(size=64, trim=0.1, region="lungs").to_dict(),
            sha256=sums[name],
            licence="none",
            findings=FINDINGS,
            shown_findings=FINDINGS[:1],
            lungs=lungs,
            calibration=CALIBRATION,
            operating_points=points,
        )
        calibrations[name] = card.calibration_sha256
        write_card(card, folder)
    findings = {"name": "tb_a", "sha256": sums["tb_a"][:12]}
    measured = {"tb_a+tb_b": points, "tb_a+tb_b+tb_c": points}
    readers = dict.fromkeys(CLASSES, tuple(sums))
    write_ensemble(
        Ensemble(sums, calibrations, readers, "sensitivity_0.90", lungs, findings, measured), folder
    )


def write_small_severity(folder: Path) -> None:
    """Two severity nets more, for a folder that holds the small nets."""
    lungs = Card.from_dict(json.loads((folder / "tb_a.json").read_text())).lungs
    members = {}
    for number in (1, 2):
        name, options = f"severity_{number}", {"trunk": TRUNK}
        sha256 = save_net(nets.build("severity", trunk=dict(TRUNK)), folder / f"{name}.safetensors")
        form = InputForm(size=64, region="lungs").to_dict()
        write_card(Card(name, "severity", (), "severity", options, form, sha256, "none", lungs=lungs), folder)
        members[name] = sha256[:12]
    card = SeverityCard(members, (1.0, 0.0), STEPS, {"ours": {}, "readers": {}})
    (folder / SEVERITY_FILE).write_text(json.dumps(card.to_dict()))


def write_constant_zone_model(folder: Path, share: float) -> None:
    """To the small severity nets a model on the maps of `tb_a` that finds every zone, extent and opacity
    full; its share in the array is the same."""
    name, trunk = "zone_model_tb_a", Card.from_dict(json.loads((folder / "tb_a.json").read_text()))
    model = nets.build("zone_model", channels=[96, 1280])
    for head in (model.zone_head, model.film_head, model.array_head):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.constant_(head.bias, 100.0)
    sha256 = save_net(model, folder / f"{name}.safetensors")
    form = InputForm(size=64, region="lungs").to_dict()
    settings = {"trunk": "tb_a", "trunk_sha256": trunk.sha256}
    write_card(
        Card(
            name, "severity", (), "zone_model", {"channels": [96, 1280]}, form, sha256, "none",
            settings=settings, lungs=trunk.lungs,
        ),
        folder,
    )  # fmt: skip
    card = SeverityCard.from_dict(json.loads((folder / SEVERITY_FILE).read_text()))
    card = replace(
        card, zone_models={name: sha256[:12]}, zone_models_share=share, zone_models_array_share=share
    )
    (folder / SEVERITY_FILE).write_text(json.dumps(card.to_dict()))


def write_constant_finder(
    folder: Path, chance: float, map_least: float = 1.0, map_against: float = 0.0
) -> None:
    """To the small severity nets an opacity finder that marks every place with this chance."""
    card = SeverityCard.from_dict(json.loads((folder / SEVERITY_FILE).read_text()))
    card = replace(
        card,
        opacity_finder=_constant_marks(folder, "opacity_finder", chance),
        opacity_finder_map_least=map_least,
        opacity_finder_map_against=map_against,
    )
    (folder / SEVERITY_FILE).write_text(json.dumps(card.to_dict()))


def write_constant_lone_finder(folder: Path, chance: float) -> None:
    """To the small severity nets a finder of lone opacities that gives every zone this chance."""
    card = SeverityCard.from_dict(json.loads((folder / SEVERITY_FILE).read_text()))
    card = replace(card, lone_finder=_constant_marks(folder, LONE_FINDER, chance))
    (folder / SEVERITY_FILE).write_text(json.dumps(card.to_dict()))


def _constant_marks(folder: Path, name: str, chance: float) -> dict[str, str]:
    """First digits of the sha256 of a net of this name that marks every place with this chance, by name."""
    lungs = Card.from_dict(json.loads((folder / "tb_a.json").read_text())).lungs
    options = {"decoder_channels": [16, 16, 8, 8, 8]}
    net = nets.build("opacity_finder", **options)
    torch.nn.init.zeros_(net.net.segmentation_head[0].weight)
    torch.nn.init.constant_(net.net.segmentation_head[0].bias, math.log(chance / (1 - chance)))
    sha256 = save_net(net, folder / f"{name}.safetensors")
    form = InputForm(size=64, region="lungs").to_dict()
    card = Card(name, "opacities", (), "opacity_finder", options, form, sha256, "none", lungs=lungs)
    write_card(card, folder)
    return {name: sha256[:12]}


def write_small_gate(folder: Path) -> None:
    """An untrained gate that lets any film pass that is one by plain measures."""
    limits = {"frontal": 0.0, "inverted": 1.0, "turned": 1.0, "mirrored": 1.0, "child": 1.0, "distance": 1e9}
    net = nets.build("gate")
    net.kind.bias.data[KINDS.index("frontal_chest")] = 50.0
    sha256 = save_net(net, folder / "gate.safetensors")
    card = Card(
        "gate", "kind of film", KINDS, "gate", {}, {"size": 96}, sha256, "none",
        settings={"thresholds": limits},
    )  # fmt: skip
    write_card(card, folder)
