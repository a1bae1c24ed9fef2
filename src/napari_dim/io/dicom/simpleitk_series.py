"""DICOM series to volumes as SimpleITK reads them, in a child process.

For people who want SimpleITK's own reading, or who have no pydicom. It keeps neither a gantry
tilt nor gaps: where the headers put a slice elsewhere than SimpleITK does, it is told or refused.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.dicom.frames import TURNED, turning_sum, value_ends, value_window
from napari_dim.io.dicom.padding import Padding, padding_of
from napari_dim.io.dicom.seg_frames import NO_SOURCES
from napari_dim.io.format_rows import How, Part
from napari_dim.io.itk.itk_reader import ask_child, read_apart, volume_of
from napari_dim.volume import Volume

READER = "simpleitk"
"""What a part begins with where this reader is wanted: ``simpleitk:2``."""

_CHILD = Path(__file__).with_name("simpleitk_series_child.py")
_TOLD = 0.01
"""How far a slice may lie beside its place unsaid, in spacings; the child refuses 0.1."""


def read_series(path: Path, how: How) -> Volume:
    """Read one series; see `napari_dim.io.read_volume`.

    Of a folder with several the one that `how` names (by number, UID or description), else
    the largest. Of a file the series in its folder that it belongs to.
    """
    array, told = read_apart(path, _CHILD, how.part.strip() or "-", _size(path))
    padded = _fill_padding(path, array, told["tags"])
    # The slices that were taken are what a reader knows; a thin one is no reason to turn.
    volume = volume_of(path, array, told, 2 if how.slice_axis is None else how.slice_axis)
    warnings = [*volume.warnings, *padded]
    if told["off"] > _TOLD:
        warnings.append(f"slices lie up to {told['off']:.3g} slices beside their even places")
    if told["alone"]:
        warnings.append("its series makes no volume for SimpleITK, this slice is alone")
    if told["turned"]:
        warnings.append(TURNED)
    if not told["located"]:
        warnings.append("the file does not say how it lies in the patient; programs will differ")
    if told["frames"]:
        warnings.append("SimpleITK takes the frames in the order of the file")
    if told["others"]:
        warnings.append(f"the largest of {len(told['others']) + 1} series is read; "
                        f"there are also {'; '.join(told['others'][:6])}")  # fmt: skip
    grid = replace(volume.grid, placed=bool(told["located"]))
    header = {**volume.header, **_header(told)}
    return replace(volume, grid=grid, header=header, warnings=tuple(warnings))


def list_series(path: Path) -> tuple[Part, ...]:
    """The series in a folder; see `napari_dim.io.list_parts`."""
    told = ask_child(path, _CHILD, "", "-", _size(path))
    if "refused" in told:
        raise InputError(told["refused"], where=path, hint=told.get("hint", ""))
    return tuple(
        Part(f"{READER}:{number}", text) for number, text in enumerate(told["series"], start=1)
    )


def _size(path: Path) -> int:
    """Bytes that may belong to a series."""
    files = path.rglob("*") if path.is_dir() else path.parent.iterdir()
    return sum(file.stat().st_size for file in files if file.is_file())


def _header(told: dict[str, Any]) -> dict[str, Any]:
    """What an export needs: the UIDs that a segmentation refers to, as pydicom's reader says."""
    tags = told["tags"]
    header = {name: tags[name] for name in
              ("modality", "study", "series", "frame_of_reference", "sop_class")}  # fmt: skip
    header["window"] = _window(tags)
    if told["uids"]:
        header["instances"] = tuple((uid, 0) for uid in told["uids"])
    if told["frames"]:
        header[NO_SOURCES] = "SimpleITK does not say which of its frames a slice is"
    return header


def _fill_padding(path: Path, array: np.ndarray, tags: dict[str, str]) -> list[str]:
    """Padding made the lowest value, in place: its values are those that all others became."""
    if not tags["padding"] or array.ndim > 3:
        return []
    named = {"PixelPaddingValue": tags["padding"], "PixelPaddingRangeLimit": tags["limit"]}
    found = padding_of(named, _bits(tags))
    if found is None:
        return []
    low, high = value_ends(_bits(tags))
    if found[1] > high or found[0] < low:
        raise InputError(
            "padding needs more bits than are stored, and SimpleITK makes tissue of it",
            where=path, hint="Read it by pydicom",
        )  # fmt: skip
    ends = [float(tags["slope"] or 1) * end + float(tags["inter"] or 0) for end in found]
    if tags["photometric"] == "MONOCHROME1":
        ends = [_turn(tags) - end for end in ends]
    padding = Padding()
    planes = np.moveaxis(array[..., None] if array.ndim < 3 else array, 2, 0)
    for number, plane in enumerate(planes):
        padding.meet(number, plane, (plane >= min(ends)) & (plane <= max(ends)))
    told = padding.fill(planes, tags["modality"])
    return [told] if told else []


def _bits(tags: dict[str, str]) -> tuple[int, int, bool]:
    return int(tags["allocated"]), int(tags["stored"]), tags["signed"] == "1"


def _turn(tags: dict[str, str]) -> float:
    scaling = float(tags["slope"] or 1), float(tags["inter"] or 0)
    return turning_sum(_bits(tags), scaling)


def _window(tags: dict[str, str]) -> tuple[float, float] | None:
    try:
        centre, width = (float(tags[n].split("\\")[0]) for n in ("centre", "width"))
    except ValueError:
        return None
    if width <= 0:
        return None
    low, high = value_window(centre, width, tags["curve"])
    if tags["photometric"] != "MONOCHROME1":
        return low, high
    turn = _turn(tags)
    return turn - high, turn - low
