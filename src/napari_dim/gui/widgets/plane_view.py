"""A plane on the screen: its picture, the crosshair, the patient's sides, the ring of the brush."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QEnterEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_dim.gui.logic.cross_planes import CrossPlane, Glass

LINE = ("#0C8C80", "#35E0D0")
"""Colour of the crosshair on light and on dark: of no class."""
INK = ("#202020", "#F2F2F2")
"""Colour of text on light and on dark."""
GAP = 9
"""Pixels around its middle that stay free."""
_SHADE = QColor(0, 0, 0, 150)


class PlaneView(QWidget):
    """Shows a plane; what the mouse does over it is for others.

    Parameters
    ----------
    paint
        Makes the picture: of `glass`, whose size is in pixels of the screen.

    Attributes
    ----------
    plane
        What is shown; None shows nothing.
    number
        Which of these planes.
    cross
        Where the crosshair stands in the plane, ``(down, right)``.
    ring
        Diameter of the brush in units of `CrossPlane.spacing`; 0 for none.
    caption
        What stands in the upper corner.
    background
        Colour around the scan.
    """

    pressed = Signal(QMouseEvent)
    moved = Signal(QMouseEvent)
    released = Signal(QMouseEvent)
    turned = Signal(QWheelEvent)

    def __init__(self, paint: Callable[[PlaneView, Glass], np.ndarray]) -> None:
        super().__init__()
        self._paint = paint
        self.plane: CrossPlane | None = None
        self.number = 0
        self.cross = np.zeros(2)
        self.ring = 0.0
        self.caption = ""
        self.background = QColor("black")
        self._glass: Glass | None = None
        self._image: QImage | None = None
        self._held: np.ndarray | None = None
        self._mouse: QPointF | None = None
        self.setMouseTracking(True)
        self.setMinimumSize(140, 80)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def sizeHint(self) -> QSize:  # noqa: N802
        """As large as is useful beside a scan."""
        return QSize(320, 260)

    def show_plane(self, plane: CrossPlane | None) -> None:
        """Show another plane, all of it."""
        if plane != self.plane:
            self.plane = plane
            self._glass = None
        self.renew()

    @property
    def glass(self) -> Glass | None:
        """How the plane lies on the widget; None while there is none."""
        if self.plane is None:
            return None
        size = (max(1, self.height()), max(1, self.width()))
        if self._glass is None:
            self._glass = Glass.fitted(self.plane, size)
        elif self._glass.size != size:
            self._glass = self._glass.resized(size)
        return self._glass

    @glass.setter
    def glass(self, glass: Glass) -> None:
        self._glass = glass
        self.renew()

    def renew(self) -> None:
        """What is shown has changed: it is painted anew as soon as it is seen."""
        self._image = None
        self.update()

    def place(self, seen: QPointF) -> np.ndarray:
        """The place in the plane, ``(down, right)``, at a point of the widget."""
        glass = self.glass
        assert glass is not None
        return glass.to_plane(np.array([seen.y(), seen.x()]))

    def seen(self, place: np.ndarray) -> QPointF:
        """Where on the widget a place in the plane is."""
        glass = self.glass
        assert glass is not None
        down, right = glass.to_screen(place)
        return QPointF(float(right), float(down))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Paint the plane, and what lies over it."""
        painter = QPainter(self)
        glass = self.glass
        if glass is None:
            painter.fillRect(self.rect(), self.background)
            return
        if self._image is None:
            self._image = self._made(glass)
        painter.drawImage(0, 0, self._image)
        room, dark = QRectF(self.rect()), is_dark(self.background)
        draw_cross(painter, room, self.seen(self.cross), dark)
        assert self.plane is not None
        corner = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
        draw_text(painter, room.adjusted(6, 4, -6, -4), self.caption, corner, dark)
        taken = 6 + painter.fontMetrics().horizontalAdvance(self.caption)
        draw_edges(painter, room, self.plane.edges, dark, taken)
        if self.ring and self._mouse is not None and self.underMouse():
            self._draw_ring(painter, glass)

    def _made(self, glass: Glass) -> QImage:
        fine = float(self.devicePixelRatioF())
        size = (round(glass.size[0] * fine), round(glass.size[1] * fine))
        whole = Glass(glass.plane, size, glass.zoom * fine, glass.middle)
        self._held = np.ascontiguousarray(self._paint(self, whole))
        image = QImage(self._held.data, size[1], size[0], 4 * size[1], QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(fine)
        return image

    def _draw_ring(self, painter: QPainter, glass: Glass) -> None:
        radius = self.ring / 2 * glass.zoom
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, wide in ((_SHADE, 2.5), (QColor("white"), 1.0)):
            painter.setPen(QPen(colour, wide))
            painter.drawEllipse(self._mouse, radius, radius)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Keep the whole plane in sight if it was."""
        super().resizeEvent(event)
        self.renew()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """A button went down."""
        self._follow(event)
        self.pressed.emit(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """The mouse moved, with a button down or not."""
        self._follow(event)
        self.moved.emit(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """A button is up."""
        self._follow(event)
        self.released.emit(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """The wheel was turned."""
        self.turned.emit(event)
        event.accept()

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802
        """The ring comes with the mouse."""
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: object) -> None:  # noqa: N802
        """The ring goes."""
        super().leaveEvent(event)
        self._mouse = None
        self.update()

    def _follow(self, event: QMouseEvent) -> None:
        self._mouse = event.position()
        if self.ring:
            self.update()


def is_dark(colour: QColor) -> bool:
    """Whether light lines are seen better on a colour than dark ones."""
    return bool(colour.lightness() < 128)


def draw_cross(painter: QPainter, room: QRectF, at: QPointF, dark: bool) -> None:
    """Two thin lines through a point, which itself stays free."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    x, y = round(at.x()) + 0.5, round(at.y()) + 0.5
    lines = (
        (QPointF(room.left(), y), QPointF(x - GAP, y)),
        (QPointF(x + GAP, y), QPointF(room.right(), y)),
        (QPointF(x, room.top()), QPointF(x, y - GAP)),
        (QPointF(x, y + GAP), QPointF(x, room.bottom())),
    )
    colour = QColor(LINE[dark])
    colour.setAlpha(180)
    painter.setPen(QPen(colour, 1))
    for start, end in lines:
        if start.x() <= end.x() and start.y() <= end.y():
            painter.drawLine(start, end)


def draw_edges(painter: QPainter, room: QRectF, letters: str, dark: bool, taken: float = 0) -> None:
    """The patient's sides at the top, bottom, left and right.

    At the top so many pixels from the left on are `taken`.
    """
    middle, centre = Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignVCenter
    flags = (
        Qt.AlignmentFlag.AlignTop | middle, Qt.AlignmentFlag.AlignBottom | middle,
        Qt.AlignmentFlag.AlignLeft | centre, Qt.AlignmentFlag.AlignRight | centre,
    )  # fmt: skip
    aside = max(0.0, 2 * (taken + 14) - room.width())  # from the middle to the free part
    for letter, flag in zip(letters, flags, strict=False):
        free = room.adjusted(6, 4, -6, -4)
        if flag == flags[0]:
            free = free.translated(aside / 2, 0)
        draw_text(painter, free, letter, flag, dark)


def draw_text(
    painter: QPainter, room: QRectF, text: str, where: Qt.AlignmentFlag, dark: bool
) -> None:
    """Text with a rim, which is read on any scan."""
    rim = QColor(INK[not dark])
    rim.setAlpha(150)
    painter.setPen(rim)
    for step in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        painter.drawText(room.translated(*step), where, text)
    painter.setPen(QColor(INK[dark]))
    painter.drawText(room, where, text)
