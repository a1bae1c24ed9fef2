"""What goes on and how far it is, and what was just opened or deleted: two lines, always there."""

from __future__ import annotations

import time
import weakref
from typing import Any

from napari.layers import Image, Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_dim.gui.commands.scan_shown import below_masks, show_alone
from napari_dim.gui.keys import do
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.fixed_lines import FixedLines
from napari_dim.gui.widgets.small_widgets import while_alive

READ = 5.0
"""Seconds after which a message of something done goes with the next step."""


class MessageLine(QWidget):
    """The session's message and progress; in their place, a scan to go over to.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._said = 0.0
        self._new: weakref.ref[Layer] | None = None
        self._opened: list[weakref.ref[Layer]] = []
        self._known: Image | None = session.image
        self._in_hand: tuple[weakref.ref[Layer], str] | None = None
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(6)
        keeps = self._bar.sizePolicy()
        keeps.setRetainSizeWhenHidden(True)
        self._bar.setSizePolicy(keeps)
        self.label = FixedLines(2)
        self.back = QPushButton("Bring back")
        self.back.setToolTip("These labels were deleted from the layer list; put them back")
        self.back.clicked.connect(self._on_back)
        self.take = QPushButton("Work on this one")
        self.take.clicked.connect(self._on_take)
        self.stay = QPushButton("Stay")
        self.stay.setToolTip("Go on with the scan that is worked on; the new one is hidden")
        self.stay.clicked.connect(self._on_stay)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.label, 1)
        for button in (self.back, self.take, self.stay):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._bar)
        column.addLayout(row)
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._settle)
        while_alive(self, session.changed, self.refresh)
        while_alive(self, session.layers_changed, self.refresh)
        while_alive(self, session.case_changed, self._on_case)
        while_alive(self, session.viewer.layers.events.inserting, self._on_inserting)
        while_alive(self, session.viewer.layers.events.inserted, self._on_inserted)
        while_alive(self, session.viewer.dims.events.point, self._on_step)
        while_alive(self, session.slices_changed, self._on_step)
        self.refresh()

    @property
    def text(self) -> str:
        """All that it says."""
        return self.label.whole

    def refresh(self) -> None:
        """Show the session as it is."""
        session, new = self.session, self._offered()
        deleted = session.deleted
        gone = deleted is not None and deleted not in session.viewer.layers
        text = session.message
        if new is not None:
            known = self._known.name if self._known else ""
            text = f"“{new.name}” was opened beside “{known}”, and is hidden."
        elif gone and deleted is not None:
            text = f"“{deleted.name}” was deleted. {text}"
        if text != self.label.whole:
            self._said = time.monotonic()
        self.label.say(text)
        self.take.setVisible(new is not None)
        self.stay.setVisible(new is not None)
        self.back.setVisible(gone and new is None)
        self._bar.setVisible(session.busy)
        self._bar.setValue(int(1000 * session.share))

    def _offered(self) -> Layer | None:
        new = None if self._new is None else self._new()
        there = new is not None and new in self.session.viewer.layers
        return new if there and new is not self.session.image else None

    def _on_inserting(self, event: Any) -> None:
        """Remember the tool in the hand: napari lays it down and selects what was opened."""
        session, labels = self.session, self.session.labels
        if labels is not None and session.viewer.layers.selection.active is labels:
            self._in_hand = weakref.ref(labels), str(labels.mode)

    def _on_inserted(self, event: Any) -> None:
        """Offer a scan that was opened while another is worked on."""
        layer = event.value
        if self._known is None or not isinstance(layer, Image):
            return
        if not self.session.scans.is_scan(layer):
            return
        first = not self._opened
        self._opened.append(weakref.ref(layer))
        self._soon.start()
        if not layer.visible:
            return
        if first or self._offered() is None:  # of what is opened at once, the first
            self._new = weakref.ref(layer)
            self.take.setToolTip(f"Label and segment {layer.name}; what you did is kept")

    def _settle(self) -> None:
        """After all that was opened at once is there."""
        self._known = self.session.image
        opened, self._opened = self._opened, []
        for layer in (ref() for ref in opened):
            if layer is not None:
                below_masks(self.session, layer)
        held, self._in_hand = self._in_hand, None
        labels = self.session.labels
        if opened and held is not None and held[0]() is labels and labels is not None:
            self.session.viewer.layers.selection.active = labels
            labels.mode = held[1]
        if self._offered() is not None and self._known is not None:
            # Over the scan that is worked on it would be painted on by mistake.
            show_alone(self.session, self._known, fit=False)
        self.refresh()

    def _on_case(self) -> None:
        self._new = None
        self._said = 0.0
        self._soon.start()

    def _on_step(self, event: Any = None) -> None:
        """What was said of an act goes when the work has gone on."""
        session = self.session
        if session.message and not session.busy and time.monotonic() - self._said > READ:
            session.say("")

    def _on_take(self) -> None:
        new = self._offered()
        if new is not None:
            self.session.open_case(new)
        self.refresh()

    def _on_stay(self) -> None:
        self._new = None
        if self.session.image is not None:
            show_alone(self.session, self.session.image, fit=False)
        self.refresh()

    def _on_back(self) -> None:
        do(self.session, lambda session: session.bring_back())
        self.refresh()
