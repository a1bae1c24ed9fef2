"""Two limits of intensity: a slider with two handles between two boxes to type in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QWidget
from superqt import QDoubleRangeSlider

LONGEST = "green "
"""The longest name of a channel: rows stand below each other."""
FAR = 1e9
"""What may be typed at most, up and down."""


class RangeRow(QWidget):
    """The limits of one channel.

    Parameters
    ----------
    name
        What stands before them.
    """

    given = Signal(float, float)
    """A person gave the limits, low and high."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = QLabel(name)
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        self.slider = QDoubleRangeSlider(Qt.Orientation.Horizontal)
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys stay with the canvas
        self.slider.setAccessibleName("limits of the range")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.name, self.low, self.slider, self.high):
            row.addWidget(widget, int(widget is self.slider))
        for box, which in ((self.low, "lower"), (self.high, "upper")):
            box.setRange(-FAR, FAR)
            box.setKeyboardTracking(False)  # a number counts once it is whole
            box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
            box.setAccessibleName(f"{which} limit of the range")
            box.setToolTip(f"The {which} limit of what the threshold brush paints")
        # The limit that is typed holds; the other one gives way where they would cross.
        self.low.valueChanged.connect(lambda low: self.given.emit(low, max(low, self.high.value())))
        self.high.valueChanged.connect(
            lambda high: self.given.emit(min(self.low.value(), high), high)
        )
        self.slider.valueChanged.connect(self._on_slid)

    def show_limits(
        self, low: float, high: float, span: tuple[float, float], decimals: int
    ) -> None:
        """Show limits without telling of it.

        Parameters
        ----------
        low, high
            The limits.
        span
            What the slider goes over, least and most; limits beyond make it longer.
        decimals
            Places after the point.
        """
        self.name.setMinimumWidth(self.name.fontMetrics().horizontalAdvance(LONGEST))
        with self._quiet():
            self.slider.setRange(min(span[0], low), max(span[1], high))
            self.slider.setValue((low, high))
            for box, value in ((self.low, low), (self.high, high)):
                box.setDecimals(decimals)
                box.setSingleStep(max((span[1] - span[0]) / 100, 10.0**-decimals))
                box.setValue(value)
                box.setFixedWidth(_width(box, (*span, low, high)))

    def _on_slid(self, limits: tuple[float, float]) -> None:
        places = self.low.decimals()
        self.given.emit(round(float(limits[0]), places), round(float(limits[1]), places))

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        parts = (self.low, self.high, self.slider)
        held = [part.blockSignals(True) for part in parts]
        try:
            yield
        finally:
            for part, was in zip(parts, held, strict=True):
                part.blockSignals(was)


def _width(box: QDoubleSpinBox, ends: tuple[float, ...]) -> int:
    """Wide enough for any value of the slider."""
    texts = (f"{value:.{box.decimals()}f}" for value in ends)
    return max(int(box.fontMetrics().horizontalAdvance(text)) for text in texts) + 28
