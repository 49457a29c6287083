"""A command that cannot be done says why in one sentence, without a traceback."""

from __future__ import annotations

import errno

import pytest

from train.command import main


def test_a_command_that_cannot_be_done_says_why(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CXRTRIAGE_DATA", str(tmp_path))
    path = tmp_path / "a.yaml"
    path.write_text("name: a\narchitecture: resnet50\nsources: {north: 1}")
    assert main(["fit", "--config", str(path), "--runs", str(tmp_path)]) == 2
    assert "films.csv is not there" in capsys.readouterr().err
    assert main(["take", "nothing", "--weights", str(tmp_path), "--runs", str(tmp_path)]) == 2
    assert "fetch the weights again" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "simclr"])
def test_a_configuration_that_is_not_there_is_named(command, tmp_path, capsys):
    assert main([command, "--config", str(tmp_path / "none.yaml"), "--runs", str(tmp_path)]) == 2
    assert "none.yaml cannot be read" in capsys.readouterr().err


def test_a_start_that_is_not_known_is_named(tiny_data, tiny_config, tmp_path, capsys):
    fitted = ["fit", "--config", str(tiny_config), "--runs", str(tmp_path / "runs")]
    assert main([*fitted, "--init", "luck"]) == 2
    assert "--init luck: the start must be scratch, weights=NAME" in capsys.readouterr().err


def test_a_full_disk_is_one_sentence(tiny_data, tiny_config, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "runs"))

    monkeypatch.setattr("train.fit.fit", full)
    assert main(["fit", "--config", str(tiny_config), "--runs", str(tmp_path / "runs")]) == 2
    said = capsys.readouterr().err
    assert said.endswith("runs cannot be read or written: No space left on device.\n")
    assert "Traceback" not in said
