"""Cases of a project that no window shows: the machine's masks go into what is kept of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.gui.layers.layer_classes import ClassInfo
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.gui.storage.last_model import Home, doubts_of
from napari_dim.io import read_volume
from napari_dim.project import Note, Project, Recovered
from napari_dim.project.model import GridNote, ProjectClass
from napari_dim.states import SliceState, known_states
from napari_dim.volume import Volume

if TYPE_CHECKING:
    from napari_dim.engine.inference.predictor import Prediction
    from napari_dim.gui.session import Session

LAYER = "labels"
"""What a mask is called among the layers of a case that has none."""


@dataclass(frozen=True)
class Merged:
    """What is to be kept of a case from now on.

    Attributes
    ----------
    layer, planes, note
        Its layer's key, class ids, and note.
    stamp
        `Project.stamp` of what was kept before.
    """

    layer: str
    planes: np.ndarray
    note: Note
    stamp: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class ClosedCase:
    """A case that is segmented where it lies.

    Attributes
    ----------
    folder, name
        The project's folder, and the case.
    classes
        What the classes of the model are called, where the case has no mask yet.
    """

    folder: Path
    name: str
    classes: tuple[ProjectClass, ...] = ()

    def load(self) -> Volume:
        """Its scan; in a background thread.

        Raises
        ------
        InputError
            If it can't be read.
        """
        with Project.open(self.folder, read_only=True) as project:
            info, path = project.case(self.name), project.image_path(self.name)
            if path is None:
                raise InputError("its scan is in no file", where=self.name)
            return read_volume(path, slice_axis=info.slice_axis, part=info.part)

    def merged(self, volume: Volume, found: Prediction) -> Merged:
        """Put new masks into what is kept, by the rules of `ScanMask.take`; in the background.

        Raises
        ------
        InputError
            If what is kept can't be read, lies on another grid, or has two layers as until
            version 0.2: opening the case makes one of them.
        """
        with Project.open(self.folder, read_only=True) as project:
            stamp = project.stamp(self.name)
            layer, kept = _mask_of(project, self.name)
        shape = volume.array.shape[:3]
        states: np.ndarray | None = None
        if kept is None:
            planes, note = np.zeros(shape, np.uint8), self._new_note(volume)
        else:
            planes, note = kept.array.reshape(-1, *kept.array.shape[-2:]), kept.note
            if planes.shape != shape:
                raise InputError("its mask lies on another grid", where=self.name)
            areas = np.array([np.count_nonzero(plane) for plane in planes])
            said = np.array([int(digit) for digit in note.states], np.uint8)
            states = known_states(said, areas) if len(said) == len(planes) else None
        dtype = np.promote_types(planes.dtype, found.mask.dtype)
        mask = ScanMask(planes.astype(dtype), states)
        mask.leave(note.touched)
        mask.take(found.slices, found.mask)
        digits = "".join(str(int(state)) for state in mask.states)
        news = {"role": "mask", "states": digits, "touched": mask.left}
        return Merged(layer, mask.planes, note.model_copy(update=news), stamp)

    def keep(
        self,
        project: Project,
        merged: Merged,
        found: Prediction,
        volume: Volume,
        maker: Mapping[str, Any],
    ) -> None:
        """Keep it in the open project; strokes that came since it was put together stay.

        Raises
        ------
        InputError
            If the project can't be changed.
        """
        with project.holding(self.name):
            if project.stamp(self.name) != merged.stamp:  # opened and closed again meanwhile
                merged = self.merged(volume, found)
            project.begin(self.name, merged.layer, merged.planes, merged.note)
            self.keep_doubts(project, found, maker)

    def keep_doubts(self, project: Project, found: Prediction, maker: Mapping[str, Any]) -> None:
        """Keep how unsure the model was of it, and which one that is.

        Raises
        ------
        InputError
            If the project can't be changed.
        """
        with project.holding(self.name):
            project.answers.keep_doubts(self.name, doubts_of(found.entropy, None, found.confidence))
            project.answers.keep_maker(self.name, maker)

    def _new_note(self, volume: Volume) -> Note:
        grid = volume.grid
        return Note(
            name=f"{self.name} (mask)",
            role="mask",
            slice=volume.array.shape[0] // 2,  # where a scan that nobody has seen is shown first
            classes=self.classes,
            grid=GridNote(
                file_shape=grid.file_shape,
                file_affine=tuple(tuple(float(v) for v in row) for row in grid.file_affine),
                slice_axis=grid.slice_axis,
                unit=grid.unit,
                kind=volume.kind,
            ),
        )


def closed_cases(
    project: Project, names: Iterable[str], classes: Iterable[ClassInfo] = ()
) -> tuple[ClosedCase, ...]:
    """Those cases of a project; none of one that can only be looked at."""
    if project.read_only:
        return ()
    named = tuple(ProjectClass(id=i.id, name=i.name[:200] or "-", colour=i.colour) for i in classes)
    return tuple(ClosedCase(project.folder, name, named) for name in names)


def closed_case(
    session: Session, home: Home, classes: Iterable[ClassInfo] = ()
) -> ClosedCase | None:
    """The case that a scan was before its layers were closed; None if it is in no open project."""
    project = home.project
    if project is None or project is not session.autosave.project or not home.case:
        return None
    return next(iter(closed_cases(project, [home.case], classes)), None)


def _mask_of(project: Project, name: str) -> tuple[str, Recovered | None]:
    notes = {layer: project.note(name, layer) for layer in project.layers(name)}
    known = {layer: note for layer, note in notes.items() if note is not None}
    if any(note.role == "prediction" for note in known.values()):
        raise InputError("it has two layers: open it once", where=name)
    masks = [layer for layer, note in known.items() if note.role == "mask"]
    for layer in (*masks, *known):
        found = project.recover(name, layer)
        if found is not None and (found.note.role == "mask" or not _filled(found.note)):
            return layer, found
        if found is not None:
            raise InputError("it was kept by an older version: open it once", where=name)
    return LAYER, None


def _filled(note: Note) -> bool:
    """Whether a layer of an older version has slices whose state was read in another way."""
    return str(int(SliceState.MACHINE)) in note.states
