"""Files to series: by position and not by name, every kind of file, and what is wrong said by a code."""

from __future__ import annotations

import io
import zipfile

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrtriage.ct.read import read_series, series_of_files
from cxrtriage.ct.series import SeriesError, SeriesLimits
from tests.ct.series_maker import dicom_series, dicom_slice, draw_chest, picture, windowed


def nifti(volume: np.ndarray, affine: np.ndarray | None = None, **kind: object) -> bytes:
    """(slices, rows, columns), front up and patient's right at the left, as NIfTI that says so."""
    affine = np.diag([-1.0, -1.0, 5.0, 1.0]) if affine is None else affine
    image = nibabel.Nifti1Image(volume.transpose(2, 1, 0), affine)
    return image.to_bytes()


def refused(files: list[tuple[str, bytes]], **limits: int) -> str:
    with pytest.raises(SeriesError) as caught:
        series_of_files("a", files, SeriesLimits(**limits))
    return caught.value.code


def test_dicom_slices_are_sorted_by_where_they_lie():
    volume = draw_chest(9)
    volume[np.arange(9), 0, 0] = np.arange(9)
    (series,) = series_of_files("a", dicom_series(volume, 2.5))
    np.testing.assert_array_equal(np.stack([one.pixels for one in series.slices]), volume)
    assert [one.position_mm for one in series.slices] == [2.5 * n for n in range(9)]
    assert series.calibrated
    assert series.spacing_mm == (2.5, 1.0, 1.0)
    assert series.codes == ()


def test_the_patients_right_is_at_the_left_and_the_front_up_however_they_were_stored():
    pixels = np.arange(12, dtype=np.int16).reshape(3, 4)
    turned = {
        (-1, 0, 0, 0, 1, 0): pixels[:, ::-1], (1, 0, 0, 0, -1, 0): pixels[::-1],
        (-1, 0, 0, 0, -1, 0): pixels[::-1, ::-1], (0, 1, 0, 1, 0, 0): pixels.T,
    }  # fmt: skip
    for cosines, stored in turned.items():
        files = [(f"{n}", dicom_slice(stored, float(n), cosines=cosines, number=n)) for n in range(2)]
        (series,) = series_of_files("a", files)
        np.testing.assert_array_equal(series.slices[0].pixels, pixels)


def test_gaps_duplicates_and_scouts_are_recognised():
    volume = draw_chest(8)
    files = dicom_series(volume)
    files = [f for n, f in enumerate(sorted(files, key=lambda f: f[0])) if n != 3]
    lost = set(range(8)) - {round(one.position_mm / 5) for one in series_of_files("a", files)[0].slices}
    files.append(("twice.dcm", dicom_slice(volume[1], 5.0, number=90)))
    files.append(("scout.dcm", dicom_slice(volume[0], 0.0, image_type="LOCALIZER")))
    files.append(("notes.txt", b"hello"))
    (series,) = series_of_files("a", files)
    assert len(series.slices) == 7
    assert {"duplicates", "localizer_left_out", "files_left_out"} <= set(series.codes)
    if lost.isdisjoint({0, 7}):
        assert "gaps" in series.codes
        assert series.breaks == {min(lost)}


def test_mixed_series_are_told_apart():
    first, second = draw_chest(4), draw_chest(5)
    files = [(f"a{n}", dicom_slice(p, n * 5.0, "1.2")) for n, p in enumerate(first)]
    files += [(f"b{n}", dicom_slice(p, n * 5.0, "1.3")) for n, p in enumerate(second)]
    found = series_of_files("a", files)
    assert sorted(len(one.slices) for one in found) == [4, 5]
    assert all("several_series" in one.codes for one in found)
    assert len({one.name for one in found}) == 2


def test_sagittal_slices_are_refused():
    files = [(f"{n}", dicom_slice(np.zeros((8, 8)), n, cosines=(0, 1, 0, 0, 0, -1))) for n in range(3)]
    assert refused(files) == "not_axial"


def test_a_film_is_no_slice():
    film = dicom_slice(np.zeros((8, 8)), modality="DX")
    film = film.replace(b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.840.10008.5.1.4.1.1.1\0")
    assert refused([("a", film)]) == "no_slices"


def test_values_without_rescale_are_no_hounsfield_units():
    files = [(f"{n}", dicom_slice(draw_chest(1)[0], float(n), number=n, rescale=False)) for n in range(3)]
    (series,) = series_of_files("a", files)
    assert not series.calibrated
    assert "uncalibrated" in series.codes


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
def test_a_volume_is_upright_whichever_way_it_was_stored(flips):
    volume = draw_chest(5, lesions={1: (20, 30)})
    data, affine = volume, np.diag([-1.0, -1.0, 5.0, 1.0])
    for axis, flip in enumerate(flips):  # of the axes x, y, z
        if flip < 0:
            data = np.flip(data, 2 - axis)
            affine[axis, 3] += affine[axis, axis] * (data.shape[2 - axis] - 1)
            affine[axis, axis] *= -1
    (series,) = series_of_files("a", [("v.nii", nifti(data, affine))])
    np.testing.assert_array_equal(np.stack([one.pixels for one in series.slices]), np.maximum(volume, -1100))
    assert series.spacing_mm == (5.0, 1.0, 1.0)


def test_the_scaling_of_a_volume_is_honoured():
    volume = draw_chest(4)
    image = nibabel.Nifti1Image(
        (volume.transpose(2, 1, 0) + 1024).astype(np.int16), np.diag([-1.0, -1, 5, 1])
    )
    image.header.set_slope_inter(1, -1024)
    raw = nibabel.Nifti1Image(image.dataobj, image.affine, image.header)
    data = bytearray(raw.to_bytes())
    data[112:120] = np.array([1, -1024], "<f4").tobytes()  # scl_slope, scl_inter
    (series,) = series_of_files("a", [("v.nii", bytes(data))])
    np.testing.assert_array_equal(series.slices[0].pixels, volume[0])


def test_pictures_are_ordered_by_number_and_masks_left_out():
    files = windowed(draw_chest(11, lesions={3: (40, 30)}))
    mask = np.zeros((96, 128), np.uint8)
    mask[3:9] = 255
    files += [(f"lesion_{n}.png", picture(mask)) for n in range(11)]
    (series,) = series_of_files("a", sorted(files))
    assert [one.name for one in series.slices] == [f"slice{n}" for n in range(1, 12)]
    assert set(series.codes) == {"uncalibrated", "by_name", "masks_left_out"}


def test_a_number_left_out_of_the_names_is_a_gap():
    files = [file for file in windowed(draw_chest(9)) if "slice4" not in file[0]]
    (series,) = series_of_files("a", files)
    assert series.breaks == {3}


def zipped(files: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


def test_an_archive_is_read_in_memory_and_its_paths_lead_nowhere(tmp_path):
    files = [(f"../../{name}", data) for name, data in dicom_series(draw_chest(4))]
    (series,) = series_of_files("a.zip", [("a.zip", zipped(files))])
    assert len(series.slices) == 4
    assert not any("/" in one.name or ".." in one.name for one in series.slices)
    assert not list(tmp_path.iterdir())


def test_bombs_and_crowds_end_at_the_limits():
    bomb = zipped([("a", bytes(2_000_000))])
    assert refused([("a.zip", bomb)], max_unpacked=100_000) == "decompression_bomb"
    assert refused([(str(n), b"x") for n in range(9)], max_files=5) == "too_many_slices"
    assert refused(dicom_series(draw_chest(6)), max_slices=3) == "too_many_slices"
    import gzip

    packed = gzip.compress(nifti(draw_chest(6)))
    assert refused([("v.nii.gz", packed)], max_unpacked=10_000) == "decompression_bomb"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"hello", "no_slices"),
        (b"PK\x03\x04 no archive", "truncated"),
        (dicom_slice(np.zeros((8, 8)))[:-60], "truncated"),
    ],
)
def test_a_lone_bad_file_has_its_own_code(data, code):
    assert refused([("a", data)]) == code


def test_a_nameless_entry_is_no_file():
    data = zipped([("a", b"x")]).replace(b"\x01\x00\x00\x00\x00\x00a", b"\x01\x00\x00\x00\x00\x00\x00")
    assert refused([("a.zip", data)]) in ("no_slices", "truncated", "unreadable")
    nameless = bytearray(zipped([("ab", b"x" * 9)]))
    place = nameless.find(b"PK\x01\x02")
    nameless[place + 28 : place + 30] = b"\0\0"
    nameless[place + 30 : place + 32] = b"\2\0"
    assert refused([("a.zip", bytes(nameless))]) in ("no_slices", "truncated", "unreadable")


def test_a_locked_archive_is_said():
    data = bytearray(zipped([("a", b"x" * 50)]))
    for start in (data.find(b"PK\x03\x04") + 6, data.find(b"PK\x01\x02") + 8):
        data[start] |= 1
    assert refused([("a.zip", bytes(data))]) == "encrypted"


def test_no_name_is_kept(tmp_path):
    for name, data in dicom_series(draw_chest(3)):
        (tmp_path / name).write_bytes(data)
    (series,) = read_series(tmp_path)
    assert "Doe" not in repr([(one.name, one.position_mm) for one in series.slices]) + series.name


DICOM = dicom_slice(draw_chest(1, 24, 24)[0])
VOLUME = nifti(draw_chest(3, 16, 16))


@pytest.mark.parametrize("whole", [DICOM, VOLUME, zipped([("a", DICOM)])], ids=["dicom", "nifti", "zip"])
def test_damaged_bytes_give_a_series_or_one_sentence(whole):
    @settings(max_examples=120, deadline=None)
    @given(st.integers(0, len(whole) - 1), st.binary(min_size=1, max_size=6), st.booleans())
    def mutated(place, put, cut):
        data = whole[:place] + put + (b"" if cut else whole[place + len(put) :])
        try:
            found = series_of_files("a", [("a", data)], SeriesLimits(max_voxels=200_000))
        except SeriesError:
            return
        assert all(series.slices for series in found)

    mutated()


def test_the_real_files_are_what_their_table_says(data_folder):
    place = data_folder / "ct" / "hu"
    (chest,) = read_series(place / "chest-ct-tcia-0117")
    assert len(chest.slices) == 32
    assert chest.spacing_mm == pytest.approx((2.4, 0.644531, 0.644531), abs=1e-3)
    assert chest.slices[0].pixels.min() >= -1100
    (volume,) = read_series(place / "chest-ct-acrin-flt-breast-013.nii.gz")
    assert (len(volume.slices), volume.spacing_mm[0]) == (49, 4.0)
