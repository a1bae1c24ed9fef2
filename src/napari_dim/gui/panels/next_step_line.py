"""What to do next: one line above the tabs that follows the work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_dim.gui.preferences import hide_hints, preferences
from napari_dim.gui.session import Session
from napari_dim.gui.storage.last_model import known_cases
from napari_dim.gui.widgets.fixed_lines import FixedLines
from napari_dim.gui.widgets.loss_curves import stopped_paying
from napari_dim.gui.widgets.small_widgets import while_alive
from napari_dim.gui.work import Activity
from napari_dim.states import LABELLED

ANNOTATE, TRAIN, REVIEW, EXPORT = range(4)
"""Places of the tabs."""
ENOUGH = 3
"""Labelled slices from which a training is worth its time."""


@dataclass(frozen=True)
class Step:
    """What to do next, and the tab where it is done."""

    text: str
    tab: int


def next_step(session: Session) -> Step | None:
    """What an annotator should do next; None where no scan is open.

    Follows what is there: labels, a running training, predictions, suggestions, scores.
    """
    image, mask = session.image, session.mask
    if image is None:
        return None
    if session.activity is Activity.PREDICTING:
        return Step("the masks are on their way; you may go on painting", ANNOTATE)
    if session.busy:
        return Step("go on labelling meanwhile: what you finish joins the training", ANNOTATE)
    predicted = mask is not None and bool(mask.answer.said.any())
    if predicted and mask is not None and not mask.labelled:
        return Step("look through the masks; correct the slices marked ★ and accept them", REVIEW)
    if mask is None:
        return Step("press New, and paint the structure in one slice", ANNOTATE)
    labelled = len(mask.labelled)
    several = len(mask.states) > 1
    if not mask.areas.any():
        return Step("paint the structure in a slice that shows it well", ANNOTATE)
    if labelled < min(ENOUGH, len(mask.states)):
        return Step(
            "paint a few more slices, spread over the whole scan; confirm one where it is absent, "
            "too",
            ANNOTATE,
        )
    if not predicted:
        return Step("start the training", TRAIN)
    learnt = _learnt(session)
    if learnt is not None and labelled >= learnt + ENOUGH:
        return Step(f"{labelled - learnt} slices are new since the last training: train on", TRAIN)
    if stopped_paying([score.dice for score in session.scores]) or not several:
        return Step("more labels hardly change the masks: look through them and export", EXPORT)
    if session.suggestions:
        return Step("correct the slices marked ★ with the brush, and accept them", REVIEW)
    states = mask.states
    if np.isin(states, LABELLED).all():
        return Step("every slice is labelled: export the mask", EXPORT)
    return Step("look through the masks, correct and accept them, then export", REVIEW)


def _learnt(session: Session) -> int | None:
    """How many slices of this scan the last training began with; None if it is not known."""
    if session.image is None:
        return None
    case = known_cases(session).get(session.image.name)
    return None if case is None else max(len(case.get("labelled", ())), session.joined)


class Guide(QWidget):
    """Says the next step; a click on its button opens the tab where it is done."""

    wanted = Signal(int)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._step: Step | None = None
        self._hidden = not preferences().hints
        self.label = FixedLines(2)
        self.go = QPushButton("Show")
        self.go.setToolTip("Open the tab where this is done")
        self.go.clicked.connect(self._on_go)
        self.close_button = QPushButton("✕")
        self.close_button.setToolTip(
            "Hide these hints; they come back in Preferences ▸ napari-dim ▸ Window"
        )
        self.close_button.setFixedWidth(24)
        self.close_button.clicked.connect(self._on_close)
        self.go.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 0, 0, 0)
        row.addWidget(self.label, 1)
        row.addWidget(self.go)
        row.addWidget(self.close_button)
        self._soon = QTimer(self, singleShot=True, interval=200)
        self._soon.timeout.connect(self.refresh)
        for signal in (
            session.changed, session.case_changed, session.slices_changed, session.model_changed,
            session.layers_changed,
        ):  # fmt: skip
            while_alive(self, signal, self._on_change)
        self.refresh()

    @property
    def text(self) -> str:
        """What it says."""
        return "" if self._step is None else self._step.text

    def refresh(self) -> None:
        """Say what to do now."""
        self._step = next_step(self._session)
        self.setVisible(self._step is not None and not self._hidden)
        if self._step is not None:
            self.label.say(f"Next: {self._step.text}")

    def _on_change(self, event: object = None) -> None:
        if not self._soon.isActive():
            self._soon.start()

    def _on_go(self) -> None:
        if self._step is not None:
            self.wanted.emit(self._step.tab)

    def _on_close(self) -> None:
        self._hidden = True
        hide_hints()
        self.refresh()
