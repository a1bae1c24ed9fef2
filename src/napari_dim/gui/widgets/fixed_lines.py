"""Text in a place of a fixed height: what stands below it never moves under the mouse."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QPoint, QSize, Qt
from qtpy.QtGui import QMouseEvent, QResizeEvent, QShowEvent
from qtpy.QtWidgets import QFrame, QLabel, QSizePolicy, QVBoxLayout, QWidget

SPARE = 8
"""Pixels of its width that the style may take: a line more than was reckoned with is cut in two."""

WIDE = 320
"""Pixels that a text is at least wide where all of it is shown."""


class FixedLines(QLabel):
    """So many lines high, whatever it says; what has no room is in its tip, and shown by a click.

    Parameters
    ----------
    lines
        How many; they grow with the font.
    """

    def __init__(self, lines: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines = lines
        self._whole = ""
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    @property
    def whole(self) -> str:
        """All that it has to say."""
        return self._whole

    def say(self, text: str) -> None:
        """Say something else; line breaks become spaces."""
        text = " ".join(text.split())
        if text != self._whole:
            self._whole = text
            self._fit()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Its lines, whatever it says."""
        return QSize(200, self._lines * self.fontMetrics().lineSpacing() + 4)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As narrow as need be, and as high as always."""
        return QSize(60, self.sizeHint().height())

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        """Its lines, at any width."""
        return int(self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Show as much as there is room for."""
        super().resizeEvent(event)
        self._fit()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Only now the window's style has given it its font."""
        super().showEvent(event)
        self.updateGeometry()
        self._fit()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Follow the font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()
            self._fit()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Show all of it."""
        if self.toolTip():
            show_whole(self, self._whole)

    def _fit(self) -> None:
        metrics, width = self.fontMetrics(), max(self.contentsRect().width() - SPARE, 60)
        flags = int(Qt.TextFlag.TextWordWrap)
        room = self.sizeHint().height()
        shown = self._whole
        if any(metrics.horizontalAdvance(word) > width for word in shown.split(" ")):
            middle = Qt.TextElideMode.ElideMiddle
            shown = " ".join(metrics.elidedText(word, middle, width) for word in shown.split(" "))
        while shown and metrics.boundingRect(0, 0, width, 0, flags, shown).height() > room:
            shown = shown.rstrip("… ").rpartition(" ")[0] + " …"
            if " " not in shown.rstrip("… "):
                break
        self.setText(shown)
        self._offer(self._whole if shown != self._whole else "")

    def _offer(self, whole: str) -> None:
        """What has no room can be read by hovering over it, and by a click."""
        self.setToolTip(whole)
        hand = Qt.CursorShape.PointingHandCursor if whole else Qt.CursorShape.ArrowCursor
        self.setCursor(hand)


class ElidedLabel(QLabel):
    """One line; where it is too long its middle goes: its tip says all, and a click shows it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, text: str) -> None:
        """Say something else."""
        self._whole = text
        self.setToolTip(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Show as much as there is room for."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Follow the font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Show all of it."""
        if self.text() != self._whole:
            show_whole(self, self._whole)

    def _fit(self) -> None:
        middle, room = Qt.TextElideMode.ElideMiddle, self.contentsRect().width()
        self.setText(self.fontMetrics().elidedText(self._whole, middle, max(room - 2, 20)))


def show_whole(widget: QWidget, text: str) -> QFrame:
    """Show a text below a widget until something else is clicked; it can be selected and copied."""
    frame = QFrame(widget, Qt.WindowType.Popup)
    frame.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    frame.setObjectName("whole")
    frame.setStyleSheet("#whole { border: 1px solid palette(mid); }")  # it lies over the window
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse
        | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    column = QVBoxLayout(frame)
    column.addWidget(label)
    frame.setFixedWidth(max(widget.width(), WIDE))
    frame.move(widget.mapToGlobal(QPoint(0, widget.height())))
    frame.show()
    return frame
