"""Rows of a cohort to cases for training, and to references for evaluation."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_dim.data.ahead import made_ahead
from napari_dim.data.case import Case
from napari_dim.data.cohort import Cohort, CohortCase
from napari_dim.errors import InputError, all_faults
from napari_dim.io import Glance, glance, lay_mask, read_volume
from napari_dim.io.channels import combined, read_as, stores_grey
from napari_dim.io.hashing import hash_ahead
from napari_dim.io.labels import ids_in, slices_showing
from napari_dim.states import SliceState
from napari_dim.volume import Volume

_MOST_TOLD = 5


def load_image(row: CohortCase) -> Volume:
    """Read the image of a case, all its channels, with slices along the axis it names.

    Raises
    ------
    InputError
        If a file can't be used, or the channels don't lie on each other.
    """
    volume = read_volume(row.image, part=row.part)
    hash_ahead(row.image)  # a run and a prediction tell what they were made of
    if row.slice_axis:
        try:
            volume = volume.along(volume.grid.axis_called(row.slice_axis))
        except InputError as error:
            raise InputError(error.problem, where=row.where or row.image, hint=error.hint) from None
    if not row.channels:
        return volume
    volumes = [volume, *(read_volume(path) for path in row.channels)]
    for path in row.channels:
        hash_ahead(path)
    return combined(volumes)


def glance_at(row: CohortCase) -> Glance:
    """What the image of a case is, as `load_image` would give it; of a large one by a sample.

    Raises
    ------
    InputError
        As `load_image`.
    """
    if row.channels:
        return Glance.at(load_image(row))
    seen = glance(row.image, part=row.part)
    if not row.slice_axis:
        return seen
    if seen.kind == "picture":
        return Glance.at(load_image(row))
    return replace(seen, grid=replace(seen.grid, slice_axis=seen.grid.axis_called(row.slice_axis)))


def load_case(row: CohortCase) -> Case:
    """Read one case; its listed slices are labelled, all others untouched.

    The reference mask of slices that are not listed is not kept: training can't peek.

    Raises
    ------
    InputError
        If a file can't be used, the mask doesn't fit, or a slice number is outside.
    """
    return _loaded(row)[0]


def _loaded(row: CohortCase) -> tuple[Case, dict[int, list[int]]]:
    """A case; and the slices that show each class in its whole mask, for messages."""
    volume = load_image(row)
    shown: dict[int, list[int]] = {}
    count = volume.array.shape[0]
    states = np.full(count, SliceState.UNTOUCHED, dtype=np.uint8)
    mask = None
    if row.slices:
        labelled = np.arange(count) if row.slices == "all" else np.array(row.slices)
        if labelled.max() >= count:
            raise InputError(
                f"there is no slice {labelled.max()} in {row.image.name}: "
                f"its {count} slices are numbered from 0",
                where=row.where,
            )
        if row.labels is None:
            raise InputError("slices are listed but no labels file", where=row.where)
        volume, reference = _with_mask(row.labels, volume)
        mask = np.zeros_like(reference)
        mask[labelled] = reference[labelled]
        shown = slices_showing(reference)
        states[labelled] = SliceState.PAINTED
    return Case(volume, mask, states, site=row.site, name=row.name), shown


def load_cases(cohort: Cohort, split: str, check: Callable[[], None] | None = None) -> list[Case]:
    """Read all cases of a split (``"train"``, ``"test"`` or ``"all"``).

    `check` is called after each; what it raises ends the work.

    Raises
    ------
    InputError
        If the split has no case, one can't be read, or they don't have the same channels.
    """
    return _load_rows(cohort.split(split), check)[0]


def load_training(
    cohort: Cohort,
    check: Callable[[], None] | None = None,
    read: Callable[[int, int], None] | None = None,
) -> list[Case]:
    """Read the training cases; at least one slice must be labelled; `check` as above.

    `read` is told how many cases have been read, and of how many.

    A class that masks show in slices which are not listed alone is told.

    Raises
    ------
    InputError
        As `load_cases`, or if no slice is labelled, or none of the labels has a class.
    """
    rows = cohort.split("train")
    hint = "List the labelled slices of at least one training case"
    if not any(row.slices for row in rows):
        raise InputError("no slice is labelled", where=cohort.path, hint=hint)
    cases, shown = _load_rows(rows, check, read)
    taught: set[int] = set().union(*(ids_in(case.mask) for case in cases if case.mask is not None))
    if not taught:
        first = next((number for number, classes in enumerate(shown) if classes), None)
        if first is not None:
            slices = sorted(set().union(*shown[first].values()))
            hint = f"The mask of {cases[first].name} shows something in {_ranges(slices)}"
        labelled = ", ".join(
            f"{case.name}: {_ranges(list(np.flatnonzero(case.states != SliceState.UNTOUCHED)))}"
            for case in cases[:_MOST_TOLD] if case.mask is not None
        )  # fmt: skip
        raise InputError(
            f"the labelled slices hold background alone ({labelled})", where=cohort.path, hint=hint
        )
    told = [_untaught(classes, taught) for classes in shown]
    return [
        replace(case, volume=replace(case.volume, warnings=(*case.volume.warnings, *notes)))
        for case, notes in zip(cases, told, strict=True)
    ]


def _tried(row: CohortCase) -> tuple[Case, dict[int, list[int]]] | InputError:
    """As `_loaded`, or what is wrong: all faults of a cohort are told at once."""
    try:
        return _loaded(row)
    except InputError as error:
        return error


def _load_rows(
    rows: Sequence[CohortCase],
    check: Callable[[], None] | None,
    read: Callable[[int, int], None] | None = None,
) -> tuple[list[Case], list[dict[int, list[int]]]]:
    loaded: list[tuple[Case, dict[int, list[int]]]] = []
    faults: list[InputError] = []
    # The cases stay in memory anyway, so as many are read at a time as there are processors.
    with closing(made_ahead(_tried, rows, os.cpu_count() or 1)) as made:
        for case in made:
            if isinstance(case, InputError):
                faults.append(case)
            else:
                loaded.append(case)
            if check is not None:
                check()
            if read is not None:
                read(len(loaded) + len(faults), len(rows))
    if faults:
        raise all_faults(faults, len(rows))
    cases = _of_one_colour([case for case, _ in loaded])
    _check_alike(rows, cases)
    return cases, [shown for _, shown in loaded]


def _untaught(shown: dict[int, list[int]], taught: set[int]) -> list[str]:
    """What to tell of the classes of a mask that no labelled slice shows."""
    left = {class_id: slices for class_id, slices in shown.items() if class_id not in taught}
    if len(left) > _MOST_TOLD:
        return [f"{len(left)} classes of its mask are in no labelled slice: they are not learnt"]
    return [
        f"class {class_id} is in no labelled slice and is not learnt; its mask shows it in "
        f"{_ranges(slices)}"
        for class_id, slices in left.items()
    ]


def _ranges(numbers: Sequence[int]) -> str:
    """``slice 3``, ``slices 3 to 8``, or those and how many more."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [str(a) if a == b else f"{a} to {b}" for a, b in runs]
    more = f" and {len(texts) - _MOST_TOLD} more places" if len(texts) > _MOST_TOLD else ""
    return f"slice{'s' if len(numbers) > 1 else ''} {', '.join(texts[:_MOST_TOLD])}{more}"


def load_reference(row: CohortCase) -> tuple[Volume, np.ndarray]:
    """Read an image and its whole reference mask, for evaluation.

    Raises
    ------
    InputError
        If the row names no labels file or a file can't be used.
    """
    if row.labels is None:
        raise InputError(
            "there is no labels file to compare with", where=row.where,
            hint="Name its mask in the column labels",
        )  # fmt: skip
    return _with_mask(row.labels, load_image(row))


def _with_mask(path: Path, volume: Volume) -> tuple[Volume, np.ndarray]:
    """A mask on its image, whose warnings tell what was decided of the mask too."""
    laid = lay_mask(path, volume)
    told = tuple(f"{path.name}: {note}" for note in laid.notes)
    return replace(volume, warnings=(*volume.warnings, *told)), laid.ids


def _of_one_colour(cases: list[Case]) -> list[Case]:
    """Grey pictures of which some are stored as grey and some as colour, all as grey."""
    if {case.volume.channels for case in cases} != {1, 3}:
        return cases
    if not all(case.volume.channels == 1 or stores_grey(case.volume) for case in cases):
        return cases
    return [replace(case, volume=read_as(case.volume, 1)) for case in cases]


def _check_alike(rows: Sequence[CohortCase], cases: list[Case]) -> None:
    """All cases must be of one kind with one number of channels; name the odd one."""
    kinds = [(case.volume.kind, case.volume.channels) for case in cases]
    (usual, _), *others = Counter(kinds).most_common()
    if others:
        odd = next(i for i, kind in enumerate(kinds) if kind != usual)
        raise InputError(
            f"{rows[odd].image.name} is {_described(kinds[odd])}, most others are "
            f"{_described(usual)}",
            where=rows[odd].where,
            hint="Train on images of one kind",
        )


def _described(kind: tuple[str, int]) -> str:
    name, channels = kind
    return f"a {name} of {channels} channel{'s' if channels > 1 else ''}"
