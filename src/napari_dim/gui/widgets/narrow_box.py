"""A box to choose from that may be narrower than the names in it, and shows both their ends."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QHelpEvent, QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
)


class NarrowBox(QComboBox):
    """Its longest entry does not push the panel wider.

    Scans of one study differ at the end of their names: of one that has no room, the middle is
    left out, the list is as wide as its entries, and the tip says all of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumContentsLength(8)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)

    @property
    def shown(self) -> str:
        """What stands in the box: the chosen entry, without its middle where it has no room."""
        return self._elided(self._style_option())

    def showPopup(self) -> None:  # noqa: N802
        """Show the entries, whole if the screen has room."""
        view = self.view()
        most = self.screen().availableGeometry().width() // 2
        view.setMinimumWidth(min(view.sizeHintForColumn(0) + 40, most))
        super().showPopup()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Paint as its style does, with the text that has room."""
        look = self._style_option()
        look.currentText = self._elided(look)
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, look)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, look)

    def event(self, event: QEvent | None) -> bool:
        """Say the whole entry before the tip, if a part of it is not seen."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            whole = self.currentText()
            if self.shown != whole:
                said = f"{whole}\n\n{self.toolTip()}".strip()
                QToolTip.showText(event.globalPos(), said, self)
                return True
        return bool(super().event(event))

    def _style_option(self) -> QStyleOptionComboBox:
        look = QStyleOptionComboBox()
        self.initStyleOption(look)
        return look

    def _elided(self, look: QStyleOptionComboBox) -> str:
        part = QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, look, part, self)
        middle = Qt.TextElideMode.ElideMiddle
        return str(self.fontMetrics().elidedText(self.currentText(), middle, room.width() - 4))
