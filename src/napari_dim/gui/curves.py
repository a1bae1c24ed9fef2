"""Live curves of the losses."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_dim.engine.events import StepDone
from napari_dim.gui.parts import note, while_alive
from napari_dim.gui.session import Session

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
    "total": "total",
    "supervised": "labelled slices",
    "inner": "pasted in",
    "outer": "pasted around",
    "symmetric": "symmetric",
    "align": "alignment",
    "entropy": "entropy",
}
POINTS = 400


class LossCurves(QWidget):
    """Draws the session's losses against time; a line of text where pyqtgraph is missing."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._plot: Any = None
        self._lines: dict[str, Any] = {}
        self._text: QLabel = note()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        try:
            import pyqtgraph
        except ImportError:
            self._text.setText("Curves need pyqtgraph: pip install napari-dim[plots]")
            column.addWidget(self._text)
        else:
            self._graph = pyqtgraph
            self._plot = pyqtgraph.PlotWidget()
            self._plot.setFixedHeight(170)
            self._plot.setToolTip("How far the model is from what it should learn: lower is better")
            self._plot.hideButtons()
            self._plot.setMenuEnabled(False)
            self._plot.setMouseEnabled(False, False)
            column.addWidget(self._plot)
            while_alive(self, session.viewer.events.theme, self._on_theme)
            self._restyle()
        while_alive(self, session.stepped, self._on_step)
        self.refresh()

    def refresh(self) -> None:
        """Draw the whole history."""
        history = self._session.history
        if self._plot is None:
            if history:
                self._text.setText(f"loss: {history[-1].losses['total']:.3f}")
            return
        every = max(1, len(history) // POINTS)
        shown = history[::every]
        for name in dict.fromkeys(name for event in history[-1:] for name in event.losses):
            self._line(name).setData(
                [event.elapsed for event in shown],
                [event.losses.get(name, float("nan")) for event in shown],
            )
        if not history:
            for line in self._lines.values():
                line.setData([], [])

    def _on_step(self, event: StepDone) -> None:
        # Ten events a second come in; four drawings a second are seen as live.
        if self._plot is None or event.progress >= 1 or event.elapsed - self._drawn >= 0.25:
            self._drawn = event.elapsed
            self.refresh()
        elif event.elapsed < self._drawn:
            self._drawn = 0.0

    _drawn = 0.0

    def _line(self, name: str) -> Any:
        if name not in self._lines:
            colour = COLOURS.get(name, self._foreground)
            pen = self._graph.mkPen(colour, width=2.5 if name == "total" else 1.2)
            self._lines[name] = self._plot.plot(pen=pen, name=TITLES.get(name, name))
        return self._lines[name]

    def _on_theme(self, event: Any = None) -> None:
        self._restyle()
        self.refresh()

    def _restyle(self) -> None:
        """Take napari's colours."""
        from napari.utils.theme import get_theme

        theme = get_theme(self._session.viewer.theme)
        self._foreground = theme.text.as_hex()
        self._plot.clear()
        self._lines.clear()
        self._plot.setBackground(theme.background.as_hex())
        item = self._plot.getPlotItem()
        if item.legend is not None:
            item.legend.scene().removeItem(item.legend)
            item.legend = None
        item.addLegend(
            offset=(-4, 2), labelTextColor=self._foreground, labelTextSize="8pt", colCount=2,
            verSpacing=-6, brush=None,
        )  # fmt: skip
        for side, text in (("bottom", "seconds"), ("left", "loss")):
            axis = item.getAxis(side)
            axis.setPen(self._foreground)
            axis.setTextPen(self._foreground)
            item.setLabel(side, text, color=self._foreground)
