"""napari with the result of ``napari-dim demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.data.cohort import read_cohort
from napari_dim.gui.controller import session_of
from napari_dim.gui.layers.image_layers import add_layer, image_tuples
from napari_dim.gui.panels.workspace import Workspace
from napari_dim.io import prediction_name, read_mask, read_volume


def show_demo(folder: Path, viewer: Any) -> Workspace:
    """Open the demo's scans, one a site, with their predictions, and the workspace.

    Parameters
    ----------
    folder
        What ``napari-dim demo`` wrote: ``phantom``, ``predictions`` and ``run``.
    viewer
        The viewer to open them in.

    Raises
    ------
    InputError
        If the folder holds no demo.
    """
    folder = Path(folder)
    rows = read_cohort(folder / "phantom" / "cohort.csv").split("test")
    session = session_of(viewer)
    first = {row.site: row for row in reversed(rows)}
    for row in first.values():
        volume = read_volume(row.image)
        shown = row is rows[0]
        for data, how, kind in image_tuples(volume, row.name):
            image = add_layer(viewer, (data, {**how, "visible": shown}, kind))
        predicted = folder / "predictions" / prediction_name(row.image, name=row.name)
        if predicted.is_file():
            mask = read_mask(predicted, volume)
            session.mask_for(image).take(np.arange(len(mask)), mask)
    run = folder / "run"
    session.run = run if run.is_dir() else None
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace, name="napari-dim", area="right")
    viewer.reset_view()
    return workspace


def open_demo(folder: Path) -> None:
    """Open napari on a demo's folder and run it until the user closes it.

    Raises
    ------
    InputError
        If the folder holds no demo.
    """
    import napari

    viewer = napari.Viewer(title="napari-dim demo")
    show_demo(folder, viewer)
    napari.run()
