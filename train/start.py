"""Where a backbone starts: at random, or from weights that were learnt elsewhere.

Whatever cannot be had (no network, no such run, another architecture) is a SettingsError of one
sentence.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Collection
from dataclasses import asdict, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cxrtriage.nets import TransformerClassifier, stem_of
from cxrtriage.nets.backbone import Backbone
from cxrtriage.nets.opacities import OpacityMaps
from cxrtriage.nets.registry import OPACITY_FINDER, OPACITY_MAPS
from cxrtriage.nets.torchvision_import import import_torchvision
from cxrtriage.reading.input_form import InputForm
from cxrtriage.weights import WEIGHTS_FOLDER, Card, load_net, read_card
from train.findings import FINDINGS
from train.manifest import data_folder
from train.settings import Settings, SettingsError, Start, name_without

PUBLIC = "public"
# What stands for public weights, by architecture: a file of the data folder.
_IMAGENET_FILES = {"mobilenet_v2": "weights/mobilenet_v2_imagenet_qat.safetensors"}
_XRV = "densenet121-res224-all"
_XRV_PACKAGE = "torchxrayvision==1.5.7"
# Sources here whose films are among those that the weights above learnt from; all three are NIH's.
_XRV_SOURCES = frozenset({"nih", "nihpn", "rsna"})
# Maps of findings under a transformer, by their number: Park's ten (2021), with nodules for the support
# devices that no film here has a label of.
CORPUS = {
    1: ("opacity",),
    3: ("opacity", "consolidation", "effusion"),
    10: FINDINGS[:10],
}
# Its films run from -1024 to 1024.
_XRV_REACH = 1024.0


def chosen_start(init: str, settings: Settings) -> Start:
    """The start that `--init` asks for: a kind of start, or KIND=NAME.

    Without a name it is the one of the configuration if it has a start of this kind, and the usual
    one for the architecture otherwise. SettingsError for a kind that is not known.
    """
    kind, _, name = init.partition("=")
    stem = stem_of(settings.architecture, settings.options)
    usual = {
        "imagenet": _IMAGENET_FILES.get(stem, PUBLIC),
        "xrv": _XRV,
        "findings": f"findings_{stem}",
        "distilled": f"distilled_{stem}",
        "opacities": OPACITY_FINDER,
    }
    if kind == "scratch" and not name:
        return Start()
    if kind == "weights" and name:
        return Start(weights=name)
    if kind not in usual:
        raise SettingsError(
            f"--init {init}: the start must be scratch, weights=NAME, {', '.join(usual)}, "
            "or one of these with =NAME."
        )
    return Start(**{kind: name or getattr(settings.start, kind) or usual[kind]})


def load_start(
    backbone: Backbone,
    architecture: str,
    start: Start,
    form: InputForm,
    runs: Path,
    leave_out: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Give the backbone of an `architecture`, whose films come in `form`, the weights it starts from, and
    return what they were trained on, as their card has it (`Card.training_data`; empty without a card).

    `leave_out` are sources the new net must never have seen. SettingsError where the start cannot be
    had, does not fit or has seen them.
    """
    named = {kind: name for kind, name in asdict(start).items() if name}
    if (architecture == OPACITY_MAPS) != ("opacities" in named):
        raise SettingsError(f"start: {OPACITY_MAPS}, and no other net, starts from start.opacities.")
    if len(named) > 1:
        raise SettingsError(f"start: name one of {', '.join(named)}; a backbone starts at one place.")
    if not named:
        return []
    ((kind, name),) = named.items()
    card = None
    try:
        if kind == "imagenet":
            backbone.load_imagenet(_imagenet_state(architecture, name))
        elif kind == "distilled":
            backbone.load_state_dict(
                _read(runs / name / f"{name}.safetensors", "make it with `python -m train`")
            )
        elif kind == "xrv":
            backbone.load_state_dict(_xrv_start(architecture, name, form, leave_out))
        elif kind == "opacities":
            assert isinstance(backbone, OpacityMaps)
            card, net = net_with_card(OPACITY_FINDER, kind, name, runs, leave_out)
            backbone.load_opacities(net)
        else:
            card, net = net_with_card(architecture, kind, name, runs, leave_out)
            backbone.load_state_dict(net.backbone.state_dict())
    except (KeyError, RuntimeError, ValueError) as error:
        raise SettingsError(f"start.{kind}: {name} does not hold the weights of a {architecture}.") from error
    return card.training_data if card else []


def load_vit_start(net: TransformerClassifier, start: Start) -> None:
    """Give a transformer over patches, which has no stem to speak of, its start: public ImageNet weights or
    none. SettingsError for any other start, and where the weights cannot be had or do not fit."""
    named = [kind for kind, name in asdict(start).items() if name]
    if not named:
        return
    if named != ["imagenet"]:
        raise SettingsError(f"start: a vit starts from scratch or from ImageNet, not from {named[0]}.")
    try:
        net.load_imagenet(public_imagenet("vit"))
    except (KeyError, RuntimeError, ValueError) as error:
        raise SettingsError(
            "start.imagenet: the public weights are of vit_b_16 (12 layers, width 768, patches of 16)."
        ) from error


def load_corpus(
    net: TransformerClassifier, architecture: str, start: Start, runs: Path, leave_out: Collection[str]
) -> None:
    """Give the maps of findings that a transformer reads what the findings net tells them by.

    SettingsError where the corpus is of another number than `CORPUS` knows, or the net did not learn them.
    """
    if net.corpus is None or not start.findings:
        return
    number = net.corpus.out_channels
    if number not in CORPUS:
        raise SettingsError(f"options.corpus: {number} is none of {', '.join(map(str, CORPUS))}.")
    card, teacher = net_with_card(architecture, "findings", start.findings, runs, leave_out)
    missing = [name for name in CORPUS[number] if name not in card.findings]
    if missing:
        raise SettingsError(f"start.findings: {card.name} did not learn {', '.join(missing)}.")
    rows = [len(card.classes) + card.findings.index(name) for name in CORPUS[number]]
    with torch.no_grad():
        net.corpus.weight.copy_(teacher.head.weight[rows][:, :, None, None])
        net.corpus.bias.copy_(teacher.head.bias[rows])  # type: ignore[union-attr]  # it has one


def public_imagenet_url(architecture: str) -> str:
    """Address of the published ImageNet weights; the file's name holds the start of its sha256.

    Torchvision's first version, not the second: label smoothing and mixing raise the ImageNet figure
    and worsen what the features give elsewhere (Kornblith 2021, arXiv:2010.16402). SettingsError
    where none are known.
    """
    import_torchvision()
    from efficientnet_pytorch.utils import url_map
    from torchvision import models

    urls = {
        "resnet50": models.ResNet50_Weights.IMAGENET1K_V1.url,
        "resnet152": models.ResNet152_Weights.IMAGENET1K_V1.url,
        "vit": models.ViT_B_16_Weights.IMAGENET1K_V1.url,
        "densenet121": models.DenseNet121_Weights.IMAGENET1K_V1.url,
        # Learnt with padding on both sides. Ours pads as TensorFlow does, which moves every stage by a
        # pixel of its own; only the borders differ, and training mends them.
        "mobilenet_v2": models.MobileNet_V2_Weights.IMAGENET1K_V1.url,
        "efficientnet_b0": url_map["efficientnet-b0"],
        "vgg16": models.VGG16_Weights.IMAGENET1K_V1.url,
        "alexnet": models.AlexNet_Weights.IMAGENET1K_V1.url,
        "densenet161": models.DenseNet161_Weights.IMAGENET1K_V1.url,
        "squeezenet1_1": models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url,
    }
    if architecture not in urls:
        raise SettingsError(f"no public ImageNet weights are known for {architecture}; take --init scratch.")
    return urls[architecture]


def public_imagenet(architecture: str) -> dict[str, Tensor]:
    """The published ImageNet weights, fetched once into torch's cache and checked by their sha256."""
    url = public_imagenet_url(architecture)
    place = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        return torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (OSError, HTTPException) as error:
        raise SettingsError(
            f"The ImageNet weights of {architecture} could not be fetched from {url} ({error}); put the file "
            f"into {place} from a machine with a network, or start elsewhere (--init scratch)."
        ) from error
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise SettingsError(
            f"What came from {url} is not the file it should be ({error}); delete it from {place} "
            "and try again."
        ) from error


def _imagenet_state(architecture: str, name: str) -> dict[str, Tensor]:
    path = data_folder() / name
    if name != PUBLIC and path.is_file():
        return _read(path, "")
    if name != PUBLIC:
        print(
            f"{path} is not there; the public ImageNet weights of {architecture} are taken instead.",
            flush=True,
        )
    return public_imagenet(architecture)


def _read(path: Path, remedy: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise SettingsError(f"The start {path} is not there; {remedy}.")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise SettingsError(f"The start {path} cannot be read: {error}") from error


def net_with_card(
    architecture: str, kind: str, name: str, runs: Path, leave_out: Collection[str]
) -> tuple[Card, Any]:
    """A trained net and its card; WeightsError where it is missing or damaged."""
    # The start must not have seen what is left out, so a run without the same sources comes first.
    run = name_without(name, tuple(leave_out))
    if kind in ("findings", "opacities") and (runs / run / f"{run}.json").is_file():
        name, folder = run, runs / run
    elif kind == "opacities" and (runs / name / f"{name}.json").is_file():
        folder = runs / name
    else:
        folder = WEIGHTS_FOLDER
    card = read_card(name, folder)
    if card.architecture != architecture:
        raise SettingsError(
            f"start.{kind}: {name} is a {card.architecture}, and this net is a {architecture}."
        )
    if kind == "findings" and not card.findings:
        raise SettingsError(f"start.findings: {name} learnt no findings; name it under start.weights.")
    seen = sorted({str(part["source"]) for part in card.training_data} & set(leave_out))
    if seen:
        raise SettingsError(f"start.{kind}: {name} has seen {', '.join(seen)}, which this run leaves out.")
    return card, load_net(card, folder)


def _xrv_start(
    architecture: str, name: str, form: InputForm, leave_out: Collection[str]
) -> dict[str, Tensor]:
    """State of TorchXRayVision's DenseNet-121 (Cohen 2022), ready for films in our form.

    Its films run from -1024 to 1024, ours are normalised: both are a straight line of the grey value,
    so the first convolution and the normalisation after it take the difference up.
    """
    if architecture != "densenet121":
        raise SettingsError(f"start.xrv: {name} is a densenet121, and this net is a {architecture}.")
    seen = sorted(_XRV_SOURCES & set(leave_out))
    if seen:
        raise SettingsError(
            f"start.xrv: {name} has seen films of {', '.join(seen)}, which this run leaves out."
        )
    state = {key: value.float() for key, value in xrv_weights(name).items() if key.startswith("features.")}
    scale, shift = form.scale_and_shift
    # y = scale * grey + shift is what our net sees, reach * (2 * grey / 255 - 1) what theirs saw.
    steep = 2 * _XRV_REACH / (255 * scale)
    level = -_XRV_REACH - steep * shift
    first = state["features.conv0.weight"]
    state["features.conv0.weight"] = first * steep
    state["features.norm0.running_mean"] = state["features.norm0.running_mean"] - level * first.sum(
        dim=(1, 2, 3)
    )
    return state


def xrv_weights(name: str) -> dict[str, Tensor]:
    """State of a net of TorchXRayVision, which fetches it.

    Its files are whole pickled nets, so that `weights_only` refuses them and reading one runs what is
    in it. We read none ourselves: whoever wants them installs the package, which does.
    """
    import_torchvision()
    try:
        with warnings.catch_warnings():  # the package silences every warning of the process
            import torchxrayvision
    except ImportError as error:
        raise SettingsError(
            f"start.xrv needs TorchXRayVision, whose files only it reads: pip install {_XRV_PACKAGE}"
        ) from error
    if name not in torchxrayvision.models.model_urls:
        raise SettingsError(f"start.xrv: TorchXRayVision has no weights {name!r}; the usual ones are {_XRV}.")
    try:
        return torchxrayvision.models.DenseNet(weights=name).state_dict()
    except (OSError, HTTPException) as error:
        raise SettingsError(
            f"The weights {name} of TorchXRayVision could not be fetched ({error}); put the file it names "
            "above into ~/.torchxrayvision/models_data from a machine with a network, or start elsewhere."
        ) from error
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise SettingsError(
            f"TorchXRayVision cannot read its weights {name} ({error}); delete and fetch them again."
        ) from error


def with_init(settings: Settings, init: str | None) -> Settings:
    """The settings with the start that `--init` asks for."""
    return settings if init is None else replace(settings, start=chosen_start(init, settings))
