"""The planes through all slices beside the scan: one mask, seen and painted from three sides.

napari's canvas shows the slices; the two others are painted here from the same arrays, by the
colours, windows and orders of the very layers. So there is nothing to keep in step but where
one looks (`Crosshair`), and a stroke in any of them is a stroke on the one layer.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from qtpy.QtCore import QEvent, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QResizeEvent
from qtpy.QtWidgets import QBoxLayout, QStackedLayout, QWidget

from napari_dim.errors import InputError
from napari_dim.gui.layers.crosshair_dims import CrosshairDims
from napari_dim.gui.layers.image_layers import current_slice
from napari_dim.gui.layers.mask_outlines import lines_of
from napari_dim.gui.layers.napari_compat import (
    canvas_directions,
    canvas_of,
    seen_on_canvas,
)
from napari_dim.gui.layers.plane_layers import (
    LOOKS,
    PlanePictures,
    Planes,
    layers_on,
    planes_of_scan,
)
from napari_dim.gui.logic.cross_planes import OBLIQUE, Glass, edge_letters
from napari_dim.gui.panels.plane_mouse import PlaneMouse
from napari_dim.gui.session import Session
from napari_dim.gui.state.crosshair import Crosshair, Place
from napari_dim.gui.tools.cross_strokes import brush_radius
from napari_dim.gui.widgets.canvas_marks import CanvasMarks, Marks
from napari_dim.gui.widgets.plane_view import PlaneView
from napari_dim.gui.widgets.small_widgets import note, while_alive
from napari_dim.words import sentence

SOON = 25
"""Milliseconds that changes are gathered for, so that a stroke elsewhere is not held up."""
PLACED = ("scale", "translate", "rotate", "shear", "affine", "data")
"""Events after which a scan has other proportions."""
RING = ("mode", "brush_size", "n_edit_dimensions", "visible", *PLACED)
"""Events after which the brush may be another one."""
_OBLIQUE = (
    "The planes are those of the scan's voxel grid, which lies {:.0f}° askew in the patient: "
    "nothing is resampled"
)
FINE = 300
"""An outline is a pixel wide for so many pixels of a view."""


class LinkedViews(QWidget):
    """Two planes through all slices, and the crosshair over napari's canvas.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    closed = Signal()
    """A person closed the part of the window that they stand in."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.crosshair = session.crosshair = Crosshair()
        viewer = session.viewer
        canvas = canvas_of(viewer)
        self._link = CrosshairDims(viewer, self.crosshair)
        self._planes: Planes | None = None
        self._left: weakref.WeakKeyDictionary[Layer, Place] = weakref.WeakKeyDictionary()
        self._heard: weakref.WeakSet[Layer] = weakref.WeakSet()
        self.pictures: dict[PlaneView, PlanePictures] = {}
        self.mouse = PlaneMouse(session, self.crosshair, canvas, self)
        self.views = (PlaneView(self._picture), PlaneView(self._picture))
        for view in self.views:
            self.pictures[view] = PlanePictures()
            self.mouse.hear(view)
        self.why = note()
        self.why.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.why.setMargin(12)
        both = QWidget()
        self._order = QBoxLayout(QBoxLayout.Direction.TopToBottom, both)
        self._order.setContentsMargins(0, 0, 0, 0)
        self._order.setSpacing(3)
        for view in self.views:
            self._order.addWidget(view, 1)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(both)
        self._stack.addWidget(self.why)
        self.marks = CanvasMarks(canvas, self._marks)
        self._soon = QTimer(self, singleShot=True, interval=SOON)
        self._soon.timeout.connect(self._renew)
        self.crosshair.moved.connect(self._on_crosshair)
        while_alive(self, session.case_changed, self._on_case)
        while_alive(self, session.layers_changed, self._on_layers)
        while_alive(self, session.slices_changed, self._stale)
        while_alive(self, session.drawing_changed, self._stale)
        while_alive(self, session.tool_changed, self._show_ring)
        while_alive(self, viewer.layers.selection.events.active, self._show_ring)
        while_alive(self, viewer.events.theme, self._on_theme)
        while_alive(self, viewer.camera.events, self._on_canvas)
        for name in ("point", "ndisplay"):
            while_alive(self, getattr(viewer.dims.events, name), self._on_dims)
        while_alive(self, viewer.dims.events.order, self._on_order)
        self._on_theme()
        self._on_layers()
        self._on_case()

    def event(self, event: QEvent) -> bool:
        """Tell when napari takes them out of the window, as at the cross of their title."""
        if event.type() == QEvent.Type.ParentChange and self.parentWidget() is None:
            self.closed.emit()
        return bool(super().event(event))

    def leave(self) -> None:
        """Nothing of the views is left over the canvas; the session knows none any more."""
        self.mouse.let_go()
        if self.session.crosshair is self.crosshair:
            self.session.crosshair = None
        self.marks.hide()
        self.marks.deleteLater()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """The views stand beside each other where there is more room that way."""
        super().resizeEvent(event)
        wide = self.width() > self.height()
        directions = QBoxLayout.Direction
        self._order.setDirection(directions.LeftToRight if wide else directions.TopToBottom)

    def _on_case(self) -> None:
        """Another scan, or another mask of it."""
        self.mouse.let_go()
        image, before = self.session.image, self._link.image
        if before is not None and before is not image:
            self._left[before] = self.crosshair.at
        try:
            if image is None:
                raise InputError("open a scan to see its other planes")
            self._planes = planes_of_scan(image)
        except InputError as error:
            self._planes = None
            self.why.setText(sentence(error))
        usable = image if self._planes is not None else None
        if usable is None or usable is not before or self._turned(usable):
            self._link.use(usable, None if usable is None else self._begin(usable))
        self._stack.setCurrentIndex(0 if usable is not None else 1)
        self._show_planes()

    def _turned(self, image: Image) -> bool:
        """Whether a scan has other slices than before."""
        return tuple(image.data.shape[:3]) != self.crosshair.shape

    def _begin(self, image: Layer) -> Place | None:
        """Where a scan was left; at first in what is labelled, so that the planes show it."""
        mask = self.session.mask
        if image in self._left or mask is None or not mask.areas.any():
            return self._left.get(image)
        here = current_slice(self.session.viewer, image)
        number = here if mask.areas[here] else int(mask.areas.argmax())
        rows, columns = np.nonzero(mask.planes[number])
        return number, int(np.median(rows)), int(np.median(columns))

    def _on_layers(self) -> None:
        """Hear of what changes how a layer looks."""
        for layer in self.session.viewer.layers:
            if layer not in self._heard:
                self._heard.add(layer)
                while_alive(self, layer.events, self._on_layer)
        self._stale()

    def _on_layer(self, event: Any) -> None:
        if event.type in LOOKS:
            self._stale()
        if event.type in PLACED and event.source is self.session.image:
            self._on_case()
        if event.type in RING:
            self._show_ring()

    def _on_dims(self, event: Any = None) -> None:
        self._link.follow()
        self.marks.update()

    def _on_order(self, event: Any = None) -> None:
        """The canvas shows another plane: the one that the crosshair is in."""
        self._link.lead()
        self.marks.update()

    def _on_canvas(self, event: Any = None) -> None:
        self.marks.update()

    def _on_crosshair(self, before: Place) -> None:
        self._link.lead()
        self._show_planes(before)

    def _on_theme(self, event: Any = None) -> None:
        from napari.utils.theme import get_theme

        behind = QColor(get_theme(self.session.viewer.theme).canvas.as_hex())
        for one in (*self.views, self.marks):
            one.background = behind
        self.marks.update()
        self._stale()

    def _stale(self, event: Any = None) -> None:
        """Something looks different: it is painted anew, soon."""
        if not self._soon.isActive():
            self._soon.start()

    def _renew(self) -> None:
        for view in self.views:
            view.renew()

    def _show_planes(self, before: Place | None = None) -> None:
        """Show where the crosshair is; a plane that is the same as `before` is not made anew."""
        planes, at = self._planes, self.crosshair.at
        for axis, view in enumerate(self.views, start=1):
            if planes is None:
                view.show_plane(None)
                continue
            plane = planes.by_axis[axis]
            view.number, view.cross = at[axis], plane.place(at)
            askew = planes.askew >= OBLIQUE
            view.caption = f"{plane.title} {at[axis]}" + (" · oblique" if askew else "")
            view.setToolTip(_OBLIQUE.format(planes.askew) if askew else "")
            if before is None or before[axis] != at[axis]:
                view.show_plane(plane)
            else:
                view.update()
        self._show_ring()
        self.marks.update()

    def _show_ring(self, event: Any = None) -> None:
        labels = self.session.labels
        drawn = labels is not None and labels.ndim == 3 and self.mouse.draws
        for view in self.views:
            view.ring = 2 * brush_radius(labels) if labels is not None and drawn else 0.0
            view.setCursor(Qt.CursorShape.BlankCursor if drawn else Qt.CursorShape.CrossCursor)
            view.update()

    def _picture(self, view: PlaneView, glass: Glass) -> np.ndarray:
        session, image = self.session, self.session.image
        assert image is not None
        mask, solid = session.mask, session.solid
        layers = layers_on(session.viewer.layers, image, {} if solid is None else solid.visible)
        lines: tuple[Layer | None, np.ndarray] = (None, np.zeros(0, int))
        if mask is not None:
            how = {"machines": session.outlined, "all_": session.contours}
            lines = mask.layer, lines_of(mask, **how)
        return self.pictures[view].picture(
            layers,
            glass,
            view.number,
            background=view.background.getRgb()[:3],
            lines=lines,
            wide=max(1, round(min(glass.size) / FINE)),
        )

    def _marks(self) -> Marks | None:
        """The crosshair and the patient's sides on napari's canvas."""
        viewer, image, planes = self.session.viewer, self.session.image, self._planes
        if image is None or planes is None or viewer.dims.ndisplay != 2:
            return None
        start = np.asarray(image.data_to_world((0, 0, 0)), float)
        world = np.zeros(viewer.dims.ndim)
        world[-3:] = image.data_to_world(self.crosshair.at)
        shown = [axis - (viewer.dims.ndim - 3) for axis in viewer.dims.displayed]
        if min(shown) < 0:
            return None
        letters = ""
        if planes.codes:
            steps = [np.asarray(image.data_to_world(tuple(np.eye(3)[a]))) - start for a in shown]
            grows = [float(step[a]) for step, a in zip(steps, shown, strict=True)]
            along = canvas_directions(viewer) * grows > 0
            letters = edge_letters(planes.codes, *shown, *along)
        return seen_on_canvas(viewer, world), letters
