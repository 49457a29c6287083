"""Evaluation end to end: small nets on tiny films give cards, an ensemble that reads, tables and plots."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cxrtriage import nets
from cxrtriage.film.read import read_film
from cxrtriage.reading.call import class_score
from cxrtriage.reading.ensemble import read_ensemble, write_ensemble
from cxrtriage.reading.member import Member
from cxrtriage.reading.triage import Triage
from cxrtriage.weights import (
    WEIGHTS_FOLDER,
    Calibration,
    Card,
    OperatingPoint,
    read_card,
    save_net,
    write_card,
)
from train.calibration import logit
from train.command import main
from train.controls import LEAST_FALL, Changed, Fall
from train.evaluate import MOST_NETS, cautions_of, classifier_names, evaluate
from train.films import Labelled
from train.left_out import folds_of
from train.manifest import data_folder, read_films
from train.scores import Predictions, Scores, pooled
from train.settings import SettingsError, read_settings
from train.thresholds import source_weights
from train.together import best_unseen, chosen_members, held_elsewhere, reading_lungs

CLASSES = ("tuberculosis", "covid19")
FINDINGS = ("no_finding", "opacity")
LABELS = ("normal", "tuberculosis", "covid19", "other")
SPLITS = ("train",) * 8 + ("val",) * 6 + ("test",) * 8
COLUMNS = ("file", "source", "patient", "label", "view", "age", "sex", "adult", "split", "licence")


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three sources of every label, 22 films each; findings of the first, lung masks of the second."""
    folder = tmp_path_factory.mktemp("hospitals") / "data"
    for name in ("cxr", "lungs"):
        (folder / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    films, findings, lungs = [], [], []
    for source in ("north", "south", "west"):
        for label in LABELS:
            for number, split in enumerate(SPLITS):
                pixels = random.integers(0, 120, (48, 40)).astype(np.uint8)
                if label != "normal":
                    place = 10 * LABELS.index(label)
                    pixels[10:38, place - 4 : place + 8] += 60
                file = f"{source}-{label}-{number}.png"
                Image.fromarray(pixels).save(folder / "cxr" / file)
                view, sex = ("PA", "AP")[number % 2], ("F", "M")[number % 2]
                age = ("30", "50", "70")[number % 3]
                films.append((file, source, file, label, view, age, sex, "1", split, "CC0"))
                if source == "north":
                    findings.append((file, int(label == "normal"), int(label == "other")))
                if source == "south" and label in ("normal", "tuberculosis"):
                    mask = np.zeros((48, 40), np.uint8)
                    mask[8:40, 6:34] = 255
                    Image.fromarray(mask).save(folder / "lungs" / file)
                    lungs.append((file, file))
    for table, columns, rows in (
        ("films.csv", COLUMNS, films),
        ("findings.csv", ("file", *FINDINGS), findings),
        ("lungs.csv", ("file", "mask"), lungs),
    ):
        with (folder / table).open("w", newline="") as stream:
            csv.writer(stream).writerows([columns, *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXRTRIAGE_DATA", str(folder))
        # So few normal films are too few for the real probe.
        patch.setattr("train.probe.LEAST", 20)
        yield folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "small.yaml"
    path.write_text(
        """
name: small
architecture: mobilenet_v2
input: {size: 32}
classes: [tuberculosis, covid19]
labels: [normal, tuberculosis, covid19, other]
findings: [no_finding, opacity]
sources: {north: 1, south: 1, west: 1}
threshold_sources: [north, south]
unquoted_sources: [west]
"""
    )
    return path


def put_net(folder: Path, name: str, seed: int, config: Path, **changes: object) -> Card:
    """A net of random weights with the card that training would have written."""
    settings = read_settings(config, **{"name": name, **changes})
    torch.manual_seed(seed)
    options = {"classes": len(settings.classes), "findings": len(settings.findings)}
    net = nets.build(settings.architecture, **options)
    _normalise(net)
    sha256 = save_net(net, folder / f"{settings.run}.safetensors")
    card = Card(
        name=settings.run,
        task="",
        classes=settings.classes,
        architecture=settings.architecture,
        options=options,
        input=settings.input.to_dict(),
        sha256=sha256,
        licence="",
        findings=settings.findings,
        settings=settings.to_dict(),
    )
    write_card(card, folder)
    return card


def _normalise(net: torch.nn.Module) -> None:
    """Give untrained normalisation the statistics of noise, so that films do not all score the same."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        net.train()(torch.randn(64, 1, 32, 32))
    net.eval()


@pytest.fixture(scope="module")
def evaluated(hospitals: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `weights`, `runs` and `results` of two nets, one of them with a fold."""
    tmp_path = tmp_path_factory.mktemp("evaluated")
    for seed, name in enumerate(("one", "two")):
        put_net(tmp_path / "weights", name, seed, config)
    put_net(tmp_path / "runs" / "one-without-south", "one", 7, config, leave_out=["south"])
    places = [f"--{name}={tmp_path / name}" for name in ("weights", "runs", "results")]
    assert main(["evaluate", "--all", *places]) == 0
    return tmp_path


@pytest.mark.slow
def test_all_nets_of_a_folder_are_measured_and_then_read_together(evaluated, hospitals):
    card = read_card("one", evaluated / "weights")
    assert set(card.operating_points) == set(CLASSES)
    assert set(card.operating_points["covid19"]) == {"sensitivity_0.90", "specificity_0.70", "youden"}
    assert set(card.calibration) == {*CLASSES, *FINDINGS}
    assert "no_finding" not in card.shown_findings
    assert all("normal" in caution for caution in card.cautions if "called" in caution)
    point = card.operating_points["tuberculosis"]["sensitivity_0.90"]
    assert point.sensitivity >= 0.9
    assert point.interval[0] <= point.threshold <= point.interval[1]
    assert point.population.startswith("validation films: 12 (north 6, south 6) with tuberculosis, 36 (")
    assert point.spread > 0

    ensemble = read_ensemble(evaluated / "weights")
    assert set(ensemble.operating_points) == {"one+two"}
    assert ensemble.operating_points["one+two"]["covid19"]["youden"].spread > 0
    film = read_film(next((hospitals / "cxr").glob("*.png")))
    assert set(ensemble.members) <= {"one", "two"}
    chosen = Triage.load(evaluated / "weights")
    assert chosen.members == ensemble.members
    diagnosis = chosen.assess(film).diagnosis
    measured = {net: read_card(net, evaluated / "weights").operating_points for net in ("one", "two")}
    measured |= ensemble.operating_points
    for name, readers in ensemble.readers.items():
        assert {net for net, of in diagnosis.members.items() if name in of} == set(readers)
        point = measured["+".join(readers)][name]["sensitivity_0.90"]
        assert diagnosis.classes[name].threshold == point.threshold


@pytest.mark.slow
def test_everything_that_was_promised_is_in_the_results(evaluated):
    results = evaluated / "results"
    figures = json.loads((results / "one.json").read_text())
    assert figures["test"]["sources"] == ["north", "south"]  # the west is trained on, but never quoted
    tuberculosis = figures["test"]["classes"]["tuberculosis"]
    assert tuberculosis["against_rest"]["films"] == [48, 16]
    assert tuberculosis["against_normal"]["films"] == [16, 16]
    assert set(tuberculosis["per_source"]) == {"north", "south"}
    assert tuberculosis["subgroups"]["PA"]["films"] == {"with": 8, "without": 24}
    assert sum(row["films"] for row in figures["test"]["confusion"].values()) == 64
    assert set(figures["findings"]) == set(FINDINGS)
    assert figures["findings"]["opacity"]["films"] == {"with": 8, "without": 24}
    assert figures["shown_findings"] == []  # eight films are too few
    assert set(figures["calibration"]["covid19"]) == {
        "share_of_ill",
        "plain",
        "temperature",
        "temperature and shift",
    }
    controls = figures["controls"]
    assert set(controls) == {"lungs_out", "border_only", "picture_border_only"}
    assert controls["lungs_out"]["tuberculosis"]["within_sources"]["control"]["films"] == [8, 8]
    assert controls["lungs_out"]["covid19"]["against_normal"] is None  # no mask of such a film
    assert figures["source_probe"]["chance"] == 0.3333
    assert figures["source_probe"]["films"] == [24, 24]
    fold = figures["leave_one_source_out"]["south"]
    assert fold["films_of"] == ["south"]
    assert fold["classes"]["tuberculosis"]["all"]["against_rest"]["films"] == [66, 22]
    assert fold["classes"]["tuberculosis"]["calls"]["operating_point"] == "sensitivity_0.90"
    together = json.loads((results / "ensemble.json").read_text())
    of_readers = together["ensemble"]["controls"]["lungs_out"]["tuberculosis"]["against_normal"]
    assert of_readers["control"]["films"] == [8, 8]
    assert set(together["validation_fall_without_lungs"]["tuberculosis"]) == {"one", "two", "one+two"}
    page = (results / "diagnosis.md").read_text()
    for text in ("## Tuberculosis", "## Covid19", "| one+two |", "south (left out: south)", "lungs out"):
        assert text in page
    assert "| opacity | 8 / 24 |" in (results / "findings.md").read_text()
    plots = sorted(path.name for path in (results / "plots").iterdir())
    assert plots == [f"{kind}_{name}.png" for kind in ("reliability", "roc") for name in sorted(CLASSES)]
    assert all(path.stat().st_size < 60_000 for path in (results / "plots").iterdir())


@pytest.mark.slow
def test_an_evaluation_gives_the_same_again_and_keeps_folds_of_other_machines(evaluated, tmp_path):
    evaluated = Path(shutil.copytree(evaluated, tmp_path / "again"))
    results = evaluated / "results"
    before = {path.name: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    evaluate(["one", "two"], evaluated / "runs", evaluated / "weights", results)
    assert {path.name: path.read_bytes() for path in results.rglob("*") if path.is_file()} == before
    evaluate(["one"], evaluated / "no-runs", evaluated / "weights", results)
    kept = json.loads((results / "one.json").read_text())
    assert kept["leave_one_source_out"] == json.loads(before["one.json"])["leave_one_source_out"]
    assert set(read_ensemble(evaluated / "weights").weights) == {"one", "two"}


def test_a_card_says_what_labels_that_were_mined_from_reports_are_worth(tiny_data, config, tmp_path):
    card = put_net(tmp_path, "one", 0, config)
    settings = read_settings(config)

    def said(**films: int) -> list[str]:
        parts = tuple({"source": source, "films": {"covid19": count}} for source, count in films.items())
        cautions = cautions_of(replace(card, training_data=parts), settings, read_films(tiny_data))
        return [caution for caution in cautions if "reports" in caution]

    assert said(nihpn=7, nih=2, cohen=5) == [
        "Of 14 films with covid19 that it learnt from, 9 were labelled so by a program that reads reports."
    ]
    assert said(nih=5, cohen=5) == []
    assert cautions_of(card, settings, ()) == cautions_of(card, settings, read_films(tiny_data))

    findings = "file,opacity,radiologist_lung_opacity_rsna\n"
    findings += "north-tuberculosis-0.png,0,1\nnorth-tuberculosis-1.png,1,0\nnorth-tuberculosis-2.png,1,\n"
    (tiny_data / "findings.csv").write_text(findings)
    parts = ({"source": "nihpn", "films": {"tuberculosis": 3}},)
    rows = [replace(row, source="nihpn") for row in read_films(tiny_data)]
    cautions = cautions_of(replace(card, training_data=parts), settings, rows)
    said_so = (
        "Of 3 films with tuberculosis that it learnt from, 3 were labelled so by a program that reads reports"
    )
    assert f"{said_so}; radiologists read 2 such films and saw an opacity in 1." in cautions
    # Of films of other sources no program spoke.
    cautions = cautions_of(replace(card, training_data=parts), settings, read_films(tiny_data))
    assert f"{said_so}." in cautions


def test_nets_of_folds_are_as_sure_as_the_net_they_stand_for(hospitals, config, tmp_path):
    """Else how much each counts in a mean would not be what it is for users."""
    put_net(tmp_path / "weights", "one", 0, config)
    put_net(tmp_path / "runs" / "one-without-south", "one", 7, config, leave_out=["south"])
    plain = Member.load("one", tmp_path / "weights")
    calibration = {"tuberculosis": Calibration(temperature=0.5, shift=1.0)}
    sure = replace(plain, card=replace(plain.card, calibration=calibration))
    before, after = (
        folds_of(member, read_films(data_folder()), tmp_path / "runs")["south"].unseen.probabilities
        for member in (plain, sure)
    )
    assert len(before)
    np.testing.assert_allclose(logit(after[:, 0]), logit(before[:, 0]) / 0.5 + 1.0, rtol=1e-5)
    np.testing.assert_array_equal(after[:, 1:], before[:, 1:])


@pytest.mark.slow
def test_nets_that_cannot_have_a_common_threshold_are_told_so(hospitals, config, tmp_path):
    """Each knows what the other does not; or they were asked about other films."""
    for name, changes in (
        ("one", {"classes": ["tuberculosis"], "findings": []}),
        ("other", {"classes": ["covid19"], "findings": []}),
        ("elsewhere", {"classes": ["tuberculosis"], "findings": [], "sources": {"north": 1, "south": 1}}),
    ):
        put_net(tmp_path / "weights", name, 0, config, **changes)
    for names in (["one", "other"], ["one", "elsewhere"]):
        with pytest.raises(SettingsError, match="has other classes, sources or labels than"):
            evaluate(names, tmp_path / "runs", tmp_path / "weights", tmp_path / "results")


def test_a_class_that_no_validation_film_shows_has_no_threshold(hospitals, config, tmp_path):
    put_net(tmp_path / "weights", "one", 0, config, classes=["tuberculosis", "other_infection"])
    with pytest.raises(SettingsError, match="no validation films with and without other_infection"):
        evaluate(["one"], tmp_path / "runs", tmp_path / "weights", tmp_path / "results")


def test_nothing_to_evaluate_is_said(tmp_path, capsys):
    assert main(["evaluate", "--all", "--weights", str(tmp_path)]) == 2
    assert "Nothing to evaluate" in capsys.readouterr().err


@pytest.mark.slow
def test_weights_measured_on_another_crop_are_refused(hospitals, config, tmp_path):
    card = put_net(tmp_path / "weights", "one", 0, config)
    write_card(replace(card, lungs={"name": "elsewhere", "sha256": "0" * 12}), tmp_path / "weights")
    with pytest.raises(SettingsError, match="elsewhere"):
        evaluate(["one"], tmp_path / "runs", tmp_path / "weights", tmp_path / "results")


def test_neither_the_largest_source_nor_a_single_film_sets_a_threshold(hospitals):
    """400 films of one hospital weigh as 63, ten of another as ten, and one film as one."""
    row = read_films(hospitals)[0]
    sources = ["north"] * 400 + ["south"] * 10 + ["west"]
    rows = tuple(replace(row, source=source) for source in sources)
    truths = np.ones((len(rows), 1), bool)
    scores = Scores("tuberculosis", Labelled(rows, truths), truths[:, 0], np.zeros(len(rows)))
    weights = source_weights(scores)
    sums = [weights[[s == source for s in sources]].sum() for source in ("north", "south", "west")]
    assert sums == pytest.approx([4000**0.5, 10, 1])


def test_of_combinations_within_chance_of_the_best_the_largest_reads():
    merits = {("a",): 0.890, ("b",): 0.850, ("a", "b"): 0.888, ("a", "c"): 0.889, ("a", "b", "c"): 0.880}
    assert chosen_members(merits) == ("a", "c")
    assert chosen_members({("a",): 0.9, ("a", "b"): 0.8}) == ("a",)


def test_the_nets_that_held_best_elsewhere_read_in_any_case():
    merits = {("a",): 0.95, ("b",): 0.85, ("a", "b"): 0.90, ("a", "c"): 0.96, ("a", "b", "c"): 0.897}
    assert chosen_members(merits, frozenset({"b"})) == ("a", "b", "c")
    assert chosen_members(merits, frozenset({"a", "b"})) == ("a", "b", "c")


def test_the_nets_that_read_so_far_go_on_while_others_are_no_better_but_by_chance():
    merits = {("a", "b"): 0.900, ("a", "c"): 0.902, ("b", "c"): 0.890}
    assert chosen_members(merits) == ("a", "c")
    assert chosen_members(merits, so_far=("a", "b")) == ("a", "b")
    assert chosen_members(merits, so_far=("b", "c")) == ("a", "c")
    every = {**merits, ("a", "b", "c"): 0.901}
    assert chosen_members(every) == ("a", "b", "c")
    assert chosen_members(every, so_far=("a", "b")) == ("a", "b")
    # With them, what held best elsewhere.
    assert chosen_members({**every, ("a", "b", "c", "d"): 0.9}, frozenset({"c"}), ("a", "b")) == (
        "a",
        "b",
        "c",
    )
    # Chance is no excuse for what is worse by more.
    assert chosen_members({**every, ("b", "c"): 0.91}, so_far=("a", "b")) == ("b", "c")


def test_of_combinations_that_held_best_elsewhere_the_one_of_the_best_merit_reads():
    merits = {("a", "b"): 0.900, ("a", "c"): 0.902, ("a", "b", "c"): 0.98, ("b", "c"): 0.99}
    unseen = {("a", "b"): 0.880, ("a", "c"): 0.877, ("a", "b", "c"): 0.86, ("b", "c"): 0.9}
    anchors = frozenset({"a"})
    del unseen[("b", "c")]
    # What is better on films of hospitals trained on does not make good what held worse elsewhere.
    assert chosen_members(merits, anchors, ("a", "b", "c"), unseen) == ("a", "c")
    assert chosen_members(merits, anchors, (), {**unseen, ("a", "c"): 0.874}) == ("a", "b")
    # What held best together there needs none that held best alone.
    assert chosen_members(merits, anchors, (), {**unseen, ("b", "c"): 0.9}) == ("b", "c")
    # Known of one alone, it says nothing.
    assert chosen_members(merits, anchors, (), {("a", "b"): 0.88}) == ("a", "b", "c")


def test_nets_that_score_without_the_lungs_do_not_read():
    merits = {("a",): 0.99, ("b",): 0.90, ("a", "b"): 0.98, ("c",): 0.80}
    falls = {
        ("a",): Fall(0.10, 0.02),
        ("b",): Fall(0.30, 0.15),
        ("a", "b"): Fall(0.25, 0.149),  # by luck, as far as so few films tell
        ("c",): None,
    }
    seeing = reading_lungs(merits, falls)
    assert seeing == {("b",): 0.90, ("c",): 0.80}
    unseen = {("a",): 0.95, ("b",): 0.85, ("a", "b"): 0.95}
    assert chosen_members(seeing, frozenset({"a"}), ("a",), unseen) == ("b",)
    # Where nobody falls, somebody must read.
    assert reading_lungs({("a",): 0.99}, {("a",): Fall(0.0, -0.1)}) == {("a",): 0.99}


def test_nets_together_count_by_how_little_their_log_odds_vary():
    """A net that knows one class of two adds to that one alone; figures and page pool by one rule."""
    [row, *_] = read_films(data_folder())
    films = Labelled((row,) * 3, np.zeros((3, 2), bool))
    both = Predictions(films, ("tuberculosis", "covid19"), np.full((3, 2), 0.9), np.array([4.0, 1.0]))
    one = Predictions(films, ("tuberculosis",), np.full((3, 1), 0.2), np.array([1.0]))
    together = pooled([both, one])
    point = OperatingPoint(0.5, (0.5, 0.5), 0.9, 0.7, "films")
    page = class_score([0.9, 0.2], "youden", point, [4.0, 1.0])
    assert together.probabilities[:, 0] == pytest.approx(page.probability)
    assert page.probability < 0.4  # of equal weights it would be 0.6
    assert together.probabilities[:, 1] == pytest.approx(0.9)
    scores = together.scores("tuberculosis")
    assert scores.deviations is not None
    assert scores.deviations.tolist() == [4.0, 1.0]
    alone = together.scores("covid19").deviations
    assert alone is not None
    assert alone.tolist() == [1.0]


def test_a_fall_is_sure_of_many_patients_and_not_of_few():
    [row, *_] = read_films(data_folder())

    def fall(patients: int) -> Fall | None:
        """Of as many ill and as many well patients; without the lungs half of the ill look well."""
        ill = np.arange(2 * patients) < patients
        rows = tuple(
            replace(row, label="tuberculosis" if is_ill else "normal", patient=str(number))
            for number, is_ill in enumerate(ill)
        )
        films = Labelled(rows, ill[:, None])
        whole = np.where(ill, 0.9, 0.1)
        without = np.where(np.arange(len(rows)) % 2 == 0, whole, 0.1)
        asked = (Predictions(films, ("tuberculosis",), of[:, None], np.ones(1)) for of in (whole, without))
        return Changed(*asked).fall("tuberculosis")

    many, few = fall(60), fall(6)
    assert many is not None
    assert few is not None
    assert many.value == pytest.approx(0.25)
    assert few.value == pytest.approx(0.25)
    assert few.surely < LEAST_FALL < many.surely < many.value
    assert fall(4) is None  # of so few nothing is said


def test_nets_are_compared_in_hospitals_that_all_of_them_never_saw():
    def hospital(**classes: float | None) -> dict[str, object]:
        found = {
            name: {
                "all": {
                    "against_normal": None if of is None else {"value": of},
                    "against_rest": None if of is None else {"value": of - 0.1},
                }
            }
            for name, of in classes.items()
        }
        return {"classes": found}

    folds = {
        ("a",): {"north": hospital(tuberculosis=0.8, covid19=0.6), "south": hospital(tuberculosis=0.1)},
        ("b",): {"south": hospital(tuberculosis=0.9)},
        ("a", "c"): {"north": hospital(tuberculosis=0.9, covid19=0.8, other=None)},
        ("b", "c"): {},
    }
    # Against normal films and against all others count alike.
    held = held_elsewhere(folds, "tuberculosis")
    assert held == {("a",): pytest.approx(0.75), ("a", "c"): pytest.approx(0.85)}
    assert held_elsewhere(folds, "covid19") == {("a",): pytest.approx(0.55), ("a", "c"): pytest.approx(0.75)}
    assert held_elsewhere(folds, "other") == {}
    assert held_elsewhere({("a",): {}, ("a", "b"): {}}, "tuberculosis") == {}

    # Of three nets together one hospital is known, of two of them another too: they are compared in both.
    folds |= {
        ("a", "b"): {"north": hospital(tuberculosis=0.7), "south": hospital(tuberculosis=0.9)},
        ("a", "b", "c"): {"north": hospital(tuberculosis=0.95)},
        ("c",): {place: hospital(tuberculosis=0.8) for place in ("north", "south", "east")},
    }
    held = held_elsewhere(folds, "tuberculosis")
    assert held == {
        ("a",): pytest.approx(0.4),
        ("a", "b"): pytest.approx(0.75),
        ("c",): pytest.approx(0.75),
    }


def test_what_held_best_elsewhere_is_measured_where_several_nets_were_left_out():
    def figures(**folds: float) -> dict[str, object]:
        found = {
            fold: {"classes": {"tuberculosis": {"all": {"against_normal": {"value": of, "low": of - 0.03}}}}}
            for fold, of in folds.items()
        }
        return {"leave_one_source_out": found}

    measured = {"a": figures(north=0.8, south=0.99), "b": figures(north=0.9), "c": figures()}
    assert best_unseen(measured, "tuberculosis") == {"b"}
    assert best_unseen(measured, "covid19") == frozenset()
    # A net that the best one's interval does not tell from it held as well.
    assert best_unseen({**measured, "d": figures(north=0.88)}, "tuberculosis") == {"b", "d"}
    apart = {"a": figures(north=0.8), "b": figures(south=0.9)}
    assert best_unseen(apart, "tuberculosis") == frozenset()


def test_what_the_program_ships_can_be_evaluated_together():
    """Lung, severity, zone, CT and gate nets are no classifiers; those that are fit into one evaluation."""
    names = classifier_names(WEIGHTS_FOLDER)
    assert set(read_ensemble().members) <= set(names)
    assert len(names) <= MOST_NETS
    assert all(read_card(name).classes for name in names)


def test_a_net_that_knows_one_class_alone_reads_with_those_that_know_all(
    hospitals: Path, config: Path, tmp_path: Path
):
    """It speaks of its class; the others' classes are theirs."""
    weights = tmp_path / "weights"
    put_net(weights, "both", 0, config)
    put_net(weights, "alone", 1, config, classes=["tuberculosis"], findings=[], other_diseases=0.0)
    places = [f"--{name}={tmp_path / name}" for name in ("weights", "runs", "results")]
    assert main(["evaluate", "both", "alone", *places]) == 0
    written = json.loads((tmp_path / "results" / "ensemble.json").read_text())
    assert set(written["validation_auroc"]["tuberculosis"]) == {"both", "alone", "alone+both"}
    assert set(written["validation_auroc"]["covid19"]) == {"both"}
    assert set(written["readers"]["tuberculosis"]) <= {"alone", "both"}
    assert written["readers"]["covid19"] == ["both"]
    assert set(written["combinations"]["alone+both"]["test"]["classes"]) == set(CLASSES)
    page = (tmp_path / "results" / "diagnosis.md").read_text()
    covid = page[page.index("## Covid19") : page.index("## Calibration")]
    assert "| alone |" not in covid
    assert "| alone |" in page
    # As if none had been chosen, both speak of what they know.
    every = {"tuberculosis": ("alone", "both"), "covid19": ("both",)}
    write_ensemble(replace(read_ensemble(weights), readers=every), weights)
    triage = Triage.load(weights)
    read = triage.assess(read_film(next((hospitals / "cxr").iterdir())))
    assert read.diagnosis is not None
    of = read.diagnosis.members
    assert set(of["alone"]) == {"tuberculosis"}
    assert set(of["both"]) == set(CLASSES)
    scores = read.diagnosis.classes
    odds = [one["tuberculosis"] / (1 - one["tuberculosis"]) for one in of.values()]
    mean = math.sqrt(math.prod(odds))
    assert scores["tuberculosis"].probability == pytest.approx(mean / (1 + mean), rel=1e-4)
    assert scores["covid19"].probability == pytest.approx(of["both"]["covid19"])
