"""Cases of a project in the window: open one with its labels, close it, start a project."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels

from napari_dim.data.project_cases import as_labelled
from napari_dim.errors import InputError
from napari_dim.gui.hourglass import hourglass
from napari_dim.gui.layers.image_layers import (
    add_layer,
    go_to_slice,
    image_tuples,
    layer_source,
    layer_volume,
    new_labels,
)
from napari_dim.gui.layers.locked_layer import lock
from napari_dim.gui.storage.last_model import doubts_back
from napari_dim.gui.storage.layer_notes import labels_from, take_over
from napari_dim.gui.storage.written_scans import written
from napari_dim.io.hashing import hash_ahead
from napari_dim.project import Project, Recovered
from napari_dim.states import BY_HAND
from napari_dim.words import count as counted

if TYPE_CHECKING:
    from napari_dim.gui.session import Session


@hourglass()
def open_case(session: Session, project: Project, name: str) -> str:
    """Open a scan with all that is kept of it, at the slice that was shown last.

    Returns
    -------
    str
        What was opened, in words.

    Raises
    ------
    InputError
        If the scan is not where it was; nothing is opened then.
    """
    first = session.labels is None
    if (holder := project.hold(name)) is not None:
        raise InputError(f"it is open in another window: {holder}", where=name,
                         hint="Close it there, or take another case")  # fmt: skip
    try:
        images = _open_scan(session, project, name)
    except BaseException:
        project.let_go(name)
        raise
    image = images[0] if images else None
    said: list[str] = []
    kept = _recovered(project, name, said)
    older = [one for one in kept if one[1].note.role == "prediction"]
    mask = next((one for one in kept if one[1].note.role == "mask"), None)
    mask = mask or next((one for one in kept if one[1].note.role == "labels"), None)
    shown: Labels | None = None
    for layer, found in kept:
        if found.note.role == "prediction" and image is not None:
            continue
        its = image if mask is not None and layer == mask[0] else None
        labels = _show(session, project, name, layer, found, image, its)
        if mask is not None and layer == mask[0]:
            shown = labels
        said.append(_words(labels, found))
    if image is not None:
        session.sites[image] = project.case(name).site
        if older and (mask is None or mask[1].note.role != "mask"):
            said += _taken_over(session, image, shown, older)
            shown = session.scans.labels_of(image) or shown
        for one in images:  # rulers lie over the mask
            session.autosave.looks.back(one, project, name)
        if shown is not None:
            session.scans.pair(image, shown)
        session.show_case(image, shown)
        session.case_wanted.emit(image)
        doubts_back(session, project, name, image)
    elif kept:
        session.viewer.reset_view()  # of a scan, the window shows all, whatever else is open
    if project.read_only and image is not None:
        for labels in session.scans.layers(Labels):
            if session.scans.owner_of(labels) is image:
                lock(labels, session.autosave.refusal(image))
    seen = mask or next(iter(kept), None)
    if shown is not None:
        session.viewer.layers.selection.active = shown
        if first and shown.editable:  # no tool is in the hand yet: the brush, as in a new mask
            shown.mode = "paint"
    if seen is not None and (shown or image) is not None:
        number = min(seen[1].note.slice, len(seen[1].array) - 1)
        go_to_slice(session.viewer, shown if shown is not None else image, number)
    if not project.read_only:
        project.current = name
    if measured := len(project.case(name).rulers):
        said.append(counted(measured, "ruler"))
    return f"Opened {name}: " + ("; ".join(said) or "nothing is labelled yet")


def close_case(session: Session, name: str) -> bool:
    """Close the layers of a case; returns whether all of it is on the disk.

    Layers whose last strokes could not be written stay open.
    """
    if not session.autosave.flush():
        return False
    viewer = session.viewer
    for layer in session.autosave.layers_of(name):
        if layer in viewer.layers:
            viewer.layers.remove(layer)
    project = session.autosave.project
    if project is not None and project.reader:
        project.let_go(name)
    session.deleted = None  # all of it is in the project
    session.changed.emit()
    return True


def add_open_layers(session: Session, project: Project, images: Iterable[Image]) -> list[str]:
    """Make cases of open scans; what is painted on them is kept in the project from now on.

    A scan that is in no file is written into the project.

    Returns
    -------
    list of str
        The names of the cases.

    Raises
    ------
    InputError
        If the project can't be changed.
    """
    names = []
    for image in images:
        source = layer_source(image)
        name = project.free_name(image.name)
        path = source.path
        place = source.place
        if path is None or not path.exists() or source.header.get("combined"):
            path, place["part"] = written(project, layer_volume(image), name), ""
        site = getattr(session, "site_of", lambda _: "")(image)
        project.add_case(path, name, site=site, **place)
        session.autosave.attach(image, project, name)
        names.append(name)
    return names


def _open_scan(session: Session, project: Project, name: str) -> list[Image]:
    """The image layers of a case, opened where there is a file."""
    from napari_dim.io import read_volume

    case, path = project.case(name), project.image_path(name)
    if path is None:
        return []
    volume = as_labelled(read_volume(path, slice_axis=case.slice_axis, part=case.part), case)
    hash_ahead(path)  # for the record of a mask, which is not to wait for it
    images = [add_layer(session.viewer, how) for how in image_tuples(volume, name)]
    for image in images:
        session.autosave.attach(image, project, name)
    return images


def _recovered(project: Project, name: str, said: list[str]) -> list[tuple[str, Recovered]]:
    """All layers that are kept of a case; why one can't be read is added to what is said."""
    kept = []
    for layer in project.layers(name):
        try:
            found = project.recover(name, layer)
        except InputError as error:
            said.append(str(error))
            continue
        if found is not None:
            kept.append((layer, found))
    return kept


def _taken_over(
    session: Session, image: Image, labels: Labels | None, older: list[tuple[str, Recovered]]
) -> list[str]:
    """Put the prediction of an older project into the scan's one mask; what is said of it."""
    said = []
    for _, found in older:
        if layer_source(image).grid.shape != found.array.shape:
            made = labels_from(found.array, found.note, None)
            session.viewer.add_layer(made)
            said.append(f"“{made.name}” does not lie on the scan: it is a layer of its own")
            continue
        if labels is not None:
            session.scans.pair(image, labels)
        else:
            labels = labels_from(np.zeros_like(found.array), found.note, image)
            labels.name = new_labels(image).name
            session.scans.pair(image, labels)
            session.viewer.add_layer(labels)
        said.append(take_over(session.scans.mask_in(labels), found.array, found.note))
    return said


def _show(
    session: Session,
    project: Project,
    name: str,
    layer: str,
    found: Recovered,
    image: Image | None,
    its: Image | None = None,
) -> Labels:
    """Add a layer as it was kept, and go on keeping it; it is the mask of `its`."""
    made = labels_from(found.array, found.note, image)
    session.autosave.adopt(made, project, name, layer)
    if its is not None:
        session.scans.pair(its, made)  # before any other scan could take it for its own
    add_layer(session.viewer, made)  # the mask that is painted stays selected until it is closed
    return made


def _words(layer: Labels, found: Recovered) -> str:
    """What was read of a layer, for the user."""
    labelled = sum(int(state) in BY_HAND for state in found.note.states)
    painted = int(np.count_nonzero(found.array.reshape(len(found.array), -1).any(axis=1)))
    text = f"“{layer.name}” with a mask in {counted(painted, 'slice')}"
    if found.note.states:
        text += f", {labelled} labelled by a person"
    if found.damaged:
        text += " (the end of its journal was torn: what came last may be missing)"
    return text
