"""Curves: the losses while a training runs, and the score of corrected slices."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_dim.gui.logic.labels_paying import verdict
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import note, while_alive

# Okabe and Ito's colours, which colour-blind people can tell apart.
COLOURS = {
    "supervised": "#E69F00",
    "inner": "#56B4E9",
    "outer": "#009E73",
    "symmetric": "#F0E442",
    "align": "#CC79A7",
    "entropy": "#0072B2",
}
TITLES = {
    "supervised": "your slices",
    "inner": "pasted in",
    "outer": "pasted around",
    "symmetric": "symmetric",
    "align": "alignment",
    "entropy": "entropy",
}
MAIN = "supervised"
POINTS = 400
YOURS, BEFORE = "#D55E00", "#56B4E9"


class LossCurves(QWidget):
    """Draws the session's losses and live scores against time.

    A line of text where pyqtgraph is missing.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._plot: Any = None
        self._scores: Any = None
        self._begun = False
        self._lines: dict[str, Any] = {}
        self._text: QLabel = note()
        self._said: QLabel = note()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self._column.addWidget(self._text)
        self._column.addWidget(self._said)
        while_alive(self, session.viewer.events.theme, self._on_theme)
        while_alive(self, session.stepped, self.refresh)
        self.refresh()

    def _begin(self) -> None:
        """Make the plots, once there is something to draw: the window opens sooner without."""
        self._begun = True
        try:
            import pyqtgraph
        except ImportError:
            self._column.insertWidget(
                1, note("Curves need pyqtgraph: pip install napari-dim[plots]")
            )
            return
        self._graph = pyqtgraph
        self._plot = _plot(130)
        self._plot.setToolTip(
            "How far the model is from your slices (thick line), and from what it works out "
            "for the others: lower is better. The others join as training goes on"
        )
        self._scores = _plot(100)
        self._scores.setYRange(0, 1)
        self._scores.setToolTip(
            "1 is perfect. Thick: how well the masks agree with the slices you labelled. "
            "Thin: how little they changed since the last refresh; once it stays near 1, more "
            "minutes hardly help"
        )
        self._column.insertWidget(0, self._plot)
        self._column.insertWidget(2, self._scores)
        self._restyle()

    @property
    def text(self) -> str:
        """What it says of the live scores."""
        return str(self._said.text())

    def refresh(self, *_: object) -> None:
        """Draw the whole history."""
        history = self._session.history
        if not self._begun and (history or self._session.live):
            self._begin()
        self._refresh_scores()
        if self._plot is None:
            self._text.setText(f"loss: {history[-1].losses['total']:.3f}" if history else "")
            return
        every = max(1, len(history) // POINTS)
        shown = history[::every]
        # The total grows with the weights of its parts, so it would look like getting worse.
        names = [name for name in TITLES if any(name in event.losses for event in shown)]
        for name in names:
            self._line(name).setData(
                [event.elapsed for event in shown],
                [event.losses.get(name, float("nan")) for event in shown],
            )
        for name in self._lines.keys() - set(names):
            self._lines[name].setData([], [])
        self._text.setText(_legend({TITLES[name]: COLOURS[name] for name in names}))

    def _refresh_scores(self) -> None:
        live = self._session.live
        self._said.setVisible(bool(live))
        if self._scores is not None:
            self._scores.setVisible(bool(live))
            times = [score.elapsed for score in live]
            self._yours.setData(times, [score.yours for score in live])
            self._before.setData(times, [score.before for score in live])
        if live:
            words = _legend({"with your slices": YOURS, "with the masks before": BEFORE})
            last = live[-1]
            self._said.setText(
                f"Dice {words}<br>with yours now: {_number(last.yours)}; "
                f"with the masks before: {_number(last.before)}"
            )

    def _line(self, name: str) -> Any:
        if name not in self._lines:
            pen = self._graph.mkPen(COLOURS[name], width=3 if name == MAIN else 1.2)
            self._lines[name] = self._plot.plot(pen=pen)
        return self._lines[name]

    def _on_theme(self, event: Any = None) -> None:
        if self._plot is not None:
            self._restyle()
            self.refresh()

    def _restyle(self) -> None:
        """Take napari's colours."""
        self._plot.clear()
        self._lines.clear()
        self._scores.clear()
        how = {"symbol": "o", "symbolPen": None}
        self._yours = self._scores.plot(
            pen=self._graph.mkPen(YOURS, width=3), symbolBrush=YOURS, symbolSize=6, **how
        )
        self._before = self._scores.plot(
            pen=self._graph.mkPen(BEFORE, width=1.2), symbolBrush=BEFORE, symbolSize=4, **how
        )
        _style(self._plot, self._session, "", "loss")
        _style(self._scores, self._session, "seconds", "Dice")


def _plot(height: int) -> Any:
    import pyqtgraph

    plot = pyqtgraph.PlotWidget()
    plot.setFixedHeight(height)
    plot.hideButtons()
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(False, False)
    for side in ("left", "bottom"):  # 0.3, not 300 (x0.001)
        plot.getAxis(side).enableAutoSIPrefix(False)
    return plot


def _legend(colours: dict[str, str]) -> str:
    return " &nbsp; ".join(
        f'<span style="color:{colour}">━</span>&nbsp;' + title.replace(" ", "&nbsp;")
        for title, colour in colours.items()
    )


def _number(dice: float) -> str:
    return "not known yet" if math.isnan(dice) else f"{dice:.2f}"


class ScoreCurve(QWidget):
    """Dice of the masks that a person corrected or checked, against labelled slices."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._plot: Any = None
        self._begun = False
        self._text = note()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self._text)
        while_alive(self, session.viewer.events.theme, self._restyle)
        while_alive(self, session.slices_changed, self.refresh)
        self.refresh()

    def _begin(self) -> None:
        """Make the plot, once there is a score."""
        self._begun = True
        try:
            import pyqtgraph
        except ImportError:
            return
        self._plot = _plot(120)
        self._plot.setToolTip(
            "How right the model was on each slice that you then corrected, or confirmed "
            "after a check: 1 is perfect. Slices accepted unchanged are not in it"
        )
        self._plot.setYRange(0, 1)
        self._line = self._plot.plot(
            pen=pyqtgraph.mkPen(COLOURS["inner"], width=2),
            symbol="o", symbolSize=6, symbolBrush=COLOURS["inner"], symbolPen=None,
        )  # fmt: skip
        self._column.insertWidget(0, self._plot)
        self._restyle()

    @property
    def text(self) -> str:
        """What it says of the scores."""
        return str(self._text.text())

    def refresh(self) -> None:
        """Draw the scores so far."""
        scores = self._session.scores
        self.setVisible(bool(scores))
        if not scores:
            return
        if not self._begun:
            self._begin()
        if self._plot is not None:
            numbers = [s.labelled for s in scores]
            self._line.setData(numbers, [s.dice for s in scores])
            # Wide enough for ticks at whole numbers: there is no half slice.
            self._plot.setXRange(max(min(numbers) - 3, 0), max(numbers) + 3, padding=0)
        self._text.setText(verdict([s.dice for s in scores]))

    def _restyle(self, event: Any = None) -> None:
        if self._plot is not None:
            _style(self._plot, self._session, "labelled slices", "Dice")


def _style(plot: Any, session: Session, bottom: str, left: str) -> None:
    """Give a plot napari's colours and its axes their names."""
    from napari.utils.theme import get_theme

    theme = get_theme(session.viewer.theme)
    foreground = theme.text.as_hex()
    plot.setBackground(theme.background.as_hex())
    item = plot.getPlotItem()
    for side, text in (("bottom", bottom), ("left", left)):
        axis = item.getAxis(side)
        axis.setPen(foreground)
        axis.setTextPen(foreground)
        if text:
            item.setLabel(side, text, color=foreground)
