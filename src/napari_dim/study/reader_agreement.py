"""How far two readers agree: overlap and distance of their masks, and their volumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_dim.engine.evaluation.metrics import score
from napari_dim.errors import InputError
from napari_dim.project import Project
from napari_dim.project.strokes import Recovered
from napari_dim.states import SliceState
from napari_dim.study.plan import Plan
from napari_dim.study.readings import folder_of
from napari_dim.volume import Grid


@dataclass(frozen=True)
class Mask:
    """What a reader made of a case.

    Attributes
    ----------
    ids
        Class ids, ``(slice, row, column)``.
    spacing
        Between voxels along those axes, in `unit`.
    unit
        ``"mm"``, or ``"pixel"`` of a picture.
    voxel
        What one takes, in cubic `unit`; of a sheared grid not the product of the spacing.
    classes
        Class id -> name.
    slices
        How many slices are of which state: drawn, corrected, accepted, the machine's.
    """

    ids: np.ndarray
    spacing: tuple[float, ...]
    unit: str
    voxel: float
    classes: dict[int, str]
    slices: dict[str, int]

    def volume(self, label: int) -> float:
        """Millilitres of a class; of a picture its pixels."""
        voxels = int(np.count_nonzero(self.ids == label))
        return voxels * self.voxel / 1000 if self.unit == "mm" else float(voxels)


@dataclass(frozen=True)
class Pair:
    """One class of a case that two readers have read.

    `hd95` is in `unit`, None where a mask is empty; `volumes` are in ml (mm) or pixels.
    """

    case: str
    site: str
    label: int
    name: str
    readers: tuple[str, str]
    dice: float
    hd95: float | None
    volumes: tuple[float, float]
    unit: str

    @property
    def difference(self) -> float:
        """The first reader's volume less the second's."""
        return self.volumes[0] - self.volumes[1]


@dataclass(frozen=True)
class Limits:
    """Bland and Altman's: the mean difference, its deviation, and 1.96 of that around it."""

    count: int
    bias: float
    deviation: float | None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The 95 % limits of agreement; None of fewer than two pairs."""
        if self.deviation is None:
            return None
        return self.bias - 1.96 * self.deviation, self.bias + 1.96 * self.deviation


def limits(pairs: Sequence[Pair]) -> Limits:
    """The limits of agreement of volumes (Bland and Altman, Lancet 1986)."""
    found = np.array([pair.difference for pair in pairs])
    deviation = float(found.std(ddof=1)) if len(found) > 1 else None
    return Limits(len(found), float(found.mean()), deviation)


def mask_of(study: Path, plan: Plan, reader: str, case: str) -> Mask | None:
    """A reader's mask of a case; None where nothing is kept.

    Raises
    ------
    InputError
        If it can't be read.
    """
    with Project.open(folder_of(study, plan, reader), read_only=True) as project:
        found = [project.recover(case, layer) for layer in project.layers(case)]
        names = {info.id: info.name for info in project.classes}
    masks = [one for one in found if one is not None and one.note.role != "prediction"]
    best = next((one for one in masks if one.note.role == "mask"), next(iter(masks), None))
    return None if best is None else _mask(best, names)


def compared(
    study: Path, plan: Plan, read: Callable[[str, str], bool]
) -> tuple[list[Pair], list[str]]:
    """The cases that both of their readers have read, class by class; and what was left out.

    Parameters
    ----------
    read
        Whether a reader (first) has read a case (second).

    Raises
    ------
    InputError
        If a mask can't be read.
    """
    pairs: list[Pair] = []
    notes: list[str] = []
    for case in plan.doubly:
        if not all(read(reader, case.name) for reader in case.readers):
            continue
        first, second = (mask_of(study, plan, reader, case.name) for reader in case.readers)
        if first is None or second is None:
            notes.append(f"{case.name} is left out: it was read, and one mask holds nothing")
            continue
        if first.ids.shape != second.ids.shape:
            notes.append(f"{case.name} is left out: its readers cut it into other slices")
            continue
        names = {**second.classes, **first.classes}
        labels = sorted({int(i) for m in (first, second) for i in np.unique(m.ids)} - {0})
        found = score(first.ids, second.ids, first.spacing, labels)
        pairs += [
            Pair(
                case.name, case.site, label, names.get(label, f"class {label}"),
                (case.readers[0], case.readers[1]), found[label].dice, found[label].hd95,
                (first.volume(label), second.volume(label)), first.unit,
            )
            for label in labels
        ]  # fmt: skip
    return pairs, notes


def _mask(found: Recovered, names: dict[int, str]) -> Mask:
    note = found.note
    ids = found.array.reshape(-1, *found.array.shape[-2:])
    if note.grid is None:
        raise InputError("it does not say where it lies", where=note.name,
                         hint="Open the case once with this version")  # fmt: skip
    grid = Grid(
        note.grid.file_shape, np.array(note.grid.file_affine), note.grid.slice_axis, note.grid.unit
    )
    states = [int(digit) for digit in note.states]
    count = {state.name.lower(): states.count(int(state)) for state in SliceState}
    classes = {**names, **{info.id: info.name for info in note.classes}}
    voxel = abs(float(np.linalg.det(grid.file_affine[:3, :3])))
    return Mask(ids, grid.spacing, note.grid.unit, voxel, classes, count)
