"""Archives and volumes made to harm: paths, nesting, bombs, crowds; slices whose decoder fails."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cxrtriage.ct.read import series_of_files
from cxrtriage.ct.series import SeriesError, SeriesLimits
from cxrtriage.film import reader_pool
from cxrtriage.film.reader_pool import ReaderPool
from tests.ct.series_maker import dicom_series, dicom_slice, draw_chest, windowed
from tests.ct.test_read import nifti

MISBEHAVING = Path(__file__).parents[1] / "film" / "misbehaving_reader.py"


def packed(files: list[tuple[str, bytes]], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


def refused(data: bytes, **limits: float) -> str:
    with pytest.raises(SeriesError) as caught:
        series_of_files("a", [("a.zip", data)], SeriesLimits(**limits))
    return caught.value.code


@pytest.mark.parametrize(
    "path",
    [
        "../../../../etc/{}", "/etc/{}", "..\\..\\{}", "C:\\Windows\\{}", "C:{}", "a/../../{}", "./.././{}",
        "nul\n{}", "a:stream{}", "x" * 300 + "{}",
    ],
)  # fmt: skip
def test_a_path_in_an_archive_leads_nowhere(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [(path.format(name), data) for name, data in dicom_series(draw_chest(3))]
    (series,) = series_of_files("a", [("a.zip", packed(files))])
    assert len({one.name for one in series.slices}) == 3
    for one in series.slices:
        # Masks are written under these names.
        place = (tmp_path / "masks" / f"{one.name}.png").resolve()
        assert place.parent == tmp_path / "masks"
        assert not set(one.name) & set('/\\:*?"<>|\n\0')
        assert len(place.name.encode()) < 255
    assert list(tmp_path.rglob("*")) == []


def test_an_archive_within_an_archive_is_left_out():
    slices = dicom_series(draw_chest(3))
    inner = packed(slices)
    assert refused(packed([("inner.zip", inner)])) == "no_slices"
    (series,) = series_of_files("a", [("a.zip", packed([*slices, ("inner.zip", inner)]))])
    assert len(series.slices) == 3
    assert "files_left_out" in series.codes


def test_an_archive_of_archives_is_not_unpacked_level_by_level():
    data = packed([("0", bytes(2**20))])
    for _ in range(5):
        data = packed([(str(number), data) for number in range(16)])
    assert refused(data) == "no_slices"  # of its 16 to the 5 MiB none


def test_a_bomb_ends_at_its_ratio_and_not_at_the_limit():
    bomb = packed([("a.dcm", bytes(80 * 2**20))])
    assert len(bomb) < 100_000
    assert refused(bomb) == "decompression_bomb"
    assert refused(gzip.compress(nifti(draw_chest(2)) + bytes(80 * 2**20))) == "decompression_bomb"


def test_what_packs_well_and_is_small_is_no_bomb():
    still = np.full((3, 512, 512), -1000, np.int16)
    (series,) = series_of_files("a", [("a.zip", packed(dicom_series(still)))])
    assert len(series.slices) == 3


def test_a_bomb_of_many_entries_ends_at_the_limit():
    bomb = packed([(f"{number}.dcm", bytes(2**20)) for number in range(40)])
    assert refused(bomb, max_unpacked=8 * 2**20) == "decompression_bomb"


def test_entries_that_share_their_bytes_end_at_the_limit():
    """Fifield 2019: a thousand entries of the directory over one and the same stream."""
    data = bytearray(packed([("a.dcm", bytes(2**20))]))
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry, tail = bytes(data[start:end]), data[end:]
    many = entry * 1000
    tail[8:12] = (1000).to_bytes(2, "little") * 2
    tail[12:16] = len(many).to_bytes(4, "little")
    assert refused(bytes(data[:start]) + many + tail, max_unpacked=16 * 2**20) in (
        "decompression_bomb",
        "truncated",  # later Pythons see the overlap themselves
    )


def test_a_million_entries_are_counted_before_they_are_unpacked(monkeypatch):
    names = [f"{number}" for number in range(20_000)]
    crowd = packed([(name, b"") for name in names], zipfile.ZIP_STORED)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("made an object of each"))
    assert refused(crowd) == "too_many_slices"


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_no_scanner_writes_are_refused(packing):
    assert refused(packed([("a.dcm", dicom_slice(np.zeros((8, 8))))], packing)) == "unreadable"


def test_a_size_that_lies_is_not_believed():
    data = bytearray(packed([("a.dcm", bytes(2**20))]))
    for at in (data.index(b"PK\x03\x04") + 22, data.index(b"PK\x01\x02") + 24):
        data[at : at + 4] = (10).to_bytes(4, "little")
    assert refused(bytes(data), max_unpacked=2**16) in ("truncated", "decompression_bomb", "no_slices")


def test_all_files_together_have_a_time():
    assert refused(packed(dicom_series(draw_chest(3))), max_seconds=0.0) == "took_too_long"


@pytest.fixture
def misbehaving(monkeypatch):
    """A pool whose children do what a word in the file tells them."""
    pool = ReaderPool(at_once=2)
    monkeypatch.setattr(reader_pool, "POOL", pool)
    monkeypatch.setattr(reader_pool, "command", lambda: [sys.executable, "-P", str(MISBEHAVING)])
    yield pool
    pool.end()


def test_a_slice_whose_decoder_crashes_is_left_out_and_the_others_are_read(misbehaving):
    files = windowed(draw_chest(5))
    files[2] = (files[2][0], files[2][1] + b"SEGFAULT")
    (series,) = series_of_files("a", files)
    assert len(series.slices) == 4
    assert {"files_left_out"} <= set(series.codes)


def test_a_slice_whose_decoder_hangs_ends_the_reading(misbehaving, monkeypatch):
    from cxrtriage.ct import read
    from cxrtriage.film.limits import Limits

    monkeypatch.setattr(read, "Limits", lambda: Limits(max_seconds=1.0))
    files = windowed(draw_chest(5))
    files[2] = (files[2][0], files[2][1] + b"HANG")
    with pytest.raises(SeriesError) as caught:
        series_of_files("a", files)
    assert caught.value.code == "took_too_long"


@pytest.mark.parametrize("make", [dicom_series, windowed, lambda v: [("v.nii", nifti(v))]])
def test_a_series_from_a_child_is_the_series_read_here(make):
    files = make(draw_chest(4, lesions={1: (30, 30)}))
    (contained,), (here,) = series_of_files("a", files), series_of_files("a", files, trusted=True)
    assert {**vars(contained), "slices": None} == {**vars(here), "slices": None}
    for one, other in zip(contained.slices, here.slices, strict=True):
        assert (one.name, one.position_mm) == (other.name, other.position_mm)
        assert one.pixels.dtype == other.pixels.dtype
        np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("place", [1e300, -1e308])
def test_places_and_scales_beyond_all_measure_are_refused(place):
    with pytest.raises(SeriesError) as caught:
        series_of_files("a", [("a", dicom_slice(np.zeros((8, 8)), cosines=(1e200, 0, 0, 0, 1e200, place)))])
    assert caught.value.code in ("not_finite", "unreadable", "not_axial")
