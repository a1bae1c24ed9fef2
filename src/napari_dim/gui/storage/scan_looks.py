"""What is kept of how a scan is looked at: its window and level, and what was measured in it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import CHANNEL, contrast_of
from napari_dim.gui.logic.contrast_windows import CT, Limits, shows_something
from napari_dim.gui.storage.waker import Waker

if TYPE_CHECKING:
    from napari_dim.gui.session import Session
    from napari_dim.project import Project

SOON = 800
"""Milliseconds after a change until it is written."""


class ScanLooks:
    """Keeps with each case of a project, or of the recovery folder, how it is looked at.

    Parameters
    ----------
    session
        Whose scans; not kept alive.
    """

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self._set: weakref.WeakSet[Layer] = weakref.WeakSet()  # whose window a person has changed
        self._known: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._soon = Waker(self.keep, SOON)
        session.layers_changed.connect(self._on_layers)
        session.measured.connect(self.wake)
        self._on_layers()

    def keep(self) -> None:
        """Write what has changed; why it can't be is told where strokes are."""
        session = self._session()
        if session is None or session.autosave is None:
            return
        try:
            images = session.scans.layers(Image)
        except RuntimeError:  # the viewer is gone, and all was written when it went
            return
        for image in images:
            rulers = session.rulers_of(image).done if _channel(image) == 0 else None
            place = session.autosave.place_of(image)
            if place is None and rulers:
                place = session.autosave.place_beside(image)
            project, name = place or (None, "")
            if project is None or project.read_only:
                continue
            case = project.case(name)
            wanted: dict[str, Any] = {}
            if image in self._set and not image.rgb:
                low, high = (float(value) for value in image.contrast_limits)
                wanted["windows"] = {**case.windows, _channel(image): (low, high)}
            if rulers is not None:
                wanted["rulers"] = tuple(rulers)
            if any(getattr(case, key) != value for key, value in wanted.items()):
                try:
                    project.update_case(name, **wanted)
                except InputError:
                    return  # the disk is full or gone: strokes say so, and it is tried again
        self._set.clear()

    def back(self, image: Image, project: Project, name: str) -> None:
        """Show a scan of a case as it was left; one that was never set, as the others are.

        A window for CT that was chosen last in the project is that of all its scans whose values
        it shows; without one each scan has its automatic window.
        """
        session, case = self._session(), project.case(name)
        if session is None:
            return
        if case.rulers and _channel(image) == 0:
            session.rulers_of(image).start(case.rulers)
        if image.rgb:
            return
        kept = case.windows.get(_channel(image))
        usual = next((one.limits for one in CT if one.name == project.window), None)
        if kept is not None and kept[0] < kept[1]:
            self._show(image, kept)
        elif usual is not None and shows_something(usual, contrast_of(image)):
            self._show(image, usual)

    def prefer(self, window: str) -> None:
        """Remember which window for CT the scans of the open project are looked at in; "": none."""
        session = self._session()
        project = None if session is None else session.autosave.project
        if project is not None and not project.read_only:
            project.window = window

    def _show(self, image: Image, limits: Limits) -> None:
        image.contrast_limits = limits
        self._set.discard(image)

    def _on_layers(self) -> None:
        session = self._session()
        for image in () if session is None else session.scans.layers(Image):
            if image not in self._known:
                self._known.add(image)
                image.events.contrast_limits.connect(self._on_window)

    def _on_window(self, event: Any) -> None:
        self._set.add(event.source)
        self.wake()

    def wake(self) -> None:
        """Something may have changed, as where a scan is kept: look soon."""
        self._soon.wake()


def _channel(image: Layer) -> int:
    """Which of several channels a layer shows, from 0."""
    return int(image.metadata.get(CHANNEL, 0))
