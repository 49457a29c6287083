"""A folder of weights as the program ships it, with small untrained nets in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from cxrtriage import nets
from cxrtriage.film.film import Film
from cxrtriage.nets.lungs import LUNG_CONVENTIONS
from cxrtriage.reading.ensemble import Ensemble, write_ensemble
from cxrtriage.reading.input_form import InputForm
from cxrtriage.weights import Calibration, Card, OperatingPoint, save_net, write_card

# Lets the tests of this folder import what lies beside them, under any import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

from random_films import random_film

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


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three nets of 64 pixels that see the lungs' crop, and thresholds for all together and for a with b."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    lungs = write_lungs(folder)
    points = dict.fromkeys(CLASSES, POINTS)
    sums = {}
    for name, architecture in NETS.items():
        net = nets.build(architecture, **OPTIONS)
        # A head that tells films apart, so that scores are not all one half.
        torch.nn.init.normal_(net.head.weight, std=2.0)
        sums[name] = save_net(net, folder / f"{name}.safetensors")
        write_card(
            Card(
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
            ),
            folder,
        )
    findings = {"name": "tb_a", "sha256": sums["tb_a"][:12]}
    measured = {"tb_a+tb_b": points, "tb_a+tb_b+tb_c": points}
    write_ensemble(Ensemble(sums, tuple(sums), "sensitivity_0.90", lungs, findings, measured), folder)
    return folder


@pytest.fixture
def film() -> Film:
    return random_film(0)
