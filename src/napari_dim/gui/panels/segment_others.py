"""Masks from a trained model, for open scans and for files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_dim.errors import InputError
from napari_dim.gui.jobs.prediction_job import Order, Predicting, order_for_files, order_for_layer
from napari_dim.gui.preferences import preferences
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import (
    LayerPicker,
    PathPicker,
    captioned,
    large_button,
    note,
    while_alive,
)
from napari_dim.gui.work import Activity

if TYPE_CHECKING:
    from napari_dim.engine.inference.trained_model import Model

LAYER, FILES = "an open scan", "files"
FILTER = "Scans and pictures (*.nii *.nii.gz *.hdr *.img *.png *.jpg *.jpeg *.tif *.tiff)"


class PredictPanel(QWidget):
    """Pick a model and a scan; the masks appear as a layer to review and save.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._files: list[Path] = []
        self._predicting: Predicting | None = None
        self._build()
        while_alive(self, session.layers_changed, self._refresh)
        while_alive(self, session.changed, self._refresh)
        while_alive(self, session.model_changed, self._on_model)
        self._on_model()
        self._refresh()

    def _build(self) -> None:
        self.run = PathPicker(folder=True, placeholder="the model trained here last")
        self.run.setToolTip("The folder of a training: this window's last one, or any other")
        self.run.changed.connect(self._refresh)
        self.source = QComboBox()
        self.source.addItems([LAYER, FILES])
        self.source.setToolTip("Segment a scan that is open, or files")
        self.source.currentTextChanged.connect(lambda _: self._refresh())
        self.image = LayerPicker(self.session, Image)
        self.image.setToolTip("The scan to segment")
        self.names = QLineEdit()
        self.names.setReadOnly(True)
        self.browse = QPushButton("Files…")
        self.browse.clicked.connect(self._on_files)
        self._files_row = QWidget()
        row = QHBoxLayout(self._files_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.names, 1)
        row.addWidget(self.browse)
        self.button = large_button("Predict")
        self.button.clicked.connect(self._on_button)
        self.why = note()

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        captioned(form, "model", self.run)
        captioned(form, "segment", self.source)
        form.addRow(self.image)
        form.addRow(self._files_row)
        column.addLayout(form)
        column.addWidget(self.why)
        column.addWidget(self.button)

    # What the user does.

    def choose_files(self, paths: list[Path]) -> None:
        """Segment these files."""
        self._files = paths
        self.names.setText(", ".join(path.name for path in paths))
        self.source.setCurrentText(FILES)

    def start(self) -> None:
        """Start with what is chosen; a fault is told once."""
        try:
            self._predicting = Predicting.start(self.session, self._order())
        except InputError as error:
            from napari.utils.notifications import show_warning

            show_warning(str(error))

    def cancel(self) -> None:
        """End soon; what is predicted already stays."""
        if self._predicting is not None:
            self._predicting.cancel()

    def _order(self) -> Order:
        model: Model | Path | None = self.run.path
        if self.session.model is not None and self.run.path == self.session.run:
            model = self.session.model
        if model is None:
            raise InputError("there is no model yet", hint="Train one, or browse for its folder")
        chosen = preferences()
        how = {
            "device": chosen.device,
            "threads": chosen.threads,
        }
        if self.source.currentText() == FILES:
            if not self._files:
                raise InputError("no files are chosen", hint="Press Files…")
            return order_for_files(self._files, model, **how)
        if self.image.layer is None:
            raise InputError("no scan is open", hint="Open one, or use File > Open Sample")
        return order_for_layer(self.image.layer, model, **how)

    def _on_button(self) -> None:
        if self.session.activity is Activity.PREDICTING:
            self.cancel()
        elif not self.session.busy:
            self.start()

    def _on_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Choose scans", "", FILTER)
        if paths:
            self.choose_files([Path(path) for path in paths])

    # What happens around it.

    def _on_model(self) -> None:
        if self.session.run is not None:
            self.run.path = self.session.run
        self._refresh()

    def _refresh(self, event: Any = None) -> None:
        activity = self.session.activity
        by_layer = self.source.currentText() == LAYER
        self.image.setVisible(by_layer)
        self._files_row.setVisible(not by_layer)
        self.button.setText("Cancel" if activity is Activity.PREDICTING else "Predict")
        training = activity in (Activity.TRAINING, Activity.STOPPING)
        self.button.setEnabled(not training)
        has_model = self.session.model is not None or self.run.path is not None
        why = "" if has_model else "There is no model yet: train one, or browse for its folder."
        self.why.setText("Waits for the training to end." if training else why)
        self.why.setVisible(bool(self.why.text()))
