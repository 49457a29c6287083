"""Files to series: a folder, a ZIP, a NIfTI volume or many files; what a file is, its content says."""

from __future__ import annotations

import io
import os
import re
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from cxrtriage.ct.dicom_slices import DicomSlice, read_dicom_slice, sorted_series
from cxrtriage.ct.nifti import looks_like_nifti, read_nifti
from cxrtriage.ct.picture_slices import PictureSlice, picture_series, read_picture_slice
from cxrtriage.ct.series import Series, SeriesError, SeriesLimits
from cxrtriage.film.dicom import looks_like_dicom
from cxrtriage.film.film import FilmError
from cxrtriage.film.limits import Limits
from cxrtriage.film.raster import is_raster

_ZIP = b"PK\x03\x04"
_ENTRY_OF_ZIP = b"PK\x01\x02"  # APPNOTE 4.3.12, the head of each entry of the directory
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What programs for the user write. The others unpack to far more, or ask for gigabytes at once."""

_OF_THE_PROGRAM = ("took_too_long", "reader_unavailable")
_OF_ALL = ("too_many_slices", "decompression_bomb", "encrypted", *_OF_THE_PROGRAM)
"""Codes that refuse all files together; with any other the file is left out."""

_NOT_IN_A_NAME = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
"""Characters that some file system gives a meaning, for masks are written under the names of slices."""

_LONGEST_NAME = 100
Named = tuple[str, bytes]


def read_series(
    path: os.PathLike[str] | str, limits: SeriesLimits | None = None, *, trusted: bool = False
) -> list[Series]:
    """Every series of a folder (walked), of a ZIP, or of one file; raises nothing but `SeriesError`."""
    place = Path(path)
    limits = limits or SeriesLimits()
    try:
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        files = [file for file in files if file.is_file() and not _hidden(file, place)]
    except OSError as error:
        raise SeriesError("unreadable") from error
    if len(files) > limits.max_files:
        raise SeriesError("too_many_slices", detail=str(limits.max_files))

    def named() -> Iterator[Named]:
        for file in files:
            label = file.relative_to(place).as_posix() if file != place else file.name
            try:
                if file.stat().st_size > limits.max_unpacked:
                    raise SeriesError("too_large")
                yield label, file.read_bytes()
            except OSError as error:
                raise SeriesError("unreadable") from error

    return series_of_files(place.name, named(), limits, trusted=trusted)


def _hidden(file: Path, place: Path) -> bool:
    return file != place and any(part.startswith(".") for part in file.relative_to(place).parts)


def series_of_files(
    name: str,
    files: Iterator[Named] | Sequence[Named],
    limits: SeriesLimits | None = None,
    *,
    trusted: bool = False,
) -> list[Series]:
    """Every series among files by name and bytes; raises nothing but `SeriesError`.

    Slices in DICOM are sorted into series, pictures are one series, each NIfTI volume is one. What is none of
    these is left out and said; a lone file that cannot be read is refused with its own code. Files are
    decoded in a child process, or in this one where they are `trusted` (see `cxrtriage.film.read`).
    """
    limits = limits or SeriesLimits()
    taken = _Taken(limits, trusted)
    for number, (label, data) in enumerate(files):
        if number >= limits.max_files:
            raise SeriesError("too_many_slices", detail=str(limits.max_files))
        taken.add(label, data)
    return taken.series(name)


class _Taken:
    """Slices as they come out of files."""

    def __init__(self, limits: SeriesLimits, trusted: bool) -> None:
        self.limits, self.film_limits, self.trusted = limits, Limits(), trusted
        self.until = time.monotonic() + limits.max_seconds
        self.dicom: list[DicomSlice] = []
        self.pictures: list[PictureSlice] = []
        self.volumes: list[Series] = []
        self.failed: list[FilmError] = []
        self.voxels = 0

    def add(self, label: str, data: bytes, *, within_zip: bool = False) -> None:
        if time.monotonic() > self.until:
            raise SeriesError("took_too_long")
        try:
            if data.startswith(_ZIP) and not within_zip:
                self._unpack(data)
            elif looks_like_nifti(data):
                name = _stem(_name(label), ending=True)
                volume = read_nifti(name, data, self.limits, trusted=self.trusted)
                self._count(sum(one.pixels.size for one in volume.slices))
                self.volumes.append(volume)
            elif looks_like_dicom(data):
                found = read_dicom_slice(_stem(label), data, self.film_limits, trusted=self.trusted)
                self._count(found.slice.pixels.size)
                self.dicom.append(found)
            elif is_raster(data):
                picture = read_picture_slice(_stem(label), data, self.film_limits, trusted=self.trusted)
                self._count(picture.pixels.size)
                self.pictures.append(picture)
            else:
                raise SeriesError("empty" if not data else "no_slices")
        except SeriesError as error:
            if error.code in _OF_ALL:
                raise
            self.failed.append(error)
        except FilmError as error:
            if error.code in _OF_THE_PROGRAM:  # the next file would fare no better, or as ill
                raise SeriesError(error.code) from error
            self.failed.append(error)

    def _count(self, voxels: int) -> None:
        self.voxels += voxels
        if self.voxels > self.limits.max_voxels:
            raise SeriesError("too_many_slices", detail=f"{self.limits.max_voxels / 1e6:g} MP")

    def _unpack(self, data: bytes) -> None:
        """Every file of an archive, in memory; its paths are names alone, an archive within it is left
        out."""
        # Counted before `zipfile` makes an object of each.
        if data.count(_ENTRY_OF_ZIP) > 2 * self.limits.max_files:
            raise SeriesError("too_many_slices", detail=str(self.limits.max_files))
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = [one for one in archive.infolist() if one.filename and not one.is_dir()]
                entries = [one for one in entries if not _name(one.filename).startswith((".", "__"))]
                if len(entries) > self.limits.max_files:
                    raise SeriesError("too_many_slices", detail=str(self.limits.max_files))
                if any(entry.flag_bits & 1 for entry in entries):
                    raise SeriesError("encrypted")
                left = self.limits.max_unpacked
                for entry in sorted(entries, key=lambda one: one.filename):
                    unpacked = self._unpacked(archive, entry, left)
                    left -= len(unpacked)
                    self.add(entry.filename, unpacked, within_zip=True)
        except FilmError:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise SeriesError("truncated") from error
        except Exception as error:  # a damaged directory makes zipfile raise nearly anything
            raise SeriesError("unreadable") from error

    def _unpacked(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> bytes:
        """The bytes of an entry, at most `left`. The size that the archive states is not trusted."""
        if entry.compress_type not in _PACKINGS:
            raise SeriesError("unreadable")
        most = min(left, self.limits.most_unpacked(entry.compress_size))
        with archive.open(entry) as stream:
            unpacked = stream.read(most + 1)
        if len(unpacked) > most:
            raise SeriesError("decompression_bomb")
        return unpacked

    def series(self, name: str) -> list[Series]:
        found = list(self.volumes)
        problems: list[SeriesError] = []
        for build in (self._dicom_series, self._picture_series):
            try:
                found += build(name)
            except SeriesError as error:
                problems.append(error)
        if not found:
            raise _refusal([*problems, *self.failed])
        codes = {"files_left_out"} if self.failed else set()
        if len(found) > 1:
            codes.add("several_series")
        return [replace(one, codes=tuple(sorted({*one.codes, *codes}))) for one in found]

    def _dicom_series(self, name: str) -> list[Series]:
        return sorted_series(name, self.dicom, self.limits) if self.dicom else []

    def _picture_series(self, name: str) -> list[Series]:
        # Pictures beside slices in DICOM are previews or key images of them.
        if not self.pictures or self.dicom:
            return []
        return [picture_series(name, self.pictures, self.limits)]


def _refusal(problems: Sequence[FilmError]) -> SeriesError:
    """The one sentence for files of which none could be read: their own if they agree."""
    codes = {problem.code for problem in problems}
    if len(codes) == 1:
        return SeriesError(problems[0].code, detail=problems[0].detail)
    return SeriesError("no_slices")


def _name(label: str) -> str:
    """The last part of a path of any system."""
    return PurePosixPath(label.replace("\\", "/")).name


def _stem(label: str, *, ending: bool = False) -> str:
    """The name of a slice or volume: that of its file without its ending, the folders before it with
    dashes. It leads out of no folder, whatever the label says."""
    path = PurePosixPath(label.replace("\\", "/"))
    parts = [_NOT_IN_A_NAME.sub("_", part) for part in path.parts if part not in ("..", ".", "/")]
    if not parts:
        return "slice"
    last = parts[-1] if ending else PurePosixPath(parts[-1]).stem
    return "-".join([*parts[:-1], last])[-_LONGEST_NAME:]
