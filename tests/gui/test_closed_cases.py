"""Masks of project cases that no window shows; no window needed."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_dim.engine.inference.predictor import Prediction
from napari_dim.errors import InputError
from napari_dim.gui.layers.layer_classes import ClassInfo
from napari_dim.gui.storage.closed_cases import ClosedCase, closed_cases
from napari_dim.project import Note, Project
from napari_dim.states import SliceState

SHAPE = (5, 8, 6)
P, M, U, E = SliceState.PAINTED, SliceState.MACHINE, SliceState.UNTOUCHED, SliceState.EMPTY
MAKER = {"seed": 3, "weights_sha256": "ab12"}


@pytest.fixture
def project(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        voxels = rng.random(SHAPE[::-1], np.float32)
        nib.save(nib.Nifti1Image(voxels, np.diag([1, 1, 3, 1.0])), tmp_path / f"{name}.nii")
    with Project.create(tmp_path / "project") as made:
        for name in ("a", "b"):
            made.add_case(tmp_path / f"{name}.nii", name)
        yield made


def found(value: int, slices: range = range(5)) -> Prediction:
    mask = np.full((len(slices), *SHAPE[1:]), value, np.uint8 if value < 256 else np.uint16)
    sure = np.full((len(slices), 4, 4), 200, np.uint8)
    return Prediction(mask, np.array(slices), np.full(len(slices), 0.1, np.float32), sure)


def put(project: Project, case: ClosedCase, prediction: Prediction) -> None:
    project.flush()
    volume = case.load()
    case.keep(project, case.merged(volume, prediction), prediction, volume, MAKER)
    assert project.flush()


def test_a_case_without_a_mask_gets_one_that_a_window_opens(project):
    (case,) = closed_cases(project, ["a"], [ClassInfo(1, "organ", "#ff0000")])
    put(project, case, found(1))
    kept = project.recover("a", "labels")
    assert (kept.array == 1).all()
    assert kept.note.role == "mask"
    assert kept.note.slice == 2  # the middle, as of any scan that nobody has seen
    assert kept.note.states == str(int(M)) * 5
    assert kept.note.classes[0].name == "organ"
    assert project.answers.doubts("a").entropy == pytest.approx(0.1)
    assert project.answers.maker("a") == MAKER


def test_what_a_person_did_stays(project):
    planes = np.zeros(SHAPE, np.uint8)
    planes[1, 2:4, 2:4] = 2
    states = "".join(str(int(s)) for s in (U, P, E, U, U))
    note = Note(name="mine", role="mask", states=states, touched=(4,), brush=9)
    project.begin("b", "labels", planes, note)
    case = ClosedCase(project.folder, "b")
    put(project, case, found(1))
    put(project, case, found(300))  # newer ones, of a larger id
    kept = project.recover("b", "labels")
    np.testing.assert_array_equal(kept.array[1], planes[1])
    assert not kept.array[[2, 4]].any()  # confirmed empty; emptied by hand
    assert (kept.array[[0, 3]] == 300).all()
    assert kept.note.states == "".join(str(int(s)) for s in (M, P, E, M, U))
    assert (kept.note.name, kept.note.brush, kept.note.touched) == ("mine", 9, (4,))


def test_strokes_that_came_while_masks_were_put_together_stay(project):
    planes = np.zeros(SHAPE, np.uint8)
    planes[1, 2:4, 2:4] = 1
    note = Note(name="mine", role="mask", states=f"0{int(P)}000")
    project.begin("b", "labels", planes, note)
    project.flush()
    case = ClosedCase(project.folder, "b")
    volume, prediction = case.load(), found(1)
    merged = case.merged(volume, prediction)
    # A person opened the case, drew in slice 3, and closed it again.
    planes[3, 5, 5] = 1
    project.put("b", "labels", {3: planes[3].copy()}, {"states": f"0{int(P)}0{int(P)}0"})
    case.keep(project, merged, prediction, volume, MAKER)
    kept = project.recover("b", "labels")
    np.testing.assert_array_equal(kept.array[3], planes[3])
    assert kept.note.states == "".join(str(int(s)) for s in (M, P, M, P, M))


def test_what_can_not_be_merged_is_left_alone(project):
    project.begin("a", "labels", np.zeros(SHAPE, np.uint8), Note(role="labels", states="00000"))
    project.begin("a", "old", np.zeros(SHAPE, np.uint8), Note(role="prediction"))
    project.begin("b", "labels", np.zeros((4, 8, 6), np.uint8), Note(role="mask", states="0000"))
    project.flush()
    for name, why in (("a", "two layers"), ("b", "another grid")):
        case = ClosedCase(project.folder, name)
        with pytest.raises(InputError, match=why):
            case.merged(case.load(), found(1))
    with Project.open(project.folder, read_only=True) as looked_at:
        assert closed_cases(looked_at, ["a"], []) == ()
