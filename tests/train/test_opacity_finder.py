"""The opacity finder learns from normal training films with opacities pasted, and raises chances beside the
severity nets."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from cxrtriage.reading.facts import model_facts, model_names
from cxrtriage.reading.severity import SeverityReader
from cxrtriage.reading.severity_card import LONE_FINDER
from cxrtriage.weights import load_net, read_card, write_card
from train.command import main
from train.manifest import read_films
from train.opacity_finder import (
    MAP_LEAST,
    IllFilms,
    OpacityFilms,
    OpacityFinder,
    OpacityLearner,
    OpacitySettings,
    _caution,
    read_opacity_settings,
    train_opacities,
)
from train.settings import SettingsError
from train.severity import SeverityData, read_severity_settings
from train.severity_figures import said_by
from train.severity_films import affected_zones
from train.zone_models import ZoneModels


@pytest.fixture
def opacity_config(severity_config, tmp_path):
    values = {
        "options": {"decoder_channels": [16, 16, 8, 8, 8]},
        "severity": yaml.safe_load(severity_config.read_text()),
        "epochs": 1, "batch": 2, "films_per_epoch": 4, "workers": 0, "average": 0.0,
    }  # fmt: skip
    path = tmp_path / "opacities.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.slow
def test_a_finder_is_trained_measured_and_read_with(
    scored_data, severity_config, opacity_config, trunk_folder, tmp_path, monkeypatch
):
    runs, weights, results = tmp_path / "runs", trunk_folder, tmp_path / "results"
    monkeypatch.setattr("cxrtriage.weights.WEIGHTS_FOLDER", weights)
    assert main(["severity", "--config", str(severity_config), "--runs", str(runs)]) == 0
    assert main(["opacities", "--config", str(opacity_config), "--runs", str(runs)]) == 0
    lone_config = opacity_config.with_name("lone.yaml")
    lone_config.write_text(
        yaml.safe_dump({**yaml.safe_load(opacity_config.read_text()), "name": LONE_FINDER, "seed": 2})
    )
    assert main(["opacities", "--config", str(lone_config), "--runs", str(runs)]) == 0
    names = ["severity_1", "severity_2", "opacity_finder", LONE_FINDER]
    assert main(["take", *names, "--runs", str(runs), "--weights", str(weights)]) == 0
    card = read_card("opacity_finder", weights)
    assert {row["source"] for row in card.training_data} == {"north"}
    folders = ["--runs", str(runs), "--weights", str(weights), "--results", str(results)]
    assert main(["evaluate", "severity", *folders]) == 0
    reader = SeverityReader.load(weights)
    assert set(reader.card.checksums) == set(names)
    assert not {"opacity_finder", LONE_FINDER} & set(model_names(weights))
    assert {"opacity_finder", LONE_FINDER} <= {card.name for card in model_facts("severity", weights).cards}
    assert json.loads((weights / "severity.json").read_text())["opacity_finder_map_least"] == MAP_LEAST

    data = SeverityData(read_severity_settings(severity_config), runs)
    lone = OpacityFinder.of_zones(weights)
    nets = {0: [torch.nn.Module()]}
    nets[0][0].forward = lambda film, zones: _constant(0.2)
    folds = np.zeros(len(data.truths), int)
    alone = said_by(data, nets, folds, ZoneModels(data, weights), OpacityFinder(None, None))
    beside = said_by(data, nets, folds, ZoneModels(data, weights), lone)
    assert (alone[0] == beside[0]).all()
    number = alone[0][0]
    film = torch.from_numpy(data.images[number].astype(np.float32) * data.settings.input.scale_and_shift[0])
    film = film + data.settings.input.scale_and_shift[1]
    own = lone.net(film[None, None], torch.from_numpy(data.zones[number])[None]).array[0].detach().numpy()
    assert beside[1]["array"][0] == pytest.approx(np.maximum(alone[1]["array"][0], own), abs=1e-5)
    assert (alone[1]["brixia"] == beside[1]["brixia"]).all()


def _constant(chance: float):
    from cxrtriage.nets.severity import ScaleOutputs

    zones = torch.full((1, 6), chance)
    return ScaleOutputs(zones, zones, zones[:, 0], zones[:, 0])


def test_what_was_pasted_is_what_is_taught(scored_data, severity_config, tmp_path):
    data = SeverityData(read_severity_settings(severity_config), tmp_path / "runs")
    index = np.flatnonzero(data.split("train") & ~data.scored)
    settings = OpacitySettings(severity=data.settings, pasted=1.0, films_per_epoch=40)
    torch.manual_seed(1)
    pasted = [OpacityFilms(data, index, settings)[0] for _ in range(40)]
    assert any((lesions == 1).any() for _, _, lesions, _, _ in pasted)
    for film, zones, lesions, affected, _ in pasted:
        assert film.shape == (1, *zones.shape)
        assert affected.shape == (6,)
        # The film moves after its zones are told, so that only the clear cases hold to the pixel.
        for zone in np.flatnonzero(affected.numpy() == 1) + 1:
            assert (lesions[zones == int(zone)] == 1).any() or not (zones == int(zone)).any()
    none = OpacityFilms(data, index, OpacitySettings(severity=data.settings, pasted=0.0))[0]
    assert not (none[2] == 1).any()
    assert none[3].tolist() == [0.0] * 6
    assert affected_zones(none[2].numpy(), none[1].numpy()).tolist() == [0.0] * 6


@pytest.mark.slow
def test_a_finder_that_learns_from_scored_films_is_asked_of_none_that_it_saw(
    scored_data, opacity_config, trunk_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("cxrtriage.weights.WEIGHTS_FOLDER", trunk_folder)
    runs, weights = tmp_path / "runs", tmp_path / "taken"
    values = {**yaml.safe_load(opacity_config.read_text()), "scored": 0.5}
    opacity_config.write_text(yaml.safe_dump(values))
    card = train_opacities(read_opacity_settings(opacity_config), runs)
    assert {row["source"] for row in card.training_data} == {"north", "south"}
    assert main(["take", "opacity_finder", "--runs", str(runs), "--weights", str(weights)]) == 0
    finders = OpacityFinder.by_fold(weights, runs, (0, 1))
    names = {fold: finder.card.name for fold, finder in finders.items() if finder.card}
    assert names == {-1: "opacity_finder", **{n: f"opacity_finder-without-fold-{n + 1}" for n in (0, 1)}}
    data = SeverityData(read_opacity_settings(opacity_config).severity, runs)
    own = finders[0].card
    assert own is not None
    told = {row["source"]: row["films"] for row in own.training_data}
    assert told["south"] == {"scored": int((data.scored & (data.folds() > 0)).sum())}
    # A folder goes on with its own run, not with another's.
    with pytest.raises(SettingsError, match="holds a run with other settings"):
        train_opacities(replace(read_opacity_settings(opacity_config), epochs=2), runs)
    (runs / "opacity_finder-without-fold-2" / "opacity_finder-without-fold-2.json").unlink()
    assert set(OpacityFinder.by_fold(weights, runs, (0, 1))) == {-1}
    # What raises zones of scored films must not have seen one.
    (weights / f"{LONE_FINDER}.safetensors").write_bytes(
        (weights / "opacity_finder.safetensors").read_bytes()
    )
    write_card(replace(card, name=LONE_FINDER), weights)
    with pytest.raises(SettingsError, match="lone_opacity_finder has learnt from scored films"):
        OpacityFinder.of_zones(weights)
    # Of what has seen the films of a fold no net without them can come.
    monkeypatch.setattr("cxrtriage.weights.WEIGHTS_FOLDER", weights)
    with pytest.raises(SettingsError, match="no fold is new to it"):
        train_opacities(replace(read_opacity_settings(opacity_config), start="opacity_finder"), runs / "on")


@pytest.mark.slow
def test_without_the_nets_of_the_folds_what_was_measured_with_them_is_kept(
    scored_data, severity_config, opacity_config, trunk_folder, tmp_path, monkeypatch, capsys
):
    runs, weights, results = tmp_path / "runs", trunk_folder, tmp_path / "results"
    monkeypatch.setattr("cxrtriage.weights.WEIGHTS_FOLDER", weights)
    values = {**yaml.safe_load(opacity_config.read_text()), "scored": 0.5}
    opacity_config.write_text(yaml.safe_dump(values))
    for command, config in (("severity", severity_config), ("opacities", opacity_config)):
        assert main([command, "--config", str(config), "--runs", str(runs)]) == 0
    names = ["severity_1", "severity_2", "opacity_finder"]
    assert main(["take", *names, "--runs", str(runs), "--weights", str(weights)]) == 0
    folders = ["--runs", str(runs), "--weights", str(weights), "--results", str(results)]
    evaluate = ["evaluate", "severity", *folders]
    assert main(evaluate) == 0
    card, figures = ((folder / "severity.json").read_text() for folder in (weights, results))
    (runs / "opacity_finder-without-fold-1" / "opacity_finder-without-fold-1.json").unlink()
    capsys.readouterr()
    assert main(evaluate) == 0
    assert "maps of films unseen are kept as they were measured" in capsys.readouterr().out
    assert ((weights / "severity.json").read_text(), (results / "severity.json").read_text()) == (
        card,
        figures,
    )
    # Joined by another rule, they would be figures of another reading.
    (weights / "severity.json").write_text(card.replace('"opacity_finder_map_against": 0.5', '"other": 0.5'))
    assert main(evaluate) == 2
    (weights / "severity.json").unlink()
    assert main(evaluate) == 2
    assert "nets without each fold are not among the runs" in capsys.readouterr().err


def test_films_that_readers_saw_are_taught_as_they_saw_them(scored_data, severity_config, tmp_path):
    data = SeverityData(read_severity_settings(severity_config), tmp_path / "runs")
    well, read = (np.flatnonzero(data.split("train") & kept) for kept in (~data.scored, data.scored))
    settings = OpacitySettings(severity=data.settings, scored=1.0)
    films = [OpacityFilms(data, well, settings, read)[0] for _ in range(20)]
    # Nobody drew: of places nothing is known, of zones what was scored; the film may be mirrored.
    ill = [(zones, lesions) for _, zones, lesions, affected, _ in films if affected.any()]
    assert ill
    assert all((lesions[zones > 0] == 2).all() for zones, lesions in ill)
    assert {tuple(affected.tolist()) for *_, affected, _ in films} <= {
        (0.0,) * 6, (1.0, *(0.0,) * 5), (0.0, 1.0, *(0.0,) * 4),
    }  # fmt: skip
    with pytest.raises(SettingsError, match="no films to learn from whose lesions are drawn"):
        train_opacities(replace(settings, scored=0.0, drawn=0.3), tmp_path / "runs")


ILL = {"diseases": ("tuberculosis",), "ill": 1.0}


def test_of_ill_films_the_likeliest_zone_alone_is_taught(scored_data, severity_config, tmp_path):
    data = SeverityData(read_severity_settings(severity_config), tmp_path / "runs")
    settings = OpacitySettings(severity=data.settings, options={"decoder_channels": [16, 16, 8, 8, 8]}, **ILL)
    well = np.flatnonzero(data.split("train") & ~data.scored)
    ill = IllFilms.of(data, settings, tmp_path / "runs")
    # The north's normal films are those that are pasted into; the south's come along with its ill ones.
    found = Counter(
        (row.source, row.label, bool(shows)) for row, shows in zip(ill.rows, ill.ill, strict=True)
    )
    assert found == {
        ("north", "tuberculosis", True): 3, ("south", "tuberculosis", True): 3, ("south", "normal", False): 3,
    }  # fmt: skip
    # Of a patient who is asked about nothing is learnt, not even that he was ill.
    away = {row.patient for row in ill.rows if row.source == "north"}
    assert {row.source for row in IllFilms.of(data, settings, tmp_path / "runs", away).rows} == {"south"}
    drawn = [OpacityFilms(data, well, settings, ill=ill)[0] for _ in range(20)]
    assert {float(shown) for *_, shown in drawn} == {0.0, 1.0}
    for _, zones, lesions, affected, _ in drawn:
        assert (lesions[zones > 0] == 2).all()
        assert affected.isnan().all()

    films, zones, lesions, affected, _ = (torch.stack(parts[:4]) for parts in zip(*drawn, strict=True))
    losses = {}
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        learner = OpacityLearner(replace(settings, ill_weight=weight)).eval()
        learner.log_dict = lambda *_, **__: None
        losses[weight] = learner.training_step((films, zones, lesions, affected, torch.ones(4)), 0)
    scale, shift = data.settings.input.scale_and_shift
    told = learner.net(films.float() * scale + shift, zones).array.amax(dim=1)
    added = (losses[1.0] - losses[0.0]).item()
    assert added == pytest.approx(-told.log().mean().item(), rel=1e-4)


def test_a_card_says_all_that_a_finder_learnt_from():
    pasted = OpacitySettings()
    said = "It learnt from opacities that were pasted into films"
    assert _caution(pasted) == f"{said}; no disease tells it anything."
    drawn = "from lesions drawn in films of COVID-19, few of others"
    assert _caution(replace(pasted, drawn=0.3)) == f"{said} and {drawn}."
    ill = "from films known to show tuberculosis or opacity somewhere"
    guess = "no reader marked where in those, so that what it marks of it is its guess"
    of_all = replace(
        pasted, drawn=0.25, scored=0.2, ill=0.2, diseases=("tuberculosis",), findings=("opacity",)
    )
    scored = "from films whose zones readers scored"
    assert _caution(of_all) == f"{said}, {drawn}, {scored} and {ill}; {guess}."


def test_films_with_a_finding_are_ill_unless_a_radiologist_says_otherwise(
    scored_data, severity_config, tmp_path
):
    data = SeverityData(read_severity_settings(severity_config), tmp_path / "runs")
    rows = [row for row in read_films(scored_data) if row.source == "north" and row.split == "train"]
    with (scored_data / "films.csv").open() as stream:
        films = stream.read()
    for row in rows:  # a hospital's own label tells the normal ones
        films = films.replace(
            f"{row.file},north,{row.file},tuberculosis", f"{row.file},north,{row.file},other"
        )
    (scored_data / "films.csv").write_text(films)
    spoken = ["1,", "1,0", "0,1", "1,1", "1,", "1,"]  # text-mined, radiologist
    lines = [f"{row.file},{said}" for row, said in zip(rows, spoken, strict=True)]
    table = "\n".join(("file,opacity,radiologist_lung_opacity_rsna", *lines))
    (scored_data / "findings.csv").write_text(table + "\n")
    settings = OpacitySettings(severity=data.settings, findings=("opacity",), ill=1.0)
    ill = IllFilms.of(data, settings, tmp_path / "runs")
    told = {row.file: said for row, said in zip(rows, spoken, strict=True) if row.label == "tuberculosis"}
    assert {row.file for row in ill.rows} == {file for file, said in told.items() if said != "1,0"}
    assert ill.ill.all()


@pytest.mark.slow
def test_a_finder_of_a_disease_goes_on_from_the_run_that_saw_as_little(scored_data, opacity_config, tmp_path):
    values = yaml.safe_load(opacity_config.read_text())
    runs, config = tmp_path / "runs", tmp_path / "on.yaml"
    config.write_text(
        yaml.safe_dump(
            {**values, "diseases": ["tuberculosis"], "ill": 0.5, "name": "on", "start": "opacity_finder"}
        )
    )
    without = ["--exclude", "south", "--runs", str(runs)]
    assert main(["opacities", "--config", str(opacity_config), *without]) == 0
    assert main(["opacities", "--config", str(config), *without]) == 0
    card = read_card("on-without-south", runs / "on-without-south")
    assert {of["source"]: of["films"] for of in card.training_data} == {
        "north": {"well": 3, "tuberculosis": 3}
    }
    assert "films known to show tuberculosis somewhere" in card.cautions[0]


@pytest.mark.slow
def test_a_finder_is_the_mean_of_its_trainings(scored_data, opacity_config, tmp_path, monkeypatch):
    monkeypatch.setattr("cxrtriage.weights.WEIGHTS_FOLDER", tmp_path / "none")
    runs = tmp_path / "runs"
    start = read_opacity_settings(opacity_config)
    train_opacities(start, runs)
    settings = replace(start, name="mean", start="opacity_finder", trainings=2, learning_rate=0.01)
    train_opacities(settings, runs)
    kept = [runs / "mean" / f"training-{number}" / "net.safetensors" for number in (1, 2)]
    whole, first, second = (load_file(path) for path in (runs / "mean" / "mean.safetensors", *kept))
    apart = [key for key, value in first.items() if not torch.equal(value, second[key])]
    assert any("weight" in key for key in apart)
    assert any("running_mean" in key for key in apart)
    for key in apart:
        mean = (first[key].float() + second[key].float()) / 2
        torch.testing.assert_close(whole[key].float(), mean, rtol=1e-3, atol=1e-4)
    # What has ended is taken as it was kept: a run that was stopped goes on with the training it was at.
    save_file({key: torch.zeros_like(value) for key, value in first.items()}, kept[0])
    before = kept[1].stat().st_mtime_ns
    card = train_opacities(settings, runs)
    half = load_net(card, runs / "mean").state_dict()
    assert kept[1].stat().st_mtime_ns == before
    for key in apart:
        torch.testing.assert_close(half[key], second[key].float() / 2, rtol=1e-3, atol=1e-4)
    with pytest.raises(SettingsError, match="holds a run with other settings"):
        train_opacities(replace(settings, trainings=3), runs)


def test_without_a_finder_nothing_changes(tmp_path):
    finder = OpacityFinder.load(tmp_path)
    array = np.linspace(0, 1, 6)
    assert finder.checksums == {}
    assert finder.likelier(array, torch.zeros(1, 1, 8, 8), torch.zeros(1, 8, 8)) is array


def test_settings_that_are_none_and_films_that_are_missing_are_named(
    scored_data, opacity_config, tmp_path, monkeypatch
):
    opacity_config.with_name("other.yaml").write_text("severity: {name: severity, nonsense: 1}\n")
    with pytest.raises(SettingsError, match="nonsense"):
        read_opacity_settings(opacity_config.with_name("other.yaml"))
    opacity_config.with_name("shape.yaml").write_text("shapes: [cloud, square]\n")
    with pytest.raises(SettingsError, match=r"shapes must be some of cloud, .*, not square"):
        read_opacity_settings(opacity_config.with_name("shape.yaml"))
    opacity_config.with_name("ill.yaml").write_text("diseases: [tuberculosis]\n")
    with pytest.raises(SettingsError, match="name what the share ill of the films shows"):
        read_opacity_settings(opacity_config.with_name("ill.yaml"))
    opacity_config.with_name("shares.yaml").write_text("drawn: 0.6\nscored: 0.5\n")
    with pytest.raises(SettingsError, match="1 together at the most"):
        read_opacity_settings(opacity_config.with_name("shares.yaml"))
    opacity_config.with_name("none.yaml").write_text("trainings: 0\n")
    with pytest.raises(SettingsError, match="trainings must be 1 or more"):
        read_opacity_settings(opacity_config.with_name("none.yaml"))
    opacity_config.with_name("apart.yaml").write_text("trainings: 3\n")
    with pytest.raises(SettingsError, match="only trainings from the same start have a mean"):
        read_opacity_settings(opacity_config.with_name("apart.yaml"))
    measles = replace(read_opacity_settings(opacity_config), diseases=("measles",), ill=0.5)
    with pytest.raises(SettingsError, match="no training films with measles"):
        train_opacities(measles, tmp_path / "runs" / "measles")
    monkeypatch.setattr("train.severity.WELL_SOURCES", ())
    with pytest.raises(SettingsError, match="no normal training films"):
        train_opacities(read_opacity_settings(opacity_config), tmp_path / "runs")


def test_sources_that_are_kept_out_are_not_learnt_from(scored_data, opacity_config, tmp_path, capsys):
    # All normal films are of the one source.
    without = ["--exclude", "north", "--runs", str(tmp_path / "runs")]
    assert main(["opacities", "--config", str(opacity_config), *without]) != 0
    assert "no normal training films" in capsys.readouterr().err
    assert (tmp_path / "runs" / "opacity_finder-without-north").is_dir()
