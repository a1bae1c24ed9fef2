"""Images to volumes by SimpleITK in a child process: MetaImage, NRRD, and what else asks for it.

A malformed file can end the process that reads it with SimpleITK. It is read in one of its
own; what it was, arrives as plain numbers, and a crash or a hang becomes one `InputError`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.finite_values import finite_values, odd_words
from napari_dim.io.format_rows import How, Part
from napari_dim.io.itk.seg_nrrd import Segment, merged, segments_in
from napari_dim.io.itk.text_header import NOWHERE, fault_of, header_of
from napari_dim.io.labels import LabelClass
from napari_dim.io.nifti.nifti_reader import MAX_BYTES, sheared
from napari_dim.io.overlaps import SHARED, WINNERS, overlap_parts, winner
from napari_dim.volume import Grid, Volume, default_slice_axis

_CHILD = Path(__file__).with_name("itk_child.py")
_DATA_FILE = re.compile(r"^(?:ElementDataFile *= *|data ?file: *)(.+?)\r?$", re.M | re.I)
_LONGEST_HEADER = 65536
_START = 120.0
_BYTES_A_SECOND = 4e6
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_itk(path: Path, how: How) -> Volume:
    """Read one image; see `napari_dim.io.read_volume`."""
    segments = _segments(path)
    if how.part in WINNERS and not segments:
        how = How(how.slice_axis)
    check_data_file(path)
    if segments:
        wins = winner(how.part)
        array, told = read_apart(path, _CHILD, "all", path.stat().st_size)
        array, notes = merged(array, segments, wins, path)
        volume = volume_of(path, array, told, how.slice_axis)
        return replace(volume, warnings=(*volume.warnings, *notes))
    array, told = read_apart(path, _CHILD, _number(path, how.part), path.stat().st_size)
    return volume_of(path, array, told, how.slice_axis)


def check_data_file(path: Path) -> None:
    """Refuse a header whose voxels lie in another file that is not there, by name.

    Raises
    ------
    InputError
        If it is missing.
    """
    if path.suffix.lower() not in (".mhd", ".nhdr"):
        return
    with path.open("rb") as file:
        text = file.read(_LONGEST_HEADER).decode("latin-1")
    named = _DATA_FILE.search(text)
    name = named[1].strip() if named else ""
    if not name or name.split()[0].upper() in ("LOCAL", "LIST") or "%" in name:
        return
    if not (path.parent / name.replace("\\", "/")).is_file():
        raise InputError(
            f"its voxels are in another file, {Path(name).name}, which is missing", where=path,
            hint="Put it beside this one, under that name",
        )  # fmt: skip


def read_plain(path: Path) -> np.ndarray:
    """The values of any file that SimpleITK reads, axes in the file's order, channels last.

    Raises
    ------
    InputError
        If it can't be read.
    """
    return read_apart(path, _CHILD, "-", path.stat().st_size)[0]


def read_apart(path: Path, child: Path, part: str, size: int) -> tuple[np.ndarray, dict[str, Any]]:
    """What a child program reads: the voxels in the file's order, and what it tells of them.

    `size` is how many bytes it may have to read.

    Raises
    ------
    InputError
        If it refuses, crashes or hangs.
    """
    with tempfile.TemporaryDirectory(prefix="napari-dim-") as folder:
        out = Path(folder) / "voxels.npy"
        told = ask_child(path, child, str(out), part, size)
        _check(told, path)
        array: np.ndarray = np.load(out, allow_pickle=False)
    return array, told


def read_header(path: Path) -> dict[str, Any]:
    """What the child tells of a file without its voxels: place, ``size`` and ``channels``.

    Raises
    ------
    InputError
        As `read_apart`.
    """
    told = ask_child(path, _CHILD, "", "-", path.stat().st_size)
    _check(told, path)
    return told


def _check(told: dict[str, Any], path: Path) -> None:
    if "refused" in told:
        raise InputError(told["refused"], where=path, hint=_hint(told))


def list_itk(path: Path) -> tuple[Part, ...]:
    """The volumes of a file of four axes, or what can be made of overlapping segments.

    See `napari_dim.io.list_parts`.
    """
    segments = _segments(path)
    if segments:
        apart = len({one.layer for one in segments}) < 2
        if apart or not any(SHARED in note for note in read_itk(path, How()).warnings):
            return ()
        return overlap_parts()
    with path.open("rb") as file:
        start = file.read(4096)
    # A process a file would be slow, and nearly none holds a series.
    if b"dimension: 4" not in start and b"NDims = 4" not in start:
        return ()
    with tempfile.TemporaryDirectory(prefix="napari-dim-") as folder:
        out = str(Path(folder) / "voxels.npy")
        told = ask_child(path, _CHILD, out, "-", path.stat().st_size)
    count = int(told.get("volumes", 0))
    return tuple(Part(str(number), f"volume {number} of {count}") for number in range(count))


def list_classes(path: Path) -> list[LabelClass]:
    """The classes of a mask that are named in its file; see `napari_dim.io.read_classes`."""
    return sorted((one.item for one in _segments(path)), key=lambda item: item.id)


def _segments(path: Path) -> list[Segment]:
    return segments_in(path) if path.suffix.lower() in (".nrrd", ".nhdr") else []


def _hint(told: dict[str, Any]) -> str:
    if "hint" in told:
        return str(told["hint"])
    if "volumes" in told:
        last = told["volumes"] - 1
        return f"Choose one of its volumes, 0 to {last}: --volume, or the column part of a cohort"
    return ""


def _number(path: Path, part: str) -> str:
    if part and not part.strip().isdecimal():
        raise InputError(f"{part!r} is no number of a volume", where=path)
    return part.strip() or "-"


def ask_child(path: Path, child: Path, out: str, part: str, size: int) -> dict[str, Any]:
    """What a child program tells of a file or folder; arguments as for `read_apart`.

    Raises
    ------
    InputError
        If SimpleITK isn't there, or the child crashes or hangs.
    """
    if find_spec("SimpleITK") is None:
        raise InputError("this file needs the package SimpleITK", where=path,
                         hint='Install it with: pip install "napari-dim[itk]"')  # fmt: skip
    # -P: nothing beside the program may be taken for a package that SimpleITK imports.
    command = [sys.executable, "-P", str(child), str(path.resolve()), out, part, str(MAX_BYTES)]
    patience = _START + size / _BYTES_A_SECOND
    try:
        code, said = run_child(command, patience)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"reading took longer than {patience:.0f} s", where=path) from error
    except OSError as error:
        raise InputError(f"the reader can't be started: {error.strerror}", where=path) from error
    try:
        told: dict[str, Any] = json.loads(said.decode().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise InputError(
            f"SimpleITK gave up on this file (exit code {code})", where=path,
            hint="It is probably damaged: copy it again",
        ) from error  # fmt: skip
    if "failed" in told:  # its own words help nobody, and may quote a header
        problem, hint = fault_of(path)
        told |= {"refused": problem, "hint": told.get("hint") or hint}
    return told


def run_child(command: list[str], patience: float) -> tuple[int, bytes]:
    """Run a child program to its end; its exit code, and what it printed.

    Raises
    ------
    TimeoutExpired
        If it takes longer than `patience`, in seconds.
    OSError
        If it can't be started.
    """
    done = subprocess.run(
        command, capture_output=True, timeout=patience, stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )  # fmt: skip
    return done.returncode, done.stdout


def volume_of(
    path: Path, array: np.ndarray, told: dict[str, Any], slice_axis: int | None
) -> Volume:
    """The volume that a child program read, turned from SimpleITK's LPS to RAS+."""
    if len(told["spacing"]) == 2:  # a flat image
        array = array[:, :, None]
    shape = (array.shape[0], array.shape[1], array.shape[2])
    grid, warnings = grid_told(path, told, shape, slice_axis)
    stored = array.dtype.name
    array, odd = finite_values(array)
    if odd:
        warnings.append(odd_words(odd))
    header = {"stored": stored}
    return Volume(grid.to_array(array), grid, path, header=header, warnings=tuple(warnings))


def grid_told(
    path: Path, told: dict[str, Any], shape: tuple[int, int, int], slice_axis: int | None
) -> tuple[Grid, list[str]]:
    """The grid that a child program tells of, and what the file leaves open of its place."""
    axes = len(told["spacing"])
    linear = np.eye(3)
    linear[:axes, :axes] = np.reshape(told["direction"], (axes, axes))
    affine = np.eye(4)
    affine[:3, :3] = linear * (*told["spacing"], *[1.0] * (3 - axes))
    affine[:axes, 3] = told["origin"]
    affine = _TO_RAS @ affine
    header = header_of(path) if path.is_file() else None
    notes = list(header.place_notes) if header is not None else []
    unplaced = NOWHERE in notes
    if axes == 2:
        notes = [NOWHERE]
    try:
        axis = slice_axis
        if axis is None:
            thin = [n for n in range(3) if shape[n] == 1]
            axis = thin[0] if len(thin) == 1 else default_slice_axis(affine)
        grid = Grid(shape, affine, axis, placed=not unplaced)
    except InputError as error:
        raise InputError(error.problem, where=path, hint=error.hint) from error
    if sheared(affine):
        notes.append("the axes are not at right angles; distances are approximate")
    return grid, notes
