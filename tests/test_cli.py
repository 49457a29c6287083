"""The command line: rows, order, exit codes, maps; on what the repository ships."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrtriage.cli import main
from cxrtriage.reading.assessment import Assessment

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "cxrtriage" / "examples"
FAST = ["--models", "tb_mobilenet_v2"]
CLASSES = ["tuberculosis", "covid19", "other_infection"]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    (folder / "b").mkdir(parents=True)
    shutil.copy(EXAMPLES / "shenzhen-00387.webp", folder / "z.webp")
    shutil.copy(EXAMPLES / "nih-12-bit.dcm", folder / "b" / "no-ending")
    (folder / "a.pdf").write_bytes(b"%PDF-1.7 nothing")
    (folder / ".hidden").write_bytes(b"x")
    return folder


def test_a_row_a_file_in_sorted_order_and_3_where_one_was_refused(films, capsys):
    assert main(["assess", str(films), *FAST]) == 3
    out, err = capsys.readouterr()
    rows = [Assessment.from_json(line) for line in out.splitlines()]
    assert [Path(row.file).name for row in rows] == ["a.pdf", "no-ending", "z.webp"]
    assert [row.status for row in rows] == ["refused", "read", "read"]
    assert rows[0].message
    assert rows[0].diagnosis is None
    assert rows[1].film.format == "dicom"
    assert list(rows[2].diagnosis.classes) == CLASSES
    assert rows[2].diagnosis.classes["tuberculosis"].call != "not_flagged"
    assert "2 read, 1 refused" in err
    assert "not a medical device" in err


def test_0_where_all_were_read_and_rows_go_to_the_file(tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    assert main(["assess", str(EXAMPLES / "shenzhen-00010.webp"), "--out", str(out), *FAST]) == 0
    assert capsys.readouterr().out == ""
    (line,) = out.read_text().splitlines()
    values = json.loads(line)
    assert values["schema"] == "cxrtriage/assessment/1"
    severity = values["severity"]
    assert severity["lungs"]["found"] == 2
    for name, most in (("extent", 8), ("opacity", 6)):
        low, high = severity[name]["interval"]
        assert 0 <= low <= severity[name]["value"] <= high <= most
    assert severity["brixia"]["interval"][0] <= severity["brixia"]["global"] <= 18
    assert [len(row) for row in severity["array"]] == [2, 2, 2]
    assert values["findings"] is None or all(0 <= share <= 1 for share in values["findings"].values())
    for score in values["diagnosis"]["classes"].values():
        assert score["operating_point"] == "sensitivity_0.90"
        assert 0 < score["sensitivity"] <= 1
        assert 0 <= score["specificity"] <= 1
    assert set(values["seconds"]) == {"read", "gate", "diagnosis", "saliency", "severity"}


def test_maps_are_written_beside_and_do_not_overwrite_each_other(tmp_path):
    films, maps = tmp_path / "films", tmp_path / "maps"
    for folder in ("one", "two"):
        (films / folder).mkdir(parents=True)
        shutil.copy(EXAMPLES / "shenzhen-00387.webp", films / folder / "film.webp")
    assert main(["assess", str(films), "--maps", str(maps), "--out", str(tmp_path / "o"), *FAST]) == 0
    expected = {f"{stem}.{name}.png" for stem in ("film", "film-2") for name in CLASSES}
    assert {path.name for path in maps.iterdir()} == expected
    with Image.open(maps / "film.tuberculosis.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (512, 512, 3)
    assert (pixels[..., 0] != pixels[..., 2]).any()  # coloured where the score came from


def test_maps_by_relevance_are_written_for_transformers_and_are_none_for_others(tmp_path, capsys):
    film, maps = str(EXAMPLES / "shenzhen-00387.webp"), tmp_path / "maps"
    asked = ["assess", film, "--maps", str(maps), "--out", str(tmp_path / "o")]
    assert main([*asked, "--models", "corpus_vit"]) == 0
    assert main([*asked, "--models", "corpus_vit", "--map-method", "relevance"]) == 0
    assert {path.name for path in maps.iterdir()} == {
        f"shenzhen-00387.{name}{method}.png" for name in CLASSES for method in ("", ".relevance")
    }
    by_cam, by_relevance = (
        np.asarray(Image.open(maps / f"shenzhen-00387.tuberculosis{method}.png"), np.int16)
        for method in ("", ".relevance")
    )
    assert np.abs(by_cam - by_relevance).max() > 30
    capsys.readouterr()
    assert main([*asked, *FAST, "--map-method", "relevance"]) == 2
    assert "tb_mobilenet_v2 is a transformer" in capsys.readouterr().err


def test_another_operating_point_moves_the_threshold_and_not_the_score(capsys):
    film = str(EXAMPLES / "shenzhen-00010.webp")
    rows = []
    for name in ("sensitivity_0.90", "youden"):
        assert main(["assess", film, "--operating-point", name, *FAST]) == 0
        rows.append(Assessment.from_json(capsys.readouterr().out))
        assert {score.operating_point for score in rows[-1].diagnosis.classes.values()} == {name}
    assert rows[0].diagnosis.members == rows[1].diagnosis.members
    thresholds = [[one.threshold for one in row.diagnosis.classes.values()] for row in rows]
    assert thresholds[0] != thresholds[1]


@pytest.fixture
def own_films(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, Path]:
    """Rows of a hospital whose films all score high, as one real row with other numbers, and their truths."""
    assert main(["assess", str(EXAMPLES / "shenzhen-00010.webp"), *FAST]) == 0
    read = json.loads(capsys.readouterr().out)
    lines, truths = [], ["file,tuberculosis"]
    for number in range(60):
        ill = number % 2
        probability = 0.80 + 0.1 * ill + 0.001 * number
        row = json.loads(json.dumps(read))
        row |= {"file": f"/films/{number}.webp", "sha256": f"{number:064d}"}
        row["diagnosis"]["classes"]["tuberculosis"]["probability"] = probability
        row["diagnosis"]["members"]["tb_mobilenet_v2"]["tuberculosis"] = probability
        lines.append(json.dumps(row))
        truths.append(f"{number}.webp,{ill}")
    scores, table = tmp_path / "scores.jsonl", tmp_path / "truths.csv"
    scores.write_text("\n".join(lines) + "\n")
    table.write_text("\n".join(truths) + "\n")
    return scores, table


def test_a_hospital_sets_its_own_thresholds_and_films_are_held_against_them(own_films, tmp_path, capsys):
    scores, table = own_films
    site, film, out = tmp_path / "site.json", str(EXAMPLES / "shenzhen-00387.webp"), tmp_path / "o.jsonl"
    asked = ["thresholds", str(scores), str(table)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "60 of 60 films of the table were read." in said
    assert "tuberculosis: 30 films with it, 30 without" in said
    assert "card sensitivity_0.90" in said
    assert "specificity 0.00 (0.00 to 0.12)" in said  # all of them lie above the card's threshold
    assert "covid19" not in said
    set_so = ["--site", "Clinic A", "--out", str(site), "--sensitivity", "0.9", "0.8"]
    assert main([*asked, *set_so]) == 0
    capsys.readouterr()
    assert main(["assess", film, "--site", str(site), "--out", str(out), *FAST]) == 0
    row = Assessment.from_json(out.read_text())
    tuberculosis, covid = row.diagnosis.classes["tuberculosis"], row.diagnosis.classes["covid19"]
    assert (tuberculosis.threshold_source, covid.threshold_source) == ("site:Clinic A", "card")
    assert tuberculosis.operating_point == "sensitivity_0.90"
    assert 0.9 < tuberculosis.threshold < 0.91  # the third lowest of 30
    assert main(["assess", film, "--site", str(site), "--operating-point", "sensitivity_0.80", *FAST]) == 0
    assert "sensitivity_0.80" in capsys.readouterr().out
    # Rows held against one kind of threshold do not go on with the other.
    assert main(["assess", film, "--site", str(site), "--out", str(out), "--go-on", *FAST]) == 0
    assert "1 kept as they were" in capsys.readouterr().err
    assert main(["assess", film, "--out", str(out), "--go-on", *FAST]) == 2
    assert "other nets or thresholds" in capsys.readouterr().err
    assert len(out.read_text().splitlines()) == 1
    by_hand = json.loads(out.read_text())
    by_hand["diagnosis"]["members"] = {}
    out.write_text(json.dumps(by_hand) + "\n")
    assert main(["assess", film, "--site", str(site), "--out", str(out), "--go-on", *FAST]) == 2
    assert "other nets or thresholds" in capsys.readouterr().err


def test_what_thresholds_cannot_be_set_on_is_one_sentence(own_films, tmp_path, capsys):
    scores, table = own_films
    few = tmp_path / "few.csv"
    few.write_text("\n".join(table.read_text().splitlines()[:30]))
    site = tmp_path / "site.json"
    set_so = ["--site", "Clinic A", "--out", str(site)]
    for arguments, sentence in (
        (["thresholds", str(scores), str(few), *set_so], "at least 20 films with a disease"),
        (["thresholds", str(scores), str(table), "--out", str(site)], "--out needs --site"),
        (["thresholds", str(scores), str(tmp_path / "none.csv")], "cannot be read"),
        (["thresholds", str(table), str(scores)], "no rows of films"),
        (["thresholds", str(scores), str(table), "--site", "A", "--out", str(table)], "would replace what"),
        (["thresholds", str(scores), str(table), "--site", "A", "--out", "no/such/o"], "cannot be written"),
        (["assess", str(EXAMPLES), "--site", str(table)], "no file of a hospital's thresholds"),
    ):
        assert main(arguments) == 2
        assert sentence in capsys.readouterr().err
    assert main(["thresholds", str(scores), str(table), *set_so]) == 0
    assert main(["assess", str(EXAMPLES), "--site", str(site), "--models", "corpus_vit"]) == 2
    assert "were set with other models" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["thresholds", str(scores), str(table), "--sensitivity", "90"])
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["assess", "nowhere.png"], "There is no file or folder nowhere.png."),
        (["assess", str(EXAMPLES), "--models", "tb_x"], "There is no model tb_x"),
        (
            ["assess", str(EXAMPLES), "--operating-point", "youdon", *FAST],
            "There is no operating point youdon; known are sensitivity_0.90, specificity_0.70, youden.",
        ),
        (
            ["assess", str(EXAMPLES / "shenzhen-00010.webp"), "--out", "no/such/folder/o", *FAST],
            "cannot be written",
        ),
    ],
)
def test_wrong_usage_is_2_with_a_sentence(arguments, sentence, capsys, monkeypatch):
    monkeypatch.chdir(ROOT / "tests")
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


def test_help_says_what_it_is_not_and_is_quick_to_import():
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cxrtriage", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not a medical device" in result.stdout
    assert "torch" not in result.stderr.split()


@pytest.mark.slow
def test_every_real_dicom_gets_its_row(data_folder, tmp_path):
    out = tmp_path / "out.jsonl"
    assert main(["assess", str(data_folder / "dicom"), "--out", str(out), *FAST]) == 3
    rows = [Assessment.from_json(line) for line in out.read_text().splitlines()]
    files = sorted(path.name for path in (data_folder / "dicom").iterdir())
    assert [Path(row.file).name for row in rows] == files
    for row in rows:
        assert (row.status == "read") == (row.diagnosis is not None) == (row.message is None)


@pytest.fixture
def series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of CT slices, read by a net of thresholds."""
    from cxrtriage.ct.lesion_finder import LesionFinder
    from tests.ct.series_maker import dicom_series, draw_chest, threshold_finder

    monkeypatch.setattr(LesionFinder, "load", staticmethod(threshold_finder))
    folder = tmp_path / "chest"
    folder.mkdir()
    for name, data in dicom_series(draw_chest(8, lesions=dict.fromkeys((2, 3, 4, 5, 6), (50, 35)))):
        (folder / name).write_bytes(data)
    return folder


def test_a_row_a_series_and_a_mask_a_slice(series, tmp_path, capsys):
    masks = tmp_path / "masks"
    assert main(["ct", str(series), "--masks", str(masks)]) == 0
    out, err = capsys.readouterr()
    (row,) = map(json.loads, out.splitlines())
    assert (row["schema"], row["decision"], row["series"]) == ("cxrtriage/ct/1", "positive", "chest")
    assert sorted(path.stem for path in masks.iterdir()) == sorted(one["name"] for one in row["slices"])
    for one in row["slices"]:
        mask = np.asarray(Image.open(masks / f"{one['name']}.png"))
        assert mask.shape == (96, 128)
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask > 0).sum() == one["lesion_pixels"]
    assert "1 positive. " in err
    assert "not a medical device" in err


def test_the_rule_can_be_set(series, capsys):
    assert main(["ct", str(series), "--slices", "6"]) == 0
    assert json.loads(capsys.readouterr().out)["decision"] == "negative"
    assert main(["ct", str(series), "--min-area", "5000"]) == 0
    assert json.loads(capsys.readouterr().out)["decision"] == "negative"
    with pytest.raises(SystemExit) as caught:
        main(["ct", str(series), "--slices", "none"])
    assert caught.value.code == 2


def test_what_is_no_series_is_a_refused_row(series, tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(b"hello")
    assert main(["ct", str(tmp_path / "a.txt"), str(series)]) == 3
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["status"] for row in rows] == ["refused", "read"]
    assert rows[0]["codes"] == ["no_slices"]
    assert main(["ct", str(tmp_path / "gone")]) == 2


@pytest.fixture
def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Films that a gate of marks accepts, cautions of, refuses and would right."""
    from cxrtriage.reading import triage
    from tests.gate.marked_gate import MarkedGate, marked_film

    monkeypatch.setattr(triage.Gate, "load", classmethod(lambda *_: MarkedGate()))
    monkeypatch.setattr(triage, "GATE", "ensemble")  # whose file is there in any case
    folder = tmp_path / "gated"
    folder.mkdir()
    films = {
        "a_fine": marked_film(), "b_child": marked_film(sign="child"), "c_ct": marked_film("ct"),
        "d_turned": marked_film(turns=1),
    }  # fmt: skip
    for name, film in films.items():
        Image.fromarray(np.rint(film.pixels * 255).astype(np.uint8)).save(folder / f"{name}.png")
    return folder


def rows_of(capsys) -> dict[str, dict]:
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {Path(row["file"]).stem: row for row in rows}


def test_the_gate_keeps_from_being_read_what_it_does_not_accept(gated, capsys):
    assert main(["assess", str(gated), *FAST]) == 3
    rows = rows_of(capsys)
    assert {name: row["status"] for name, row in rows.items()} == {
        "a_fine": "read", "b_child": "refused", "c_ct": "refused", "d_turned": "refused",
    }  # fmt: skip
    assert rows["b_child"]["gate"]["verdict"] == "cautioned"
    assert rows["b_child"]["codes"] == ["child"]
    assert rows["c_ct"]["message"].startswith("This does not look like a frontal chest film")
    assert rows["c_ct"]["diagnosis"] is None
    assert rows["a_fine"]["gate"] == {"verdict": "accepted", "codes": [], "view": "PA", "frontal_chest": 0.9}


def test_a_cautioned_film_is_read_on_the_readers_word_and_a_refused_one_never(gated, capsys):
    assert main(["assess", str(gated), *FAST, "--read-anyway"]) == 3
    rows = rows_of(capsys)
    assert rows["b_child"]["status"] == "read"
    assert {"child", "read_anyway"} <= set(rows["b_child"]["codes"])
    assert "read_anyway" not in rows["a_fine"]["codes"]
    assert rows["c_ct"]["status"] == rows["d_turned"]["status"] == "refused"


def test_a_turned_film_is_righted_and_says_so(gated, capsys):
    assert main(["assess", str(gated / "d_turned.png"), *FAST, "--fix"]) == 0
    row = rows_of(capsys)["d_turned"]
    assert row["status"] == "read"
    assert row["codes"][:2] == ["rotated_90", "righted"]


def test_a_film_on_a_plate_is_cut_out_and_says_so(gated, capsys):
    from tests.gate.marked_gate import SIDE, marked_film
    from tests.gate.test_surround import on_a_plate

    picture = np.rint(on_a_plate(marked_film().pixels, 0.97) * 255).astype(np.uint8)
    path = gated / "e_photograph.png"
    Image.fromarray(picture).save(path)
    assert main(["assess", str(path), *FAST]) == 3
    row = rows_of(capsys)["e_photograph"]
    assert (row["status"], row["codes"]) == ("refused", ["photograph"])
    assert main(["assess", str(path), *FAST, "--fix"]) == 0
    row = rows_of(capsys)["e_photograph"]
    assert row["status"] == "read"
    assert row["codes"][:2] == ["photograph", "cut_out"]
    assert "read_anyway" not in row["codes"]
    assert abs(row["film"]["rows"] - SIDE) <= 3
