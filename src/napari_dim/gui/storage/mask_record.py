"""How a mask came about, as a JSON file beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_dim.config import read_settings_file
from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import layer_path, layer_source, missing_slices
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.layers.mask_place import place_words
from napari_dim.gui.session import Session
from napari_dim.gui.storage.last_model import maker_of
from napari_dim.io import hash_file, write_text_atomically
from napari_dim.states import BY_HAND, SliceState


@dataclass(frozen=True)
class Recipe:
    """How a mask came about, as the window knows it; what takes long is left to `write`.

    Attributes
    ----------
    known
        All but the hashes, in the order of the file.
    image, weights, opened
        The scan's file or folder, the model's weights, and the file that the mask was opened
        from, to be hashed; None where there is none.
    """

    known: Mapping[str, Any]
    image: Path | None = None
    weights: Path | None = None
    opened: Path | None = None

    def write(self, written: Path) -> Path:
        """Write the record of a mask that was saved, beside it; safe from any thread.

        Raises
        ------
        InputError
            If it can't be written.
        """
        record = dict(self.known)
        record["mask"] = _named(written)
        if self.opened is not None and self.opened.exists() and self.opened != written:
            record["mask"]["opened_from"] = _named(self.opened)
        if self.image is not None and self.image.exists():
            record["image"] = _named(self.image)
        if self.weights is not None and self.weights.is_file():
            record["model"] = {**record.get("model", {}), "weights_sha256": hash_file(self.weights)}
        # The whole name: masks of several formats have one stem.
        beside = written.with_name(f"{written.name}.json")
        write_text_atomically(beside, json.dumps(record, indent=2) + "\n")
        return beside


def _named(path: Path) -> dict[str, Any]:
    return {"file": path.name, "sha256": hash_file(path)}


def write_record(
    session: Session, layer: Labels, written: Path, states: np.ndarray | None
) -> threading.Thread:
    """Write the record of a mask that was saved; in the background, as it takes reading files.

    A fault is told. Python waits for it at its end.
    """
    recipe = recipe_of(session, layer, states)

    def work() -> None:
        try:
            recipe.write(written)
        except InputError as error:
            from napari.utils.notifications import show_warning

            show_warning(str(error))

    thread = threading.Thread(target=work, name="record")
    thread.start()
    return thread


def recipe_of(session: Session, layer: Labels, states: np.ndarray | None) -> Recipe:
    """How a mask came about: versions, model, settings, seed, states of its slices."""
    from napari_dim import __version__

    mask = session.scans.known_mask(layer) or session.mask
    model = None if mask is None else mask.answer.model
    run = None if mask is None else mask.answer.run
    source, scan = layer_source(layer), session.scans.owner_of(layer)
    record: dict[str, Any] = {
        "napari_dim": __version__,
        "written": datetime.now().astimezone().isoformat(timespec="seconds"),
        "mask": {},
        **_reader(session, layer),
        "classes": [
            {"id": info.id, "name": info.name, "colour": info.colour} for info in classes_of(layer)
        ],
    }
    grid = source.grid
    record["geometry"] = {
        "written": place_words(layer)[0],
        "file_shape": [int(n) for n in grid.file_shape],
        "affine": [[float(value) for value in row] for row in grid.file_affine],
        "unit": grid.unit,
    }
    if states is not None:
        names = {int(state): state.name.lower() for state in SliceState}
        record["slices"] = [names[int(state)] for state in states]
        record["count"] = {
            "labelled_by_a_person": int(np.isin(states, BY_HAND).sum()),
            "accepted_unchanged": int((states == SliceState.ACCEPTED).sum()),
            "accepted_in_part": int((states == SliceState.ACCEPTED_PART).sum()),
            "machine_unseen": int((states == SliceState.MACHINE).sum()),
            "filled_not_confirmed": int((states == SliceState.FILLED).sum()),
            "without_a_mask": int((states == SliceState.UNTOUCHED).sum()),
        }
    if missing := sorted(missing_slices(scan or layer)):
        record["missing"] = missing
    if model is not None:
        record["model"] = maker_of(model, None)
    elif mask is not None and mask.answer.made is not None:
        record["model"] = dict(mask.answer.made)
    elif run is not None:  # the model of another day is loaded only once it is needed
        record["model"] = _model_in(run)
    weights = None if run is None else run / "weights.safetensors"
    image = source.path if scan is None else layer_path(scan)
    return Recipe(record, image, weights, None if source.path == image else source.path)


def _reader(session: Session, layer: Labels) -> dict[str, Any]:
    """Who labelled it in which study; nothing outside of one."""
    image = session.scans.owner_of(layer)
    place = None if image is None else session.autosave.place_of(image)
    if place is None or not place[0].reader:
        return {}
    project, name = place
    read = {"read": project.case(name).read} if project.case(name).read else {}
    return {"reader": project.reader, "study": project.study, "case": name, **read}


def _model_in(run: Path) -> dict[str, Any]:
    """What a run folder says of its model; empty where it is gone."""
    try:
        settings, known = (read_settings_file(run / f"{name}.json") for name in ("settings", "run"))
    except InputError:
        return {}
    return {
        "seed": settings.get("seed"),
        "settings": settings,
        "versions": known.get("versions", {}),
    }
