"""Fill a project from a cohort file or a folder of scans."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io import file_kind, read_mask, read_volume
from napari_dim.project.cohort import CohortCase, read_cohort
from napari_dim.project.model import Case, GridNote, Note, ProjectClass
from napari_dim.project.project import Project
from napari_dim.project.states import SliceState
from napari_dim.volume import Volume, file_stem

LABEL_ENDS = ("label", "labels", "seg", "segmentation", "mask", "masks", "gt", "dim")
"""Last words of the names of files that hold labels: they are no scans."""
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")
"""Of classes that have none yet: Okabe and Ito's."""


def add_cohort(project: Project, cohort: Path, *, copy: bool = False) -> list[Case]:
    """Add the cases of a cohort file; the slices that it calls labelled are confirmed.

    Rows of the split ``test`` are added without their labels.

    Parameters
    ----------
    copy
        Whether to take copies of the scans into the project.

    Raises
    ------
    InputError
        If the file, a scan or a mask can't be used; nothing is added then but the cases
        before it.
    """
    added = []
    for row in read_cohort(cohort).cases:
        labelled = row.slices and row.split == "train"
        kept = _labels_of(row) if labelled else None  # read first: a fault adds no case
        case = project.add_case(row.image, project.free_name(row.name), site=row.site, copy=copy)
        if kept is not None:
            mask, note = kept
            project.begin(case.name, "labels", mask, note)
            _name_classes(project, mask)
        added.append(case)
    return added


def add_folder(project: Project, folder: Path, *, copy: bool = False) -> list[Case]:
    """Add each scan of a folder; files whose names say that they hold labels are left out.

    Raises
    ------
    InputError
        If there is none, or one can't be read.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"the folder can't be read: {error.strerror}", where=folder) from error
    scans = [Path(folder) / name for name in names if _is_scan(Path(folder) / name)]
    if not scans:
        raise InputError("there is no scan in this folder", where=folder)
    return [project.add_case(scan, project.free_name(file_stem(scan)), copy=copy) for scan in scans]


def _is_scan(path: Path) -> bool:
    try:
        file_kind(path)
    except InputError:
        return False
    words = file_stem(path).lower().replace("-", "_").split("_")
    second = path.name.lower().endswith((".img", ".img.gz"))  # of a pair: its header is the scan
    return not second and not (len(words) > 1 and words[-1] in LABEL_ENDS)


def _labels_of(row: CohortCase) -> tuple[np.ndarray, Note]:
    """The mask of the labelled slices, and what is known of it."""
    assert row.labels is not None
    volume: Volume = read_volume(row.image)
    reference = read_mask(row.labels, volume)
    numbers = np.arange(len(reference)) if row.slices == "all" else np.array(row.slices)
    if numbers.max() >= len(reference):
        raise InputError(f"there is no slice {numbers.max()} in the scan", where=row.where)
    mask = np.zeros_like(reference)
    mask[numbers] = reference[numbers]
    states = np.zeros(len(mask), int)
    states[numbers] = SliceState.CONFIRMED
    empty = [int(n) for n in numbers if not mask[n].any()]
    grid = volume.grid
    return mask, Note(
        name=f"{row.name} (labels)",
        states="".join(map(str, states)),
        marks={n: int(SliceState.CONFIRMED) for n in empty},
        grid=GridNote(
            file_shape=grid.file_shape,
            file_affine=tuple(tuple(float(v) for v in line) for line in grid.file_affine),
            slice_axis=grid.slice_axis,
            unit=grid.unit,
            kind=volume.kind,
        ),
    )


def _name_classes(project: Project, mask: np.ndarray) -> None:
    """Give ids that have no class yet a name and a colour."""
    known = {info.id for info in project.classes}
    new = [int(i) for i in np.unique(mask) if i and int(i) not in known]
    made = [
        ProjectClass(id=i, name=f"class {i}", colour=COLOURS[(i - 1) % len(COLOURS)]) for i in new
    ]
    project.set_classes([*project.classes, *made])
