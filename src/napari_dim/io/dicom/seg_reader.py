"""DICOM Segmentation objects to masks: BINARY, FRACTIONAL and LABELMAP, read by highdicom.

Each frame is laid onto the image by itself: segmentations leave empty slices out, and an
image may be tilted, which no grid of highdicom's is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from napari_dim.errors import InputError, one_line
from napari_dim.io.dicom.folder_walk import starts_like_dicom
from napari_dim.io.dicom.frame_pixels import opened
from napari_dim.io.dicom.seg_frames import (
    MISSING,
    NEARLY_EVEN,
    SCHEME,
    frame_grids,
    segment_numbers,
    sources_of,
)
from napari_dim.io.format_rows import How, Part
from napari_dim.io.geometry import FAR, Fit, Laid, OutsideError, fit, overlap
from napari_dim.io.labels import LabelClass, smallest_type
from napari_dim.io.overlaps import (
    SHARED,
    WINNERS,
    Painting,
    Winner,
    overlap_parts,
    painting_order,
    winner,
)
from napari_dim.volume import Grid, Place, Placed, Volume


def read_dicom_seg(path: Path, like: Placed, wins: Winner = "later") -> Laid:
    """The ids of a DICOM-SEG on the grid of `like`, ``(slice, row, column)``.

    Segments that were not written here have their segment's number as id. Of fractional ones
    the voxels at half of the maximum and more are taken, and where they overlap those of the
    larger value; else `wins` says which segment is kept. Both are told.

    Raises
    ------
    InputError
        If it can't be read, or doesn't lie on the grid.
    """
    with one_line(path, "DICOM-SEG", known=MISSING):
        data = _segmentation(path)
        segments = _segments(data)
        ids = {number: item.id for number, item in segments.items()}
        mask = np.zeros(like.grid.shape, smallest_type(max(ids.values(), default=0)))
        places, notes = _places(data, like)
        painting = Painting(like.grid.to_file(mask))
        if data.SegmentationType == "LABELMAP":
            notes += _paint_numbers(data, places, painting, ids)
            how = ""
        elif data.SegmentationType == "FRACTIONAL":
            notes += _paint_fractions(data, places, painting, ids, segments)
            how = "the larger value is kept"
        else:
            _paint(data, places, painting, ids, wins)
            how = WINNERS[wins]
        return Laid(mask, (*notes, *painting.notes(segments.values(), how)))


def open_dicom_seg(path: Path, how: How | None = None) -> Volume:
    """A DICOM-SEG without its series: ids on the grid that its own frames span.

    Raises
    ------
    InputError
        If it can't be read, or its frames don't lie on one grid.
    """
    with one_line(path, "DICOM-SEG", known=MISSING):
        wins = winner(how.part if how else "")
        grid = _own_grid(_segmentation(path))
        laid = read_dicom_seg(path, Place(grid), wins)
        return Volume(laid.ids, grid, path, warnings=laid.notes)


def list_winners(path: Path) -> tuple[Part, ...]:
    """Which segments may be kept, where some overlap; else ``()``."""
    with one_line(path, "DICOM-SEG", known=MISSING):
        data = _segmentation(path)
        if data.SegmentationType != "BINARY" or data.get("SegmentsOverlap") == "NO":
            return ()
        if not any(SHARED in note for note in open_dicom_seg(path).warnings):
            return ()
    return overlap_parts()


def classes_of(path: Path) -> list[LabelClass]:
    """The classes that a DICOM-SEG holds, by id.

    Raises
    ------
    InputError
        If it can't be read.
    """
    with one_line(path, "DICOM-SEG", known=MISSING):
        return sorted(_segments(_segmentation(path)).values(), key=lambda item: item.id)


_Where = tuple[Fit, tuple[slice, ...], tuple[slice, ...]]


def _paint(
    data: Any, places: list[_Where | None], painting: Painting, ids: dict[int, int], wins: Winner
) -> None:
    """Segments of their own, one over the other."""
    numbers = segment_numbers(data)
    known = sorted(ids)
    sizes: Counter[int | None] = Counter()
    if wins == "smaller":
        for index, frame in _frames(data):
            sizes[numbers[index]] += int(np.count_nonzero(frame))
    rank = {known[n]: at for at, n in enumerate(
        painting_order([sizes[number] for number in known], wins))}  # fmt: skip
    order = sorted(range(len(numbers)), key=lambda index: rank[_number(numbers[index], ids)])
    for index, frame in _frames(data, order):
        if (place := places[index]) is not None:
            inside = _turned(frame > 0, place)
            painting.put(place[1], inside, ids[_number(numbers[index], ids)])


def _paint_fractions(
    data: Any,
    places: list[_Where | None],
    painting: Painting,
    ids: dict[int, int],
    segments: dict[int, LabelClass],
) -> tuple[str, ...]:
    """Values up to a maximum: what reaches half of it, the larger over the smaller.

    A segment that nowhere reaches half is empty, which is told.
    """
    maximum = float(data.get("MaximumFractionalValue", 255))
    half = maximum / 2
    most_of: dict[int, int] = {}
    best = np.zeros(painting.out.shape, np.uint8)
    numbers = segment_numbers(data)
    for index, frame in _frames(data):
        if (place := places[index]) is not None:
            values, most = _turned(frame, place), best[place[1]]
            over, number = values >= most, _number(numbers[index], ids)
            painting.put(place[1], values >= half, ids[number], over)
            np.maximum(most, values, out=most)
            most_of[number] = max(most_of.get(number, 0), int(values.max(initial=0)))
    return tuple(
        f"{segments[number].label} is at most {most / maximum:.0%} of the maximum, below half of "
        "it: no voxel is taken"
        for number, most in sorted(most_of.items())
        if 0 < most < half
    )


def _paint_numbers(
    data: Any, places: list[_Where | None], painting: Painting, ids: dict[int, int]
) -> tuple[str, ...]:
    """Values that are the segments' numbers."""
    unknown = 0
    for index, frame in _frames(data):
        if (place := places[index]) is not None:
            values = _turned(frame, place)
            for number in np.unique(values[values > 0]).tolist():
                if number in ids:
                    painting.put(place[1], values == number, ids[number])
                else:
                    unknown += int(np.count_nonzero(values == number))
    return (f"{unknown} voxels belong to no segment and are left out",) if unknown else ()


def _frames(data: Any, order: Sequence[int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """Each frame's index and stored values, ``(row, column)``; one at a time is in memory."""
    wanted = range(int(data.NumberOfFrames)) if order is None else order
    own = hasattr(data, "get_stored_frame")
    shape = (-1, int(data.Rows), int(data.Columns))
    pixels = None if own else np.reshape(data.pixel_array, shape)
    for index in wanted:
        try:
            frame = np.asarray(
                data.get_stored_frame(index + 1) if pixels is None else pixels[index]
            )
        except (ValueError, IndexError, EOFError) as error:
            raise InputError(f"frame {index + 1} of this DICOM-SEG is missing or damaged",
                             hint="Copy the file again, or export it anew") from error  # fmt: skip
        yield index, frame


def _turned(frame: np.ndarray, place: _Where) -> np.ndarray:
    """A frame's values along the image's file axes, as far as they lie on the image."""
    turned: np.ndarray = nib.orientations.apply_orientation(frame.T[:, :, None], place[0].turn)
    return turned[place[2]]


def _places(data: Any, like: Placed) -> tuple[list[_Where | None], tuple[str, ...]]:
    """Where each frame lies in the image; None where that is outside, which is told."""
    grids = frame_grids(data)
    if any(grid is None for grid in grids):
        return _places_by_source(data, like), ()
    found: list[_Where | None] = []
    said: dict[str, None] = {}
    outside: OutsideError | None = None
    own = set(like.header.get("instances", ()))
    for grid, source in zip(grids, sources_of(data), strict=True):
        assert grid is not None
        try:
            one = fit(grid, like.grid, NEARLY_EVEN if source in own else FAR)
        except OutsideError as error:
            outside = error
            found.append(None)
            continue
        said |= dict.fromkeys(n for n in one.notes if "beside" in n or "does not say" in n)
        found.append((one, *overlap(one, like.grid)))
    if outside is not None and not any(found):
        raise outside
    if outside is not None:
        said[f"{found.count(None)} frames of the segmentation lie outside the image"] = None
    return found, tuple(said)


def _places_by_source(data: Any, like: Placed) -> list[_Where | None]:
    """By the image that each frame names: radiographs have no position in a patient."""
    instances = list(like.header.get("instances", ()))
    size = int(data.Columns), int(data.Rows)
    flat = like.grid.file_shape
    found: list[_Where | None] = []
    for source in sources_of(data):
        number = instances.index(source) if source in instances else None
        if number is None and flat[2] == 1 and not instances:
            number = 0
        if number is None or size != flat[:2]:
            raise InputError(
                f"the segmentation has no place in the patient, and belongs to another image "
                f"({size[0]} x {size[1]} pixels)"
                if number is None
                else f"the mask is {size[0]} x {size[1]} pixels, its image {flat[0]} x {flat[1]}",
                hint="Use one made for this image",
            )
        turn = np.array([[0, 1], [1, 1], [2, 1]])
        one = Fit(turn, (0, 0, number), (*size, 1))
        found.append((one, *overlap(one, like.grid)))
    return found


def _number(number: int | None, ids: dict[int, int]) -> int:
    """The number of a frame's segment; one that stands alone needs not be named."""
    if number is None and len(ids) == 1:
        return next(iter(ids))
    if number not in ids:
        raise InputError(f"a frame belongs to segment {number}, which is not described")
    return number


def _segmentation(path: Path) -> Any:
    import highdicom as hd
    import pydicom

    if not starts_like_dicom(path):
        raise InputError("this is not a DICOM-SEG", where=path)
    header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    if getattr(header, "Modality", "") != "SEG":
        raise InputError("this is not a DICOM-SEG", where=path)
    if "SegmentSequence" not in header:
        raise InputError("this DICOM-SEG describes no segments, or is cut off", where=path,
                         hint="Copy the file again, or export it anew")  # fmt: skip
    if header.get("SegmentationType") not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise InputError(f"a SEG of type {header.get('SegmentationType')} can't be read")
    try:
        if header.preamble is not None:
            return hd.seg.segread(path, lazy_frame_retrieval=True)
        return hd.seg.Segmentation.from_dataset(opened(path), copy=False)
    except (AttributeError, TypeError, ValueError):
        # It asks for more than is needed: what it writes for a radiograph, it does not read.
        return opened(path)


def _segments(data: Any) -> dict[int, LabelClass]:
    """Segment number -> class; number 0 of a label map is its background."""
    from highdicom.color import CIELabColor

    found = {}
    for segment in data.SegmentSequence:
        number = int(segment.SegmentNumber)
        if number == 0:
            continue
        code = segment.SegmentedPropertyTypeCodeSequence[0]
        ours = getattr(code, "CodingSchemeDesignator", "") == SCHEME
        class_id = int(code.CodeValue) if ours else number
        lab = getattr(segment, "RecommendedDisplayCIELabValue", None)
        colour = ""
        if lab is not None:
            colour = "#{:02X}{:02X}{:02X}".format(*CIELabColor.from_dicom_value(lab).to_rgb())
        found[number] = LabelClass(class_id, str(segment.SegmentLabel), colour)
    return found


def _own_grid(data: Any) -> Grid:
    """The smallest grid that holds all frames, as highdicom finds it."""
    grids = frame_grids(data)
    if any(grid is None for grid in grids):
        size = int(data.Columns), int(data.Rows), len(set(sources_of(data)))
        return Grid(size, np.diag([-1.0, -1.0, 1.0, 1.0]), 2, "pixel", placed=False)
    find = getattr(data, "get_volume_geometry", None)
    found = None if find is None else find(allow_missing_positions=True)
    if found is None:
        return _spanned([grid for grid in grids if grid is not None])
    # highdicom counts (slice, row, column), in LPS+.
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ found.affine @ np.eye(4)[[2, 1, 0, 3]]
    slices, rows, columns = found.spatial_shape
    normal = next(grid.file_affine[:3, 2] for grid in grids if grid is not None)
    if affine[:3, 2] @ normal < 0:  # the other way round than series are counted
        affine = affine @ nib.orientations.inv_ornt_aff(
            [[0, 1], [1, 1], [2, -1]], (columns, rows, slices)
        )
    return Grid((columns, rows, slices), affine, 2)


def _spanned(grids: Sequence[Grid]) -> Grid:
    """The grid of frames along their normal, with the smallest gap between two of them."""
    first = grids[0]
    normal = first.file_affine[:3, 2]
    origins = np.array([grid.file_affine[:3, 3] for grid in grids])
    heights = (origins - origins[0]) @ normal
    levels = np.unique(np.round(heights, 4))
    gap = float(np.diff(levels).min(initial=np.inf))
    gap = gap if np.isfinite(gap) else 1.0
    affine = first.file_affine.copy()
    affine[:3, 2] = normal * gap
    affine[:3, 3] = origins[np.argmin(heights)]
    count = round(float(levels[-1] - levels[0]) / gap) + 1
    return Grid((first.file_shape[0], first.file_shape[1], count), affine, 2)
