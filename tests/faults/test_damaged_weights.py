"""Weights that are damaged or not there: one sentence that names the file, and what can be read is read."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from cxrtriage.cli import main
from cxrtriage.ct import lesion_finder
from cxrtriage.reading import triage as reading
from cxrtriage.reading.triage import Triage
from cxrtriage.ui import readings
from cxrtriage.weights import WEIGHTS_FOLDER, WeightsError
from tests.reading.small_nets import write_small_gate, write_small_nets, write_small_severity

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "cxrtriage" / "examples" / "shenzhen-00010.webp"


def gone(path: Path) -> None:
    path.unlink()


def truncated(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.unlink()
    path.write_bytes(bytes(data))


def other_sum(path: Path) -> None:
    changed(path, sha256="0" * 64)


def no_form(path: Path) -> None:
    changed(path, input={"size": 64, "no_such_option": 1})


def of_another_mean(path: Path) -> None:
    """Thresholds of before scores were pooled in log odds."""
    changed(path, schema="cxrtriage/ensemble/1")


def of_no_calibration(path: Path) -> None:
    changed(path, calibrations=None)


def read_by_a_stranger(path: Path) -> None:
    """A class that a net reads which is not among those of the file."""
    changed(path, readers={"tuberculosis": ["tb_x"]})


def read_by_nobody(path: Path) -> None:
    changed(path, readers={"tuberculosis": []})


def of_no_deviation(path: Path) -> None:
    changed(path, calibration={"tuberculosis": {"temperature": 1.0, "deviation": 0.0}})


def of_endless_deviation(path: Path) -> None:
    changed(path, calibration={"tuberculosis": {"temperature": 1.0, "deviation": float("inf")}})


def other_name(path: Path) -> None:
    changed(path, name="another")


def a_list(path: Path) -> None:
    path.unlink()
    path.write_text("[1, 2]")


def changed(path: Path, **values: object) -> None:
    plain = {**json.loads(path.read_text()), **values}
    path.unlink()
    path.write_text(json.dumps(plain))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    write_small_nets(folder)
    write_small_severity(folder)
    write_small_gate(folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A folder of its own whose files may be replaced."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for path in sound.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


NEEDED: list[tuple[str, Callable[[Path], None]]] = [
    *((f"{net}.safetensors", do) for net in ("tb_a", "gate") for do in (gone, truncated, flipped)),
    ("lungs.safetensors", truncated),
    *((f"{net}.json", do) for net in ("tb_a", "gate", "lungs") for do in (truncated, a_list, no_form)),
    ("tb_a.json", gone),
    ("lungs.json", gone),
    ("tb_a.json", other_name),
    ("tb_a.json", of_no_deviation),
    ("tb_a.json", of_endless_deviation),
    ("ensemble.json", gone),
    ("ensemble.json", truncated),
    ("ensemble.json", a_list),
    ("ensemble.json", of_another_mean),
    ("ensemble.json", of_no_calibration),
    ("ensemble.json", read_by_a_stranger),
    ("ensemble.json", read_by_nobody),
]


@pytest.mark.parametrize(("name", "damage"), NEEDED)
def test_what_every_reading_needs_is_named_in_one_sentence(folder, name, damage):
    if (name, damage) == ("gate.json", no_form):
        changed(folder / name, input={})
    else:
        damage(folder / name)
    with pytest.raises(WeightsError) as caught:
        Triage.load(folder, ["tb_a"])
    assert name in caught.value.message
    assert caught.value.code in ("weights_missing", "weights_damaged")
    assert caught.value.message.endswith(("again.", "again; or train one."))


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_thresholds_of_another_way_to_read_together_say_how_to_have_new_ones(folder, number):
    changed(folder / "ensemble.json", schema=f"cxrtriage/ensemble/{number}")
    with pytest.raises(WeightsError, match=r"together in another way; run python -m train evaluate"):
        Triage.load(folder)


def test_a_card_with_another_sum_is_not_of_these_weights(folder):
    other_sum(folder / "tb_a.json")
    with pytest.raises(WeightsError, match=r"tb_a\.safetensors are not the ones their card speaks of"):
        Triage.load(folder, ["tb_a"])


OPTIONAL: list[tuple[str, Callable[[Path], None], str]] = [
    ("severity.json", truncated, "severity"),
    ("severity.json", a_list, "severity"),
    ("severity_1.json", gone, "severity"),
    ("severity_2.json", truncated, "severity"),
    ("severity_2.safetensors", flipped, "severity"),
    ("severity_1.safetensors", gone, "severity"),
    ("tb_a.safetensors", flipped, "findings"),
    ("tb_a.json", gone, "findings"),
]


@pytest.mark.parametrize(("name", "damage", "part"), OPTIONAL)
def test_what_reading_can_do_without_is_left_out_and_named(folder, name, damage, part):
    damage(folder / name)
    triage = Triage.load(folder, ["tb_b"])  # tb_a gives the findings and is no member here
    (error,) = triage.problems.values()
    assert list(triage.problems) == [part]
    assert name in error.message
    assert triage.members == ("tb_b",)


@pytest.mark.parametrize(
    ("name", "said"),
    [("severity.json", "No severity nets are installed"), ("gate.json", "No gate is installed")],
)
def test_what_was_never_installed_is_no_damage_and_the_command_line_says_so(
    folder, name, said, monkeypatch, capsys
):
    (folder / name).unlink()
    monkeypatch.setattr(reading, "WEIGHTS_FOLDER", folder)
    assert Triage.load(folder, ["tb_a"]).problems == {}
    assert main(["assess", str(EXAMPLE), "--models", "tb_a"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["status"] == "read"
    assert said in err


def test_the_command_line_ends_with_the_sentence_alone(folder, monkeypatch, capsys):
    truncated(folder / "gate.safetensors")
    monkeypatch.setattr(reading, "WEIGHTS_FOLDER", folder)
    assert main(["assess", str(EXAMPLE)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "The weights gate.safetensors are not the ones their card speaks of (checksum); fetch both again.\n"
    )


def test_the_command_line_reads_without_a_damaged_severity_net_and_says_so(folder, monkeypatch, capsys):
    truncated(folder / "severity_1.safetensors")
    monkeypatch.setattr(reading, "WEIGHTS_FOLDER", folder)
    assert main(["assess", str(EXAMPLE), "--models", "tb_a"]) == 0
    out, err = capsys.readouterr()
    row = json.loads(out)
    assert (row["status"], row["severity"]) == ("read", None)
    assert "severity_failed" in row["codes"]
    assert "The weights severity_1.safetensors are not the ones their card speaks of" in err
    assert "The rest is read without it." in err


def ct_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped CT net, damaged, in a folder of its own."""
    for path in WEIGHTS_FOLDER.glob("ct_lesion.*"):
        shutil.copy(path, folder)
    flipped(folder / "ct_lesion.safetensors")
    load = lesion_finder.LesionFinder.load
    monkeypatch.setattr(lesion_finder.LesionFinder, "load", staticmethod(lambda: load(folder=folder)))


def test_ct_says_which_file_is_damaged_and_films_are_read_all_the_same(folder, monkeypatch, capsys):
    ct_weights(folder, monkeypatch)
    assert main(["ct", str(EXAMPLE)]) == 2
    assert "The weights ct_lesion.safetensors are not the ones" in capsys.readouterr().err
    assert Triage.load(folder, ["tb_a"]).problems == {}


def words(page: AppTest) -> str:
    return " ".join(str(element.proto.body) for element in page.get("html"))


def test_the_pages_say_the_sentence_and_stand(folder, monkeypatch):
    truncated(folder / "tb_a.safetensors")
    truncated(folder / "severity.json")
    monkeypatch.setattr(readings, "loaded_triage", lambda: Triage.load(folder))
    for name in ("reading.py", "follow_up.py"):
        page = AppTest.from_file(str(ROOT / "pages" / name), default_timeout=120)
        page.session_state["framed"] = True
        page.run()
        file = io.BytesIO()
        Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (200, 1))).save(file, "PNG")
        page.file_uploader[0].upload("film.png", file.getvalue(), "image/png")
        page.run()
        assert not page.exception
        assert words(page).count("The weights tb_a.safetensors are not the ones their card speaks of") == 1
        assert "threshold 0.50 (" not in words(page)
