"""Siemens mosaics: a file that holds a whole volume, its slices laid out as tiles.

Where the slices lie stands in the maker's own part of the header (CSA), which nibabel reads.
Its sign decides between a volume and its mirror image, so that a file without it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.dicom.frames import Frame

_HINT = "Unfold it with dcm2niix, and open the NIfTI file"


def is_mosaic(header: Any) -> bool:
    """Whether a header is that of a mosaic."""
    kind = header.get("ImageType")
    return kind is not None and "MOSAIC" in ([kind] if isinstance(kind, str) else list(kind))


def tiles_of(path: Path, frames: Sequence[Frame]) -> list[Frame]:
    """The slices of a mosaic, each where it lies in the patient.

    The header's position is that of the first pixel if the mosaic were one slice around the
    same centre (as nibabel and dcm2niix take it).

    Raises
    ------
    InputError
        If the header doesn't say how many slices it holds, or where they lie.
    """
    import pydicom
    from nibabel.nicom import csareader

    data = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    try:
        csa = csareader.get_csa_header(data, "image")
        count = int(csareader.get_n_mosaic(csa) or 0) if csa else 0
        normal = csareader.get_slice_normal(csa) if csa else None
        numbers = csa["tags"].get("ProtocolSliceNumber", {}).get("items", []) if csa else []
    except Exception as error:
        raise InputError("this is a mosaic, and its CSA header is damaged", hint=_HINT) from error
    step = data.get("SpacingBetweenSlices")
    frame = frames[0]
    if count < 1 or normal is None or not step or frame.position is None or not frame.spacing:
        raise InputError(
            "this is a mosaic (a whole volume laid out as tiles), and the CSA header that says "
            "where its slices lie is missing", hint=_HINT,
        )  # fmt: skip
    if len(frames) != 1 or (numbers and int(numbers[0]) > 1):
        raise InputError(
            "this is a mosaic whose slices are in an order that can't be told", hint=_HINT
        )
    side = int(np.ceil(np.sqrt(count)))
    rows, columns = frame.shape[0] // side, frame.shape[1] // side
    if rows * side != frame.shape[0] or columns * side != frame.shape[1]:
        raise InputError(
            f"this is a mosaic of {count} slices that {frame.shape[0]} x {frame.shape[1]} pixels "
            "do not hold", hint=_HINT,
        )  # fmt: skip
    assert frame.orientation is not None
    turn = np.array(frame.orientation)
    across, down = turn[:3] * frame.spacing[1], turn[3:] * frame.spacing[0]
    along = np.cross(turn[:3], turn[3:])
    along *= (np.sign(along @ normal) or 1.0) * abs(float(step)) / np.linalg.norm(along)
    first = (
        np.array(frame.position)
        + (across * (frame.shape[1] - columns) + down * (frame.shape[0] - rows)) / 2
    )
    return [
        replace(
            frame, shape=(rows, columns), thickness=abs(float(step)), uid="",
            position=tuple(float(x) for x in first + number * along),
            tile=(number // side * rows, number % side * columns),
        )
        for number in range(count)
    ]  # fmt: skip
