"""The Export tab: finished masks as files, with a record of how they came about."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QVBoxLayout,
    QWidget,
)

from napari_dim.errors import InputError
from napari_dim.gui.classes import classes_of
from napari_dim.gui.layers import labels_array, layer_source
from napari_dim.gui.parts import LayerPicker, captioned, large_button, note, while_alive
from napari_dim.gui.saving import save_array, save_labels, suggested_path
from napari_dim.gui.session import Session
from napari_dim.io import hash_file, write_text_atomically
from napari_dim.io.formats import FORMATS, mask_format
from napari_dim.project.states import LABELLED, SliceState

CONFIRMED, FILLED, LAYER = (
    "confirmed slices only",
    "confirmed slices, predictions elsewhere",
    "a layer as it is",
)


class ExportTab(QWidget):
    """Says what is written, and writes it.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.include = QComboBox()
        self.include.addItems([FILLED, CONFIRMED, LAYER])
        self.include.setToolTip("Which slices the mask holds")
        self.layer = LayerPicker(session, Labels)
        self.layer.setToolTip("The layer to write")
        self.format = QComboBox()
        for one in FORMATS:
            if one.write_mask:
                self.format.addItem(one.name, one.key)
        self.format.setToolTip(
            "NIfTI, NRRD and OME-Zarr keep the exact place; DICOM-SEG also belongs to the series "
            "it was drawn on, patient's name included. Colours and names of classes are kept by "
            "NRRD, DICOM-SEG, OME-Zarr, PNG and TIFF (colours). STL and CSV are for other uses"
        )
        self.text = note()
        self.button = large_button("Export…")
        self.button.setToolTip(
            "Write the mask in exactly the place of the scan, and a .json file beside it "
            "that says how it came about"
        )
        self.button.clicked.connect(self._on_export)
        form = QFormLayout()
        captioned(form, "write", self.include)
        captioned(form, "layer", self.layer)
        captioned(form, "as", self.format)
        self._row = form
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addLayout(form)
        column.addWidget(self.text)
        column.addWidget(self.button)
        column.addStretch(1)
        self.include.currentTextChanged.connect(lambda _: self.refresh())
        self.format.currentTextChanged.connect(lambda _: self.refresh())
        while_alive(self, session.slices_changed, self.refresh)
        while_alive(self, session.case_changed, self.refresh)
        while_alive(self, session.layers_changed, self.refresh)
        while_alive(self, session.predicted, self._on_predicted)
        self.refresh()

    def refresh(self) -> None:
        """Say what would be written."""
        whole = self.include.currentText() == LAYER
        self._row.setRowVisible(1, whole)
        try:
            text = "" if whole else exported(self.session, self.include.currentText())[1]
            ready = self.layer.layer is not None if whole else True
            if ready and (why := self._unfit()):
                text, ready = why, False
        except InputError as error:
            text, ready = str(error), False
        self.text.setText(text)
        self.text.setVisible(bool(text))
        self.button.setEnabled(ready)

    @property
    def form(self) -> str:
        """The key of the chosen format."""
        return str(self.format.currentData())

    def _target(self) -> Labels | None:
        """The layer in whose place the mask lies."""
        if self.include.currentText() == LAYER:
            return self.layer.layer
        return self.session.labels or self.session.image

    def _unfit(self) -> str:
        """Why the chosen format can't hold a mask of this scan; empty if it can."""
        layer = self._target()
        if layer is None:
            return ""
        source = layer_source(layer)
        if self.form == "dicom-seg" and not source.header.get("instances"):
            return "A DICOM-SEG needs a scan that was opened from DICOM. Choose NIfTI or NRRD."
        if self.form == "png" and source.grid.shape[0] != 1:
            return "A PNG holds one slice. Choose TIFF, or NIfTI."
        if self.form in ("stl", "stl-smooth") and source.grid.unit != "mm":
            return "A picture without a physical size has no surface in mm. Choose PNG or TIFF."
        return ""

    def export(self, path: Path, form: str = "") -> bool:
        """Write the mask and its record; says where, or why not.

        Without `form`, the end of the name says the format.
        """
        from napari.utils.notifications import show_info, show_warning

        try:
            if self.include.currentText() == LAYER:
                layer = self.layer.layer
                if layer is None:
                    raise InputError("there is no labels layer")
                written = save_labels(layer, path, form)
                states = None
            else:
                mask, _, layer, states = exported(self.session, self.include.currentText())
                written = save_array(mask, layer, path, form)
            record = record_of(self.session, layer, written, states)
            beside = written.with_name(written.name.split(".")[0] + ".json")
            write_text_atomically(beside, json.dumps(record, indent=2) + "\n")
        except InputError as error:
            show_warning(str(error))
            return False
        show_info(f"Saved {written}")
        return True

    def _on_predicted(self, layer: Any) -> None:
        self.layer.refresh()
        self.layer.pick(layer)

    def _on_export(self) -> None:
        chosen = mask_format(Path("mask"), self.form)
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Export the mask",
            str(suggested_path(self._target(), self.form)),
            f"{chosen.name} ({' '.join(f'*{end}' for end in chosen.written)})",
        )
        if path:
            named = path.lower().endswith(chosen.written) or Path(path).parent.name == "labels"
            self.export(Path(path if named else f"{path}{chosen.written[0]}"), self.form)


def exported(session: Session, include: str) -> tuple[np.ndarray, str, Labels, np.ndarray]:
    """The mask of the scan that is worked on.

    Returns
    -------
    mask, text, layer, states
        Class ids ``(slice, row, column)``; what is in it, in words; the layer in whose place
        it lies; a `SliceState` for each slice.

    Raises
    ------
    InputError
        If there is nothing to write.
    """
    annotation, prediction = session.annotation, session.prediction
    if annotation is None and prediction is None:
        raise InputError("there is nothing to export yet", hint="Label some slices, or train")
    layer = prediction.layer if annotation is None and prediction else session.labels
    assert layer is not None
    mask = labels_array(layer).copy()
    states = np.zeros(len(mask), np.uint8) if annotation is None else annotation.states
    if annotation is not None and annotation.brush is not None:
        mask[mask == annotation.brush] = 0
    known = np.isin(states, LABELLED)
    mask[~known] = 0
    parts = [f"{int(known.sum())} of {len(mask)} slices are labelled"]
    if include == FILLED and prediction is not None and prediction.mask.shape == mask.shape:
        machine = labels_array(prediction.layer)
        rest = ~known & prediction.said
        mask = mask.astype(np.promote_types(mask.dtype, machine.dtype), copy=False)
        mask[rest] = machine[rest]
        partial = states == SliceState.PARTIAL
        painted = labels_array(layer) != 0
        open_pixels = partial[:, None, None] & ~painted
        mask[open_pixels] = machine[open_pixels]
        states = np.where(rest, SliceState.PREDICTED, states)
        parts.append(f"{int(rest.sum())} are the machine's, as you corrected them")
    else:
        parts.append("the others are left empty")
    return mask, "; ".join(parts) + ".", layer, states


def record_of(
    session: Session, layer: Labels, path: Path, states: np.ndarray | None
) -> dict[str, Any]:
    """How a mask came about: versions, model, settings, seed, hashes, states of its slices."""
    from napari_dim import __version__

    made = [p for p in session.predictions.values() if p.layer is layer]
    prediction = made[0] if made else session.prediction
    model = None if prediction is None else prediction.model
    run = None if prediction is None else prediction.run
    source = layer_source(layer)
    record: dict[str, Any] = {
        "napari_dim": __version__,
        "written": datetime.now().astimezone().isoformat(timespec="seconds"),
        "mask": {"file": path.name, "sha256": hash_file(path)},
        "classes": [
            {"id": info.id, "name": info.name, "colour": info.colour} for info in classes_of(layer)
        ],
    }
    if source.path is not None and source.path.is_file():
        record["image"] = {"file": source.path.name, "sha256": hash_file(source.path)}
    if states is not None:
        names = {int(state): state.name.lower() for state in SliceState}
        record["slices"] = [names[int(state)] for state in states]
    if model is not None:
        record["model"] = {
            "seed": model.settings.seed,
            "settings": model.settings.model_dump(mode="json"),
            "versions": model.record.get("versions", {}),
        }
        if run is not None and (run / "weights.safetensors").is_file():
            record["model"]["weights_sha256"] = hash_file(run / "weights.safetensors")
    return record
