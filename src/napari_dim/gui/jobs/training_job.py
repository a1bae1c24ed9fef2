"""Training in one viewer: a frozen plan in, events handled, predictions into layers."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from napari.layers import Image, Layer

from napari_dim.cluster.elsewhere.server import Server
from napari_dim.data.case import Case
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import (
    Checkpointed,
    Failed,
    Finished,
    Preview,
    Recovered,
    Relabelled,
    Started,
    StepDone,
)
from napari_dim.gui.background_task import Emit
from napari_dim.gui.commands.slice_commands import renew_answer, renew_suggestions
from napari_dim.gui.jobs.prediction_job import Order, Predicting, Target
from napari_dim.gui.jobs.preview_schedule import Shown
from napari_dim.gui.jobs.training_place import load_engine, trained
from napari_dim.gui.jobs.training_plan import Part, Plan, case_of
from napari_dim.gui.layers.image_layers import (
    Source,
    add_layer,
    current_slice,
    image_tuples,
    layer_source,
)
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.logic.agreement import LiveScore
from napari_dim.gui.logic.time_words import left
from napari_dim.gui.session import Session
from napari_dim.gui.storage.closed_cases import ClosedCase, closed_case
from napari_dim.gui.storage.last_model import Home, doubts_of
from napari_dim.gui.work import Activity
from napari_dim.states import LABELLED, SliceState
from napari_dim.volume import Volume
from napari_dim.words import clock
from napari_dim.words import count as counted

FIRST_PREVIEW = 3.0
"""Seconds until the first preview of a network that has learnt before."""

TELL_EVERY = 1.0
"""Least seconds between two steps that are told: without a graphics card, Qt composes the whole
window anew for each word that changes in it, and a training waits for that."""
QUIET = 4.0
"""Seconds without news from the training after which the window says what it waits for."""


@dataclass(frozen=True)
class _Loaded:
    """The cases are read; `shown` is the index of the one that is previewed."""

    cases: Sequence[Case]
    shown: int


class Training:
    """Runs one plan for a session."""

    def __init__(self, session: Session, plan: Plan) -> None:
        self._session = session
        self._plan = plan
        self._control = Control()
        self._shown: Shown | None = None
        self._cases: Sequence[Case] = ()
        self._over = False
        self._index = 0
        # Of each case, the slices that it learns from: their painted area.
        self._joined: dict[int, dict[int, int]] = {}
        self._phase, self._heard = "Loading PyTorch", time.monotonic()
        self._begun = self._heard
        self._told = -math.inf
        self._held: float | None = None
        self._gone: set[Layer] = set()
        self._homes = [Home(session, part.image) for part in plan.parts]
        self._home = self._homes[0] if self._homes else Home(session, None)

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
        session.live.clear()
        session.note = ""
        session.server = Server(plan.server).name if plan.server else ""
        session.training = training
        if plan.image is not None:
            training._show(plan.image, layer_source(plan.image))
        session.layers_changed.connect(training._on_layers)
        session.begin(
            f"training on {plan.name}",
            training,
            "Loading PyTorch; the first time takes a few seconds",
            Activity.TRAINING,
        )
        return training

    def stop(self) -> None:
        """End after the current step, and predict once more; a second time, end at once."""
        if self._session.activity is Activity.STOPPING:
            self._control.cancel()
        if self._session.activity is Activity.TRAINING:
            self._phase = "Stopping, then predicting all slices"
            self._session.say(self._phase, Activity.STOPPING)
        self._control.stop()

    def cancel(self) -> None:
        """End at once."""
        self._control.cancel()

    def join(self, mask: MaskLayer | None, but: int) -> None:
        """Let newly labelled slices of all scans it learns from join the running training.

        Slice `but` of `mask`, on which the annotator may still be at work, waits until
        it is left.
        """
        session = self._session
        if session.activity is not Activity.TRAINING or not self._cases:
            return
        before, session.pending = session.pending, None
        for place, part in enumerate(self._plan.parts):
            now = self._mask_of(place, part)
            if now is not None and now.layer in session.viewer.layers:
                self._join(place, part, now, but if now is mask else None)
        if session.pending != before and session.history:
            self._say_step(session.history[-1])  # the next step may be long in coming

    def _mask_of(self, place: int, part: Part) -> MaskLayer | None:
        """The mask of a scan by now: a case that was closed and opened again has another."""
        image = self._open(place, part.image)
        if image is part.image and part.mask is not None:
            return part.mask
        return None if image is None else self._session.mask_of(image)

    def _open(self, place: int, image: Layer) -> Layer | None:
        """A scan if it is open; a case that was closed and opened again is another layer."""
        session, home = self._session, self._homes[place]
        if image in session.viewer.layers:
            return image
        if home.project is None or home.project is not session.autosave.project:
            return None
        scans = session.scans.layers(Image)
        return next((one for one in scans if session.autosave.case_of(one) == home.case), None)

    def _join(self, place: int, part: Part, mask: MaskLayer, but: int | None) -> None:
        states, areas = mask.states, mask.areas
        before = self._joined.get(place, {})
        if but is not None and but not in before:
            self._session.pending = but if states[but] in LABELLED else None
            states[but] = SliceState.UNTOUCHED
        known = np.flatnonzero(np.isin(states, LABELLED))
        now = {int(n): before[int(n)] if n == but else int(areas[n]) for n in known}
        if now == before or not (now or place):
            return
        self._joined[place] = now
        case = self._cases[place]
        again = Part(part.image, mask, case.site)
        self._control.give_case(place, case_of(again, case.volume, states))

    @property
    def paused(self) -> bool:
        """Whether the training is held."""
        return self._control.paused

    def pause(self) -> None:
        """Hold the training after the current step, or let it go on."""
        if self._control.paused:
            self._control.resume()
            if self._held is not None:
                self._begun += time.monotonic() - self._held
            self._session.say("Training goes on")
        else:
            self._control.pause()
            self._held = time.monotonic()
            self._session.say("Paused; the time stands still")

    def tick(self) -> None:
        """Ask for the next preview when it is due, the slice on the screen first."""
        shown, session = self._shown, self._session
        quiet = time.monotonic() - self._heard
        if not self._over and not self.paused and quiet > QUIET:
            session.say(f"{self._phase}: {quiet:.0f} s so far")
        if shown is None or session.activity is not Activity.TRAINING:
            return
        if shown.is_due:
            layer = shown.image if shown.image in session.viewer.layers else None
            shown.ask()
            self._control.ask_preview(
                self._index, current_slice(session.viewer, layer) if layer else None
            )

    def work(self, emit: Emit) -> None:
        """In the background thread."""
        plan, control = self._plan, self._control
        load_engine(plan.server, apart=plan.settings.apart)

        from napari_dim.engine.training.checkpoint import Checkpoint
        from napari_dim.engine.training.control import StoppedError
        from napari_dim.engine.training.job import Job

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
        labelled = (i for i, case in enumerate(cases) if case.labelled.size)
        shown = 0 if plan.parts else next(labelled, 0)
        emit(_Loaded(cases, shown))
        start = plan.start
        if isinstance(start, Path):
            from napari_dim.engine.inference.trained_model import Model

            emit("Loading the last model")
            start = Model.load(start)
        job = Job(
            cases,
            settings,
            plan.run,
            preview_case=shown,
            preview_every=math.inf,
            start=None if resume is not None else start,
            resume=resume,
            begun=self._begun,
        )
        for event in trained(job, control, plan.server, emit):
            if isinstance(event, Preview) and event.confidence is not None:
                doubts = doubts_of(event.entropy, event.disagreement, event.confidence)
                self._home.keep_doubts(doubts)
            if isinstance(event, Finished):
                self._home.keep_model(event.model)
                self._home.keep_maker(event.model, event.run)
            emit(event)

    def on_event(self, event: object) -> None:
        """In the window's thread."""
        session = self._session
        self._heard = time.monotonic()
        match event:
            case str():
                self._phase = event
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
                session.note = f"{counted(count, 'labelled slice')} now{notes}"
            case Recovered():
                session.note = f"{event.problem}; {event.remedy}"
            case Checkpointed():
                pass
            case Finished():
                self._finished(event)
            case Failed():
                self._close()
                session.resumable = event.run
                session.fail(event)
                session.model_changed.emit()

    def _close(self) -> None:
        """Nothing follows: let go of the cases, so that their memory can be used again."""
        self._over = True
        if self._session.server:  # what follows is done here
            self._session.server = self._session.device = ""
        self._session.task = self._session.training = None
        self._session.pending = None
        self._session.layers_changed.disconnect(self._on_layers, missing_ok=True)
        self._cases = ()

    def on_end(self) -> None:
        """In the window's thread, after the last event."""
        if not self._over:
            self._close()
            self._session.fail(Failed("Training ended without a result", "Please report this"))

    def _loaded(self, loaded: _Loaded) -> None:
        self._cases, self._index = loaded.cases, loaded.shown
        self._phase = "Preparing the slices for the network"
        for place, case in enumerate(loaded.cases):
            painted = case.painted
            self._joined[place] = {
                int(n): 0 if painted is None else int(np.count_nonzero(painted[n]))
                for n in case.labelled
            }
        if self._shown is None:
            shown = loaded.cases[loaded.shown]
            layers = [
                add_layer(self._session.viewer, made)
                for made in image_tuples(shown.volume, shown.name)
            ]
            self._show(layers[0], Source.of(shown.volume))
        self._session.say(self._phase)

    def _started(self, event: Started) -> None:
        if self._shown is not None:
            wait = 0.0 if event.masks_from else FIRST_PREVIEW
            self._shown.due = time.monotonic() + wait
            self._shown.begins = event.masks_from
        self._phase = "The first steps take longest"
        self._home.keep_run(self._plan.run)
        self._session.device = event.device
        labelled, unlabelled = sum(event.labelled.values()), sum(event.unlabelled.values())
        notes = (*event.notes, *self._plan.told)
        self._session.note = ". ".join(notes)  # stays beside the steps
        rest = counted(unlabelled, "unlabelled slice")
        self._session.say(f"Starting with {counted(labelled, 'labelled slice')} and {rest}")

    def _stepped(self, event: StepDone) -> None:
        session = self._session
        session.history.append(event)
        if self._shown is not None and self._shown.stepped(event.step):
            self._compared(self._shown)
        if session.activity is Activity.TRAINING:  # of one that is stopped, no step follows
            self._phase = "Waiting for the next step"
        if event.progress >= 1 or self._heard - self._told >= TELL_EVERY:
            self._told = self._heard
            self._say_step(event)
            session.stepped.emit(event)

    def _say_step(self, event: StepDone) -> None:
        session = self._session
        if session.activity is Activity.TRAINING and not self.paused:
            text = f"Training: step {event.step}, {left(event)}"
            if event.time_left is not None and event.progress >= 1:
                text = self._phase = "Trained; now predicting all slices"
            elif session.pending is not None:
                text += f" · slice {session.pending} joins when you go on to another"
            elif session.note:
                text += f" · {session.note}"
            elif self._shown is not None and event.step < self._shown.begins:
                text += f" · masks from step {self._shown.begins}"
            session.say(text, share=event.share)

    def _preview(self, event: Preview) -> None:
        shown = self._shown
        if shown is None:
            return
        if self._plan.parts and shown.image is not None:
            image = self._open(0, shown.image)
            if image is not None and image is not shown.image:
                shown.image, shown.mask = image, None
                self._session.note = ""  # that it was closed
            if image is None and shown.mask is None:
                return  # closed, and nothing was shown of it yet
        mask = shown.mask or self._session.mask_for(shown.image)
        answer = mask.answer
        last = event.confidence is not None
        if not last:
            shown.compare(event, self._cases[self._index] if self._cases else None)
        shown.mask = mask
        answer.entropy[event.slices] = event.entropy
        if event.confidence is not None and event.disagreement is not None:
            answer.confidence = event.confidence
            answer.disagreement = event.disagreement
        else:
            count = len(mask.planes)
            done = count - len(shown.waiting)
            self._phase = f"Refreshing the masks, {done} of {counted(count, 'slice')}"
            if self._session.activity is Activity.TRAINING:
                self._session.say(self._phase)
        mask.take(event.slices, event.mask)
        renew_answer(self._session)
        if shown.received(event) and not last:
            self._compared(shown)

    def _compared(self, shown: Shown) -> None:
        """A preview is through: keep how the masks have changed."""
        history = self._session.history
        elapsed = history[-1].elapsed if history else 0.0
        self._session.live.append(LiveScore(elapsed, shown.yours.dice, shown.before.dice))

    def _finished(self, event: Finished) -> None:
        session = self._session
        session.model, session.run = event.model, event.run
        session.resumable = None
        session.joined = len(self._joined.get(self._index, ()))
        closed = self._closed()
        others = self._others(closed)
        self._close()
        text = f"{'Stopped' if event.reason == 'stopped' else 'Done'} after "
        text += f"{clock(time.monotonic() - self._begun)} and {counted(event.steps, 'step')}"
        if self._shown is not None and self._shown.mask is not None:
            answer, layer = self._shown.mask.answer, self._shown.mask.layer
            answer.model, answer.run = event.model, event.run
            if closed:
                text += f"; the masks of {closed[0].name}, which is closed, follow"
            else:
                if layer not in session.viewer.layers:
                    # The user removed it meanwhile; the result is still theirs to keep.
                    add_layer(session.viewer, layer)
                emptied = len(self._shown.mask.left)
                but = f" but {emptied} that you emptied" if emptied else ""
                text += f"; all slices{but} are in “{layer.name}”"
                session.predicted.emit(layer)
            text += "".join(f". {note}" for note in event.notes)
        renew_suggestions(session)
        session.say(f"{text}. Look at them in Review.", Activity.IDLE, 1.0)
        session.slices_changed.emit()
        session.model_changed.emit()
        if others:
            settings = self._plan.settings
            Predicting.start(
                session,
                Order(event.model, others, device=settings.device, threads=settings.threads),
            )

    def _closed(self) -> list[ClosedCase]:
        """The case that was previewed, if a person went on to another one meanwhile."""
        shown, plan, layers = self._shown, self._plan, self._session.viewer.layers
        if not plan.parts or shown is None or shown.image in layers:
            return []
        found = closed_case(self._session, self._home)
        return [] if found is None else [found]

    def _others(self, closed: Sequence[ClosedCase]) -> list[Target]:
        """The other scans that are to be segmented at the end: those open, then those closed."""
        plan, session = self._plan, self._session
        shown, gone = [], list(closed)
        if plan.segment_all:
            for place, (part, case) in enumerate(zip(plan.parts, self._cases, strict=False)):
                image = self._open(place, part.image)
                if place and image is not None:
                    shown.append(Target(partial(_same, case.volume), image))
                elif place and (found := closed_case(session, self._homes[place])) is not None:
                    gone.append(found)
            gone += plan.closed
        return [*shown, *(Target(case.load, closed=case) for case in gone)]

    def _on_layers(self) -> None:
        """Say what it means for the training that a layer of it was closed."""
        open_ones, plan, shown = self._session.viewer.layers, self._plan, self._shown
        words = {}
        for part in plan.parts:
            words[part.image] = "the training goes on with what it has read of it"
        if shown is not None and shown.mask is not None:
            words[shown.mask.layer] = "the mask comes back at the end of the training"
            if closed_case(self._session, self._home) is not None and shown.image not in open_ones:
                words = {shown.image: "its masks are in the project at the end of the training"}
        for layer, what in words.items():
            if layer in open_ones:
                self._gone.discard(layer)
            elif layer not in self._gone:
                self._gone.add(layer)
                self._session.note = f"“{layer.name}” was closed: {what}"

    def _show(self, image: Layer, source: Source) -> None:
        """The mask of this scan shows what the training finds, once it has found anything."""
        self._shown = Shown(image, source, self._session.mask_of(image))


def _same(volume: Volume) -> Volume:
    return volume
