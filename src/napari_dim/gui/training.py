"""Training in one viewer: a frozen plan in, events handled, predictions into layers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer

from napari_dim.config import Settings
from napari_dim.data.case import Case
from napari_dim.engine.control import Control
from napari_dim.engine.events import (
    Checkpointed,
    Failed,
    Finished,
    Preview,
    Recovered,
    Relabelled,
    Started,
    StepDone,
)
from napari_dim.errors import InputError
from napari_dim.gui.annotation import Annotation
from napari_dim.gui.layers import (
    Source,
    add_layer,
    current_slice,
    image_tuples,
    labels_array,
    layer_source,
    layer_volume,
)
from napari_dim.gui.predicted import PLACE, PredictionLayer
from napari_dim.gui.session import Activity, Session, spare_threads
from napari_dim.gui.slices import renew_suggestions
from napari_dim.gui.worker import Emit, Task
from napari_dim.io.labels import as_labels
from napari_dim.project.states import SliceState

if TYPE_CHECKING:
    from napari_dim.engine.model import Model

PREVIEW_EVERY = 8.0
"""Least seconds between the end of a preview and the request for the next."""

FIRST_PREVIEW = 3.0
"""Seconds until the first preview."""


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
    image
        The layer whose masks are previewed; None shows the first labelled case.
    labels
        The layer that the predictions go below.
    name
        What is trained on, for people.
    start
        The model to go on from; None starts anew.
    resume
        Whether `run` holds a checkpoint that this training goes on from, with its settings.
    """

    load: Callable[[Callable[[], None]], Sequence[Case]]
    settings: Settings
    run: Path | None
    image: Layer | None = None
    labels: Layer | None = None
    name: str = ""
    start: Model | None = None
    resume: bool = False


@dataclass(frozen=True)
class _Loaded:
    """The cases are read; `shown` is the index of the one that is previewed."""

    cases: Sequence[Case]
    shown: int


@dataclass
class _Shown:
    """The case whose masks are previewed, and the layers it is shown in."""

    image: Layer | None
    source: Source
    prediction: PredictionLayer
    due: float = math.inf
    asked: float = 0.0
    waiting: set[int] = field(default_factory=set)

    def received(self, numbers: Sequence[int]) -> None:
        """Some slices have come; when all have, the next preview becomes due."""
        self.waiting -= set(numbers)
        if not self.waiting:
            now = time.monotonic()
            # A preview of a large scan takes long: keep most of the time for training.
            self.due = now + max(PREVIEW_EVERY, 5 * (now - self.asked))


def plan_from_layers(
    image: Layer,
    annotation: Annotation,
    others: Sequence[tuple[Layer, str]],
    settings: Settings,
    run: Path | None,
    site: str = "",
) -> Plan:
    """A plan that learns from an image, its labels, and other images without labels.

    The labels are copied here: what is painted later reaches this training through
    `Training.join` alone.

    Raises
    ------
    InputError
        If a layer can't be used.
    """
    cases = [case_of(image, annotation, site)]
    for layer, where in others:
        other = layer_volume(layer)
        untouched = np.full(other.array.shape[0], SliceState.UNTOUCHED, dtype=np.uint8)
        cases.append(Case(other, None, untouched, site=where or layer.name, name=layer.name))
    return Plan(lambda check: cases, settings, run, image, annotation.layer, image.name)


def case_of(image: Layer, annotation: Annotation, site: str = "") -> Case:
    """An image and its labels as they are now, as training sees them; the labels are copied.

    Raises
    ------
    InputError
        If a layer can't be used.
    """
    volume = layer_volume(image)
    labels = annotation.layer
    annotation.refresh()
    mask = as_labels(np.array(labels_array(labels)), where=labels.name)
    if mask.shape != volume.array.shape[:3]:
        raise InputError(
            f"it is {mask.shape}, the image {volume.array.shape[:3]}",
            where=labels.name,
            hint="Make a new labels layer for this image",
        )
    painted = mask > 0
    if annotation.brush is not None:
        mask[mask == annotation.brush] = 0
    where = site or image.name
    return Case(volume, mask, annotation.states, site=where, name=image.name, painted=painted)


def plan_from_cohort(path: Path, settings: Settings, run: Path | None) -> Plan:
    """A plan that learns from the training cases of a cohort file."""

    def load(check: Callable[[], None]) -> Sequence[Case]:
        from napari_dim.data.load import load_training
        from napari_dim.project.cohort import read_cohort

        return load_training(read_cohort(path), check)

    return Plan(load, settings, run, name=path.stem)


def new_run(folder: Path, name: str) -> Path:
    """A run folder's path in `folder` that says when and on what; it is not made here."""
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:40].strip("-")
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    return folder / (f"{stamp}_{kept}" if kept else stamp)


class Training:
    """Runs one plan for a session."""

    def __init__(self, session: Session, plan: Plan) -> None:
        self._session = session
        self._plan = plan
        self._control = Control()
        self._shown: _Shown | None = None
        self._cases: Sequence[Case] = ()
        self._over = False
        self._task: Task | None = None
        self._index = 0
        self._joined: dict[int, int] = {}  # slices that it learns from: their painted area

    @classmethod
    def start(cls, session: Session, plan: Plan) -> Training:
        """Start the background thread.

        Raises
        ------
        InputError
            If the session is busy.
        """
        session.require_idle()
        training = cls(session, plan)
        session.history.clear()
        session.note = ""
        session.training = training
        training._task = session.task = Task(
            f"training on {plan.name}",
            training._work,
            on_event=training._on_event,
            on_end=training._on_end,
            stop=training._control.cancel,
        )
        if plan.image is not None:
            training._show(plan.image, layer_source(plan.image))
        session.say("Loading PyTorch; the first time takes a few seconds", Activity.TRAINING, 0.0)
        session.task.start()
        return training

    def stop(self) -> None:
        """End after the current step, and predict once more; a second time, end at once."""
        if self._session.activity is Activity.STOPPING:
            self._control.cancel()
        if self._session.activity is Activity.TRAINING:
            self._session.say("Stopping, then predicting all slices", Activity.STOPPING)
        self._control.stop()

    def join(self, annotation: Annotation, but: int) -> None:
        """Let newly labelled slices join the running training.

        Slice `but`, on which the annotator may still be at work, waits until it is left.
        """
        session = self._session
        plan, shown = self._plan, self._shown
        if session.activity is not Activity.TRAINING or shown is None or plan.image is None:
            return
        if plan.labels is not annotation.layer or self._index >= len(self._cases):
            return
        states, areas = annotation.states, annotation.areas
        if but not in self._joined:
            states[but] = SliceState.UNTOUCHED
        known = np.flatnonzero(np.isin(states, (SliceState.CONFIRMED, SliceState.PARTIAL)))
        now = {int(n): self._joined[but] if n == but else int(areas[n]) for n in known}
        if not now or now == self._joined:
            return
        self._joined = now
        site = self._cases[self._index].site
        case = replace(case_of(plan.image, annotation, site), states=states)
        self._control.give_case(self._index, case)

    @property
    def paused(self) -> bool:
        """Whether the training is held."""
        return self._control.paused

    def pause(self) -> None:
        """Hold the training after the current step, or let it go on."""
        if self._control.paused:
            self._control.resume()
            self._session.say("Training goes on")
        else:
            self._control.pause()
            self._session.say("Paused; the time stands still")

    def tick(self) -> None:
        """Ask for the next preview when it is due, the slice on the screen first."""
        shown, session = self._shown, self._session
        if shown is None or session.activity is not Activity.TRAINING:
            return
        if not shown.waiting and time.monotonic() >= shown.due:
            layer = shown.image if shown.image in session.viewer.layers else shown.prediction.layer
            shown.asked = time.monotonic()
            shown.waiting = set(range(len(shown.prediction.mask)))
            self._control.ask_preview(
                self._index, current_slice(session.viewer, layer) if layer else None
            )

    def _work(self, emit: Emit) -> None:
        """In the background thread."""
        plan, control = self._plan, self._control
        if not plan.settings.apart:
            import monai.networks.nets  # noqa: F401  Takes seconds: the budget must not pay.

        from napari_dim.engine.checkpoint import Checkpoint
        from napari_dim.engine.control import StoppedError
        from napari_dim.engine.isolate import run
        from napari_dim.engine.job import Job

        emit("Reading the slices")
        try:
            cases = plan.load(control.check_stop)
        except StoppedError:
            emit(Failed("Stopped before anything was learnt", stopped=True))
            return
        settings, resume = plan.settings, None
        if plan.resume and plan.run is not None:
            resume = Checkpoint.load(plan.run)
            here = {name: getattr(settings, name) for name in ("device", "threads", "apart")}
            settings = resume.model.settings.model_copy(update=here)
        shown = next((i for i, case in enumerate(cases) if case.labelled.size), 0)
        emit(_Loaded(cases, shown))
        job = Job(
            cases,
            settings,
            plan.run,
            preview_case=shown,
            preview_every=math.inf,
            start=None if resume is not None else plan.start,
            resume=resume,
        )
        for event in run(job, control):
            emit(event)

    def _on_event(self, event: object) -> None:
        session = self._session
        match event:
            case str():
                session.say(event)
            case _Loaded():
                self._loaded(event)
            case Started():
                self._started(event)
            case StepDone():
                self._stepped(event)
            case Preview():
                self._preview(event)
            case Relabelled():
                notes = "".join(f". {note}" for note in event.notes)
                count = sum(event.labelled.values())
                session.note = f"{count} labelled slices now{notes}"
            case Recovered():
                session.note = f"{event.problem}; {event.remedy}"
            case Checkpointed():
                pass
            case Finished():
                self._finished(event)
            case Failed():
                self._over = True
                session.task = None
                session.resumable = event.run
                session.fail(event)
                session.model_changed.emit()

    def _on_end(self) -> None:
        if not self._over:
            self._session.task = None
            self._session.fail(Failed("Training ended without a result", "Please report this"))

    def _loaded(self, loaded: _Loaded) -> None:
        self._cases, self._index = loaded.cases, loaded.shown
        shown = loaded.cases[loaded.shown]
        painted = np.zeros((len(shown.states), 1)) if shown.painted is None else shown.painted
        self._joined = {int(n): int(np.count_nonzero(painted[n])) for n in shown.labelled}
        if self._shown is None:
            case = loaded.cases[loaded.shown]
            layers = [
                add_layer(self._session.viewer, made)
                for made in image_tuples(case.volume, case.name)
            ]
            self._show(layers[0], Source.of(case.volume))

    def _started(self, event: Started) -> None:
        if self._shown is not None:
            self._shown.due = time.monotonic() + FIRST_PREVIEW
        self._session.device = event.device
        labelled, unlabelled = sum(event.labelled.values()), sum(event.unlabelled.values())
        notes = "".join(f". {note}" for note in event.notes)
        self._session.say(
            f"Starting on {event.device}: {labelled} labelled and {unlabelled} unlabelled "
            f"slices{notes}"
        )

    def _stepped(self, event: StepDone) -> None:
        session = self._session
        session.history.append(event)
        if session.activity is Activity.TRAINING:
            session.say(
                f"Training: step {event.step}, {left(event)}"
                + (f" · {session.note}" if session.note else ""),
                share=event.progress,
            )
        session.stepped.emit(event)

    def _preview(self, event: Preview) -> None:
        if self._shown is None:
            return
        prediction = self._shown.prediction
        prediction.write(event.slices, event.mask)
        prediction.entropy[event.slices] = event.entropy
        if event.confidence is not None and event.disagreement is not None:
            prediction.confidence = event.confidence
            prediction.disagreement = event.disagreement
        self._session.slices_changed.emit()
        self._shown.received(event.slices.tolist())

    def _finished(self, event: Finished) -> None:
        self._over = True
        session = self._session
        session.model, session.run = event.model, event.run
        session.resumable = None
        session.task = None
        text = f"{'Stopped' if event.reason == 'stopped' else 'Done'} after "
        text += f"{clock(event.seconds)} and {event.steps} steps"
        if self._shown is not None:
            prediction = self._shown.prediction
            prediction.model, prediction.run = event.model, event.run
            layer = prediction.layer
            if layer not in session.viewer.layers:
                # The user removed it meanwhile; the result is still theirs to keep.
                add_layer(session.viewer, layer)
            text += f"; all slices are in “{layer.name}”"
            text += "".join(f". {note}" for note in event.notes)
            session.predicted.emit(layer)
        renew_suggestions(session)
        session.say(f"{text}. Look at them in Review.", Activity.IDLE, 1.0)
        session.slices_changed.emit()
        session.model_changed.emit()

    def _show(self, image: Layer, source: Source) -> None:
        """Make sure that there is a prediction layer to write into."""
        session = self._session
        prediction = session.prediction_of(image)
        if prediction is None or prediction.mask.shape != source.grid.shape:
            place = {name: getattr(image, name) for name in PLACE}
            prediction = PredictionLayer(source, f"{image.name} (prediction)", like=place)
            session.predictions[image] = prediction
            add_layer(session.viewer, prediction.layer, below=self._plan.labels)
        self._shown = _Shown(image, source, prediction)


def plan_settings(
    changes: dict[str, Any], budget: float, device: str = "auto", threads: int = 0
) -> Settings:
    """Settings for the window: one CPU core stays free unless the user says otherwise.

    A budget of `math.inf` trains until it is stopped.

    Raises
    ------
    InputError
        If a value is outside its range.
    """
    length = {"until_stopped": True} if math.isinf(budget) else {"budget": budget}
    base = {**length, "device": device, "threads": threads or spare_threads()}
    return Settings.make(**{**base, **changes})


def left(event: StepDone) -> str:
    """How much of a training is still to come."""
    return "until you stop" if event.time_left is None else f"{clock(event.time_left)} left"


def clock(seconds: float) -> str:
    """Minutes and seconds, as on a clock."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"
