"""What to do next: one line above the tabs that follows the work."""

from __future__ import annotations

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_dim.gui.commands.slice_commands import still_suggested
from napari_dim.gui.logic.next_step import Situation, Step, next_step
from napari_dim.gui.preferences import hide_hints, preferences
from napari_dim.gui.session import Session
from napari_dim.gui.storage.last_model import known_cases
from napari_dim.gui.widgets.fixed_lines import FixedLines
from napari_dim.gui.widgets.small_widgets import while_alive
from napari_dim.gui.work import Activity


def situation_of(session: Session) -> Situation:
    """What there is at this moment."""
    mask = session.mask
    return Situation(
        scan=session.image is not None,
        training=session.activity is Activity.TRAINING,
        predicting=session.activity in (Activity.PREDICTING, Activity.STOPPING),
        states=None if mask is None else mask.states,
        painted=mask is not None and bool(mask.areas.any()),
        predicted=mask is not None and bool(mask.answer.said.any()),
        learnt=_learnt(session),
        dice=tuple(score.dice for score in session.scores),
        suggested=bool(still_suggested(session)),
    )


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
        self._step = next_step(situation_of(self._session))
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
