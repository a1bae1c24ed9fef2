"""Why the pixels of a DICOM file can't be read, in words that help."""

from __future__ import annotations

import re
from typing import Any

from napari_dim.errors import without_quotes

_KNOWN = (
    (r"bytes of pixel data is less than expected \((\d+) vs (\d+)",
     "they are cut off: {0} of {1} bytes are there", "Copy the file again"),
    (r"Missing required element: (\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\))",
     "the header lacks the tag {0} that says what they are", ""),
    (r"samples with (\d+)-bit precision",
     "they are JPEG of {0} bits a value, which no decoder here undoes",
     "Install pylibjpeg-libjpeg, which does, or store the series uncompressed"),
    (r"One and only one of", "the file holds pixels in two ways", ""),
    (r"cannot reshape array|has no len\(\)|buffer size must be a multiple",
     "they are not as many as the header says", "Copy the file again"),
)  # fmt: skip
"""What pydicom says -> what it means, and what to do."""


def reason(error: Exception) -> tuple[str, str]:
    """What went wrong, and what to do; of several decoders that failed, what each says."""
    for pattern, words, hint in _KNOWN:
        if found := re.search(pattern, str(error)):
            again = "Save it again with the program that made it"
            return words.format(*found.groups()), hint or again
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1:
        lines = lines[1:]
    text = re.sub(r"\b(\w+): \1: ", r"\1: ", "; ".join(lines))  # decoders name themselves, too
    return without_quotes(text[:300]) if text else type(error).__name__, ""


def might_help(file: Any) -> str:
    """Further decoders that could be installed, where pixels are compressed and none managed."""
    import pydicom
    from pydicom.pixels import get_decoder

    try:
        data = pydicom.dcmread(file, force=True, stop_before_pixels=True)
        wanted = get_decoder(data.file_meta.TransferSyntaxUID).missing_dependencies
    except Exception:
        return ""
    return f"Another decoder may manage: {'; '.join(wanted)}" if wanted else ""
