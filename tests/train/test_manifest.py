"""A bad row is named by file and line."""

from __future__ import annotations

import pytest
from manifest_cells import change

from train.manifest import ManifestError, data_folder, read_films


def test_the_tiny_manifest_reads(tiny_data):
    rows = read_films(tiny_data)
    assert len(rows) == 28
    assert rows[0].age_years == 40
    assert rows[0].adult is True
    assert rows[0].path.is_file()


@pytest.mark.parametrize(
    ("line", "column", "value", "sentence"),
    [
        (3, "label", "tubercolosis", "line 3: label is 'tubercolosis', not one of normal, tuberculosis"),
        (5, "split", "training", "line 5: split is 'training', not one of train, val, test"),
        (2, "patient", "", "line 2: patient is empty"),
        (4, "file", "gone.png", "line 4: the film gone.png is not in"),
        (4, "file", "../films.csv", "line 4: the film ../films.csv is not in"),
        (9, "age", "400", "line 9: age is '400', not years in 0..130"),
        (9, "view", "sideways", "line 9: view is 'sideways'"),
        (9, "sex", "x", "line 9: sex is 'x'"),
        (9, "adult", "yes", "line 9: adult is 'yes'"),
    ],
)
def test_a_bad_cell_is_named_by_file_and_line(tiny_data, line, column, value, sentence):
    change(tiny_data, line, column, value)
    with pytest.raises(ManifestError) as caught:
        read_films(tiny_data)
    assert "films.csv" in str(caught.value)
    assert sentence in str(caught.value)


def test_a_patient_in_two_splits_is_refused(tiny_data):
    change(tiny_data, 8, "patient", "north-normal-0.png")
    with pytest.raises(ManifestError, match=r"line 8: patient north-normal-0.png is in train and test"):
        read_films(tiny_data)


def test_a_missing_column_and_a_short_row_are_named(tiny_data):
    table = tiny_data / "films.csv"
    whole = table.read_text()
    table.write_text(whole.replace("label", "lable", 1))
    with pytest.raises(ManifestError, match=r"line 1: column label is missing"):
        read_films(tiny_data)
    table.write_text(whole + "only,three,cells\n")
    with pytest.raises(ManifestError, match=r"line 30: the row has more or fewer cells"):
        read_films(tiny_data)


def test_a_folder_without_manifest_says_what_to_set(tmp_path):
    with pytest.raises(ManifestError, match="CXRTRIAGE_DATA"):
        read_films(tmp_path)


def test_the_data_folder_is_data_unless_set(monkeypatch):
    monkeypatch.delenv("CXRTRIAGE_DATA", raising=False)
    assert data_folder().name == "data"


@pytest.mark.parametrize(("text", "years"), [("45", 45), ("50+", 50), ("", None), ("child", None)])
def test_ages_that_nobody_measured_are_unknown(tiny_data, text, years):
    change(tiny_data, 2, "age", text)
    assert read_films(tiny_data)[0].age_years == years


def test_the_real_manifest_reads_and_keeps_patients_apart(data_folder):
    rows = read_films(data_folder)
    assert len(rows) > 6000
    assert {row.split for row in rows} == {"train", "val", "test"}
