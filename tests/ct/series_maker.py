"""CT series for tests: a drawn chest in Hounsfield units, written as DICOM, NIfTI or pictures, and a net of
thresholds that finds its lungs and lesions, so that what is tested is the reading and not the weights."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from cxrtriage.ct.lesion_finder import LesionFinder
from cxrtriage.ct.slice_form import SliceForm
from cxrtriage.weights import Card

LUNG, TISSUE, LESION = -850, 40, -450


def draw_chest(
    slices: int = 8, rows: int = 96, columns: int = 128, lesions: dict[int, tuple[int, int]] | None = None
) -> np.ndarray:
    """(slices, rows, columns) int16: a body with two lungs. `lesions`: place (row, column) by number of
    slice."""
    y, x = np.mgrid[:rows, :columns]
    body = ((y - rows / 2) / (rows * 0.46)) ** 2 + ((x - columns / 2) / (columns * 0.47)) ** 2 < 1
    volume = np.full((slices, rows, columns), -1000, np.int16)
    volume[:, body] = TISSUE
    for middle in (0.3, 0.7):
        lung = ((y - rows / 2) / (rows * 0.34)) ** 2 + ((x - columns * middle) / (columns * 0.15)) ** 2 < 1
        volume[:, lung] = LUNG
    for number, (row, column) in (lesions or {}).items():
        volume[number : number + 1, row : row + 10, column : column + 10] = LESION
    # As any scanner's; without it a drawn slice has no more greys than a mask.
    return volume + np.random.default_rng(1).integers(-20, 21, volume.shape).astype(np.int16)


@dataclass
class Threshold(torch.nn.Module):
    """Logits by grey alone: lungs dark, lesions between lung and tissue. Air around the body is darker
    still."""

    lesion: tuple[float, float] = (110.0, 190.0)
    lung: tuple[float, float] = (70.0, 110.0)

    def __post_init__(self) -> None:
        super().__init__()

    __hash__ = torch.nn.Module.__hash__

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        grey = (slices + 1) * 127.5
        return torch.cat([self._within(grey, self.lesion), self._within(grey, self.lung)], 1)

    @staticmethod
    def _within(grey: torch.Tensor, reach: tuple[float, float]) -> torch.Tensor:
        return torch.where((grey > reach[0]) & (grey < reach[1]), 6.0, -6.0)


def threshold_finder(**reading: object) -> LesionFinder:
    form = SliceForm(rows=96, columns=128)
    card = Card(
        "ct_lesion", "task", ("lesion", "lung"), "ct_lesion", {}, form.to_dict(), "f" * 64, "none",
        settings={"reading": reading} if reading else {},
    )  # fmt: skip
    return LesionFinder(card, Threshold())


def dicom_slice(
    pixels: np.ndarray, position: float | None = 0.0, series: str = "1.2.3", *, number: int = 1,
    step: float = 1.0, cosines: tuple[float, ...] = (1, 0, 0, 0, 1, 0), image_type: str = "ORIGINAL",
    modality: str = "CT", rescale: bool = True,
) -> bytes:  # fmt: skip
    """One slice of Hounsfield units (rows, columns) as a DICOM file; `step` is the pixels' size in mm."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.Modality, dataset.SeriesInstanceUID, dataset.InstanceNumber = modality, series, number
    dataset.PatientName, dataset.ImageType = "Doe^Jane", [image_type, "PRIMARY", "AXIAL"]
    if image_type == "LOCALIZER":
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelSpacing = [step, step]
    dataset.ImageOrientationPatient = list(cosines)
    if position is not None:
        dataset.ImagePositionPatient = [0, 0, position]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    if rescale:
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = (pixels.astype(np.int32) + 1024).astype(np.uint16).tobytes()
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def dicom_series(volume: np.ndarray, step_mm: float = 5.0) -> list[tuple[str, bytes]]:
    """Files whose names say nothing of their order."""
    files = [
        (f"{(number * 7) % len(volume):03d}x.dcm", dicom_slice(pixels, number * step_mm, number=number))
        for number, pixels in enumerate(volume)
    ]
    return sorted(files)


def picture(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def windowed(volume: np.ndarray) -> list[tuple[str, bytes]]:
    """Slices as pictures in the window of the training slices."""
    form = SliceForm()
    return [
        (f"slice{number}.png", picture(form.grey(pixels))) for number, pixels in enumerate(volume, start=1)
    ]
