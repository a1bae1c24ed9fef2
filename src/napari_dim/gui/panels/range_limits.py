"""The limits that the threshold brush keeps to, shown while it is in the hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_dim.editing.intensity_ranges import Range
from napari_dim.gui.keys import told
from napari_dim.gui.layers.intensity_span import intensity_span
from napari_dim.gui.session import Session
from napari_dim.gui.tools.range_tools import RangeBrush
from napari_dim.gui.widgets.range_row import RangeRow
from napari_dim.gui.widgets.small_widgets import while_alive

MOST = 4
"""Channels whose limits are shown."""


class RangeLimits(QWidget):
    """Two limits for each channel of the scan, and whether strokes pick their own.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.picks = QCheckBox("picked anew where each stroke begins")
        self.picks.setToolTip(
            "Each stroke keeps to what is as bright as the spot where it begins. Without it, all "
            "keep to the limits above; Shift-click over the scan picks them from a spot"
        )
        self.picks.clicked.connect(self._on_picks)
        self.rows = [RangeRow("range") for _ in range(MOST)]
        for row in self.rows:
            row.given.connect(lambda low, high, row=row: self._on_given(row, low, high))
        self.many = QLabel(f"Limits of more than {MOST} channels are not shown")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (*self.rows, self.many, self.picks):
            column.addWidget(part)
        self._of: Any = None
        self._spans: list[tuple[float, float]] = []
        self._decimals = 0
        while_alive(self, session.held_range.changed, self._show)
        while_alive(self, session.tool_changed, self._show)
        while_alive(self, session.case_changed, self._show)
        self._show()

    def _show(self) -> None:
        """Show the limits of the scan that is worked on."""
        session, image = self.session, self.session.image
        self.setVisible(isinstance(session.tool, RangeBrush) and image is not None)
        if self.isHidden() or image is None:
            return
        if self._of is not image:
            with told(session):
                self._spans, self._decimals = intensity_span(image)
                self._of = image
        channels = len(self._spans)
        found = self._range()
        self.picks.setChecked(session.held_range.kept_in(channels) is None)
        self.many.setVisible(channels > MOST)
        for number, row in enumerate(self.rows):
            row.setVisible(number < channels <= MOST)
            if number < channels <= MOST:
                named = ("red", "green", "blue") if image.rgb else range(1, channels + 1)
                row.name.setText("range" if channels == 1 else f"{named[number]}")
                limits = float(found.low[number]), float(found.high[number])
                row.show_limits(*limits, self._spans[number], self._decimals)

    def _range(self) -> Range:
        """The range that is shown: that of the brush, or all that the scan has."""
        found = self.session.held_range.range
        if found is not None and len(found.low) == len(self._spans):
            return found
        return Range(*(np.array(ends) for ends in zip(*self._spans, strict=True)))

    def _on_given(self, row: RangeRow, low: float, high: float) -> None:
        found, number = self._range(), self.rows.index(row)
        lows, highs = found.low.copy(), found.high.copy()
        lows[number], highs[number] = low, high
        self.session.held_range.give(lows, highs)

    def _on_picks(self, picks: bool) -> None:
        held = self.session.held_range
        if picks:
            held.hold(False)
        else:
            found = self._range()
            held.give(found.low, found.high)
