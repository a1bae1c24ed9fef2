"""Files that a person opens: by our buttons and drops without a question, by napari's with ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_dim.errors import InputError

PLUGIN = "napari-dim"
ENDS = (
    "nii", "nii.gz", "hdr", "hdr.gz", "img", "img.gz", "nrrd", "nhdr", "mha", "mhd", "dcm",
    "dicom", "ima",
)  # fmt: skip
"""Ends of names of medical files, which napari then opens with our reader."""
FOLDERS = "*/"
"""The pattern that napari remembers for every folder."""


def open_files(viewer: Any, parent: QWidget | None = None) -> None:
    """Ask for scans or pictures, whatever their names end with, and open them with our reader."""
    from napari.utils.history import get_open_history

    paths, _ = QFileDialog.getOpenFileNames(parent, "Open scans or pictures", get_open_history()[0])
    open_paths(viewer, paths)


def open_folder(viewer: Any, parent: QWidget | None = None) -> None:
    """Ask for a folder, a DICOM study or pictures as a stack, and open it with our reader."""
    from napari.utils.history import get_open_history

    title = "Open a DICOM folder, or a folder of pictures"
    path = QFileDialog.getExistingDirectory(parent, title, get_open_history()[0])
    open_paths(viewer, [path] if path else [])


def open_paths(viewer: Any, paths: Sequence[str | Path]) -> list[Any]:
    """Open files and folders with our reader; what can't be read is told, the others are opened.

    Returns
    -------
    list of Layer
        What was added, in the order of the paths.
    """
    from napari.layers import Layer
    from napari.utils.history import update_open_history
    from napari.utils.notifications import show_warning

    from napari_dim.gui.hooks.reader_writer import read

    added = []
    for path in map(Path, paths):
        try:
            tuples = read(str(path))
        except InputError as error:
            show_warning(str(error))
            continue
        made = [Layer.create(*one) for one in tuples if one[0] is not None]
        added += [viewer.add_layer(layer) for layer in made]
        update_open_history(str(path))
    return added


def remember_reader() -> list[str]:
    """Make ours napari's remembered reader of medical files, where none was chosen.

    Nothing is changed where it stands there already, for any kind of file: it was said then,
    and what a person changed in Preferences since stays.

    Returns
    -------
    list of str
        The patterns that napari remembers from now on.
    """
    from napari.plugins.utils import get_preferred_reader
    from napari.settings import get_settings

    from napari_dim.gui.preferences import preferences

    plugins = get_settings().plugins
    chosen = dict(plugins.extension2reader)
    if PLUGIN in chosen.values() or not preferences().opens:
        return []
    new = {f"*.{end}": PLUGIN for end in ENDS if get_preferred_reader(f"/any/scan.{end}") is None}
    if FOLDERS not in chosen and not _others_read_folders():
        new[FOLDERS] = PLUGIN
    plugins.extension2reader = {**chosen, **new}
    return list(new)


def tell_reader(session: Any) -> None:
    """As `remember_reader`, and say so, once, where there is room for all of it."""
    if remember_reader():
        session.say("napari now opens medical scans with napari-dim: Preferences ▸ Plugins")


def _others_read_folders() -> bool:
    """Whether a plugin other than napari's own and this one reads folders, as for Zarr."""
    from npe2 import PluginManager

    return any(
        reader.accepts_directories
        for manifest in PluginManager.instance().iter_manifests()
        if manifest.name not in (PLUGIN, "napari")
        for reader in manifest.contributions.readers or ()
    )
