"""Prediction in one viewer: a model and scans in, their masks out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer

from napari_dim.engine.training.events import Failed
from napari_dim.errors import InputError
from napari_dim.gui.background_task import Emit
from napari_dim.gui.commands.slice_commands import renew_answer, renew_suggestions
from napari_dim.gui.jobs.training_plan import Part, case_of
from napari_dim.gui.layers.image_layers import add_layer, image_tuples, layer_volume
from napari_dim.gui.session import Session
from napari_dim.gui.storage.closed_cases import ClosedCase, Merged, closed_case
from napari_dim.gui.storage.last_model import Home, doubts_of, maker_of
from napari_dim.gui.work import Activity, spare_threads
from napari_dim.io import read_volume
from napari_dim.states import WHOLE
from napari_dim.volume import Volume
from napari_dim.words import count as counted

if TYPE_CHECKING:
    from napari_dim.data.case import Case
    from napari_dim.engine.inference.predictor import Prediction
    from napari_dim.engine.inference.trained_model import Model


@dataclass(frozen=True)
class Target:
    """One scan to segment: how to read it, and where it is shown or kept, if anywhere."""

    load: Callable[[], Volume]
    layer: Layer | None = None
    closed: ClosedCase | None = None


@dataclass(frozen=True)
class Order:
    """All that one prediction needs, fixed when it starts.

    `model` is a trained model, or the run folder to load one from.
    """

    model: Model | Path
    targets: Sequence[Target]
    device: str = "auto"
    threads: int = 0


@dataclass(frozen=True)
class _Share:
    value: float


@dataclass(frozen=True)
class _Predicted:
    target: Target
    volume: Volume
    found: Prediction
    model: Model
    merged: Merged | None = None


@dataclass(frozen=True)
class _LeftOut:
    """Why a case that is not open was not segmented."""

    why: str


@dataclass(frozen=True)
class _Done:
    count: int


class _CancelledError(Exception):
    """The user cancelled, from within a callback of the engine."""


def _labelled(session: Session, image: Layer | None) -> Case | None:
    """An open scan with slices that its masks may lean on; None without."""
    mask = None if image is None else session.mask_of(image)
    if image is None or mask is None or np.isin(mask.states, WHOLE).sum() < 2:
        return None
    try:
        return case_of(Part(image, mask))
    except InputError:  # the prediction itself says so
        return None


def order_for_layer(layer: Layer, model: Model | Path, **how: Any) -> Order:
    """Segment an open scan.

    Raises
    ------
    InputError
        If the layer can't be used.
    """
    volume = layer_volume(layer)
    return Order(model, [Target(lambda: volume, layer)], **how)


def order_for_files(paths: Sequence[Path], model: Model | Path, **how: Any) -> Order:
    """Segment files; each is opened as a layer."""

    def reader(path: Path) -> Callable[[], Volume]:
        return lambda: read_volume(path)

    return Order(model, [Target(reader(Path(path))) for path in paths], **how)


class Predicting:
    """Carries out one order for a session."""

    def __init__(self, session: Session, order: Order) -> None:
        self._session = session
        self._order = order
        self._homes = [Home(session, target.layer) for target in order.targets]
        self._known = [_labelled(session, target.layer) for target in order.targets]
        self._run = order.model if isinstance(order.model, Path) else session.run
        self._cancelled = False
        self._over = False
        self._left_out: list[str] = []

    @classmethod
    def start(cls, session: Session, order: Order) -> Predicting:
        """Start the background thread.

        Raises
        ------
        InputError
            If the session is busy.
        """
        predicting = cls(session, order)
        session.begin("predicting masks", predicting, "Loading the model", Activity.PREDICTING)
        return predicting

    def cancel(self) -> None:
        """End soon; what is predicted already stays."""
        self._cancelled = True

    def work(self, emit: Emit) -> None:
        """In the background thread."""
        from napari_dim.engine.inference.between_labels import BetweenLabels
        from napari_dim.engine.inference.out_of_core import segment
        from napari_dim.engine.inference.trained_model import Model

        order = self._order
        model = Model.load(order.model) if isinstance(order.model, Path) else order.model
        done = 0
        try:
            for number, target in enumerate(order.targets):
                self._check()
                try:
                    volume = target.load()
                except InputError as error:
                    if target.closed is None:
                        raise
                    emit(_LeftOut(str(error)))
                    continue

                def report(share: float, number: int = number) -> None:
                    self._check()
                    emit(_Share((number + share) / len(order.targets)))

                found = segment(
                    model,
                    volume,
                    device=order.device,
                    threads=order.threads or spare_threads(),
                    progress=report,
                )
                known = self._known[number]
                if known is not None and model.settings.lean:
                    found = BetweenLabels(known, model.classes).lean(found, lambda _: self._check())
                if target.layer is not None:
                    doubts = doubts_of(found.entropy, None, found.confidence)
                    self._homes[number].keep_doubts(doubts)
                    self._homes[number].keep_maker(model, self._run)
                merged = None
                if target.closed is not None:
                    try:
                        merged = target.closed.merged(volume, found)
                    except InputError as error:
                        emit(_LeftOut(str(error)))
                        continue
                emit(_Predicted(target, volume, found, model, merged))
                done += 1
        except _CancelledError:
            pass
        emit(_Done(done))

    def _check(self) -> None:
        if self._cancelled:
            raise _CancelledError

    def on_event(self, event: object) -> None:
        """In the window's thread."""
        session = self._session
        match event:
            case _Share():
                session.say(f"Predicting: {event.value:.0%}", share=event.value)
            case _LeftOut():
                self._left_out.append(event.why)
            case _Predicted() if event.target.closed is not None:
                self._keep(event)
            case _Predicted():
                self._show(event)
            case _Done():
                self._over = True
                session.task = None
                whole = counted(len(self._order.targets), "scan")
                text = f"Predicted {event.count} of {whole}"
                text += "".join(f". {why}" for why in self._left_out)
                renew_suggestions(session)
                session.say(f"Cancelled. {text}" if self._cancelled else text, Activity.IDLE, 1.0)
                session.slices_changed.emit()
            case Failed():
                self._over = True
                session.task = None
                session.fail(event)

    def on_end(self) -> None:
        """In the window's thread, after the last event."""
        if not self._over:
            self._session.task = None
            self._session.fail(Failed("Prediction ended without a result", "Please report this"))

    def _keep(self, event: _Predicted) -> None:
        """Keep the masks of a case that is not open; opened meanwhile, they are shown."""
        session, closed, merged = self._session, event.target.closed, event.merged
        assert closed is not None
        assert merged is not None
        project = session.autosave.project
        if project is None or project.folder != closed.folder:
            self._left_out.append(f"{closed.name} was left out: its project was closed")
            return
        shown = [layer for layer in session.scans.layers(Image)
                 if session.autosave.case_of(layer) == closed.name]  # fmt: skip
        if shown:
            self._show(replace(event, target=replace(event.target, layer=shown[0], closed=None)))
        try:
            maker = maker_of(event.model, self._run)
            if shown:
                closed.keep_doubts(project, event.found, maker)
            else:
                closed.keep(project, merged, event.found, event.volume, maker)
        except (InputError, OSError) as error:
            self._left_out.append(f"{closed.name} was left out: {error}")

    def _closed_meanwhile(self, event: _Predicted, image: Layer) -> None:
        """A scan that is closed by now has no layer; a case of the project has its place there."""
        session = self._session
        home = self._homes[self._order.targets.index(event.target)]
        closed = closed_case(session, home)
        if closed is None:
            self._left_out.append(f"{image.name} was left out: it was closed")
            return
        try:
            merged = closed.merged(event.volume, event.found)
        except InputError as error:
            self._left_out.append(str(error))
            return
        target = replace(event.target, layer=None, closed=closed)
        self._keep(replace(event, target=target, merged=merged))

    def _show(self, event: _Predicted) -> None:
        session, image, volume = self._session, event.target.layer, event.volume
        found = event.found
        if image is not None and image not in session.viewer.layers:
            self._closed_meanwhile(event, image)
            return
        if image is None:
            shown = [add_layer(session.viewer, made) for made in image_tuples(volume)]
            image = shown[0]
        mask = session.mask_for(image)
        answer = mask.answer
        answer.entropy[found.slices] = found.entropy
        answer.confidence = found.confidence
        answer.model = event.model
        answer.run = self._run
        kept = mask.take(found.slices, found.mask)
        renew_answer(session)
        if kept:
            from napari.utils.notifications import show_info

            were = "was left as it is" if len(kept) == 1 else "were left as they are"
            show_info(f"{counted(len(kept), 'slice')} that you labelled {were}")
        session.predicted.emit(mask.layer)
