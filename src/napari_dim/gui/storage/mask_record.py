"""How a mask came about, as a JSON file beside it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.session import Session
from napari_dim.io import hash_file, write_text_atomically
from napari_dim.states import BY_HAND, SliceState


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

    mask = session.known_mask(layer) or session.mask
    model = None if mask is None else mask.answer.model
    run = None if mask is None else mask.answer.run
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
        record["count"] = {
            "labelled_by_a_person": int(np.isin(states, BY_HAND).sum()),
            "accepted_unchanged": int((states == SliceState.ACCEPTED).sum()),
            "machine_unseen": int((states == SliceState.MACHINE).sum()),
            "filled_not_confirmed": int((states == SliceState.FILLED).sum()),
            "without_a_mask": int((states == SliceState.UNTOUCHED).sum()),
        }
    if model is not None:
        record["model"] = {
            "seed": model.settings.seed,
            "settings": model.settings.model_dump(mode="json"),
            "versions": model.record.get("versions", {}),
        }
        if run is not None and (run / "weights.safetensors").is_file():
            record["model"]["weights_sha256"] = hash_file(run / "weights.safetensors")
    return record
