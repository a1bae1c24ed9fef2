"""Random operations on a real labels layer, as an annotator does them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Labels

SHAPE = (10, 32, 28)


def session_with_labels(app: Any) -> tuple[Any, Any]:
    """A viewer without a window, its session, and an empty labels layer in it."""
    viewer, session = empty_session()
    viewer.add_image(np.zeros(SHAPE, np.float32), name="scan", scale=(3, 1, 1))
    viewer.add_labels(np.zeros(SHAPE, np.uint8), name="mine", scale=(3, 1, 1))
    session.show_case(viewer.layers["scan"], viewer.layers["mine"])
    return viewer, session


def empty_session() -> tuple[Any, Any]:
    """A viewer without a window, and its session."""
    from napari.components import ViewerModel

    from napari_dim.gui.controller import session_of

    viewer = ViewerModel()
    return viewer, session_of(viewer)


def application() -> Any:
    """Qt's application, for timers."""
    from qtpy.QtWidgets import QApplication

    return QApplication.instance() or QApplication([])


KINDS = {
    "paint": 20, "stroke": 8, "fill": 8, "polygon": 8, "set": 8, "undo": 16, "redo": 10,
    "write": 8, "data": 4, "wide": 1, "shape": 1, "hide": 2, "scroll": 6,
}  # fmt: skip
"""What `operate` does, and how often."""


def operate(
    rng: random.Random,
    viewer: Any,
    layer: Labels,
    *,
    reshape: bool = True,
    only: Sequence[str] = tuple(KINDS),
) -> str:
    """One random operation, of `only` these kinds; returns its name."""
    count = layer.data.shape[0]
    rows, columns = layer.data.shape[1:]
    number = rng.randrange(count)
    point = (number, rng.randrange(rows), rng.randrange(columns))
    value = rng.randint(0, 4)
    kinds = {
        kind: often for kind, often in KINDS.items()
        if kind in only and (reshape or kind not in ("wide", "shape"))
    }  # fmt: skip
    (kind,) = rng.choices(list(kinds), list(kinds.values()))
    if kind == "paint":
        layer.visible = True  # napari can't paint what it has not sliced
        layer.brush_size = rng.choice([1, 3, 8])
        layer.paint(point, value)
    elif kind == "stroke":  # a drag: several dabs, one step to undo
        layer.visible = True
        with layer.block_history():
            for step in range(rng.randint(1, 5)):
                layer.paint((number, min(point[1] + step, rows - 1), point[2]), value)
    elif kind == "fill":
        layer.visible = True
        viewer.dims.set_point(0, float(layer.data_to_world(point)[0]))
        layer.fill(point, value)
    elif kind == "polygon":
        layer.visible = True
        corners = [(number, rng.randrange(rows), rng.randrange(columns)) for _ in range(4)]
        layer.paint_polygon(corners, value)
    elif kind == "set":
        layer.visible = True
        size = rng.randint(1, 30)
        where = tuple(np.array([rng.randrange(n) for _ in range(size)]) for n in layer.data.shape)
        layer.data_setitem(where, value)
    elif kind == "undo":
        layer.undo()
    elif kind == "redo":
        layer.redo()
    elif kind == "write":  # a script, behind napari's back
        layer.data[number, : rng.randrange(rows)] = value
    elif kind == "data":
        layer._reset_history()  # or napari's undo writes into the new array (its own trap)
        layer.data = np.random.default_rng(rng.randrange(2**32)).integers(
            0, 5, layer.data.shape, dtype=layer.data.dtype
        )
    elif kind == "wide":
        wide = np.uint16 if layer.data.dtype == np.uint8 else np.uint8
        layer.data = np.asarray(layer.data).astype(wide)
    elif kind == "shape":
        layer._reset_history()
        new = (rng.randint(2, 12), rng.randint(8, 40), rng.randint(8, 40))
        layer.data = np.full(new, value, layer.data.dtype)
    elif kind == "hide":
        layer.visible = not layer.visible
    else:
        viewer.dims.set_point(0, float(layer.data_to_world(point)[0]))
    return kind
