"""The workspace: the panels in the order of the work."""

from __future__ import annotations

import napari.viewer
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_dim.gui.predict import PredictPanel
from napari_dim.gui.train import TrainPanel


class Workspace(QWidget):
    """Train and Predict in tabs.

    Parameters
    ----------
    viewer
        The viewer whose layers are used.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.tabs = QTabWidget()
        self.train = TrainPanel(viewer)
        self.predict = PredictPanel(viewer)
        self.tabs.addTab(self.train, "Train")
        self.tabs.addTab(self.predict, "Predict")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tabs)
