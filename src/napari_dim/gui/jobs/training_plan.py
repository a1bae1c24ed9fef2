"""What a training learns from, fixed when it starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from napari_dim.config import Settings
from napari_dim.data.case import Case, labelled_case
from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import layer_volume
from napari_dim.gui.layers.layer_classes import KEY as CLASSES
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.layers.searched_classes import searched_of
from napari_dim.gui.storage.closed_cases import ClosedCase
from napari_dim.gui.work import spare_threads
from napari_dim.states import SliceState
from napari_dim.volume import Volume

if TYPE_CHECKING:
    from napari_dim.engine.inference.trained_model import Model


@dataclass(frozen=True)
class Part:
    """One open scan that a training learns from.

    `mask` is its mask, None for a scan that has none; `site` its scanner or centre.
    """

    image: Layer
    mask: MaskLayer | None = None
    site: str = ""


@dataclass(frozen=True)
class Plan:
    """All that one training needs, fixed when it starts.

    Attributes
    ----------
    load
        Gives the cases; runs in the background thread, must not touch layers. It calls its
        argument now and then, which raises when the training is to stop.
    settings, run
        How, and where the model is saved.
    parts
        The open scans behind the cases, in their order, the one that is previewed first;
        empty where the cases come from files.
    name
        What is trained on, for people.
    start
        The model to go on from, or the run folder to load it from; None starts anew.
    resume
        Whether `run` holds a checkpoint that this training goes on from, with its settings.
    segment_all
        Whether the other open scans are segmented at the end, too.
    closed
        Cases that are not open and are segmented at the end as well.
    server
        Address of the scheduler whose worker trains; empty for this computer.
    told
        What was decided of the files, and what could not be read and is left out, one line each;
        known once `load` is through.
    """

    load: Callable[[Callable[[], None]], Sequence[Case]]
    settings: Settings
    run: Path | None
    parts: tuple[Part, ...] = ()
    name: str = ""
    start: Model | Path | None = None
    resume: bool = False
    segment_all: bool = False
    closed: tuple[ClosedCase, ...] = ()
    server: str = ""
    told: list[str] = field(default_factory=list)

    @property
    def image(self) -> Layer | None:
        """The layer whose masks are previewed; None shows the first labelled case."""
        return self.parts[0].image if self.parts else None

    @property
    def labels(self) -> Layer | None:
        """The layer of the mask that is previewed, if there was one at the start."""
        mask = self.parts[0].mask if self.parts else None
        return None if mask is None else mask.layer


def plan_from_layers(
    parts: Sequence[Part],
    settings: Settings,
    run: Path | None,
    project: Path | None = None,
    closed: Collection[str] = (),
) -> Plan:
    """A plan that learns from open scans, with and without labels; the first is previewed.

    Of a project's folder the cases in `closed` are read, too, though they are not open.

    The labels are copied here: what is painted later reaches this training through
    `Training.join` alone.

    Raises
    ------
    InputError
        If a layer can't be used.
    """
    for part in parts:
        if part.mask is not None:
            part.mask.look()
    cases = [case_of(part) for part in parts]
    told: list[str] = []

    def load(check: Callable[[], None]) -> Sequence[Case]:
        if project is None or not closed:
            return cases
        from napari_dim.data.project_cases import project_cases

        others, left_out = project_cases(project, closed, check)
        channels = cases[0].volume.channels
        told.extend(left_out)
        told.extend(
            f"{case.name} is left out: it has {case.volume.channels} channels, not {channels}"
            for case in others
            if case.volume.channels != channels
        )
        return [*cases, *(case for case in others if case.volume.channels == channels)]

    return Plan(load, settings, run, tuple(parts), parts[0].image.name, told=told)


def case_of(part: Part, volume: Volume | None = None, states: np.ndarray | None = None) -> Case:
    """A scan and its labels as they are now, as training sees them; the labels are copied.

    Parameters
    ----------
    part
        Which scan.
    volume
        Its volume, if it is known already.
    states
        A `SliceState` a slice, instead of what the mask says.

    Raises
    ------
    InputError
        If a layer can't be used.
    """
    image, mask = part.image, part.mask
    volume = volume or layer_volume(image)
    shape = volume.array.shape[:3]
    site = part.site or image.name
    if mask is None:
        untouched = np.full(shape[0], SliceState.UNTOUCHED, dtype=np.uint8)
        return Case(volume, None, untouched, site=site, name=image.name)
    labels = mask.layer
    named = [info.id for info in labels.metadata.get(CLASSES, ())]
    try:
        return labelled_case(
            volume,
            mask.planes,
            mask.states if states is None else states,
            site=site,
            name=image.name,
            brush=mask.brush,
            searched=searched_of(labels, mask.labelled, named),
        )
    except InputError as error:
        raise InputError(
            error.problem, where=labels.name, hint="Make a new mask for this image"
        ) from None


def plan_from_cohort(path: Path, settings: Settings, run: Path | None) -> Plan:
    """A plan that learns from the training cases of a cohort file."""
    told: list[str] = []

    def load(check: Callable[[], None]) -> Sequence[Case]:
        from napari_dim.data.cohort import read_cohort
        from napari_dim.data.load import load_training

        cohort = read_cohort(path)
        told.extend(cohort.notes)
        return load_training(cohort, check)

    return Plan(load, settings, run, name=path.stem, told=told)


def new_run(folder: Path, name: str) -> Path:
    """A run folder's path in `folder` that says when and on what; it is not made here."""
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:40].strip("-")
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    return folder / (f"{stamp}_{kept}" if kept else stamp)


def plan_settings(
    changes: dict[str, Any],
    budget: float,
    device: str = "auto",
    threads: int = 0,
    *,
    elsewhere: bool = False,
) -> Settings:
    """Settings for the window, whose core a training by the clock takes while nobody works in it.

    A number of steps, which is to be made the same again, leaves one core free all the time. On a
    server (`elsewhere`) it has what it may take there. A budget of `math.inf` trains until it is
    stopped.

    Raises
    ------
    InputError
        If a value is outside its range.
    """
    length = {"until_stopped": True} if math.isinf(budget) else {"budget": budget}
    if not elsewhere and not threads and changes.get("steps") is not None:
        threads = spare_threads()
    base = {**length, "device": device, "threads": threads}
    return Settings.make(**{**base, **changes})
