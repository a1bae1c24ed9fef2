"""Training on a project's cases, open or not: they are read from its folder."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_dim.config import Settings
from napari_dim.data.project_cases import project_cases
from napari_dim.engine.training.events import Finished
from napari_dim.engine.training.job import Job
from napari_dim.engine.training.loop import train
from napari_dim.project import Note, Project, ProjectClass
from tests.cases import ellipsoid


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setattr("napari_dim.project.local.user_folder", lambda: folder / "napari-dim")


@pytest.fixture
def folder(tmp_path):
    """A project of four cases: labelled, without labels, of pictures alone, and gone."""
    classes = (ProjectClass(id=1, name="shell", colour="#e69f00"),)
    with Project.create(tmp_path / "p", classes=classes) as project:
        for number in range(3):
            volume, mask = ellipsoid(seed=number)
            path = tmp_path / f"s{number}.nii"
            nib.save(nib.Nifti1Image(volume.array.T, np.diag([1, 1, 2, 1])), path)
            project.add_case(path, site="north" if number else "")
        project.add_case(name="in no file")
        mask = ellipsoid()[1]
        mask[2][mask[2] > 0] = 9
        project.begin(
            "s0", "labels", mask,
            Note(states="010210", marks={3: 2}, brush=9, classes=classes, searched={4: (1, 2)}),
        )  # fmt: skip
        (tmp_path / "s2.nii").unlink()
    return tmp_path / "p"


def test_all_cases_are_read_without_a_window_and_what_can_not_be_read_is_told(folder):
    (one, other), faults = project_cases(folder)
    assert one.name == "s0"
    assert one.site == "s0"
    assert one.labelled.tolist() == [1, 3, 4]
    assert one.searched == {1: (1,), 3: (1,), 4: (1, 2)}
    np.testing.assert_array_equal(one.mask[3], ellipsoid()[1][3])
    assert not one.mask[2].any()  # not labelled: not read
    np.testing.assert_array_equal(one.painted[3], one.mask[3] > 0)
    assert other.name == "s1"
    assert other.site == "north"
    assert other.mask is None
    assert len(faults) == 2
    assert "s2 is left out" in faults[0]
    assert "in no file" in faults[1]


def test_a_project_is_read_while_a_window_has_it(folder):
    with Project.open(folder) as held:
        assert not held.read_only
        (only,), faults = project_cases(folder, ["s1"])
    assert only.name == "s1"
    assert faults == []


def test_they_train(folder):
    cases, _ = project_cases(folder)
    settings = Settings.make(
        width=4, device="cpu", threads=1, budget=None, steps=3, min_size=16,
        labelled_batch=2, unlabelled_batch=2, least_weight=0.0,
    )  # fmt: skip
    *_, last = train(Job(cases, settings))
    assert isinstance(last, Finished)
    assert last.model.classes == (1, 2)


def test_labels_of_a_turned_picture_stay_where_they_were_drawn(tmp_path):
    """A project that is older than the turning (EXIF) keeps its picture as it is stored."""
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    mask = (pixels > 40).astype(np.uint8)[None]
    for name, upright in (("old", False), ("new", True)):
        with Project.create(tmp_path / name) as project:
            project.add_case(tmp_path / "a.png")
            drawn = mask if not upright else np.rot90(mask, -1, (1, 2)).copy()
            project.begin("a", "labels", drawn, Note(states="1"))
        if not upright:
            record = tmp_path / name / "project.json"
            record.write_text(record.read_text().replace('"upright": true', '"upright": false'))
        (case,), faults = project_cases(tmp_path / name)
        assert not faults
        wanted = pixels[None] if not upright else np.rot90(pixels, -1)[None]
        np.testing.assert_array_equal(case.volume.array, wanted)
        np.testing.assert_array_equal(case.mask, drawn)
        told = any("stays as it was" in text for text in case.volume.warnings)
        assert told is not upright


def test_turned_pictures_of_a_folder_stay_too(tmp_path):
    stored = [np.arange(6 * 9, dtype=np.uint8).reshape(6, 9) + 60 * n for n in range(3)]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, (pixels, turn) in enumerate(zip(stored, (1, 6, 3), strict=True)):
        exif = Image.Exif()
        exif[0x0112] = turn
        Image.fromarray(pixels).save(folder / f"{number}.png", exif=exif)
    mask = np.zeros((3, 6, 9), np.uint8)
    mask[:, 1:3, 4:7] = 1
    with Project.create(tmp_path / "p") as project:
        project.add_case(folder)
        project.begin("pictures", "labels", mask, Note(states="111"))
    assert "pictures is left out" in project_cases(tmp_path / "p")[1][0]  # 9 x 9 as shown
    record = tmp_path / "p" / "project.json"
    record.write_text(record.read_text().replace('"upright": true', '"upright": false'))
    (case,), faults = project_cases(tmp_path / "p")
    assert faults == []
    np.testing.assert_array_equal(case.volume.array, stored)
    np.testing.assert_array_equal(case.mask, mask)
    (told,) = case.volume.warnings
    assert "turned by 180 degrees, turned by 90 degrees" in told
    assert "stays as it was when its case was made" in told
