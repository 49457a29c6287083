"""A finding nobody spoke of is masked, never absent."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from train.findings import FINDINGS, finding_targets, radiologists_said, read_findings
from train.manifest import ManifestError, read_films

NAMES = ("no_finding", "opacity", "effusion")
RADIOLOGIST = "google_radiologist_opacity"


@pytest.fixture
def table(tiny_data):
    """Three films with findings: text-mined, overruled by a radiologist, and a disease."""
    rows = [
        {"file": "north-normal-0.png", "no_finding": "1", "opacity": "0", "effusion": "0"},
        {"file": "north-normal-1.png", "no_finding": "0", "opacity": "0", "effusion": "", RADIOLOGIST: "1"},
        {
            "file": "north-tuberculosis-0.png",
            "no_finding": "0",
            "opacity": "1",
            "effusion": "1.0",
            RADIOLOGIST: "",
        },
    ]
    with (tiny_data / "findings.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["file", *NAMES, RADIOLOGIST], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return tiny_data


def targets(folder) -> dict[str, list[float]]:
    rows = read_films(folder)
    found = finding_targets(rows, folder, NAMES)
    assert found.shape == (len(rows), len(NAMES))
    return {row.file: values.tolist() for row, values in zip(rows, found, strict=True)}


def test_what_the_table_says_is_taken_and_a_radiologist_overrules_it(table):
    found = targets(table)
    assert found["north-normal-0.png"] == [1, 0, 0]
    assert found["north-normal-1.png"][:2] == [0, 1]
    assert np.isnan(found["north-normal-1.png"][2])
    assert found["north-tuberculosis-0.png"] == [0, 1, 1]


def test_normal_films_of_others_have_none_and_ill_ones_are_unknown(table):
    found = targets(table)
    assert found["south-normal-3.png"] == [1, 0, 0]
    assert np.isnan(found["south-tuberculosis-3.png"]).all()


def test_without_a_table_only_normal_films_are_known(tiny_data):
    assert read_findings(tiny_data, NAMES) == {}
    assert targets(tiny_data)["north-normal-0.png"] == [1, 0, 0]


def test_radiologists_speak_of_the_films_they_read_alone(table, tmp_path):
    assert radiologists_said(table, "opacity") == {"north-normal-1.png": True}
    assert radiologists_said(table, "effusion") == {}
    assert radiologists_said(tmp_path / "empty", "opacity") == {}


def test_a_finding_the_table_does_not_know_is_named(table):
    with pytest.raises(ManifestError, match=r"findings.csv, line 1: column gout is missing"):
        read_findings(table, ("opacity", "gout"))


def test_no_findings_asked_for_are_no_columns(table):
    assert finding_targets(read_films(table), table, ()).shape == (28, 0)


def test_the_real_table_knows_every_finding(data_folder):
    found = finding_targets(read_films(data_folder), data_folder, FINDINGS)
    assert set(np.unique(found[~np.isnan(found)])) == {0, 1}
    assert (np.nansum(found == 1, axis=0) > 0).all()
