"""DICOM files and folders to volumes.

A series is read as one volume in its place in the patient. Nothing of a header is kept but
geometry and the UIDs that a segmentation needs to refer to its source.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError, one_line
from napari_dim.io.dicom.folder_walk import dicom_files
from napari_dim.io.dicom.frame_pixels import decoded, value_type
from napari_dim.io.dicom.frames import TURNED, Frame
from napari_dim.io.dicom.headers import read_header
from napari_dim.io.dicom.padding import Padding
from napari_dim.io.dicom.placement import Place, place_of
from napari_dim.io.dicom.seg_frames import NO_SOURCES
from napari_dim.io.dicom.stacks import Stack, stacks_of
from napari_dim.io.finite_values import finite_values, odd_words
from napari_dim.io.format_rows import How, Part
from napari_dim.io.geometry import Laid, lay
from napari_dim.io.labels import LabelClass
from napari_dim.io.nifti.nifti_reader import MAX_BYTES
from napari_dim.io.overlaps import winner
from napari_dim.volume import Grid, Placed, Volume

UNFOLDED = "the slices are unfolded from Siemens mosaics"


def read_dicom(path: Path, how: How) -> Volume:
    """Read one series; see `napari_dim.io.read_volume`.

    Of a folder with several the one that `how` names, else the largest. Of a file its whole
    series, as far as it lies in the same folder.
    """
    if _is_segmentation(path):
        from napari_dim.io.dicom.seg_reader import open_dicom_seg

        return open_dicom_seg(path, how)
    with one_line(path, "DICOM file"):
        stacks, refused = _stacks(path)
        stack, others = _chosen(stacks, how.part, path)
        stack, place = _placed(stack, path)
        warnings = [*stack.warnings, *place.warnings, *_decided(stack)]
        if refused:
            warnings.append(f"{len(refused)} files were left out: {sorted(set(refused))[0]}")
        if others:
            warnings.append(
                f"the largest of {len(stacks)} images is read, {_named(stacks, stack)}; "
                f"there are also {'; '.join(_named(stacks, one) for one in others[:6])}"
                + ("; …" if len(others) > 6 else "")
            )
        array, told = _voxels(stack, place)
        warnings += told
        return _volume(path, stack, place, array, how.slice_axis, tuple(warnings))


def read_dicom_mask(path: Path, like: Placed, overlaps: str = "") -> Laid:
    """Read a DICOM-SEG, or whole numbers in a series; see `napari_dim.io.read_mask`."""
    if _is_segmentation(path):
        from napari_dim.io.dicom.seg_reader import read_dicom_seg

        return read_dicom_seg(path, like, winner(overlaps))
    return lay(read_dicom(path, How()), like.grid)


def list_classes(path: Path) -> list[LabelClass]:
    """The classes of a DICOM-SEG; see `napari_dim.io.read_classes`."""
    if not _is_segmentation(path):
        return []
    from napari_dim.io.dicom.seg_reader import classes_of

    return classes_of(path)


def _is_segmentation(path: Path) -> bool:
    header = None if path.is_dir() else read_header(path)
    return header is not None and header.segmentation


def list_dicom(path: Path) -> tuple[Part, ...]:
    """The images in a folder, by series; see `napari_dim.io.list_parts`."""
    if _is_segmentation(path):
        from napari_dim.io.dicom.seg_reader import list_winners

        return list_winners(path)
    with one_line(path, "DICOM file"):
        stacks, _ = _stacks(path)
        return tuple(
            Part(str(number), _described(stack)) for number, stack in enumerate(stacks, start=1)
        )


def find_instances(path: Path, uids: set[str], series: str = "") -> list[Path]:
    """The files of the given SOP instances of a series, for whoever needs more than geometry.

    Some programs give all slices one UID: a file is a copy only if it has the same place, too.

    Raises
    ------
    InputError
        If one of them is no longer there.
    """
    with one_line(path, "DICOM file"):
        found: dict[tuple[object, ...], Path] = {}
        # The given file first: of copies it is the one that was read.
        for file in sorted(dicom_files(path), key=lambda one: one != path):
            header = read_header(file)
            if header is None or header.uid not in uids or not header.frames:
                continue
            if not series or header.frames[0].series == series:
                places = tuple(frame.position for frame in header.frames)
                found.setdefault((header.uid, places), file)
        missing = uids - {str(uid) for uid, _ in found}
        if missing:
            raise InputError(
                f"{len(missing)} of the {len(uids)} source images are no longer there",
                where=path,
                hint="Put the series back where it was read from",
            )
        return list(found.values())


def _stacks(path: Path) -> tuple[list[Stack], list[str]]:
    """All images in a folder, or the one that a file belongs to; and what was refused."""
    own: tuple[Frame, ...] = ()
    if not path.is_dir():
        header = read_header(path)
        if header is None:
            raise InputError("this is not a DICOM file")
        if header.directory:
            path = path.parent
        elif not header.frames:
            raise InputError(header.refused, hint=header.hint)
        else:
            own = header.frames
            if len(own) > 1 or own[0].position is None:
                return stacks_of(own), []
    headers = [header for file in dicom_files(path) if (header := read_header(file)) is not None]
    frames = [frame for header in headers for frame in header.frames]
    if own:
        # The given file first: of copies it is the one that is read.
        beside = [one for one in frames if one.series == own[0].series and one.file != own[0].file]
        found = [stack for stack in stacks_of([*own, *beside]) if own[0] in stack.frames]
        if not found:  # of images at one place another was taken
            told = "other files of its series show the same place; this one is read alone"
            found = [replace(one, warnings=(*one.warnings, told)) for one in stacks_of(own)]
        return found, []
    refused = [header for header in headers if header.refused]
    stacks = stacks_of(frames)
    if not stacks and refused:
        raise InputError(refused[0].refused, hint=refused[0].hint)
    if not stacks:
        raise InputError("the folder holds no DICOM image")
    return stacks, [header.refused for header in refused]


def _chosen(stacks: list[Stack], part: str, path: Path) -> tuple[Stack, list[Stack]]:
    """The stack that `part` names and no others, or the largest and all others."""
    if not part:
        largest = max(stacks, key=lambda stack: stack.voxels)
        return largest, [stack for stack in stacks if stack is not largest]
    wanted = part.strip().lower()
    if wanted.isdecimal() and 1 <= int(wanted) <= len(stacks):
        return stacks[int(wanted) - 1], []
    fitting = [stack for stack in stacks if stack.first.series == wanted]
    fitting = fitting or [stack for stack in stacks if wanted in _described(stack).lower()]
    if len(fitting) == 1:
        return fitting[0], []
    raise InputError(
        f"{len(fitting) or 'none'} of the {len(stacks)} images fit {part!r}",
        where=path,
        hint=f"They are: {'; '.join(_named(stacks, stack) for stack in stacks[:12])}",
    )


def _placed(stack: Stack, path: Path) -> tuple[Stack, Place]:
    """A stack and its place; of a file whose series makes no volume, the file alone."""
    try:
        return stack, place_of(stack.frames)
    except InputError as error:
        own = tuple(frame for frame in stack.frames if frame.file == path)
        if not own or len(own) == len(stack.frames):
            raise
        alone = Stack(own, "", (f"its series makes no volume, this slice is alone: {error}",))
        return alone, place_of(alone.frames)


def _decided(stack: Stack) -> list[str]:
    """What was decided of the values, and what the pixels are taken from."""
    first, told = stack.first, []
    if any(frame.inverted and not frame.color for frame in stack.frames):
        told.append(TURNED)
    if first.shift:
        _, stored, _ = first.bits
        told.append(f"the values stand in bits {first.shift} to {first.shift + stored - 1}")
    if first.tile is not None:
        told.append(UNFOLDED)
    return told


def _described(stack: Stack) -> str:
    """One image to someone who has to choose; holds what the series is called."""
    description = " ".join(stack.first.description.split()) or "without a name"
    return f"{description}, {_size(stack)}"


def _named(stacks: list[Stack], stack: Stack) -> str:
    """One image in a message: its number and size, no text of the header."""
    return f"{stacks.index(stack) + 1} ({_size(stack)})"


def _size(stack: Stack) -> str:
    first = stack.first
    rows, columns = first.shape
    label = f", {stack.label}" if stack.label else ""
    return f"{first.modality} {len(stack.frames)} x {rows} x {columns}{label}"


def _voxels(stack: Stack, place: Place) -> tuple[np.ndarray, list[str]]:
    """(column, row, slice[, channel]); and what was decided of padding and odd values."""
    first = stack.first
    dtype = value_type(stack.frames)
    shape = (place.count, *first.shape) + ((3,) if first.color else ())
    if math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise InputError("the image is larger than what can be read")
    planes = np.zeros(shape, dtype)
    filled = np.zeros(place.count, dtype=bool)
    padding = Padding()
    for position, plane, padded in decoded(stack.frames, dtype):
        if plane.shape != shape[1:]:
            raise InputError(
                f"the pixels are {plane.shape}, the header says {shape[1:]}",
                where=stack.frames[position].file,
            )
        planes[place.index[position]] = plane
        filled[place.index[position]] = True
        padding.meet(place.index[position], plane, padded)
    told = [text for text in [padding.fill(planes, first.modality)] if text]
    planes, odd = finite_values(planes)
    if odd:
        told.append(odd_words(odd))
    if not filled.all():
        planes[~filled] = planes[filled].min()
    if dtype == np.int32 and planes.min() >= -(2**15) and planes.max() < 2**15:
        planes = planes.astype(np.int16)  # Headers claim more bits than scanners use.
    return np.swapaxes(planes, 0, 2), told


def _volume(
    path: Path,
    stack: Stack,
    place: Place,
    array: np.ndarray,
    slice_axis: int | None,
    warnings: tuple[str, ...],
) -> Volume:
    first = stack.first
    located = first.position is not None
    # Pictures are shown by themselves; one file of many grey frames may well be a volume.
    flat = not located and (len({frame.file for frame in stack.frames}) == len(stack.frames)
                            or first.color)  # fmt: skip
    unit: Any = "mm" if located or first.spacing else "pixel"
    # The slices that were taken are what a reader knows; a thin one is no reason to turn.
    axis = 2 if slice_axis is None or flat else slice_axis
    shape = (array.shape[0], array.shape[1], array.shape[2])
    grid = Grid(shape, place.affine, axis, unit, placed=located)
    instances = [("", 0)] * place.count
    for number, frame in zip(place.index, stack.frames, strict=True):
        instances[number] = (frame.uid, frame.index)
    header: dict[str, Any] = {
        "stored": array.dtype.name,
        "window": None if first.color else first.window,
        "modality": first.modality,
        "study": first.study,
        "series": first.series,
        "frame_of_reference": first.reference,
        "sop_class": first.sop_class,
        "instances": tuple(instances),
    }
    if missing := set(range(place.count)) - set(place.index):
        header["missing"] = tuple(sorted(missing))
    if first.tile is not None:
        header[NO_SOURCES] = UNFOLDED
    kind: Any = "picture" if flat else "volume"
    return Volume(grid.to_array(array), grid, path, kind, header, warnings)
