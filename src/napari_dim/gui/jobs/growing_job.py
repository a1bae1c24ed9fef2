"""Filling slices from labelled ones in the background, whatever else goes on."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from napari_dim.engine.training.events import Failed
from napari_dim.errors import InputError
from napari_dim.gui.background_task import Emit, Task
from napari_dim.gui.commands.slice_commands import current, neighbours
from napari_dim.gui.layers.image_layers import layer_source, slice_values
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.logic.growing import (
    Ground,
    Harvest,
    Sown,
    Way,
    carry,
    fill,
    ground,
    grow,
    land,
    require_gap,
    require_mask,
    require_seeds,
)
from napari_dim.gui.session import Session
from napari_dim.words import sentence

_SOWN: weakref.WeakKeyDictionary[MaskLayer, Sown] = weakref.WeakKeyDictionary()


class _CancelledError(Exception):
    """The user cancelled, from within the work."""


@dataclass(frozen=True)
class _Share:
    value: float


class Growing:
    """One piece of growing: from what is labelled now, into the slices that are not.

    Parameters
    ----------
    session
        The session.
    mask
        The mask that grows.
    now
        What it grows from.
    way
        How.

    Attributes
    ----------
    share
        How much is done, in [0, 1].
    """

    def __init__(self, session: Session, mask: MaskLayer, now: Ground, way: Way) -> None:
        self._session, self._mask, self._now, self._way = session, mask, now, way
        self._layer = weakref.ref(mask.layer)
        self._cancelled = False
        self._told = False
        self.share = 0.0
        self._task = Task("filling slices", self)

    def start(self) -> None:
        """Start the background thread."""
        self._session.growing = self
        self._session.growing_changed.emit()
        self._task.start()

    def cancel(self) -> None:
        """End soon; nothing is changed."""
        self._cancelled = True

    def end(self) -> None:
        """End, and say nothing any more: the window closes."""
        self._task.abandon()

    def work(self, emit: Emit) -> None:
        """In the background thread."""

        def report(share: float) -> None:
            if self._cancelled:
                raise _CancelledError
            emit(_Share(share))

        try:
            harvest = self._way(self._now, report)
        except _CancelledError:
            return
        except MemoryError:
            emit(Failed("there is not enough memory to fill so many slices", bad_input=True))
            return
        if not self._cancelled:
            emit(harvest)

    def on_event(self, event: object) -> None:
        """In the window's thread."""
        match event:
            case _Share():
                if event.value >= self.share + 0.01:
                    self.share = event.value
                    self._session.growing_changed.emit()
            case Harvest():
                self._land(event)
            case Failed():
                self._fail(event)

    def on_end(self) -> None:
        """In the window's thread, after the last event."""
        session = self._session
        if session.growing is self:
            session.growing = None
            session.growing_changed.emit()
        if self._cancelled and not self._told:
            session.say("Cancelled: nothing was changed")

    def _land(self, harvest: Harvest) -> None:
        self._told = True
        layer = self._layer()
        if layer is None or layer not in self._session.viewer.layers:
            self._session.say("The mask was closed meanwhile: nothing was filled")
            return
        try:
            landed = land(self._mask, harvest)
        except InputError as error:
            self._warn(sentence(error))
            return
        _SOWN.setdefault(self._mask, Sown()).keep(landed)
        self._session.say(landed.text)

    def _fail(self, failed: Failed) -> None:
        self._told = True
        text = f"{failed.problem}. {failed.hint}" if failed.hint else failed.problem
        if failed.details:
            import logging

            logging.getLogger("napari_dim").error("%s\n%s", failed.problem, failed.details)
        self._warn(f"{text[:1].upper()}{text[1:]}")

    def _warn(self, text: str) -> None:
        from napari.utils.notifications import show_warning

        self._session.say(text)
        show_warning(text)


def fill_between(session: Session) -> str:
    """Fill the slices between labelled ones, from their shapes and from the image."""
    return _start(session, require_gap, fill, "Filling the slices between labelled ones")


def grow_from_seeds(session: Session) -> str:
    """Fill the slices between and around labelled slices and slices of strokes."""
    return _start(session, require_seeds, grow, "Growing from what is labelled")


def carry_on(session: Session) -> str:
    """Carry the mask of the slice on the screen on into its neighbours."""
    here = current(session)
    return _start(
        session, partial(require_mask, here=here), partial(carry, here=here),
        f"Carrying slice {here} on",
    )  # fmt: skip


def _start(session: Session, check: Callable[[Ground], None], way: Way, what: str) -> str:
    mask, image = session.mask, session.image
    if mask is None or image is None:
        raise InputError("the scan has no mask yet", hint="Press New and paint some slices")
    if not neighbours(session):
        raise InputError("these are pictures of their own: none says anything of the next one")
    if session.growing is not None:
        raise InputError("slices are being filled already", hint="Wait for it, or cancel it")
    grid = layer_source(image).grid
    sown = _SOWN.get(mask, Sown()).of(mask)
    now = ground(mask, partial(slice_values, image), grid.spacing, sown)
    check(now)
    Growing(session, mask, now, way).start()
    return f"{what}…"
