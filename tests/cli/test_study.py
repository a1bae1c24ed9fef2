"""`napari-dim study`: dealing, states, two readers at once as real processes, the report."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_dim.errors import InputError
from napari_dim.project import Note, Project, ProjectClass
from napari_dim.project.model import GridNote
from napari_dim.states import SliceState
from napari_dim.study.plan import deal, read_plan
from napari_dim.study.reader_agreement import limits
from napari_dim.study.readings import folder_of
from tests.cli.conftest import AFFINE, SHAPE, write_case

READERS = "Ann,Ben,Cem"


@pytest.fixture
def study(cli, tmp_path) -> Path:
    """Six cases, three of them for two readers."""
    data = tmp_path / "source"
    data.mkdir()
    for number in range(6):
        write_case(data, f"c{number}", number)
    rows = [f"c{n}.nii.gz,,,{'north' if n % 2 else 'south'},train\n" for n in range(6)]
    (data / "cohort.csv").write_text("image,labels,slices,site,split\n" + "".join(rows))
    made = cli("study", "init", tmp_path / "study", data / "cohort.csv", "--readers", READERS,
               "--double", 0.5, "--seed", 1)  # fmt: skip
    assert made.code == 0, made.err
    return tmp_path / "study"


def label(study: Path, reader: str, case: str, size: int) -> None:
    """A cube as a reader's mask of a case, drawn by hand and read."""
    with Project.open(folder_of(study, read_plan(study), reader)) as project:
        with project.holding(case):
            mask = np.zeros((SHAPE[2], SHAPE[1], SHAPE[0]), np.uint8)
            mask[1:5, 4 : 4 + size, 4 : 4 + size] = 1
            grid = GridNote(file_shape=SHAPE, file_affine=tuple(map(tuple, AFFINE)), slice_axis=2)
            states = str(int(SliceState.PAINTED)) * SHAPE[2]
            note = Note(name=case, role="mask", states=states, grid=grid,
                        classes=(ProjectClass(id=1, name="core", colour="#ff0000"),))  # fmt: skip
            project.begin(case, "labels", mask, note)
        project.update_case(case, read="2026-01-31T10:00:00+00:00")


def test_cases_are_dealt_in_turn_and_some_twice():
    dealt = deal(20, ["a", "b", "c"], 0.3, 4)
    firsts = [whose[0] for whose in dealt]
    assert {name: firsts.count(name) for name in "abc"} == {"a": 7, "b": 7, "c": 6}
    both = [frozenset(whose) for whose in dealt if len(whose) == 2]
    assert len(both) == 6
    assert len(set(both)) == 3  # every pair meets
    assert dealt == deal(20, ["a", "b", "c"], 0.3, 4) != deal(20, ["a", "b", "c"], 0.3, 5)
    assert all(len(whose) == 1 for whose in deal(5, ["a"], 0.0, 0))
    with pytest.raises(InputError, match="one reader"):
        deal(5, ["a"], 0.5, 0)


def test_a_readers_folder_tells_of_no_other(study):
    plan = read_plan(study)
    assert len(plan.doubly) == 3
    for reader in plan.readers:
        folder = folder_of(study, plan, reader)
        told = (folder / "project.json").read_text() + str(folder.relative_to(study))
        assert not [other for other in plan.readers if other != reader and other in told]
        with Project.open(folder) as project:
            assert project.reader == reader
            assert [c.name for c in project.cases] == [c.name for c in plan.of(reader)]
            with pytest.raises(InputError, match="dealt when it is made"):
                project.add_case(None, "more")
    assert sorted(path.name for path in (study / "scans").iterdir()) == [
        f"c{n}.nii.gz" for n in range(6)
    ]


HOLD = """
import sys
from napari_dim.project import Project
from napari_dim.errors import InputError
folder, *cases = sys.argv[1:]
with Project.open(folder) as project:
    for case in cases:
        print("refused" if project.hold(case) else "held", flush=True)
    project.update_case(cases[-1], site="from " + cases[-1])
    sys.stdin.readline()
"""


def holder(folder: Path, *cases: str) -> subprocess.Popen:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", HOLD, str(folder), *cases], env=env, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip


def test_two_windows_at_once_never_have_one_case(cli, study):
    """Two processes of one reader and one of another; a killed one leaves its case free."""
    plan = read_plan(study)
    ann, ben = (folder_of(study, plan, reader) for reader in ("Ann", "Ben"))
    first, second, *_ = (case.name for case in plan.of("Ann"))
    shared = next(case.name for case in plan.doubly if "Ann" in case.readers)
    one = holder(ann, first)
    assert one.stdout.readline() == "held\n"
    two = holder(ann, first, second)
    assert [two.stdout.readline() for _ in range(2)] == ["refused\n", "held\n"]
    with Project.open(ann) as project:
        for name in (first, second):
            with pytest.raises(InputError, match=r"open in another window: process \d+"):
                project.holding(name).__enter__()
        with pytest.raises(InputError, match="has not opened it"):
            project.put(first, "labels", {0: np.zeros((2, 2), np.uint8)})
        other = next(case.name for case in plan.of("Ann") if case.name not in (first, second))
        assert project.hold(other) is None  # any other case is free
    own = next(case for case in plan.doubly if case.name == shared)
    partner = next(reader for reader in own.readers if reader != "Ann")
    with Project.open(folder_of(study, plan, partner)) as project:
        assert project.hold(shared) is None  # another reader's reading is not this one's
    assert ben != ann
    said = json.loads(cli("study", "status", study, "--json").out)["readers"]
    assert {r["case"] for r in said["Ann"] if r["state"] == "open"} == {first, second}
    found = json.loads(cli("study", "next", study, "--reader", " ann ", "--json").out)
    assert found["next"]["case"] not in (first, second)
    for process, name in ((one, first), (two, second)):
        process.kill()
        process.communicate()
        with Project.open(ann) as project:
            assert project.hold(name) is None
            assert project.case(name).site == f"from {name}"  # neither write was lost
    assert "open" not in cli("study", "status", study, "--json").out


def test_the_report_tells_states_agreement_and_methods(cli, study, tmp_path):
    plan = read_plan(study)
    out = tmp_path / "paper"
    assert "no case is read" in cli("study", "report", study, "--out", out).complaint
    for reader in plan.readers:
        for case in plan.of(reader):
            size = 12 if case.readers[0] == reader else 10
            label(study, reader, case.name, size)
    done = cli("study", "report", study, "--out", out)
    assert done.code == 0, done.err
    rows = list(csv.DictReader((out / "agreement.csv").open()))
    assert len(rows) == 3
    voxel = abs(np.linalg.det(AFFINE[:3, :3])) / 1000
    for row in rows:
        assert float(row["dice"]) == pytest.approx(2 * 100 / (144 + 100), abs=1e-4)
        assert float(row["volume 1 (ml)"]) == pytest.approx(4 * 144 * voxel, abs=1e-3)
        assert float(row["difference (ml)"]) == pytest.approx(4 * 44 * voxel, abs=1e-3)
        assert float(row["hd95 (mm)"]) > 0
    (by_class,) = csv.DictReader((out / "agreement_by_class.csv").open())
    assert (by_class["class"], by_class["cases"]) == ("core", "3")
    assert "± 0.000" in by_class["Dice"]
    assert (out / "bland_altman_class_1.png").read_bytes().startswith(b"\x89PNG")
    read = list(csv.DictReader((out / "readings.csv").open()))
    assert len(read) == 9
    assert {row["reader"] for row in read} == {"Ann", "Ben", "Cem"}
    assert all(row["slices painted"] == str(SHAPE[2]) for row in read)
    methods = (out / "methods.md").read_text()
    for words in ("6 scans from 2 sites", "3 readers", "seed 1", "9 of 9", "torch", "3 scans"):
        assert words in methods
    assert "All is read" in cli("study", "status", study).out
    assert "all cases are read" in cli("study", "next", study, "--reader", "Ben").out


def test_limits_of_agreement(study):
    class Pair:
        def __init__(self, difference):
            self.difference = difference

    found = limits([Pair(d) for d in (1.0, 2.0, 3.0)])
    assert (found.bias, found.deviation) == (2.0, 1.0)
    assert found.bounds == pytest.approx((0.04, 3.96))
    assert limits([Pair(1.0)]).bounds is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--readers", "Ann,ann"), "names, each of its own"),
        (("--readers", " "), "names"),
        (("--readers", "Ann", "--double", "0.5"), "one reader"),
        (("--readers", "Ann,Ben", "--double", "1.5"), "between 0 and 1"),
    ],
)
def test_bad_studies_are_one_line_and_leave_nothing(cli, cohort, tmp_path, options, words):
    refused = cli("study", "init", tmp_path / "study", cohort, *options)
    assert refused.code == 2
    assert words in refused.complaint
    assert not (tmp_path / "study").exists()


def test_what_is_no_study_and_who_is_no_reader(cli, cohort, study, tmp_path):
    assert "no folder of a study" in cli("study", "status", tmp_path).complaint
    stranger = cli("study", "next", study, "--reader", "Dora")
    assert "no reader 'Dora'" in stranger.complaint
    assert "Ann" not in stranger.complaint
    again = cli("study", "init", study, cohort, "--readers", "Ann")
    assert "something is here already" in again.complaint
    (study / "study.json").write_text("{}")
    assert "no plan of a study" in cli("study", "status", study).complaint
