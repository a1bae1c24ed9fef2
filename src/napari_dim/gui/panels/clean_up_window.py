"""Clean up the mask: islands, holes, borders, margins, copies; what would change is said first."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QPoint, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_dim.errors import InputError
from napari_dim.gui.commands.clean_up_commands import clean_up, situation, still_true
from napari_dim.gui.commands.slice_commands import current
from napari_dim.gui.keys import do
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.logic.clean_up_plan import BY_KEY, TOOLS, Plan, Situation, Wish, plan
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.fixed_lines import FixedLines
from napari_dim.gui.widgets.narrow_box import NarrowBox
from napari_dim.gui.widgets.small_widgets import while_alive
from napari_dim.words import sentence

HERE, RUN, ALL = "this slice", "slices", "the whole scan"
EVERY = "all classes"
WITHOUT_CLASS = ("accept", "confirm")
"""Tools that take slices as they are, whatever the class."""


class CleanUpWindow(QDialog):
    """Choose what and where; read what would change; apply it.

    What would change is worked out in the background, a large scan takes a second or two.

    Parameters
    ----------
    session
        The session of the viewer.
    parent
        What it belongs to.
    """

    _found = Signal(object, object)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session = session
        self.setWindowTitle("Clean up")
        self.setModal(False)
        self._placed = False
        self._run_for_copy = False
        self._followed: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._mark: object = None
        self._then: Situation | None = None
        self._wish: Wish | None = None
        self._plan: Plan | None = None
        self._told: Wish | None = None  # whose answer can be read
        self._asked = False  # Apply was clicked while it was worked out anew
        self.tool = QComboBox()
        for tool in TOOLS:
            self.tool.addItem(tool.title, tool.key)
            self.tool.setItemData(self.tool.count() - 1, tool.tip, Qt.ItemDataRole.ToolTipRole)
        self.tool.currentIndexChanged.connect(self._on_tool)
        self.what = NarrowBox()
        self.what.setToolTip("The class that is cleaned up")
        self.what.currentIndexChanged.connect(self._changed)
        self.other = NarrowBox()
        self.other.setToolTip("The other class; it stays as it is, unless it is joined")
        self.other.currentIndexChanged.connect(self._changed)
        self.other_name = QLabel()
        self.where = QComboBox()
        self.where.addItems([HERE, RUN, ALL])
        self.where.setToolTip("In a run of slices, pieces and margins reach across them")
        self.where.currentTextChanged.connect(self._on_where)
        self.where.activated.connect(self._on_where_chosen)
        self.first, self.last = QSpinBox(), QSpinBox()
        for box, which in ((self.first, "First"), (self.last, "Last")):
            box.setToolTip(f"{which} of the slices")
            box.valueChanged.connect(self._changed)
        self.size = QDoubleSpinBox()
        self.size.setDecimals(1)
        self.size.setSingleStep(0.5)
        self.size.valueChanged.connect(self._changed)
        self.size_name = QLabel()
        self.labelled = QCheckBox("also slices that a person stands behind")
        self.labelled.setToolTip(
            "Painted, corrected, accepted and empty slices are left alone unless this is ticked; "
            "the slice on the screen is always meant"
        )
        self.labelled.toggled.connect(self._changed)
        self.text = FixedLines(4)
        self.apply = QPushButton("Apply")
        self.apply.setToolTip("One step; Ctrl-Z takes it back")
        self.apply.clicked.connect(self._on_apply)
        self._ends = QWidget()
        ends = QHBoxLayout(self._ends)
        ends.setContentsMargins(0, 0, 0, 0)
        ends.addWidget(self.first, 1)
        ends.addWidget(QLabel("to"))
        ends.addWidget(self.last, 1)
        form = QFormLayout()
        form.addRow("do", self.tool)
        form.addRow("with", self.what)
        form.addRow(self.other_name, self.other)
        form.addRow("in", self.where)
        form.addRow(self._ends)
        form.addRow(self.size_name, self.size)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.labelled)
        column.addWidget(self.text)
        column.addWidget(self.apply)
        self.setMinimumWidth(340)
        self._soon = QTimer(self, singleShot=True, interval=120)
        self._soon.timeout.connect(self._work_out)
        self._found.connect(self._on_found)
        while_alive(self, session.case_changed, self._on_case)
        while_alive(self, session.slices_changed, self._changed)
        while_alive(self, session.viewer.dims.events.point, self._changed)
        self._on_tool()
        self._on_where()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Catch up with what happened while it was hidden."""
        super().showEvent(event)
        if not self._placed:
            self._placed = True
            # Beside the workspace at the bottom: off the middle of the scan, and off its buttons.
            beside = self.parentWidget().mapToGlobal(QPoint(0, self.parentWidget().height()))
            self.move(beside.x() - self.width() - 24, beside.y() - self.height() - 24)
        self._on_case()

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Keep no copy of a mask for nothing."""
        super().hideEvent(event)
        self._then = self._plan = self._mark = self._told = None
        self._asked = False

    def _on_tool(self, *_: object) -> None:
        tool = BY_KEY[self.tool.currentData()]
        self.tool.setToolTip(tool.tip)
        self.other_name.setText(tool.other or "other class")
        self.other.setEnabled(bool(tool.other))
        if tool.other:
            self._choose_two()
        self.size_name.setText(tool.size or "size")
        self.size.setEnabled(bool(tool.size))
        self.size.blockSignals(True)
        self.size.setRange(tool.least, 1000.0)
        self.size.setValue(tool.usual)
        self.size.blockSignals(False)
        self.what.setEnabled(tool.key not in WITHOUT_CLASS)
        self.labelled.setEnabled(tool.key not in WITHOUT_CLASS)
        self.labelled.setChecked(False)  # it was ticked for what was done before
        copied = tool.key == "copy"
        if copied and self.where.currentText() == HERE:
            self.where.setCurrentText(RUN)  # onto itself there is nothing to copy
            self._run_for_copy = True
        elif not copied and self._run_for_copy:
            self.where.setCurrentText(HERE)  # nobody asked for more
            self._run_for_copy = False
        self._changed()

    def _choose_two(self) -> None:
        """Two classes to begin with, where two different ones aren't chosen yet."""
        ids = [self.other.itemData(n) for n in range(self.other.count())]
        chosen = self.what.currentData() or (ids[0] if ids else 0)
        if chosen == self.other.currentData() and len(ids) > 1:
            after = (ids.index(chosen) + 1) % len(ids)
            self.what.setCurrentIndex(self.what.findData(chosen))
            self.other.setCurrentIndex(after)

    def _on_where(self, *_: object) -> None:
        self._ends.setVisible(self.where.currentText() == RUN)
        self._changed()

    def _on_where_chosen(self, *_: object) -> None:
        self._run_for_copy = False

    def _on_case(self) -> None:
        """Another scan has other classes and slices."""
        self._told = None
        mask = self.session.mask
        if mask is not None and mask.layer not in self._followed:
            self._followed.add(mask.layer)
            for event in (mask.layer.events.preserve_labels, mask.layer.events.selected_label):
                while_alive(self, event, self._changed)
        if mask is None or not self.isVisible():
            self._changed()
            return
        last = len(mask.planes) - 1
        for box, value in ((self.first, max(current(self.session) - 2, 0)), (self.last, last)):
            box.blockSignals(True)
            fresh = box.maximum() != last
            box.setMaximum(last)
            if fresh:
                box.setValue(value if box is self.first else min(value, self.first.value() + 4))
            box.blockSignals(False)
        self._fill_classes()
        self._changed()

    def _fill_classes(self) -> None:
        mask = self.session.mask
        known = [] if mask is None else classes_of(mask.layer)
        named = [(info.name, info.id) for info in known]
        only = None if mask is None else mask.only
        held = next((name for name, class_id in named if class_id == only), "no class")
        every = EVERY if only is None else f"{held} (preserve labels)"
        self._offer(self.what, [(every, 0), *named])
        self._offer(self.other, named)

    def _offer(self, box: QComboBox, wanted: list[tuple[str, int]]) -> None:
        """Offer classes; the one that was chosen stays so while it is there."""
        if [(box.itemText(n), box.itemData(n)) for n in range(box.count())] == wanted:
            return
        before = box.currentData()
        box.blockSignals(True)
        box.clear()
        for name, class_id in wanted:
            box.addItem(name, class_id)
        box.setCurrentIndex(max(0, box.findData(before)))
        box.blockSignals(False)

    def _changed(self, *_: object) -> None:
        """What is asked for is another thing, or it would change other pixels."""
        if self._told is None or self._told != self.wish():
            self._told, self._asked = None, False
            self.apply.setEnabled(False)
        elif self._asked:
            return  # what is worked out now is looked at once more before it is carried out
        self._plan = self._mark = None  # an answer to what was asked before comes too late
        if self.isVisible():
            self._soon.start()

    def wish(self) -> Wish | None:
        """What is asked for; None where there is no mask."""
        mask = self.session.mask
        if mask is None:
            return None
        here, where = current(self.session), self.where.currentText()
        ends = {
            HERE: (here, here),
            RUN: (self.first.value(), self.last.value()),
            ALL: (0, len(mask.planes) - 1),
        }[where]
        only = mask.only
        chosen = self.what.currentData() or only
        classes = [info.id for info in classes_of(mask.layer) if chosen in (None, info.id)]
        return Wish(
            self.tool.currentData(), tuple(classes), *ends, here, self.size.value(),
            self.labelled.isChecked(), self.other.currentData() if self.other.isEnabled() else 0,
            only=None if only is None else chosen,
        )  # fmt: skip

    def _work_out(self) -> None:
        self._fill_classes()
        wish = self.wish()
        if wish is None:
            self.text.say("The scan has no mask yet: press New and paint some slices.")
            return
        self._then, self._wish = situation(self.session, wish.first, wish.last), wish
        self.size.setSuffix(f" {'mm' if self._then.unit == 'mm' else 'px'}")
        self.text.say("Working out what would change…")
        self._mark = mark = object()
        threading.Thread(
            target=self._work, args=(self._then, wish, mark), name="clean up", daemon=True
        ).start()

    def _work(self, then: Situation, wish: Wish, mark: object) -> None:
        """In the background: nothing is changed."""
        try:
            found: Plan | str = plan(then, wish)
        except InputError as error:
            found = f"{sentence(error)}."
        except MemoryError:
            found = "There is not enough memory for so many slices at once."
        try:
            self._found.emit(found, mark)
        except RuntimeError:  # the window is gone
            return

    def _on_found(self, found: Plan | str, mark: object) -> None:
        if mark is not self._mark:
            return
        self._mark = None
        if isinstance(found, str) or not found.states:
            self._asked, self._told = False, None
            self.apply.setEnabled(False)
            self.text.say(found if isinstance(found, str) else found.text)
            return
        self._plan, self._told = found, self._wish
        self.text.say(found.text)
        self.apply.setEnabled(True)
        if self._asked:
            self._carry_out(found)

    def _on_apply(self) -> None:
        if self._plan is not None:
            self._carry_out(self._plan)
        elif self._told is not None:  # a preview has come: as soon as it is worked out anew
            self._asked = True
            self._soon.stop()
            self._work_out()

    def _carry_out(self, made: Plan) -> None:
        then, wish = self._then, self._wish
        if then is None or wish is None:
            return
        if not still_true(self.session, then, wish.first, wish.last):
            self._work_out()  # something was painted meanwhile: say what would change now
            return
        self._asked = False
        do(self.session, lambda session: clean_up(session, made))
        self._changed()
