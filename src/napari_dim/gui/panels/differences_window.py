"""Where two masks of a scan differ: shown over it, counted, and gone through one by one."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_dim.errors import InputError
from napari_dim.gui.commands.scan_shown import centre_on
from napari_dim.gui.commands.slice_commands import go_to
from napari_dim.gui.jobs.live_comparing import LiveComparing
from napari_dim.gui.keys import button_for, next_difference, previous_difference
from napari_dim.gui.layers.difference_layer import COLOURS
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.logic.mask_differences import (
    IN_ORDER,
    LARGEST,
    ONLY_A,
    ONLY_B,
    OTHER,
    Piece,
    rows,
)
from napari_dim.gui.panels.mask_pair import MaskPair
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.fixed_lines import FixedLines
from napari_dim.gui.widgets.narrow_box import NarrowBox
from napari_dim.gui.widgets.number_table import NumberTable
from napari_dim.gui.widgets.small_widgets import while_alive
from napari_dim.gui.widgets.small_window import SmallWindow
from napari_dim.words import count as counted
from napari_dim.words import sentence

KINDS = ((ONLY_A, "only in A"), (ONLY_B, "only in B"), (OTHER, "other class"))
MOST = 5
"""Classes that are seen without scrolling."""


class DifferencesWindow(SmallWindow):
    """Chooses two masks, and goes through their differences.

    Parameters
    ----------
    session
        The session of the viewer.
    parent
        What it belongs to.
    """

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent, "Differences between masks", 330, 430)
        self.session = session
        self._last: Piece | None = None
        self.comparing = LiveComparing(session, self)
        self.pair = MaskPair(session)
        self.pair.chosen.connect(self._compare)
        legend = QHBoxLayout()
        for kind, words in KINDS:
            legend.addWidget(QLabel(f'<span style="color:{COLOURS[kind]}">■</span> {words}'))
        legend.addStretch(1)
        self.classes = NumberTable("How well they agree in each class", stretched=True)
        self.slices = NumberTable(
            "Slices that differ, in pixels; click one to go there", stretched=True
        )
        self.slices.cellClicked.connect(self._on_slice)
        self.order = NarrowBox()
        self.order.addItems([LARGEST, IN_ORDER])
        self.order.setToolTip("The order that ◀ and ▶ go through the differences in")
        self.order.activated.connect(self._on_order)
        self.before = button_for(session, "◀", previous_difference, "Previous difference")
        self.after = button_for(session, "Next difference ▶", next_difference, "Next difference")
        steps = QHBoxLayout()
        steps.addWidget(self.order, 1)
        for button in (self.before, self.after):
            button.setAutoDefault(False)
            steps.addWidget(button)
        self.text = FixedLines(2)
        column = QVBoxLayout(self)
        column.addWidget(self.pair)
        column.addLayout(legend)
        column.addWidget(self.classes)
        column.addLayout(steps)
        column.addWidget(self.text)
        column.addWidget(self.slices, 1)
        self.comparing.known.connect(self._show)
        while_alive(self, session.case_changed, self._on_case)

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Compare from now on."""
        super().showEvent(event)
        self._on_case()

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Compare no longer."""
        super().hideEvent(event)
        self.comparing.end()

    def step(self, direction: int) -> str:
        """Go to the next or the previous difference; what is said of it.

        Raises
        ------
        InputError
            If nothing is compared, or there is none.
        """
        found, image, order = self.comparing.found, self.session.image, self.order.currentText()
        if found is None or image is None:
            raise InputError("no two masks are compared", hint="Choose A and B")
        step = found.step(self._last, order, direction)
        if step is None:
            waiting = self.comparing.waiting
            raise InputError(
                f"{waiting} slices are still to be compared" if waiting else "the masks are alike"
            )
        place, self._last = step
        piece = self._last
        centre_on(self.session, image, piece.number, piece.row, piece.column)
        words = (
            f"Difference {place + 1} of {len(found.pieces(order))}: slice {piece.number}, "
            f"{counted(piece.area, 'pixel')}"
        )
        self.text.say(words)
        return words

    def _on_case(self) -> None:
        self.comparing.end()
        self.pair.start()

    def _compare(self) -> None:
        self._last = None
        self.comparing.end()
        try:
            self.comparing.begin(*self.pair.compared())
        except InputError as error:
            for table in (self.classes, self.slices):
                table.setRowCount(0)
            self.text.say(f"{sentence(error)}.")
            for button in (self.before, self.after):
                button.setEnabled(False)

    def _show(self) -> None:
        found, image = self.comparing.found, self.session.image
        sides = self.comparing.sides
        if found is None or image is None or sides is None:
            return
        names = {**sides[1].names, **sides[0].names}
        header, *classes = rows(found.agreements(), names, layer_source(image).grid)
        self.classes.fill(header, classes)
        self.classes.fit(MOST)
        body = [(str(n), *(str(int(c)) for c in found.counts[n])) for n in found.slices]
        self.slices.fill(("slice", *(words for _, words in KINDS)), body)
        for button in (self.before, self.after):
            button.setEnabled(bool(body))
        if self._last is None:
            self.text.say(self._said(len(body)))

    def _said(self, differing: int) -> str:
        text = f"{counted(differing, 'slice')} differ." if differing != 1 else "1 slice differs."
        if self.comparing.waiting:
            text += f" {self.comparing.waiting} more to compare…"
        if unsaid := len(self.comparing.unsaid):
            text += f" Of {counted(unsaid, 'slice')} the machine has said nothing yet."
        return text

    def _on_order(self, *_: object) -> None:
        self._last = None
        self._show()

    def _on_slice(self, row: int, column: int) -> None:
        item = self.slices.item(row, 0)
        if item is not None:
            go_to(self.session, int(item.text()))
