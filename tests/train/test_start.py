"""Every start gives the weights it names, or one sentence on why it cannot."""

from __future__ import annotations

import sys
import types
from http.client import IncompleteRead
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

from cxrtriage import nets
from cxrtriage.nets.backbone import BACKBONES
from cxrtriage.nets.opacities import OpacityMaps
from cxrtriage.reading.input_form import InputForm
from cxrtriage.weights import Card, WeightsError, save_net, write_card
from train import start as start_module
from train.command import main
from train.settings import SettingsError, Start, read_settings
from train.start import chosen_start, load_start, public_imagenet, public_imagenet_url

FORM = InputForm(size=64)


def published(architecture: str) -> dict[str, torch.Tensor]:
    """A state as it is published for three colours, with random weights."""
    from efficientnet_pytorch import EfficientNet
    from torchvision import models

    torch.manual_seed(3)
    if architecture == "efficientnet_b0":
        return EfficientNet.from_name("efficientnet-b0").state_dict()
    return getattr(models, architecture)(weights=None).state_dict()


def started(architecture: str, runs, *, leave_out=(), **start: str) -> dict[str, torch.Tensor]:
    backbone = BACKBONES[architecture]()
    load_start(backbone, architecture, Start(**start), FORM, runs, leave_out)
    return backbone.state_dict()


def write_net(folder, name, architecture="densenet121", findings=("opacity",), sources=("north",)):
    options = {"classes": 1, "findings": len(findings), "neck": "none"}
    torch.manual_seed(5)
    net = nets.build(architecture, **options)
    sha256 = save_net(net, folder / f"{name}.safetensors")
    card = Card(
        name, "task", ("tuberculosis",), architecture, options, FORM.to_dict(), sha256, "none",
        training_data=[{"source": source} for source in sources], findings=tuple(findings),
    )  # fmt: skip
    write_card(card, folder)
    return net.backbone.state_dict()


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    """Equal within the half precision of saved weights."""
    return all(torch.allclose(ours[key].float(), theirs[key].float(), atol=2e-3, rtol=2e-3) for key in theirs)


@pytest.mark.parametrize("architecture", sorted(BACKBONES))
def test_public_weights_come_from_their_publisher_and_are_checked(architecture, tmp_path, monkeypatch):
    asked = {}

    def fetched(url, **options):
        asked.update(options, url=url)
        return published(architecture)

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetched)
    state = started(architecture, tmp_path, imagenet="public")
    assert asked["url"] == public_imagenet_url(architecture)
    assert asked["check_hash"] is True
    assert asked["weights_only"] is True
    # The name holds the start of the sha256 that check_hash compares.
    assert len(torch.hub.HASH_REGEX.search(asked["url"].rsplit("/", 1)[1]).group(1)) == 8
    first = next(key for key in state if state[key].ndim == 4)
    theirs = next(value for value in published(architecture).values() if value.ndim == 4)
    torch.testing.assert_close(state[first], theirs.sum(dim=1, keepdim=True))


def test_an_efficientnet_starts_from_the_blocks_of_a_mobilenet(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: published("mobilenet_v2"))
    theirs = start_module.public_imagenet("mobilenet_v2")
    save_file(theirs, tmp_path / "mobilenet.safetensors")
    monkeypatch.setattr(start_module, "data_folder", lambda: tmp_path)
    state = started("efficientnet_b0", tmp_path, imagenet="mobilenet.safetensors")
    wide = state["net._blocks.3._depthwise_conv.weight"]
    torch.testing.assert_close(wide[:144, :, 1:4, 1:4], theirs["features.4.conv.1.0.weight"])
    assert wide[:144, :, 0].abs().max() == 0


@pytest.mark.parametrize("error", [URLError("no network"), IncompleteRead(b""), TimeoutError("too slow")])
def test_without_a_network_public_weights_end_in_one_sentence(error, monkeypatch):
    def offline(url, **_):
        raise error

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(SettingsError) as caught:
        public_imagenet("resnet50")
    sentence = str(caught.value)
    assert "ImageNet weights of resnet50 could not be fetched" in sentence
    assert "resnet50-0676ba61.pth" in sentence
    assert "--init scratch" in sentence
    assert "\n" not in sentence


def test_a_file_with_another_checksum_is_refused(monkeypatch):
    def damaged(url, **_):
        raise RuntimeError('invalid hash value (expected "0676ba61", got "1")')

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", damaged)
    with pytest.raises(SettingsError, match=r"not the file it should be \(invalid hash.*delete it from"):
        public_imagenet("resnet50")


def test_the_command_says_the_sentence_and_nothing_else(
    tiny_data, tiny_config, tmp_path, monkeypatch, capsys
):
    def offline(url, **_):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    fitted = [
        "fit",
        "--config",
        str(tiny_config),
        "--runs",
        str(tmp_path / "runs"),
        "--init",
        "imagenet=public",
    ]
    assert main(fitted) == 2
    said = capsys.readouterr().err
    assert "could not be fetched" in said
    assert "Traceback" not in said


def test_a_file_of_the_data_folder_is_taken_and_the_public_weights_where_it_is_not(
    tiny_data, tmp_path, monkeypatch, capsys
):
    save_file(published("mobilenet_v2"), tiny_data / "net.safetensors")
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: pytest.fail("fetched"))
    here = started("mobilenet_v2", tmp_path, imagenet="net.safetensors")
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: published("mobilenet_v2"))
    assert same(started("mobilenet_v2", tmp_path, imagenet="gone.safetensors"), here)
    assert "gone.safetensors is not there; the public ImageNet weights" in capsys.readouterr().out


def test_a_file_of_another_architecture_is_refused(tiny_data, tmp_path):
    save_file(published("mobilenet_v2"), tiny_data / "net.safetensors")
    with pytest.raises(SettingsError, match=r"net.safetensors does not hold the weights of a resnet50"):
        started("resnet50", tmp_path, imagenet="net.safetensors")


def test_the_findings_net_gives_its_backbone_as_a_run_or_as_shipped(tmp_path, monkeypatch):
    shipped = tmp_path / "weights"
    monkeypatch.setattr(start_module, "WEIGHTS_FOLDER", shipped)
    theirs = write_net(shipped, "findings")
    assert same(started("densenet121", tmp_path / "runs", findings="findings"), theirs)
    assert same(started("densenet121", tmp_path / "runs", weights="findings"), theirs)
    # A run of that name goes before what is shipped.
    write_net(tmp_path / "runs" / "findings", "findings", architecture="resnet50")
    with pytest.raises(SettingsError, match="findings is a resnet50, and this net is a densenet121"):
        started("densenet121", tmp_path / "runs", findings="findings")


def test_a_findings_net_that_has_seen_a_left_out_source_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(start_module, "WEIGHTS_FOLDER", tmp_path)
    write_net(tmp_path, "findings", sources=("north", "south"))
    with pytest.raises(SettingsError, match="findings has seen south, which this run leaves out"):
        started("densenet121", tmp_path / "runs", findings="findings", leave_out=["south"])
    run = "findings-without-south"
    theirs = write_net(tmp_path / "runs" / run, run)
    assert same(started("densenet121", tmp_path / "runs", findings="findings", leave_out=["south"]), theirs)


def test_a_net_without_findings_and_a_missing_one_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(start_module, "WEIGHTS_FOLDER", tmp_path)
    write_net(tmp_path, "plain", findings=())
    with pytest.raises(SettingsError, match="plain learnt no findings"):
        started("densenet121", tmp_path / "runs", findings="plain")
    with pytest.raises(WeightsError, match=r"card gone.json is not in"):
        started("densenet121", tmp_path / "runs", findings="gone")
    with pytest.raises(SettingsError, match=r"gone.safetensors is not there"):
        started("densenet121", tmp_path / "runs", distilled="gone")


def test_a_net_of_marks_starts_from_a_finder_that_has_not_seen_what_is_left_out(tmp_path, monkeypatch):
    shipped, runs = tmp_path / "shipped", tmp_path / "runs"
    monkeypatch.setattr(start_module, "WEIGHTS_FOLDER", shipped)

    def finder(folder, name, *sources):
        torch.manual_seed(len(sources))
        net = nets.build("opacity_finder")
        card = Card(
            name, "task", (), "opacity_finder", {}, FORM.to_dict(),
            save_net(net, folder / f"{name}.safetensors"), "none",
            training_data=[{"source": source, "films": 9} for source in sources],
        )  # fmt: skip
        write_card(card, folder)
        return {key.replace("net.", "unet.net.", 1): value for key, value in net.state_dict().items()}

    def begun(**given):
        maps = OpacityMaps()
        seen = load_start(maps, "opacity_maps", Start(opacities="marks"), FORM, runs, **given)
        assert "north" in {part["source"] for part in seen}
        return maps.state_dict()

    theirs = finder(shipped, "marks", "north")
    assert same(begun(), theirs)
    theirs = finder(runs / "marks", "marks", "north", "south")
    assert same(begun(), theirs)
    with pytest.raises(SettingsError, match="marks has seen south, which this run leaves out"):
        begun(leave_out=["south"])
    run = "marks-without-south"
    theirs = finder(runs / run, run, "north", "west", "east")
    assert same(begun(leave_out=["south"]), theirs)
    with pytest.raises(SettingsError, match=r"opacity_maps, and no other net, starts from start.opacities"):
        started("resnet50", runs, opacities="marks")
    with pytest.raises(SettingsError, match=r"opacity_maps, and no other net, starts from start.opacities"):
        load_start(OpacityMaps(), "opacity_maps", Start(), FORM, runs)


def test_one_start_is_enough(tmp_path):
    with pytest.raises(SettingsError, match="name one of distilled, weights"):
        started("resnet50", tmp_path, weights="a", distilled="b")


def fake_xrv(monkeypatch, net) -> None:
    """The package as far as it is asked: its names, and a net with weights."""
    package = types.ModuleType("torchxrayvision")
    package.models = types.SimpleNamespace(model_urls={"densenet121-res224-all": {}}, DenseNet=net)
    monkeypatch.setitem(sys.modules, "torchxrayvision", package)


def test_chest_film_weights_see_our_films_as_theirs(tmp_path, monkeypatch):
    """Theirs run from -1024 to 1024: the same film in either form gives the same features."""
    theirs = BACKBONES["densenet121"]().eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
    # As if trained: the first normalisation undoes the great range.
    theirs.features.norm0.running_var.fill_(1e6)
    state = {**theirs.state_dict(), "classifier.weight": torch.zeros(18, 1024), "op_threshs": torch.zeros(18)}
    fake_xrv(monkeypatch, lambda weights: types.SimpleNamespace(state_dict=lambda: state))
    ours = BACKBONES["densenet121"]().eval()
    load_start(ours, "densenet121", Start(xrv="densenet121-res224-all"), FORM, tmp_path)
    grey = torch.full((1, 1, 64, 64), 90.0)
    scale, shift = FORM.scale_and_shift

    def middle(net, films):
        # Away from the border, where zeros mean another grey in either form.
        with torch.no_grad():
            return net.features.norm0(net.features.conv0(films))[..., 4:-4, 4:-4]

    expected = middle(theirs, (2 * grey / 255 - 1) * 1024)
    assert expected.std() > 1e-3
    torch.testing.assert_close(middle(ours, grey * scale + shift), expected, atol=1e-4, rtol=1e-3)


def test_chest_film_weights_that_cannot_be_had_end_in_one_sentence(tmp_path, monkeypatch):
    name = "densenet121-res224-all"
    with pytest.raises(SettingsError, match="is a densenet121, and this net is a resnet50"):
        started("resnet50", tmp_path, xrv=name)
    with pytest.raises(SettingsError, match="has seen films of nih, which this run leaves out"):
        started("densenet121", tmp_path, xrv=name, leave_out=["nih", "shenzhen"])
    monkeypatch.setitem(sys.modules, "torchxrayvision", None)
    with pytest.raises(SettingsError, match=r"pip install torchxrayvision==1.5.7"):
        started("densenet121", tmp_path, xrv=name)

    def offline(weights):
        raise URLError("no network")

    fake_xrv(monkeypatch, offline)
    with pytest.raises(SettingsError, match=r"could not be fetched .*no network.*or start elsewhere"):
        started("densenet121", tmp_path, xrv=name)
    with pytest.raises(SettingsError, match="has no weights 'all-of-them'"):
        started("densenet121", tmp_path, xrv="all-of-them")


@pytest.mark.parametrize(
    ("init", "start"),
    [
        ("scratch", Start()),
        ("imagenet", Start(imagenet="weights/mobilenet_v2_imagenet_qat.safetensors")),
        ("imagenet=public", Start(imagenet="public")),
        ("xrv", Start(xrv="densenet121-res224-all")),
        ("findings", Start(findings="findings_mobilenet_v2")),
        ("distilled", Start(distilled="mine")),
        ("distilled=simclr_mobilenet_v2", Start(distilled="simclr_mobilenet_v2")),
    ],
)
def test_the_command_lines_start_goes_before_the_configurations(tiny_config, init, start):
    settings = read_settings(tiny_config, start={"distilled": "mine"})
    assert chosen_start(init, settings) == start


@pytest.mark.parametrize("init", ["luck", "scratch=x", "", "weights"])
def test_a_kind_of_start_that_is_not_known_is_named(tiny_config, init):
    with pytest.raises(SettingsError, match="must be scratch, weights=NAME, imagenet, xrv, findings"):
        chosen_start(init, read_settings(tiny_config))
