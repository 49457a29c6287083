"""A process of its own that decodes one JPEG frame by GDCM; started by `gdcm_decode`, never imported.

Reads one line of JSON and the compressed frame from standard input, writes the raw samples to
standard output. GDCM ends its process on some damaged streams and writes remarks to standard error;
in here neither reaches the program. Needs nothing but gdcm, so that it starts fast.
"""

from __future__ import annotations

import json
import sys

import gdcm


def main() -> None:
    """Decode what standard input holds."""
    header = json.loads(sys.stdin.buffer.readline())
    image = make_image(header, sys.stdin.buffer.read())
    # GDCM returns bytes as text with surrogates.
    sys.stdout.buffer.write(image.GetBuffer().encode("utf-8", "surrogateescape"))


def make_image(header: dict, stream: bytes) -> gdcm.Image:
    """A GDCM image that holds the compressed stream."""
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((header["columns"], header["rows"], 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(header["photometric"])
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if header["samples"] > 1:
        image.SetPlanarConfiguration(0)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(header["syntax"])))
    bits = header["bits"]
    image.SetPixelFormat(
        gdcm.PixelFormat(header["samples"], header["allocated"], bits, bits - 1, int(header["signed"]))
    )
    return image


if __name__ == "__main__":
    main()
