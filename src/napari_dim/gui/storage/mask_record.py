"""How a mask came about, as a JSON file beside it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_dim.gui.controller import Session
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.widgets.class_table import classes_of
from napari_dim.io import hash_file, write_text_atomically
from napari_dim.states import SliceState


def write_record(session: Session, layer: Labels, written: Path, states: np.ndarray | None) -> Path:
    """Write the record of a mask that was saved; returns where.

    Raises
    ------
    InputError
        If it can't be written.
    """
    record = record_of(session, layer, written, states)
    beside = written.with_name(written.name.split(".")[0] + ".json")
    write_text_atomically(beside, json.dumps(record, indent=2) + "\n")
    return beside


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
