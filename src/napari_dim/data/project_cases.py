"""Cases of a project as training sees them, read from its folder: no window needs to show them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_dim.data.case import Case, labelled_case
from napari_dim.errors import InputError
from napari_dim.io import read_volume
from napari_dim.io.pictures.exif_orientation import as_stored, in_words
from napari_dim.io.pictures.picture_folders import FILLED_UP, filled_up, stacked
from napari_dim.project import Note, Project
from napari_dim.project.model import Case as ProjectCase
from napari_dim.states import LABELLED, SliceState, known_states
from napari_dim.volume import Grid, Volume


def project_cases(
    folder: Path,
    names: Collection[str] | None = None,
    check: Callable[[], None] | None = None,
) -> tuple[list[Case], list[str]]:
    """Read cases of a project with what is kept of their labels.

    The project is only looked at: it may be open elsewhere, but strokes of the cases wanted
    must be on the disk.

    Parameters
    ----------
    folder
        The project's.
    names
        Which cases; by default all.
    check
        Called before each; what it raises ends the work.

    Returns
    -------
    cases, faults
        Those that could be read, and for each other one line that says why not.

    Raises
    ------
    InputError
        If it is no project.
    """
    found, faults = [], []
    with Project.open(folder, read_only=True) as project:
        for case in project.cases:
            if names is not None and case.name not in names:
                continue
            if check is not None:
                check()
            try:
                found.append(project_case(project, case.name))
            except InputError as error:
                faults.append(f"{case.name} is left out: {error}")
    return found, faults


def project_case(project: Project, name: str) -> Case:
    """One case of a project with what is kept of its labels.

    Raises
    ------
    InputError
        If its scan or labels can't be read, or it is in no file.
    """
    info, path = project.case(name), project.image_path(name)
    if path is None:
        raise InputError("its scan is in no file", where=name)
    volume = as_labelled(read_volume(path, slice_axis=info.slice_axis, part=info.part), info)
    count = volume.array.shape[0]
    for layer in project.layers(name):
        note = project.note(name, layer)
        if note is None or note.role == "prediction" or not _labelled(note):
            continue
        found = project.recover(name, layer)
        assert found is not None
        array = found.array.reshape(count, *found.array.shape[-2:])
        states = np.array([int(digit) for digit in found.note.states], np.uint8)
        states = known_states(states, np.count_nonzero(array, axis=(1, 2)))
        return labelled_case(
            volume,
            array,
            states,
            site=info.site or name,
            name=name,
            brush=found.note.brush,
            searched=searched_of(found.note),
        )
    untouched = np.full(count, SliceState.UNTOUCHED, dtype=np.uint8)
    return Case(volume, None, untouched, site=info.site or name, name=name)


def as_labelled(volume: Volume, case: ProjectCase) -> Volume:
    """Pictures the way round in which their labels were drawn.

    Cases that were made before EXIF orientations were applied know nothing of them: there the
    pictures are as they are stored, told.
    """
    turns = volume.header.get("orientations") or (volume.header.get("orientation", 1),)
    if case.upright or volume.kind != "picture" or set(turns) == {1}:
        return volume
    sizes = volume.header.get("sizes") or [volume.array.shape[1:3]]
    planes = [
        as_stored(plane[:rows, :columns], turn)
        for plane, (rows, columns), turn in zip(volume.array, sizes, turns, strict=True)
    ]
    array = stacked(planes, volume.path)
    what = "the picture is" if len(planes) == 1 else "pictures of this folder are"
    turned = ", ".join(in_words(turn) for turn in sorted(set(turns) - {1}))
    told = (
        f"{what} stored otherwise than the file asks to be shown ({turned}, EXIF): it stays as it "
        "was when its case was made, so that labels lie on what they were drawn on"
    )
    shapes = [plane.shape[:2] for plane in planes]
    notes = [text for text in volume.warnings if "EXIF" not in text and FILLED_UP not in text]
    notes += [*filled_up(shapes), told]
    header = {**volume.header, "orientation": 1, "orientations": (1,) * len(planes)}
    if "sizes" in header:
        header["sizes"] = tuple(shapes)
    grid = Grid.of_pictures(*array.shape[:3])
    return replace(volume, array=array, grid=grid, header=header, warnings=tuple(notes))


def searched_of(note: Note) -> dict[int, tuple[int, ...]]:
    """Which classes were looked for in each labelled slice; of some nothing may be known.

    Where the classes have names, those of the layer are all that anyone looked for.
    """
    named = tuple(info.id for info in note.classes)
    if not named:
        return dict(note.searched)
    states = enumerate(note.states)
    labelled = (n for n, digit in states if int(digit) in LABELLED)
    return {n: note.searched.get(n, named) for n in labelled}


def _labelled(note: Note) -> bool:
    return any(int(digit) in LABELLED for digit in note.states)
