"""Where two masks of a scan differ: shown over it, counted, and gone through one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_dim.errors import InputError
from napari_dim.gui.commands.scan_shown import centre_on
from napari_dim.gui.commands.slice_commands import go_to
from napari_dim.gui.jobs.live_comparing import LiveComparing
from napari_dim.gui.keys import do, key_of, next_difference, previous_difference, told
from napari_dim.gui.layers.compared_masks import (
    Compared,
    answer_compared,
    file_compared,
    layer_compared,
    mask_compared,
)
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
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.fixed_lines import FixedLines
from napari_dim.gui.widgets.small_widgets import narrow, put_at_left, while_alive
from napari_dim.words import count as counted
from napari_dim.words import sentence

MASK, ANSWER, FILE = "the mask of this scan", "the machine's newest answer", "a file…"
KINDS = ((ONLY_A, "only in A"), (ONLY_B, "only in B"), (OTHER, "other class"))


class DifferencesWindow(QDialog):
    """Chooses two masks, and goes through their differences.

    Parameters
    ----------
    session
        The session of the viewer.
    parent
        What it belongs to.
    """

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session = session
        self.setWindowTitle("Differences between masks")
        self.setModal(False)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self._placed = False
        self._last: Piece | None = None
        self._files: list[Compared] = []
        self._offered: list[tuple[str, Any]] = []
        self._chosen: list[Any] = [None, None]
        self.comparing = LiveComparing(session, self)
        self.a, self.b = narrow(QComboBox()), narrow(QComboBox())
        self.boxes = self.a, self.b
        for box, which in zip(self.boxes, "AB", strict=True):
            box.setToolTip(f"Mask {which}: of this scan, the machine's, another layer's, a file's")
            box.activated.connect(lambda _=0, box=box: self._on_box(box))
        form = QFormLayout()
        form.addRow("A", self.a)
        form.addRow("B", self.b)
        legend = QHBoxLayout()
        for kind, words in KINDS:
            label = QLabel(f'<span style="color:{COLOURS[kind]}">■</span> {words}')
            legend.addWidget(label)
        legend.addStretch(1)
        self.classes = _table("How well they agree in each class")
        self.slices = _table("Slices that differ, in pixels; click one to go there")
        self.slices.cellClicked.connect(self._on_slice)
        self.order = narrow(QComboBox())
        self.order.addItems([LARGEST, IN_ORDER])
        self.order.setToolTip("The order that ◀ and ▶ go through the differences in")
        self.order.activated.connect(self._forget_place)
        self.before = QPushButton("◀")
        self.before.setToolTip(f"Previous difference{key_of(previous_difference)}")
        self.before.clicked.connect(lambda: do(session, previous_difference))
        self.after = QPushButton("Next difference ▶")
        self.after.setToolTip(f"Next difference{key_of(next_difference)}")
        self.after.clicked.connect(lambda: do(session, next_difference))
        steps = QHBoxLayout()
        steps.addWidget(self.order, 1)
        for button in (self.before, self.after):
            button.setAutoDefault(False)
            steps.addWidget(button)
        self.text = FixedLines(2)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addLayout(legend)
        column.addWidget(self.classes)
        column.addLayout(steps)
        column.addWidget(self.text)
        column.addWidget(self.slices, 1)
        self.comparing.compared.connect(self._show)
        while_alive(self, session.case_changed, self._on_case)
        while_alive(self, session.layers_changed, self._fill_boxes)
        while_alive(self, session.predicted, self._fill_boxes)

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Compare from now on."""
        super().showEvent(event)
        if not self._placed:
            self._placed = True
            self.resize(330, 430)
            put_at_left(self, self.parentWidget())
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
        found, image = self.comparing.found, self.session.image
        if found is None or image is None:
            raise InputError("no two masks are compared", hint="Choose A and B")
        step = found.step(self._last, self.order.currentText(), direction)
        if step is None:
            waiting = self.comparing.waiting
            raise InputError(
                f"{waiting} slices are still to be compared" if waiting else "the masks are alike"
            )
        place, piece = step
        self._last = piece
        centre_on(self.session, image, piece.number, piece.row, piece.column)
        words = (
            f"Difference {place + 1} of {len(found.pieces(self.order.currentText()))}: slice "
            f"{piece.number}, {counted(piece.area, 'pixel')}"
        )
        self.text.say(words)
        return words

    def choose(self, box: QComboBox, path: Path) -> None:
        """Compare with the mask in a file.

        Raises
        ------
        InputError
            If it can't be read, or doesn't lie on the scan; all stays as it was.
        """
        if self.session.image is None:
            raise InputError("no scan is open")
        made = file_compared(path, self.session.image)
        self._files = [one for one in self._files if one.title != made.title] + [made]
        self._fill_boxes()
        box.setCurrentIndex(next(n for n, (_, w) in enumerate(self._offered) if w is made))
        self._compare()

    def _on_case(self) -> None:
        self.comparing.end()
        self._last = None
        self._files, self._offered, self._chosen = [], [], [None, None]
        for box in self.boxes:
            box.clear()
        self._fill_boxes()

    def _fill_boxes(self, *_: object) -> None:
        """Offer what there is by now; what is compared goes on if it is still there."""
        if not self.isVisible():
            return
        session = self.session
        offered: list[tuple[str, Any]] = []
        if session.mask is not None:
            offered.append((MASK, MASK))
            if session.answer is not None:
                offered.append((ANSWER, ANSWER))
        offered += [
            (layer.name, layer)
            for layer in session.scans.layers(Labels)
            if layer is not session.labels and session.scans.owner_of(layer) is None
        ]
        offered += [(one.title, one) for one in self._files]
        offered.append((FILE, FILE))
        if [(t, id(w)) for t, w in offered] == [(t, id(w)) for t, w in self._offered]:
            return
        self._offered = offered
        for box in self.boxes:
            box.clear()
            box.addItems([title for title, _ in offered])
        if not self._choose_again():
            self._compare()

    def _choose_again(self) -> bool:
        """Show in the boxes what is compared; whether both are still there.

        What is not becomes the first that can be compared, in box B the second.
        """
        whats = [what for _, what in self._offered]
        there = True
        for place, box in enumerate(self.boxes):
            at = next((n for n, what in enumerate(whats) if what is self._chosen[place]), -1)
            there &= at >= 0
            box.setCurrentIndex(at if at >= 0 else min(place, max(len(whats) - 2, 0)))
        return there

    def _on_box(self, box: QComboBox) -> None:
        if self._what(box) is not FILE:
            self._compare()
            return
        path, _ = QFileDialog.getOpenFileName(self, "A mask of this scan")
        with told(self.session):
            if path:
                self.choose(box, Path(path))
                return
        self._choose_again()

    def _what(self, box: QComboBox) -> Any:
        at = box.currentIndex()
        return self._offered[at][1] if 0 <= at < len(self._offered) else None

    def _side(self, what: Any) -> Compared:
        session = self.session
        mask, image = session.mask, session.image
        if isinstance(what, Compared):
            return what
        if what is None or what is FILE or image is None:
            raise InputError("there are no two masks yet", hint="Choose A and B")
        if isinstance(what, Labels):
            return layer_compared(what, image)
        if mask is None:
            raise InputError("the scan has no mask yet", hint="Press New and paint some slices")
        return answer_compared(mask) if what is ANSWER else mask_compared(mask)

    def _compare(self) -> None:
        self._last = None
        self.comparing.end()
        one, other = self._chosen = [self._what(box) for box in self.boxes]
        try:
            if len(self._offered) < 3:  # a file, and perhaps one more
                raise InputError(
                    "there are no two masks yet",
                    hint="Choose a file for B, open a reader's mask as labels, or train",
                )
            if one is other:
                raise InputError("A and B are the same", hint="Choose two masks")
            self.comparing.begin(self._side(one), self._side(other))
        except InputError as error:
            self._show_nothing(f"{sentence(error)}.")

    def _show_nothing(self, why: str) -> None:
        for table in (self.classes, self.slices):
            table.setRowCount(0)
        self.text.say(why)
        for button in (self.before, self.after):
            button.setEnabled(False)

    def _show(self) -> None:
        found, image = self.comparing.found, self.session.image
        sides = self.comparing.sides
        if found is None or image is None or sides is None:
            return
        names = {**sides[1].names, **sides[0].names}
        _fill(self.classes, rows(found.agreements(), names, layer_source(image).grid))
        self.classes.setFixedHeight(_height(self.classes, 5))
        header = ("slice", *(words for _, words in KINDS))
        body = [(str(n), *(str(int(c)) for c in found.counts[n])) for n in found.slices]
        _fill(self.slices, [header, *body])
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

    def _forget_place(self, *_: object) -> None:
        self._last = None
        self._show()

    def _on_slice(self, row: int, column: int) -> None:
        item = self.slices.item(row, 0)
        if item is not None:
            go_to(self.session, int(item.text()))


def _table(tip: str) -> QTableWidget:
    table = QTableWidget(0, 0)
    table.setToolTip(tip)
    table.verticalHeader().hide()
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    return table


def _fill(table: QTableWidget, lines: list[tuple[str, ...]]) -> None:
    """Show a header and rows; numbers stand at the right."""
    header, *body = lines
    table.setColumnCount(len(header))
    table.setHorizontalHeaderLabels(list(header))
    table.setRowCount(len(body))
    for row, cells in enumerate(body):
        for column, text in enumerate(cells):
            item = table.item(row, column)
            if item is None:
                item = QTableWidgetItem()
                right = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
                item.setTextAlignment(right | Qt.AlignmentFlag.AlignVCenter)
                table.setItem(row, column, item)
            if item.text() != text:
                item.setText(text)


def _height(table: QTableWidget, most: int) -> int:
    """As high as its rows, `most` at most."""
    row = table.verticalHeader().defaultSectionSize()
    return int(table.horizontalHeader().height() + row * min(max(table.rowCount(), 1), most) + 4)
