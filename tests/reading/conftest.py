"""A folder of weights as the program ships it, with small untrained nets in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from cxrtriage import nets
from cxrtriage.film.film import Film
from cxrtriage.reading.ensemble import Ensemble, write_ensemble
from cxrtriage.reading.input_form import InputForm
from cxrtriage.weights import Card, OperatingPoint, save_net, write_card

# Lets the tests of this folder import what lies beside them, under any import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

from random_films import random_film

OPTIONS = {"classes": 2, "neck": "fpn", "neck_channels": 16, "neck_levels": 3}
POINT = OperatingPoint(0.5, (0.45, 0.55), 0.9, 0.8, "ten films made for the test")
NETS = {"tb_a": "mobilenet_v2", "tb_b": "efficientnet_b0", "tb_c": "resnet50"}


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three nets of 64 pixels, and thresholds for all of them together and for a with b."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    sums = {}
    for name, architecture in NETS.items():
        net = nets.build(architecture, **OPTIONS)
        # A head that tells films apart, so that scores are not all one half.
        torch.nn.init.normal_(net.head.weight, std=2.0)
        sums[name] = save_net(net, folder / f"{name}.safetensors")
        write_card(
            Card(
                name=name,
                task="tuberculosis against normal",
                classes=("tuberculosis",),
                architecture=architecture,
                options=OPTIONS,
                input=InputForm(size=64, trim=0.1).to_dict(),
                sha256=sums[name],
                licence="none",
                temperature=1.5,
                operating_points={"tuberculosis": {"sensitivity_0.90": POINT}},
            ),
            folder,
        )
    points = {"tuberculosis": {"sensitivity_0.90": POINT}}
    write_ensemble(
        Ensemble(sums, "sensitivity_0.90", {"tb_a+tb_b": points, "tb_a+tb_b+tb_c": points}), folder
    )
    return folder


@pytest.fixture
def film() -> Film:
    return random_film(0)
