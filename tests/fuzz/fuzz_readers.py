"""`make fuzz`: bytes that nobody meant, into every reader; nothing but the one error of each may come out.

    python -m tests.fuzz.fuzz_readers TARGET FOLDER [options of libFuzzer]

The corpus grows in FOLDER and is kept, so that the next run goes on from it; it begins with small files of
every kind that is read, made here. Atheris finds the way into pydicom, nibabel and our own code by what they
execute; decoders therefore run in this process and not in a child of it, but for GDCM, which is known to
abort.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cxrtriage", "pydicom", "nibabel"]):
    import nibabel
    import pydicom.uid
    from pydicom.dataset import Dataset

    from cxrtriage.ct.read import series_of_files
    from cxrtriage.ct.series import SeriesError, SeriesLimits
    from cxrtriage.desk.follow_up import Course, Visit
    from cxrtriage.desk.threshold_bench import BenchError, Nets, Truth, bench, matched, scores_of, truths_of
    from cxrtriage.film.adjustment import Adjustment
    from cxrtriage.film.film import FilmError
    from cxrtriage.film.limits import Limits
    from cxrtriage.film.read import read_trusted_film
    from cxrtriage.reading.assessment import Assessment, ClassScore, Diagnosis, FilmFacts, Versions
    from cxrtriage.reading.site import Site, SitePoint
    from cxrtriage.weights import Card, OperatingPoint, WeightsError

import numpy as np
from PIL import Image

_LIMITS = Limits(max_bytes=2**20, max_pixels=300_000)
_SERIES_LIMITS = SeriesLimits(max_slices=64, max_voxels=300_000, max_files=32, max_unpacked=2**20)


def film(data: bytes) -> None:
    try:
        read = read_trusted_film(data, _LIMITS)
    except FilmError:
        return
    assert read.pixels.dtype == np.float32
    assert np.isfinite(read.pixels).all()
    assert 0 <= read.pixels.min() <= read.pixels.max() <= 1


def series(data: bytes) -> None:
    try:
        found = series_of_files("a", [("a", data)], _SERIES_LIMITS, trusted=True)
    except SeriesError:
        return
    for one in found:
        assert one.slices
        assert all(part.pixels.ndim == 2 for part in one.slices)


_NETS = Nets(
    {"net": Card("net", "task", ("tuberculosis",), "none", {}, {}, "1", "none")},
    {"tuberculosis": ("net",)},
    {"tuberculosis": {"sensitivity_0.90": OperatingPoint(0.4, (0.3, 0.5), 0.9, 0.8, "films")}},
)


def words(data: bytes) -> None:
    """What comes back from a user's disk as text: assessments, courses, adjustments, a hospital's thresholds
    and what these are set on."""
    text = data.decode("utf-8", "replace")
    for kind in (Assessment, Course):
        with contextlib.suppress(ValueError):
            kind.from_json(text).to_json()
    with contextlib.suppress(ValueError, RecursionError):
        Adjustment.from_dict(json.loads(text))
    with contextlib.suppress(WeightsError):
        Site.from_json(data).to_json()
    with contextlib.suppress(BenchError):
        truths_of(data, ["tuberculosis"])
    with contextlib.suppress(BenchError):
        rows = scores_of(data)
        bench(matched(rows, [Truth(row.file, {"tuberculosis": True}) for row in rows]), _NETS)


TARGETS: dict[str, Callable[[bytes], None]] = {"film": film, "series": series, "words": words}


def seeds() -> list[bytes]:
    """A small file of every kind that is read."""
    pixels = (np.add.outer(np.arange(24), np.arange(20)) * 5).astype(np.uint8)
    made = []
    for kind in ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind)
        made.append(stream.getvalue())
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint16) * 200).save(stream, "PNG")
    made.append(stream.getvalue())
    for sop_class in (pydicom.uid.DigitalXRayImageStorageForPresentation, pydicom.uid.CTImageStorage):
        made += [_dicom(pixels, sop_class, syntax) for syntax in (
            pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian,
            pydicom.uid.DeflatedExplicitVRLittleEndian, pydicom.uid.RLELossless,
        )]  # fmt: skip
    volume = nibabel.Nifti1Image(np.zeros((6, 5, 4), np.int16) - 900, np.diag([-1.0, -1, 3, 1]))
    made.append(volume.to_bytes())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.png", made[0])
        archive.writestr("b.dcm", made[-2])
    made.append(stream.getvalue())
    made += [text.encode() for text in _words()]
    made.append(b'{"crop": null, "window_center": 0.5, "window_width": 1.0, "invert": false}')
    return made


def _words() -> list[str]:
    """An assessment with its parts, a course of one film, a hospital's thresholds, and a table of truths."""
    score = ClassScore(0.5, 0.4, (0.3, 0.5), "sensitivity_0.90", "card", "films", "flagged")
    assessment = Assessment(
        file="a",
        sha256="0" * 64,
        status="read",
        versions=Versions("0", {"net": "1"}),
        film=FilmFacts(4, 5, 8, "png", spacing_mm=(0.1, 0.1)),
        diagnosis=Diagnosis({"tuberculosis": score}, {"net": {"tuberculosis": 0.5}}, False),
    )
    point = SitePoint(0.6, 0.9, (0.8, 0.97), 0.7, (0.5, 0.8), 30, 30)
    site = Site(
        "A", {"net": "1"}, {"net": "2"}, {"tuberculosis": ("net",)}, {"tuberculosis": {"youden": point}}
    )
    return [
        assessment.to_json(),
        Course("A", (Visit(date(2020, 1, 2), assessment),)).to_json(),
        site.to_json(),
        "file,patient,tuberculosis\na,p,1\nb,,0\n",
    ]


def _dicom(pixels: np.ndarray, sop_class: str, syntax: str) -> bytes:
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality = "CT" if "CT" in pydicom.uid.UID(sop_class).name else "DX"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -100
    dataset.WindowCenter, dataset.WindowWidth = 50, 100
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 1], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [0.5, 0.5]
    dataset.PixelData = pixels.tobytes()
    if syntax == pydicom.uid.RLELossless:
        dataset.compress(syntax)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    dataset.save_as(
        stream,
        enforce_file_format=True,
        implicit_vr=syntax == pydicom.uid.ImplicitVRLittleEndian,
        little_endian=True,
    )
    return stream.getvalue()


def main(arguments: list[str]) -> None:
    target, folder, *options = arguments
    corpus = Path(folder)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds()):
        (corpus / f"seed-{number:02d}").write_bytes(data)
    atheris.Setup(
        ["fuzz", str(corpus), f"-artifact_prefix={corpus.parent}/{target}-", *options], TARGETS[target]
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
