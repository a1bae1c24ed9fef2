"""The Review tab: the machine's masks, slice by slice, until a person stands behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_dim.errors import InputError
from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.commands.outline_commands import toggle_contours
from napari_dim.gui.keys import button_for, do, key_of
from napari_dim.gui.layers.answer_layer import is_answer
from napari_dim.gui.layers.image_layers import PLACE, add_layer
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.logic.mask_contents import words
from napari_dim.gui.logic.slice_actions import Trusted, all_question, part_question
from napari_dim.gui.panels.reference_scores import CompareBox
from napari_dim.gui.panels.segment_others import PredictPanel
from napari_dim.gui.session import Session, Suggested
from napari_dim.gui.widgets.loss_curves import ScoreCurve
from napari_dim.gui.widgets.narrow_box import NarrowBox
from napari_dim.gui.widgets.small_widgets import Folded, note, while_alive

SURE = 0.9
SUGGESTED = 3
"""Suggestions that are shown without scrolling: the buttons below stay in sight."""


class ReviewTab(QWidget):
    """Accept, correct or reject what was predicted, in the order that helps most.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._listed: list[Suggested] = []
        self.hint = note("There is no prediction of this scan yet: train, then look at it here.")
        self.list = QListWidget()
        self.list.setToolTip("The slices whose correction should help most; click to go there")
        self.list.setWordWrap(True)
        self.list.itemClicked.connect(self._on_suggested)
        self.accept = button_for(
            session,
            "Accept slice",
            slices.accept_slice,
            "The machine is right in this slice: its mask counts as it is; "
            "then go to the next suggestion. A slice that you correct counts by itself",
        )
        self.reject = button_for(
            session,
            "Reject slice",
            slices.reject_slice,
            "Empty the machine's mask of this slice; later ones leave it alone",
        )
        self.following = button_for(
            session, "★ Next", slices.next_suggested, "Go to the next suggested slice"
        )
        self.all = QPushButton("Accept all…")
        self.all.setToolTip(
            "The machine's masks of all slices without labels become labels as they are. "
            "Ctrl-Z takes all of it back"
        )
        self.all.clicked.connect(self._on_all)
        self.newest = button_for(
            session,
            "Take newest",
            slices.take_newest,
            "This slice shows the machine's newest answer again, whatever was said or drawn in "
            "it. Ctrl-Z brings yours back",
        )
        self.beside = button_for(
            session,
            "Compare with newest",
            slices.show_answer,
            "Show the machine's newest answer as outlines in a locked layer beside the mask; "
            "once more hides it",
        )
        self.outlines = QCheckBox("the machine's slices as outlines")
        self.outlines.setToolTip("Slices that nobody has looked at yet look different at a glance")
        self.outlines.setChecked(session.outlined)
        self.outlines.toggled.connect(session.outline)
        self.contours = QCheckBox("contours only, yours too")
        self.contours.setToolTip(
            "What you drew as lines, too, twice as wide as the machine's; it is remembered"
            f"{key_of(toggle_contours)}"
        )
        self.contours.clicked.connect(lambda _=False: do(session, toggle_contours))
        self.classes = NarrowBox()
        self.classes.setToolTip("Which class to accept")
        self.accept_class = QPushButton("Accept class…")
        self.accept_class.setToolTip(
            "What the machine found of this class becomes labels, in all slices that nobody has "
            "labelled. Whatever else it found in these slices goes from the mask: they are "
            "accepted in part, and only what is shown in them counts. Ctrl-Z takes it back"
        )
        self.accept_class.clicked.connect(self._on_class)
        self.share = QDoubleSpinBox()
        self.share.setRange(0.5, 0.99)
        self.share.setSingleStep(0.05)
        self.share.setValue(SURE)
        self.share.setToolTip("How sure the model must be")
        self.surer = QPushButton("Accept where surer…")
        self.surer.setToolTip(
            "What the model is surer of than this becomes labels, in all slices that nobody has "
            "labelled. What it is less sure of there goes from the mask: these slices are "
            "accepted in part, and only what is shown in them counts. Ctrl-Z takes it back"
        )
        self.surer.clicked.connect(self._on_surer)
        self.doubt = QPushButton("Show uncertainty")
        self.doubt.setToolTip("Add an image layer that is bright where the model is unsure")
        self.doubt.clicked.connect(lambda: do(self.session, toggle_doubt))
        self.score = ScoreCurve(session)
        self.compare = CompareBox(session)
        self.predict = PredictPanel(session)

        self._box = QWidget()
        column = QVBoxLayout(self._box)
        column.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        for button in (self.accept, self.reject, self.following):
            row.addWidget(button)
        column.addLayout(row)
        self.asks = note()
        column.addWidget(self.asks)
        column.addWidget(self.list)
        grid = QGridLayout()
        grid.addWidget(self.classes, 0, 0)
        grid.addWidget(self.accept_class, 0, 1)
        grid.addWidget(self.share, 1, 0)
        grid.addWidget(self.surer, 1, 1)
        grid.addWidget(self.doubt, 2, 0)
        grid.addWidget(self.all, 2, 1)
        grid.addWidget(self.newest, 3, 0)
        grid.addWidget(self.beside, 3, 1)
        grid.addWidget(self.outlines, 4, 0, 1, 2)
        grid.addWidget(self.contours, 5, 0, 1, 2)
        self.counts = note()
        column.addLayout(grid)
        column.addWidget(self.counts)
        column.addWidget(self.score)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(6, 6, 6, 6)
        whole.addWidget(self.hint)
        whole.addWidget(self._box)
        for title, inside in (
            ("Compare with a reference", self.compare),
            ("Segment other scans with this model", self.predict),
        ):
            part = Folded(title)
            part.addWidget(inside)
            whole.addWidget(part)
        whole.addStretch(1)
        while_alive(self, session.drawing_changed, self._on_drawing)
        while_alive(self, session.slices_changed, self.refresh)
        while_alive(self, session.case_changed, self.refresh)
        while_alive(self, session.layers_changed, self.refresh)
        self._on_drawing()
        self.refresh()

    def _on_drawing(self) -> None:
        self.contours.setChecked(self.session.contours)

    def refresh(self) -> None:
        """Show the session as it is."""
        session = self.session
        mask, answer = session.mask, session.answer
        there = answer is not None
        self.hint.setVisible(not there)
        self._box.setVisible(there)
        if not there:
            return
        assert mask is not None
        assert answer is not None
        shown = [self.list.item(i).text() for i in range(self.list.count())]
        self._listed = slices.still_suggested(session)
        several = len({s.image for s in self._listed}) > 1
        wanted = [
            f"★ {f'{s.image.name}, ' if several else ''}slice {s.number}: {s.reason}"
            for s in self._listed
        ]
        if shown != wanted:
            self.list.clear()
            self.list.addItems(wanted)
        row = 2 * self.list.fontMetrics().height()  # a reason takes two lines
        # As high with fewer suggestions and with none: the buttons stay under the mouse.
        self.list.setFixedHeight(row * SUGGESTED + 6)
        if wanted:
            self.asks.setText("Look at these next:")
        elif session.suggestions:
            self.asks.setText("All slices that were suggested are labelled.")
        elif session.busy:
            self.asks.setText(
                "Which slices to look at next, and how sure the model is, comes at the end of "
                "the training. What you correct counts at once, and stays."
            )
        else:
            self.asks.setText("There is nothing to suggest: train first.")
        self.counts.setText(f"{words(mask.states, mask.missing)}.")
        self.surer.setEnabled(answer.confidence is not None)
        self.doubt.setEnabled(answer.confidence is not None)
        shows = doubt_of(session) is not None
        self.doubt.setText("Hide uncertainty" if shows else "Show uncertainty")
        beside = any(is_answer(layer) for layer in session.viewer.layers)
        self.beside.setText("Hide newest" if beside else "Compare with newest")
        known = classes_of(mask.layer)
        titles = [f"{info.id}: {info.name}" for info in known]
        if [self.classes.itemText(i) for i in range(self.classes.count())] != titles:
            self.classes.clear()
            for title, info in zip(titles, known, strict=True):
                self.classes.addItem(title, info.id)

    def _on_all(self) -> None:
        """Say what it does before it is done."""
        count = slices.unseen(self.session)
        if count and not _sure(self, "Accept all", all_question(count)):
            return
        do(self.session, slices.accept_all)

    def _on_class(self) -> None:
        class_id = self.classes.currentData()
        if class_id is not None:
            self._accept_part(lambda session: slices.class_trusted(session, int(class_id)))

    def _on_surer(self) -> None:
        self._accept_part(lambda session: slices.surer_trusted(session, self.share.value()))

    def _accept_part(self, find: Callable[[Session], Trusted]) -> None:
        """Say what it does before it is done."""

        def act(session: Session) -> str:
            part = find(session)
            agreed = _sure(self, f"Accept {part.what}", part_question(part))
            return slices.accept_trusted(session, part) if agreed else session.message

        do(self.session, act)

    def _on_suggested(self, item: QListWidgetItem) -> None:
        row = self.list.row(item)
        if row < len(self._listed):
            found = self._listed[row]
            do(self.session, lambda session: slices.show_suggested(session, found))


def _sure(parent: QWidget, title: str, question: str) -> bool:
    buttons = QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No
    answer = QMessageBox.question(parent, title, question, buttons, QMessageBox.StandardButton.No)
    return bool(answer == QMessageBox.StandardButton.Yes)


def doubt_of(session: Session) -> Layer | None:
    """The layer that shows how unsure the model is of the scan that is worked on."""
    layer = None if session.image is None else session.scans.doubts.get(session.image)
    return layer if layer in session.viewer.layers else None


def toggle_doubt(session: Session) -> str:
    """Show how unsure the model is, as an image layer over the scan, or take it away."""
    shown = doubt_of(session)
    if shown is not None:
        session.viewer.layers.remove(shown)
        return ""
    return show_doubt(session)


def show_doubt(session: Session) -> str:
    """Show how unsure the model is, as an image layer over the scan, in place of an older one."""
    answer, image = session.answer, session.image
    if answer is None or image is None or answer.confidence is None:
        raise InputError("the model has not said how sure it is", hint="Train first")
    doubt = 1 - answer.confidence.astype(np.float32) / 255
    rows, columns = answer.mask.shape[1:]
    name = f"{image.name} (uncertainty)"
    place: dict[str, Any] = {key: getattr(image, key) for key in PLACE}
    factor = np.array([1.0, rows / doubt.shape[1], columns / doubt.shape[2]])
    step = np.asarray(image.scale, dtype=float)
    shape = factor[3 - image.ndim :]
    place["scale"] = step * shape
    # Pixel centres of the coarser grid lie between those of the scan.
    place["translate"] = np.asarray(image.translate) + step * (shape - 1) / 2
    data = doubt[0] if image.ndim == 2 else doubt
    older = doubt_of(session)
    if older is not None:
        session.viewer.layers.remove(older)
    made = Image(
        data, name=name, colormap="inferno", opacity=0.5, blending="additive",
        contrast_limits=(0, 0.5), **place,
    )  # fmt: skip
    session.scans.doubts[image] = made
    add_layer(session.viewer, made, below=session.labels)
    return "Bright: where the model is unsure"
