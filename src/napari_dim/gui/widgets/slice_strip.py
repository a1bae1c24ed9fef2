"""All slices of a scan at a glance: what is known of each, and where to look next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontInfo,
    QFontMetrics,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
)
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_dim.states import FREE, SliceState

# Okabe and Ito's colours, which colour-blind people can tell apart; the letters say the same.
COLOURS = {
    SliceState.UNTOUCHED: "#808080",
    SliceState.PAINTED: "#0072B2",
    SliceState.PARTIAL: "#E69F00",
    SliceState.MACHINE: "#56B4E9",
    SliceState.ACCEPTED: "#009E73",
    SliceState.CORRECTED: "#CC79A7",
    SliceState.EMPTY: "#003D66",
    SliceState.FILLED: "#A8DDC9",
    SliceState.ACCEPTED_PART: "#8C9A2E",
}
LETTERS = {
    SliceState.UNTOUCHED: "·",
    SliceState.PAINTED: "P",
    SliceState.PARTIAL: "½",
    SliceState.MACHINE: "m",
    SliceState.ACCEPTED: "A",
    SliceState.CORRECTED: "C",
    SliceState.EMPTY: "0",
    SliceState.FILLED: "f",
    SliceState.ACCEPTED_PART: "a",
}
WORDS = {
    SliceState.UNTOUCHED: "not labelled",
    SliceState.PAINTED: "painted: all of it counts",
    SliceState.PARTIAL: "partial: only painted pixels count",
    SliceState.MACHINE: "the machine's, not accepted yet",
    SliceState.ACCEPTED: "accepted as it was",
    SliceState.CORRECTED: "corrected by a person: all of it counts",
    SliceState.EMPTY: "confirmed: background only",
    SliceState.FILLED: "filled in, not confirmed yet",
    SliceState.ACCEPTED_PART: "the machine's, accepted in part: only what is shown counts",
}
MISSING = "missing from the series: what is drawn here is exported, and not learnt from"
"""What is said of a slice that the scan lacks, and its letter."""
LACKED = "×"
DOUBT = "#D55E00"
STAR = "#F0E442"
STAR_EDGE = "#7A6A00"
LEAST_BAR = 3
LEAST_LETTER = 8
"""Pixels of the smallest letters that can be read."""
FAINT = 0.22
"""How much of the text's colour the ground of a cell has: seen on dark and light windows."""


@dataclass(frozen=True)
class Slices:
    """What the strip shows of a scan.

    Attributes
    ----------
    states
        One `SliceState` a slice, ``(slice,)``.
    areas
        Size of what is labelled or predicted in each slice, any unit, ``(slice,)``.
    doubt
        How unsure the model is of each slice, in [0, 1]; NaN where it has not said.
    suggested
        Slice number -> why it should be labelled next.
    missing
        Slices that the scan lacks.
    """

    states: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    areas: np.ndarray = field(default_factory=lambda: np.zeros(0))
    doubt: np.ndarray = field(default_factory=lambda: np.zeros(0))
    suggested: dict[int, str] = field(default_factory=dict)
    missing: frozenset[int] = frozenset()


class SliceStrip(QWidget):
    """One cell a slice: colour is its state, height its size, the line the model's doubt."""

    clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._slices = Slices()
        self._current = 0
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("slices")

    @property
    def slices(self) -> Slices:
        """What it shows."""
        return self._slices

    def show_slices(self, slices: Slices) -> None:
        """Show another scan, or another state of it."""
        self._slices = slices
        self.update()

    def show_current(self, number: int) -> None:
        """Mark the slice on the screen."""
        if number != self._current:
            self._current = number
            self.update()

    def slice_at(self, x: float) -> int:
        """The number of the slice under a place along the strip."""
        count = len(self._slices.states)
        return int(np.clip(x * count / max(1, self.width()), 0, max(0, count - 1)))

    def text_of(self, number: int) -> str:
        """What is known of a slice, in words."""
        slices = self._slices
        state = SliceState(int(slices.states[number]))
        lines = [f"slice {number}: {MISSING if number in slices.missing else WORDS[state]}"]
        if slices.areas[number]:
            lines.append(f"{int(slices.areas[number]):,} pixels")
        if number < len(slices.doubt) and np.isfinite(slices.doubt[number]):
            lines.append(f"the model's doubt: {slices.doubt[number]:.0%}")
        if number in slices.suggested:
            lines.append(f"★ label this next: {slices.suggested[number]}")
        return "\n".join(lines)

    def sizeHint(self) -> QSize:  # noqa: N802
        """As wide as there is room for; as high as its letters and numbers need."""
        return QSize(300, 46 + 2 * self._line)

    @property
    def _line(self) -> int:
        return int(self.fontMetrics().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw the cells; of slices that share a pixel, the one that matters most."""
        slices, count = self._slices, len(self._slices.states)
        if not count:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width, line = self.width() / count, self._line
        small = self._fitting(width)
        letters = small is not None
        top, bottom = 13.0, self.height() - line - (line if letters else 2.0)
        largest = max(float(slices.areas.max()), 1.0)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlphaF(FAINT)
        hatched = QBrush(text, Qt.BrushStyle.BDiagPattern)
        step = max(1, int(np.ceil(1 / width)))
        for first in range(0, count, step):
            group = np.arange(first, min(first + step, count))
            state = SliceState(int(max(slices.states[group], key=_weight)))
            share = float(slices.areas[group].max()) / largest
            least = LEAST_BAR if state in FREE else 9
            height = least + (bottom - top - least) * share
            left, wide = first * width, max(step * width - (1 if width > 3 else 0), 1.0)
            painter.fillRect(QRectF(left, top, wide, bottom - top), faint)
            if state != SliceState.UNTOUCHED:
                bar = QRectF(left, bottom - height, wide, height)
                painter.fillRect(bar, QColor(COLOURS[state]))
            lacked = slices.missing.issuperset(group.tolist())
            if lacked:
                painter.fillRect(QRectF(left, top, wide, bottom - top), hatched)
            if small is not None:
                painter.setFont(small)
                painter.setPen(text)
                place = QRectF(left, bottom, wide, line)
                letter = LACKED if lacked else LETTERS[state]
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, letter)
        self._draw_numbers(painter, width, text)
        self._draw_doubt(painter, width, top, bottom)
        painter.setPen(QPen(QColor(STAR_EDGE), 0.8))  # seen on a light window, too
        painter.setBrush(QColor(STAR))
        for number in slices.suggested:
            painter.drawPolygon(_star(QPointF((number + 0.5) * width, 6.5), 6.0))
        middle = (self._current + 0.5) * width
        half = max(width / 2, 1.5)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(text, 1.6))
        painter.drawRect(QRectF(middle - half, top - 1, 2 * half, bottom - top + 2))

    def _fitting(self, width: float) -> QFont | None:
        """A font in which a letter fits into a cell; None where none could be read."""
        font = QFont(self.font())
        size = QFontInfo(font).pixelSize()
        while QFontMetrics(font).horizontalAdvance("m") > width - 1:
            size -= 1
            if size < LEAST_LETTER:
                return None
            font.setPixelSize(size)
        return font

    def _draw_numbers(self, painter: QPainter, width: float, text: QColor) -> None:
        """Numbers of slices as on a ruler, and that of the slice on the screen in bold."""
        count, line = len(self._slices.states), self._line
        metrics = self.fontMetrics()
        room = metrics.horizontalAdvance(str(count)) + 4
        every = next(n for n in _ruler() if n * width >= room)
        top = self.height() - line
        font, bold = QFont(self.font()), QFont(self.font())
        bold.setBold(True)

        def draw(number: int, font: QFont) -> QRectF:
            wide = metrics.horizontalAdvance(str(number)) + 3
            middle = (number + 0.5) * width
            left = min(max(middle - wide / 2, 0.0), self.width() - wide)
            painter.setFont(font)
            place = QRectF(left, top, wide, line)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, str(number))
            return place

        painter.setPen(text)
        here = draw(self._current, bold)
        faded = QColor(text)
        faded.setAlphaF(0.65)
        painter.setPen(faded)
        for number in range(0, count, every):
            if abs((number + 0.5) * width - here.center().x()) > room:
                draw(number, font)
        painter.setFont(font)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Go to the slice under the mouse."""
        self._go(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Drag through the slices, or say what is under the mouse."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._go(event)
        elif len(self._slices.states):
            number = self.slice_at(event.position().x())
            QToolTip.showText(event.globalPosition().toPoint(), self.text_of(number), self)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Follow napari's theme."""
        super().changeEvent(event)
        self.updateGeometry()
        self.update()

    def _go(self, event: QMouseEvent) -> None:
        if len(self._slices.states):
            self.clicked.emit(self.slice_at(event.position().x()))

    def _draw_doubt(self, painter: QPainter, width: float, top: float, bottom: float) -> None:
        doubt = self._slices.doubt
        known = np.flatnonzero(np.isfinite(doubt))
        if not known.size:
            return
        largest = max(float(doubt[known].max()), 1e-6)
        painter.setPen(QPen(QColor(DOUBT), 1.4))
        points = [
            QPointF((n + 0.5) * width, bottom - (bottom - top) * float(doubt[n]) / largest)
            for n in known
        ]
        painter.drawPolyline(QPolygonF(points))


def _weight(state: int) -> int:
    """Of states that share a pixel, a person's work is shown before the machine's."""
    order = (
        SliceState.UNTOUCHED, SliceState.MACHINE, SliceState.FILLED,
        SliceState.ACCEPTED_PART, SliceState.PARTIAL, SliceState.ACCEPTED, SliceState.EMPTY,
        SliceState.CORRECTED, SliceState.PAINTED,
    )  # fmt: skip
    return order.index(SliceState(int(state)))


def _ruler() -> Iterator[int]:
    """Steps between numbers: 1, 2, 5, 10, 20, 50, ..."""
    unit = 1
    while True:
        yield from (unit, 2 * unit, 5 * unit)
        unit *= 10


def _star(centre: QPointF, radius: float) -> QPolygonF:
    points = []
    for corner in range(10):
        angle = np.pi * corner / 5 - np.pi / 2
        long = radius if corner % 2 == 0 else radius * 0.45
        points.append(QPointF(centre.x() + long * np.cos(angle), centre.y() + long * np.sin(angle)))
    return QPolygonF(points)
