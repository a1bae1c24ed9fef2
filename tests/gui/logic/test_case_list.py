"""What the list of cases says and finds; no window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.gui.logic.case_list import CaseRow, matching, neighbour, row_of
from napari_dim.project import Note, Project


def test_a_row_tells_what_was_done_with_a_case(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_dim.project.local.user_folder", lambda: tmp_path / "user")
    with Project.create(tmp_path / "p") as project:
        project.add_case(name="a", site="north")
        project.add_case(name="b")
        project.begin("a", "mask", np.ones((4, 2, 2), np.uint8), Note(role="mask", states="1530"))
        project.update_case("a", exported="2026-01-02")
        project.flush()
        assert row_of(project, "a") == CaseRow("a", "north", 2, 4, True, "2026-01-02")
        assert row_of(project, "a").state == "2 of 4 labelled, predicted, exported"
        assert row_of(project, "b").state == "not labelled"
    with Project.open(tmp_path / "p") as project:
        assert project.case("a").exported == "2026-01-02"


ROWS = [CaseRow("la00", "north", 2, 9), CaseRow("la01", "south"), CaseRow("hip", "north")]


@pytest.mark.parametrize(
    ("text", "found"),
    [("", ["la00", "la01", "hip"]), ("LA0", ["la00", "la01"]), ("north not", ["hip"]), ("x", [])],
)
def test_all_words_must_occur_somewhere(text, found):
    assert [row.name for row in matching(ROWS, text)] == found


def test_next_and_previous_go_round():
    names = ["a", "b", "c"]
    assert [neighbour(names, "c", 1), neighbour(names, "a", -1)] == ["a", "c"]
    assert [neighbour(names, "z", 1), neighbour(names, "z", -1)] == ["a", "c"]
    assert neighbour(["a"], "a", 1) == ""
