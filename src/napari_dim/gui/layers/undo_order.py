"""One order of undoing for the labels and the prediction of a scan.

napari undoes what was done last in the layer that is selected. An annotator who accepts a
slice and goes on to correct the next one works in two layers, and wants the last step back,
whichever it was made in.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from app_model.types import KeyCode, KeyMod
from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding

from napari_dim.gui.layers.annotation import painted_slices
from napari_dim.gui.layers.image_layers import current_slice, go_to_slice

if TYPE_CHECKING:
    from napari_dim.gui.controller import Session

UNDO, REDO = KeyMod.CtrlCmd | KeyCode.KeyZ, KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ
"""The keys that napari has for them in a labels layer."""
MOST = 200
"""Steps that are remembered; napari keeps a hundred a layer."""

_Steps = deque[weakref.ref[Labels]]


class UndoOrder:
    """Remembers in which layer each step was made, and binds napari's keys for undo and redo.

    Parameters
    ----------
    session
        Whose layers; not kept alive.
    """

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self._watched: weakref.WeakSet[Labels] = weakref.WeakSet()
        self._done: _Steps = deque(maxlen=MOST)
        self._undone: _Steps = deque(maxlen=MOST)

    def watch(self, layer: Labels) -> None:
        """Remember the steps that are made in a layer from now on."""
        if layer in self._watched:
            return
        self._watched.add(layer)
        layer.events.paint.connect(self._on_paint)
        for key, action in ((UNDO, self.undo), (REDO, self.redo)):
            if coerce_keybinding(key) not in layer.keymap:  # Another plugin's key is left to it.
                layer.bind_key(key, action)

    def undo(self, layer: Labels) -> None:
        """Take back the last step in a layer or in the other one of its scan."""
        self._move(layer, "undo", self._done, self._undone)

    def redo(self, layer: Labels) -> None:
        """Do again what `undo` took back last."""
        self._move(layer, "redo", self._undone, self._done)

    def _move(self, layer: Labels, what: str, steps: _Steps, others: _Steps) -> None:
        """Undo or redo the last of some steps, which is one of the others then."""
        found = _take(steps, self._group(layer)) or layer
        history = getattr(found, f"_{what}_history", None)
        step = history[-1] if history else None
        getattr(found, what)()
        if step is not None:  # Where nothing was left, there is nothing to go back to.
            others.append(weakref.ref(found))
        self._show(found, step)

    def _on_paint(self, event: Any) -> None:
        layer = event.source
        group = self._group(layer)
        while _take(self._undone, group) is not None:
            pass
        self._done.append(weakref.ref(layer))

    def _group(self, layer: Labels) -> list[Labels]:
        """The layers whose steps count as one row of steps."""
        session = self._session()
        if session is None or session.prediction is None or session.labels is None:
            return [layer]
        both = [session.labels, session.prediction.layer]
        return both if any(layer is one for one in both) else [layer]

    def _show(self, layer: Labels, step: Any) -> None:
        """Go where something changed, if it is not on the screen."""
        session = self._session()
        if session is None or step is None or layer not in session.viewer.layers:
            return
        count = 1 if layer.ndim < 3 else layer.data.shape[-3]
        numbers = painted_slices(step, count, layer.ndim)
        if numbers and current_slice(session.viewer, layer) not in numbers:
            go_to_slice(session.viewer, layer, min(numbers))


def _take(steps: _Steps, group: list[Labels]) -> Labels | None:
    """Remove the last step that was made in one of some layers; returns its layer."""
    for place in reversed(range(len(steps))):
        layer = steps[place]()
        if layer is not None and any(layer is one for one in group):
            del steps[place]
            return layer
    return None
