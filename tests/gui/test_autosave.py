"""Strokes reach the disk by whatever way they are made, in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from PIL import Image

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.controller import session_of
from napari_dim.gui.layers.image_layers import add_layer, image_tuples, new_labels
from napari_dim.gui.layers.layer_classes import ClassInfo, classes_of, set_classes
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.layers.searched_classes import class_added, searched_in
from napari_dim.gui.panels.recovery_bar import leftovers, restore
from napari_dim.gui.storage import open_cases as cases
from napari_dim.gui.storage.layer_notes import labels_from, note_of
from napari_dim.io import read_volume
from napari_dim.project import Note, Project
from napari_dim.project.local import recovery_folders
from napari_dim.states import SliceState


@pytest.fixture
def session(viewer):
    session = session_of(viewer)
    yield session
    session.autosave.close()


@pytest.fixture
def saved(session, qtbot):
    """Waits until the session says that all is saved; returns the recovery project, read."""

    def wait() -> Project:
        qtbot.waitUntil(lambda: session.autosave.text == "saved", timeout=5000)
        (folder,) = recovery_folders()
        return Project.open(folder, read_only=True)

    return wait


def box(rows, value):
    plane = np.zeros((48, 40), np.uint8)
    plane[rows, 5:9] = value
    return plane


def by_stroke(layer):
    layer.paint((4, 20, 20), 1)


def by_fill(layer):
    layer.fill((4, 0, 0), 2)


def by_polygon(layer):
    layer.paint_polygon([(4, 5, 5), (4, 30, 8), (4, 20, 30)], 1)


def by_setitem(layer):
    layer.data_setitem((np.array([4, 5]), np.array([3, 3]), np.array([3, 3])), 1)


def by_undo(layer):
    layer.paint((4, 20, 20), 1)
    layer.paint((5, 20, 20), 1)
    layer.undo()


def by_redo(layer):
    by_undo(layer)
    layer.redo()


def by_data(layer):
    layer.data = np.stack([box(slice(n, n + 3), 1) for n in range(12)])


def by_other_shape(layer):
    layer.data = np.full((3, 6, 7), 300, np.uint16)


def by_writing(layer):
    layer.data[7] = box(slice(0, 9), 3)


def by_undo_while_hidden(layer):
    layer.paint((4, 20, 20), 1)
    layer.visible = False
    layer.undo()


WAYS = [
    by_stroke, by_fill, by_polygon, by_setitem, by_undo, by_redo, by_data, by_other_shape,
    by_writing, by_undo_while_hidden,
]  # fmt: skip


UNTOLD = [by_writing, by_undo_while_hidden]
"""Ways that napari sends no event for: found when their slice is looked at next."""


def test_every_way_to_change_labels_is_kept(viewer, session, saved, open_ball):
    _, ball, _ = open_ball()
    viewer.layers.remove(ball)
    for way in WAYS:
        labels = viewer.add_labels(ball.data.copy(), name=way.__name__, scale=(3, 1, 1))
        saved()
        way(labels)
        if way in UNTOLD:
            assert session.autosave.flush()
        project = saved()
        kept = session.autosave._layers[labels]
        found = project.recover(kept.case, kept.name)
        np.testing.assert_array_equal(found.array, labels.data, err_msg=way.__name__)
        assert found.array.dtype == labels.data.dtype
        viewer.layers.remove(labels)


def test_a_picture_is_kept(viewer, session, saved):
    layer = viewer.add_labels(np.zeros((30, 20), np.int32), name="flat")
    layer.paint((5, 5), 9)
    project = saved()
    np.testing.assert_array_equal(project.recover("flat").array[0], layer.data)


def test_what_is_only_looked_at_makes_no_folder(viewer, session, tmp_path, qtbot, nifti):
    for how in image_tuples(read_volume(nifti)):
        viewer.add_layer(Labels.create(*how))
    viewer.add_labels(np.zeros((4, 4, 4), np.uint8))
    qtbot.wait(400)
    assert session.autosave.text == ""
    assert recovery_folders() == []


def test_after_a_crash_all_is_as_it_was(make_napari_viewer, viewer, session, saved, nifti, qtbot):
    """The recovery folder of a window that ended without closing, opened in another one."""
    for how in image_tuples(read_volume(nifti)):
        viewer.add_layer(Labels.create(*how))
    image = viewer.layers[0]
    labels = add_layer(viewer, new_labels(image))
    session.show_case(image, labels)
    labels.paint((3, 20, 20), 2)
    slices.go_to(session, 5)
    slices.confirm(session)
    slices.go_to(session, 7)
    labels.paint((7, 10, 10), session.mask.background_brush())
    slices.set_partial(session)
    set_classes(labels, [ClassInfo(2, "ventricle", "#0072b2")])
    labels.name = "mine"
    saved()
    session.autosave.flush()
    _crash(session)

    (left,) = leftovers()
    assert left.crashed
    assert "napari ended before it was closed" in str(left)
    second = make_napari_viewer(show=True)
    other = session_of(second)
    said = restore(other, left)
    assert "“mine” with a mask in 2 slices, 3 labelled by a person" in said
    np.testing.assert_array_equal(other.labels.data, labels.data)
    assert other.labels.name == "mine"
    assert classes_of(other.labels) == [ClassInfo(2, "ventricle", "#0072b2")]
    assert list(other.mask.states) == list(session.mask.states)
    assert other.mask.states[7] == SliceState.PARTIAL
    assert other.mask.brush == session.mask.brush
    assert slices.current(other) == 7
    np.testing.assert_allclose(other.labels.scale, labels.scale)
    np.testing.assert_array_equal(other.image.data, image.data)
    # Going on writes into the same folder.
    other.labels.paint((9, 20, 20), 2)
    assert other.autosave.flush()
    assert not list(leftovers())  # it is in use
    other.autosave.close()
    (left,) = leftovers()
    assert not left.crashed
    with Project.open(left.folder) as project:
        np.testing.assert_array_equal(
            project.recover(project.cases[0].name).array, other.labels.data
        )


def _crash(session) -> None:
    """What a killed process leaves: the lock is free, the note of who holds it is not gone."""
    autosave = session.autosave
    (project,) = autosave._open.projects
    note = project.folder / "holder.json"
    text = note.read_text()
    autosave.close()
    note.write_text(text)


def test_cases_of_a_project_are_kept_in_it_and_opened_again(
    viewer, session, qtbot, tmp_path, open_ball, nifti
):
    image, labels, _ = open_ball()
    labels.paint((2, 20, 20), 1)
    qtbot.waitUntil(lambda: session.autosave.text == "saved", timeout=5000)
    project = Project.create(tmp_path / "project")
    session.autosave.use(project)
    project.add_case(nifti, "scan")
    assert cases.add_open_layers(session, project, [image]) == ["ball"]
    assert session.autosave.flush()
    np.testing.assert_array_equal(project.recover("ball").array, labels.data)
    assert "Opened scan: nothing is labelled yet" in cases.open_case(session, project, "scan")
    assert project.current == "scan"
    labels.paint((8, 20, 20), 1)
    kept = labels.data.copy()
    assert cases.close_case(session, "ball")
    assert labels not in viewer.layers
    assert image not in viewer.layers
    said = cases.open_case(session, project, "ball")  # it was in no file before
    assert "“mine” with a mask in 5 slices" in said
    np.testing.assert_array_equal(viewer.layers["mine"].data, kept)
    np.testing.assert_array_equal(session.image.data, image.data)
    np.testing.assert_allclose(viewer.layers["mine"].scale, (3, 1, 1))
    session.autosave.use(None)
    session.autosave.close()
    assert recovery_folders() == []  # all of it has moved into the project


def test_a_read_only_project_is_not_written_but_strokes_are_kept(
    viewer, session, qtbot, tmp_path, nifti, saved
):
    folder = tmp_path / "project"
    with Project.create(folder) as first:
        first.add_case(nifti, "scan")
        note = Note(name="theirs")
        first.begin("scan", "labels", np.zeros((12, 48, 40), np.uint8), note)
        first.flush()
        second = Project.open(folder)
        assert second.read_only
        session.autosave.use(second)
        cases.open_case(session, second, "scan")
        layer = viewer.layers["theirs"]
        layer.paint((3, 20, 20), 1)
        project = saved()
        np.testing.assert_array_equal(project.recover("scan").array, layer.data)
        assert not first.recover("scan").array.any()


def test_a_first_stroke_that_is_undone_at_once_is_not_kept(viewer, session, saved):
    """Undone after the layer found its place and before its slices were looked at again."""
    labels = viewer.add_labels(np.zeros((12, 48, 40), np.uint8), name="mine")
    labels.paint((0, 20, 20), 1)
    session.autosave._keep(labels, 1e-9)
    labels.undo()
    project = saved()
    assert not project.recover("mine").array.any()


def test_labels_in_a_file_are_not_read_whole(viewer, session, saved, tmp_path):
    path = tmp_path / "labels.raw"
    data = np.memmap(path, np.uint8, "w+", shape=(12, 48, 40))
    data[5] = 1
    labels = viewer.add_labels(data, name="mine")
    assert session.autosave.flush()
    assert session.autosave.text == ""
    labels.paint((7, 20, 20), 2)
    found = saved().recover("mine").array
    np.testing.assert_array_equal(found[7], data[7])
    assert not found[5].any()


def test_a_folder_of_pictures_comes_back_with_whose_each_slice_is(viewer, session, tmp_path):
    for number in range(4):
        picture = Image.fromarray(np.full((24, 20), 40 * number, np.uint8))
        picture.save(tmp_path / f"{number}.png")
    (how,) = image_tuples(read_volume(tmp_path))
    image = add_layer(viewer, how)
    labels = add_layer(viewer, new_labels(image))
    session.show_case(image, labels)
    mask = session.mask
    labels.data_setitem((np.array([0]), np.array([5]), np.array([6])), 1)
    mask.take(np.array([1, 2]), np.ones((2, 24, 20), np.uint8))
    mask.act("nothing is there", {3: SliceState.EMPTY})
    class_added(labels, mask.labelled, {1})
    note = note_of(session, labels)
    back = labels_from(labels.data.copy(), note, image)
    P, M, E = SliceState.PAINTED, SliceState.MACHINE, SliceState.EMPTY
    assert list(MaskLayer(back).states) == list(mask.states) == [P, M, M, E]
    assert searched_in(back) == {0: (1,), 3: (1,)}
