"""A scan in mm beside a picture in pixels: no warning of napari's, which mixes nothing."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from napari.layers import Layer
from napari.utils.notifications import notification_manager

WARNED = "Inconsistent units across layers"


class UnitsOfScans:
    """Lets napari warn of units that differ only where layers beside one scan differ.

    It warns at each layer that comes or goes, our own of strokes included, as long as both are
    open; but scans are shown one at a time, and each is in its own units.

    Parameters
    ----------
    viewer
        The viewer; it is not kept alive.
    another
        Whether a layer is a scan that is not worked on: just opened, it is shown for a moment.
    """

    def __init__(self, viewer: Any, another: Callable[[Layer], bool]) -> None:
        self._another = another
        self._viewer = weakref.ref(viewer)
        notification_manager.notification_ready.connect(self._on_note, position="first")

    def _on_note(self, note: Any) -> None:
        viewer = self._viewer()
        if viewer is None or not str(note.message).startswith(WARNED):
            return
        shown = [one for one in viewer.layers if one.visible and not self._another(one)]
        note.blocked = len({str(unit) for one in shown for unit in one.units}) < 2
