"""A reader of a study at the window: who one is, my cases, read and next, and what is refused."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from napari_dim.data.cohort import read_cohort
from napari_dim.gui.panels.cases_panel import READ, UNREAD, show_cases
from napari_dim.gui.panels.project_menu import ProjectButton
from napari_dim.gui.storage import project_actions as projects
from napari_dim.gui.storage.mask_record import recipe_of
from napari_dim.project import Project, local
from napari_dim.study.making import make_study
from napari_dim.study.plan import read_plan
from napari_dim.study.readings import folder_of
from tests.gui.conftest import tiny_image
from tests.hands.hand import choose


@pytest.fixture
def study(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for number in range(4):
        image = nib.Nifti1Image(tiny_image(number)[0].T, np.diag([1.0, 1, 3, 1]))
        nib.save(image, data / f"s{number}.nii.gz")
    rows = "".join(f"s{n}.nii.gz,,,,train\n" for n in range(4))
    (data / "cohort.csv").write_text("image,labels,slices,site,split\n" + rows)
    make_study(tmp_path / "study", read_cohort(data / "cohort.csv"), ["Ann", "Ben"], double=0.5)
    return tmp_path / "study"


def called(name):
    """Type a name into a dialog, and take it."""

    def act(dialog):
        line = dialog.findChild(QLineEdit)
        QTest.keyClicks(line, name)
        QTest.keyClick(line, Qt.Key.Key_Return)

    return act


def test_my_cases_one_after_the_other(hand, viewer, workspace, study, qtbot):
    session = workspace.session
    plan = read_plan(study)
    mine = [case.name for case in plan.of("Ann")]
    button = workspace.findChild(ProjectButton)
    with hand.answering(choose(study), called("Dora")) as asked:
        hand.take(button.menu_, "Open a study…")
    assert asked == ["Folder of the project or study", "Who reads?"]
    assert projects.current_project(session) is None
    assert "no reader 'Dora'" in session.message
    with hand.answering(choose(study), called("ann")):
        hand.take(button.menu_, "Open a study…")
    project = projects.current_project(session)
    assert project.reader == "Ann"
    panel = show_cases(session)
    assert panel.whose.text() == f"My cases (Ann): 0 of {len(mine)} read"
    shown = [panel.table.item(row, 0).text() for row in range(panel.table.rowCount())]
    assert shown == mine
    assert session.image.name == mine[0]
    assert panel.read.text() == READ

    hand.click(panel.read)
    assert "is said of" in session.message
    workspace.annotate.new.click()
    hand.press("2")
    hand.drag(session.labels, (18, 18), (22, 22))
    recipe = recipe_of(session, session.labels, None)
    assert recipe.known["reader"] == "Ann"
    assert recipe.known["case"] == mine[0]
    hand.click(panel.read)
    assert session.image.name == mine[1]
    assert panel.whose.text().endswith(f"1 of {len(mine)} read")
    qtbot.waitUntil(lambda: panel.table.item(0, 2).text().startswith("read"), timeout=20_000)
    hand.click(panel.before)
    assert session.image.name == mine[0]
    assert panel.read.text() == UNREAD
    hand.click(panel.read)
    assert panel.read.text() == READ

    # A case that another window has is not opened; the one at hand stays.
    folder = folder_of(study, plan, "Ann")
    with Project.open(folder) as other:
        assert other.hold(mine[1]) is None
        hand.click(panel.after)
        assert session.image.name == mine[0]
        assert "open in another window" in session.message
        assert other.hold(mine[0]) is not None
    hand.click(panel.after)
    assert session.image.name == mine[1]


def test_another_readers_cases_are_not_opened(hand, workspace, study):
    session = workspace.session
    plan = read_plan(study)
    local.remember_reader(plan.id, "Ann")
    button = workspace.findChild(ProjectButton)
    button.open(folder_of(study, plan, "Ben"))
    assert projects.current_project(session) is None
    assert "another reader's" in session.message
    assert "Ben" not in session.message
    button.open(folder_of(study, plan, "Ann"))
    assert projects.current_project(session).reader == "Ann"
    assert json.loads((local.user_folder() / "readers.json").read_text()) == {plan.id: "Ann"}


def test_a_study_is_closed_by_its_menu(hand, viewer, workspace, study):
    session = workspace.session
    button = workspace.findChild(ProjectButton)
    with hand.answering(choose(study), called("ann")):
        hand.take(button.menu_, "Open a study…")
    workspace.annotate.new.click()
    hand.press("2")
    hand.drag(session.labels, (18, 18), (22, 22))
    hand.rest(0.5)
    hand.take(button.menu_, "Close the project")
    hand.rest(0.5)  # what is drawn next is not of layers that are gone
    assert projects.current_project(session) is None
    assert not viewer.layers
