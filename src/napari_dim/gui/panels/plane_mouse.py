"""What the mouse does over a linked view: the tool in the hand, slices, zoom, the crosshair.

The same gestures as over the canvas: the wheel goes through this view's slices, Ctrl-wheel
zooms, Shift-wheel sizes the brush, the right button erases, Ctrl-drag sets window and level,
Space-drag moves the view. Without a drawing tool in the hand a drag moves the crosshair.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QWidget

from napari_dim.errors import InputError
from napari_dim.gui.commands.contrast_commands import shown_image
from napari_dim.gui.keys import told
from napari_dim.gui.logic.contrast_windows import dragged, limits_words
from napari_dim.gui.mouse import ZOOM, size_brush
from napari_dim.gui.preferences import preferences
from napari_dim.gui.session import Session
from napari_dim.gui.state.crosshair import Crosshair
from napari_dim.gui.tools.cross_strokes import CrossStroke, fill
from napari_dim.gui.widgets.plane_view import PlaneView

LEFT, MIDDLE, RIGHT = (
    Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton,
)  # fmt: skip
_CTRL, _SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
DRAWING = ("paint", "erase", "fill", "pick")
"""The modes of napari's that work in any plane."""
NOTCH = 120
"""What Qt calls one notch of the wheel."""
Move = Callable[[QMouseEvent], None]


class PlaneMouse(QObject):
    """Hears the mouse over linked views.

    Parameters
    ----------
    session
        The session of the viewer.
    crosshair
        What the views show.
    canvas
        napari's canvas, which keeps the keys.
    parent
        What it lives as long as.
    """

    def __init__(
        self, session: Session, crosshair: Crosshair, canvas: QWidget, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._session, self._crosshair, self._canvas = session, crosshair, canvas
        self._move: Move | None = None
        self._stroke: CrossStroke | None = None
        self._over: PlaneView | None = None
        self._space = False
        self._turned = 0.0
        canvas.installEventFilter(self)

    def hear(self, view: PlaneView) -> None:
        """Hear the mouse over a view."""
        view.pressed.connect(lambda event: self._on_press(view, event))
        view.moved.connect(lambda event: self._on_move(event))
        view.released.connect(lambda event: self.let_go())
        view.turned.connect(lambda event: self._on_wheel(view, event))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Know whether Space is down."""
        space = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Space
        if space and not event.isAutoRepeat():
            self._space = event.type() == QEvent.Type.KeyPress
        return False

    @property
    def mode(self) -> str:
        """The mode of the mask, if it is what tools are for; else that of moving about."""
        labels = self._session.labels
        active = self._session.viewer.layers.selection.active
        if labels is None or labels is not active or not labels.visible:
            return "pan_zoom"
        return str(labels.mode)

    @property
    def draws(self) -> bool:
        """Whether the brush or the eraser is in the hand."""
        return self.mode in ("paint", "erase") and self._session.tool is None

    @property
    def _erases(self) -> bool:
        """Whether the right button erases."""
        return self.draws and self.mode == "paint" and preferences().mouse

    def let_go(self) -> None:
        """A gesture has ended, or something else came between."""
        self._move = self._over = None
        stroke, self._stroke = self._stroke, None
        if stroke is not None:
            text = stroke.end()
            if text:
                self._session.say(text)

    def _on_press(self, view: PlaneView, event: QMouseEvent) -> None:
        self._canvas.setFocus()
        if view.plane is None or self._move is not None:
            return
        held = event.modifiers() & (_CTRL | _SHIFT)
        button = event.button()
        with told(self._session):
            if button == LEFT and self._space:
                self._move = self._panning(view, event)
            elif button == MIDDLE or (button == LEFT and held == _CTRL | _SHIFT):
                self._aim(view, event)
            elif button == LEFT and held == _CTRL:
                self._move = self._windowing(event)
            elif button == LEFT:
                self._use(view, event)
            elif button == RIGHT and not held and self._erases:
                self._begin_stroke(view, event, erase=True)

    def _on_move(self, event: QMouseEvent) -> None:
        if self._move is not None and event.buttons() == Qt.MouseButton.NoButton:
            self.let_go()  # the release went elsewhere, as to a dialog
        if self._move is not None:
            with told(self._session):
                self._move(event)

    def _use(self, view: PlaneView, event: QMouseEvent) -> None:
        """Use the tool in the hand."""
        mode, mask = self.mode, self._session.mask
        if mode == "pan_zoom" and self._session.tool is None:
            self._aim(view, event)
            return
        if mask is None or self._session.tool is not None or mode not in DRAWING:
            raise InputError(
                "this tool draws in the scan's own slices",
                hint="Take the brush (2), the eraser (1) or the filler (4) to draw in this view",
            )
        place = view.place(event.position())
        assert view.plane is not None
        if mode == "fill":
            self._session.say(fill(mask, view.plane, view.number, place))
        elif mode == "pick":
            _pick(mask.layer, view.plane.voxel(view.number, place))
        else:
            self._begin_stroke(view, event, erase=mode == "erase")

    def _begin_stroke(self, view: PlaneView, event: QMouseEvent, *, erase: bool) -> None:
        mask = self._session.mask
        assert mask is not None
        assert view.plane is not None
        stroke = CrossStroke(mask, view.plane, view.number, erase=erase)
        self._stroke, self._over = stroke, view
        stroke.go(view.place(event.position()))
        self._move = lambda event: stroke.go(view.place(event.position()))

    def _aim(self, view: PlaneView, event: QMouseEvent) -> None:
        def move(event: QMouseEvent) -> None:
            assert view.plane is not None
            at = view.plane.voxel(view.number, view.place(event.position()))
            self._crosshair.go(*at)

        move(event)
        self._move = move

    def _panning(self, view: PlaneView, event: QMouseEvent) -> Move:
        last = [event.position()]

        def move(event: QMouseEvent) -> None:
            by = event.position() - last[0]
            last[0] = event.position()
            if view.glass is not None:
                view.glass = view.glass.moved(np.array([by.y(), by.x()]))

        return move

    def _windowing(self, event: QMouseEvent) -> Move:
        image = shown_image(self._session)
        low, high = (float(value) for value in image.contrast_limits)
        begun = event.position()

        def move(event: QMouseEvent) -> None:
            by = event.position() - begun
            image.contrast_limits = dragged((low, high), by.x(), -by.y())
            self._session.say(f"Window: {limits_words(image.contrast_limits)}")

        return move

    def _on_wheel(self, view: PlaneView, event: QWheelEvent) -> None:
        if view.plane is None or view.glass is None:
            return
        if event.buttons() != Qt.MouseButton.NoButton:
            return  # a stroke stays in its slice
        delta = event.angleDelta()  # some systems turn it sideways while a key is held
        turned = (delta.y() or delta.x()) / NOTCH
        held = event.modifiers() & (_CTRL | _SHIFT)
        ours = preferences().mouse
        if held == _SHIFT:
            if ours and self._session.labels is not None:
                size_brush(self._session.labels, turned)
        elif bool(held == _CTRL) == ours:
            seen = event.position()
            view.glass = view.glass.nearer(ZOOM**turned, np.array([seen.y(), seen.x()]))
        elif held in (_CTRL, Qt.KeyboardModifier.NoModifier):
            self._scroll(view.plane.along, turned)

    def _scroll(self, axis: int, turned: float) -> None:
        """Go through the planes of a view; a touchpad turns by less than a notch."""
        self._turned -= float(np.clip(turned, -1, 1))
        steps = int(self._turned)
        if steps:
            self._turned -= steps
            at = list(self._crosshair.at)
            at[axis] += steps
            self._crosshair.go(*at)


def _pick(layer: Labels, voxel: np.ndarray) -> None:
    at = np.rint(voxel).astype(int)
    if ((at >= 0) & (at < layer.data.shape)).all():
        layer.selected_label = int(layer.data[tuple(at)])
