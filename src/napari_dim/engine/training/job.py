"""What one training is asked to do, and what its cases hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dim.config import Settings
from napari_dim.data.case import Case
from napari_dim.errors import InputError
from napari_dim.nets.ranks import Ranks
from napari_dim.states import OPEN

if TYPE_CHECKING:
    from napari_dim.engine.inference.trained_model import Model
    from napari_dim.engine.training.checkpoint import Checkpoint

FEW_PIXELS = 50
"""A class that the labels show with fewer pixels in all is hardly learnt: with 8 pixels of one
of its two parts the hippocampus was missed, docs/results/label_economy.md."""
_MOST_CLASSES_TOLD = 5
FEW_SLICES = 4
"""With so many labelled slices or fewer, masks of other volumes are far from usable: Dice was 0.25
to 0.32 on the hippocampus, 0.62 to 0.71 on the left atrium, docs/results/label_economy.md."""


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes
    ----------
    cases
        What to train on; at least one labelled slice among them.
    settings
        How.
    run
        Folder for weights, settings, losses and record; None keeps all in memory.
    preview_case
        Index of the case whose masks are previewed; None for no previews.
    preview_every
        Seconds between two previews.
    provenance
        Kept in the record, such as hashes of the inputs.
    start
        A model to go on from: its weights, its grid, and a schedule that skips the time
        it would spend on what the model knows (`config.Settings.resume_at`).
    resume
        A checkpoint of this training to go on from, to the result that it would have had.
    begun
        When somebody began to wait for it, by `time.monotonic`: the budget counts from then
        on, and what follows the last step is part of it. None counts the steps' time alone.
    notes
        What to tell the user at the start.
    overwrite
        Take the files of an earlier run away from the folder, once this one can start.
    ranks
        The processes that share the steps; all but the first have no `run`.
    """

    cases: Sequence[Case]
    settings: Settings
    run: Path | None = None
    preview_case: int | None = None
    preview_every: float = 10.0
    provenance: Mapping[str, Any] = field(default_factory=dict)
    start: Model | None = None
    resume: Checkpoint | None = None
    begun: float | None = None
    notes: tuple[str, ...] = ()
    overwrite: bool = False
    ranks: Ranks = field(default_factory=Ranks)


def class_ids(cases: Sequence[Case]) -> tuple[int, ...]:
    """The ids above 0 that labelled slices hold, ascending.

    Raises
    ------
    InputError
        If there is no labelled slice, or nothing is painted in any.
    """
    if not any(case.labelled.size for case in cases):
        raise InputError("no slice is labelled", hint="Label at least one slice before you train")
    found: set[int] = set()
    for case in cases:
        for number in case.labelled:
            assert case.mask is not None
            plane = case.mask[number]
            if case.painted is not None:
                plane = plane[case.painted[number]] if case.states[number] in OPEN else plane
            found |= {int(i) for i in np.unique(plane)}
    found.discard(0)
    if not found:
        raise InputError(
            "the labelled slices hold background alone",
            hint="Paint the structure in at least one slice before you train",
        )
    if len(found) > 250:
        raise InputError(
            f"the labelled slices hold {len(found)} classes, more than 250",
            hint="Is this a label image?",
        )
    return tuple(sorted(found))


def common_channels(cases: Sequence[Case]) -> int:
    """The number of channels that all images have.

    Raises
    ------
    InputError
        If there is no case, or one has another number than most.
    """
    if not cases:
        raise InputError("there is no case to train on")
    counts = Counter(case.volume.channels for case in cases)
    channels = counts.most_common(1)[0][0]
    for case in cases:
        if case.volume.channels != channels:
            raise InputError(
                f"the image has {case.volume.channels} channels, the others {channels}",
                where=case.name,
            )
    return channels


def unseen_ends(cases: Sequence[Case]) -> tuple[str, ...]:
    """What should be labelled, too, where all labelled slices of the volumes show a structure.

    A model that has seen no slice beyond a structure runs on over its end.
    """
    shown = [
        case.mask[number].any()
        for case in cases
        if case.mask is not None and case.unlabelled.size and not case.volume.separate
        for number in case.labelled
    ]
    if not shown or not all(shown):
        return ()
    return (
        "Every labelled slice shows a structure: if the scan has empty slices beyond it, let a few "
        "be labelled ones, too (in a cohort list them in `slices`, in the window confirm them); "
        "they teach where it stops",
    )


def left_out(cases: Sequence[Case]) -> tuple[str, ...]:
    """How many unlabelled slices are not learnt from, see `Case.guessed`, for the user."""
    number = sum(case.unlabelled.size - case.guessed.size for case in cases)
    if not number:
        return ()
    are = "slice lies" if number == 1 else "slices lie"
    return (f"{number} unlabelled {are} far beyond the outermost labelled ones: nothing is learnt "
            "from what the machine says there",)  # fmt: skip


def scarce_classes(cases: Sequence[Case], classes: tuple[int, ...]) -> tuple[str, ...]:
    """Which classes the labelled slices hardly show, for the user; see `FEW_PIXELS`."""
    shown: dict[int, list[int]] = {class_id: [] for class_id in classes}
    slices = 0
    for case in cases:
        for number in case.labelled:
            assert case.mask is not None
            slices += 1
            ids, counts = np.unique(case.mask[number], return_counts=True)
            for class_id, count in zip(ids.tolist(), counts.tolist(), strict=True):
                if class_id in shown:
                    shown[class_id].append(count)
    told = []
    for class_id, pixels in shown.items():
        few = sum(pixels) < FEW_PIXELS
        if few or (len(pixels) == 1 and slices > 1):
            size = "1 pixel" if sum(pixels) == 1 else f"{sum(pixels):,} pixels"
            where = "one labelled slice" if len(pixels) == 1 else f"{len(pixels)} labelled slices"
            told.append(
                f"Class {class_id} shows in {where} alone, with {size}: too few to learn it "
                "from; label more slices that show it"
            )
    if len(told) > _MOST_CLASSES_TOLD:
        more = f"{len(told) - _MOST_CLASSES_TOLD} more classes show as little"
        return (*told[:_MOST_CLASSES_TOLD], f"{more}: are these classes?")
    return tuple(told)


def few_slices(cases: Sequence[Case]) -> tuple[str, ...]:
    """That labels hardly suffice for the volumes without any, for the user; see `FEW_SLICES`."""
    volumes = [case for case in cases if len(case.states) > 1 and not case.volume.separate]
    labelled = sum(int(case.labelled.size) for case in volumes)
    others = sum(not case.labelled.size for case in volumes)
    if not others or not 0 < labelled <= FEW_SLICES:
        return ()
    slices = "1 slice is" if labelled == 1 else f"{labelled} slices are"
    scans = "1 scan" if others == 1 else f"{others} scans"
    return (
        f"Only {slices} labelled: too few for good masks of the {scans} without labels; label 8 or "
        "more, spread over the structure and beyond its ends",
    )


def blank_scans(cases: Sequence[Case]) -> tuple[str, ...]:
    """Which scans show nothing, for the user."""
    blank = []
    for case in cases:
        low, high, _, _ = case.volume.intensities
        if (high <= low).all():
            blank.append(case.name or "a scan")
    if not blank:
        return ()
    names = ", ".join(blank[:3]) + (f" and {len(blank) - 3} more" if len(blank) > 3 else "")
    has = "has" if len(blank) == 1 else "have"
    return (f"{names} {has} one value everywhere: there is nothing to see in it",)


def late_classes(cases: Sequence[Case], classes: tuple[int, ...]) -> tuple[str, ...]:
    """What came too late to join the training, for the user."""
    found = {
        int(i)
        for case in cases
        if case.mask is not None
        for i in np.unique(case.mask[case.labelled])
    }
    late = sorted(found - {0, *classes})
    return tuple(f"Class {class_id} is new: the next training learns it" for class_id in late)


def per_site(cases: Sequence[Case], *, labelled: bool) -> dict[str, int]:
    """Each site's number of labelled slices, or of unlabelled ones that are learnt from."""
    counts: Counter[str] = Counter()
    for case in cases:
        counts[case.site] += int((case.labelled if labelled else case.guessed).size)
    return dict(counts)
