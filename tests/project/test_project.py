"""A project from making it to opening it again, on real folders and in real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_dim.errors import InputError
from napari_dim.project import Note, Project, ProjectClass, forget_project, recent_projects
from napari_dim.states import SliceState

ATRIUM = ProjectClass(id=3, name="atrium", colour="#e69f00")


@pytest.fixture
def scan(tmp_path) -> Path:
    path = tmp_path / "elsewhere" / "la00.nii.gz"
    path.parent.mkdir()
    path.write_bytes(b"a scan")
    return path


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "atria", classes=[ATRIUM]) as project:
        yield project


def test_what_is_changed_is_there_when_it_is_opened_again(project, scan):
    assert project.add_case(scan, site="north").name == "la00"
    project.add_case(scan, copy=True)
    project.add_case(name="Phantom 7 / früh")
    project.update_case("la00 2", site="south", slice_axis=1)
    project.current = "la00"
    project.set_classes([ProjectClass(id=9, name="vein", colour="#0072b2"), ATRIUM])
    project.close()
    with Project.open(project.folder) as again:
        assert [case.name for case in again.cases] == ["la00", "la00 2", "Phantom 7 / früh"]
        assert again.sites == ("north", "south")
        assert again.case("la00 2").slice_axis == 1
        assert again.current == "la00"
        assert [info.id for info in again.classes] == [3, 9]
        assert again.image_path("la00") == scan
        assert again.image_path("la00 2").is_relative_to(again.folder)
        assert again.image_path("Phantom 7 / früh") is None
        assert again.after("la00").name == "la00 2"
        assert again.after("Phantom 7 / früh") is None
        assert not again.notes


def test_the_folder_does_not_say_where_scans_lie(project, scan, tmp_path):
    project.add_case(scan)
    said = b"".join(p.read_bytes() for p in project.folder.rglob("*") if p.is_file())
    assert b"elsewhere" not in said
    assert str(tmp_path).encode() not in said


def test_a_scan_that_moved_is_located_by_its_content(project, scan):
    project.add_case(scan)
    moved = scan.rename(scan.with_name("other.nii.gz"))
    with pytest.raises(InputError, match="not where it was"):
        project.image_path("la00")
    wrong = scan.with_name("wrong.nii.gz")
    wrong.write_bytes(b"another scan")
    with pytest.raises(InputError, match="not the scan that was annotated"):
        project.locate("la00", wrong)
    project.locate("la00", moved)
    assert project.image_path("la00") == moved
    project.locate("la00", wrong, anyway=True)
    assert project.image_path("la00") == wrong


def test_strokes_states_and_notes_come_back(project):
    project.add_case(name="a")
    array = np.zeros((6, 8, 9), np.uint16)
    project.begin("a", "labels", array.copy(), Note(name="mine", states="000000", brush=255))
    plane = np.arange(72, dtype=np.uint16).reshape(8, 9) * 900
    ticket = project.put("a", "labels", {4: plane}, {"states": "000010", "slice": 4})
    assert project.flush()
    assert project.acknowledged >= ticket
    assert project.saved
    found = project.recover("a")
    array[4] = plane
    np.testing.assert_array_equal(found.array, array)
    assert found.array.dtype == np.uint16
    assert (found.note.slice, found.note.brush, found.note.name) == (4, 255, "mine")
    assert list(project.states("a")) == [0, 0, 0, 0, SliceState.PAINTED, 0]
    assert project.layers("a") == ("labels",)
    assert project.recover("a", "prediction") is None
    # Another shape and type: a new generation.
    wide = np.full((3, 4, 4), 70_000, np.uint32)
    project.begin("a", "labels", wide, Note(name="mine", states="111"))
    np.testing.assert_array_equal(project.recover("a").array, wide)
    assert project.recover("a").note.brush is None


def test_a_removed_case_is_kept_aside(project):
    project.add_case(name="a")
    project.begin("a", "labels", np.ones((2, 3, 3), np.uint8), Note())
    aside = project.remove_case("a")
    assert project.cases == ()
    assert list(aside.rglob("*.journal"))
    project.add_case(name="a")
    assert project.recover("a") is None


def test_the_list_of_cases_survives_damage(project, scan):
    project.add_case(name="first")
    project.add_case(name="second")
    project.close()
    (project.folder / "project.json").write_text('{"format": "napari-di')
    with Project.open(project.folder) as again:
        assert [case.name for case in again.cases] == ["first"]
        assert "damaged" in again.notes[0]


def test_names_and_ids_are_unique_and_checked(project):
    project.add_case(name="a")
    with pytest.raises(InputError, match="already"):
        project.add_case(name="a")
    with pytest.raises(InputError, match="two class ids are the same"):
        project.set_classes([ATRIUM, ProjectClass(id=3, name="x", colour="#000000")])
    assert project.classes == (ATRIUM,)
    with pytest.raises(InputError, match="no case 'b'"):
        project.states("b")
    assert project.add_case(name="A").folder != project.case("a").folder


def test_a_project_of_a_later_version_is_refused(project):
    project.close()
    file = project.folder / "project.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "version": 2}))
    with pytest.raises(InputError, match="later version"):
        Project.open(project.folder)


def test_no_project_and_two_of_them(tmp_path, project):
    with pytest.raises(InputError, match="no project folder"):
        Project.open(tmp_path)
    with pytest.raises(InputError, match="project already"):
        Project.create(project.folder)


def test_recent_projects(tmp_path):
    for name in ("a", "b", "c"):
        Project.create(tmp_path / name).close()
    Project.open(tmp_path / "a").close()
    assert [folder.name for folder in recent_projects()] == ["a", "c", "b"]
    forget_project(tmp_path / "c")
    (tmp_path / "b" / "project.json").unlink()
    assert [folder.name for folder in recent_projects()] == ["a"]


HOLD = """
import sys, time
from pathlib import Path
from napari_dim.project import Project
project = Project.open(Path(sys.argv[1]))
print(project.read_only, flush=True)
time.sleep(60)
"""


def test_a_second_window_only_looks_and_a_dead_one_is_taken_over_after_asking(project):
    project.add_case(name="a")
    project.close()
    command = [sys.executable, "-c", HOLD, str(project.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "False\n"
        with Project.open(project.folder) as second:
            assert second.read_only
            assert second.holder.pid == other.pid
            assert not second.holder.stale
            assert f"process {other.pid} on this machine, since 20" in str(second.holder)
            assert [case.name for case in second.cases] == ["a"]
            with pytest.raises(InputError, match=f"process {other.pid}"):
                second.add_case(name="b")
        other.kill()
    with Project.open(project.folder) as third:
        assert third.read_only
        assert third.holder.stale
    with Project.open(project.folder, recover=True) as fourth:
        assert not fourth.read_only
        fourth.add_case(name="b")
    with Project.open(project.folder) as fifth:
        assert fifth.holder is None
        assert not fifth.read_only


def test_the_last_model_and_its_doubts_are_kept(project, scan, tmp_path):
    from napari_dim.project.doubts import Doubts

    project.add_case(scan)
    assert project.answers.doubts("la00") is None
    assert project.answers.run is None
    entropy = np.array([0.5, np.nan, 0.25], np.float32)
    said = np.array([True, False, True])
    confidence = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
    project.answers.keep_doubts("la00", Doubts(entropy, np.zeros(3), confidence, said))
    project.answers.run = tmp_path
    project.close()
    with Project.open(project.folder) as again:
        found = again.answers.doubts("la00")
        np.testing.assert_array_equal(found.entropy, entropy)
        np.testing.assert_array_equal(found.confidence, confidence)
        np.testing.assert_array_equal(found.said, said)
        assert again.answers.run == tmp_path
        assert again.layers("la00") == ()  # they are no layer
        assert again.answers.model_folder == again.folder / "model"
        path = again.folder / "cases" / again.case("la00").folder / "doubts.safetensors"
        for damage in (path.read_bytes()[:-3], b"", b"x" * 100):
            path.write_bytes(damage)
            with pytest.raises(InputError):
                again.answers.doubts("la00")


def test_what_is_kept_of_doubts_must_fit_together(tmp_path):
    from safetensors.numpy import save

    from napari_dim.project.doubts import read_doubts

    one = np.zeros(3, np.float32)
    for wrong in (
        {"entropy": one, "disagreement": one},
        {"entropy": one, "disagreement": one[:2], "said": one.astype(np.uint8)},
        {"entropy": one, "disagreement": one, "said": one},
        {"entropy": one, "disagreement": one, "said": one.astype(np.uint8), "other": one},
    ):
        (tmp_path / "d").write_bytes(save({k: v.copy() for k, v in wrong.items()}))
        with pytest.raises(InputError):
            read_doubts(tmp_path / "d")
