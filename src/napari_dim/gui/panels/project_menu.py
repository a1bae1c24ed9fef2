"""The project's menu in the header."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QInputDialog,
    QMenu,
    QMessageBox,
    QToolButton,
)

from napari_dim.gui.keys import do
from napari_dim.gui.panels.cases_panel import show_cases
from napari_dim.gui.session import Session
from napari_dim.gui.storage import project_actions as projects
from napari_dim.gui.storage.readers import become, known_reader
from napari_dim.gui.widgets.small_widgets import while_alive
from napari_dim.project import Project, recent_projects
from napari_dim.study.plan import FILE as STUDY
from napari_dim.study.readings import study_of

NONE = "No project"
MOST = 30
"""Cases that the menu lists; the others are reached one after the other."""


class ProjectButton(QToolButton):
    """Shows which project is open, and offers what can be done with it.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_ = QMenu(self)
        self.menu_.setToolTipsVisible(True)
        self.menu_.aboutToShow.connect(self.fill)
        self.setMenu(self.menu_)
        while_alive(self, session.autosave.changed, self.refresh)
        while_alive(self, session.case_changed, self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Say which project is open, and whether it can be changed."""
        project = projects.current_project(self.session)
        if project is None:
            text, tip = (
                NONE,
                (
                    "A project keeps scans, labels, classes and states together in a folder. "
                    "Without one your strokes are kept all the same, and offered at the next start"
                ),
            )
        elif project.read_only:
            who = project.holder or "the folder can't be written to"
            text, tip = f"{project.name} (read-only)", f"You can look, not change: {who}"
        else:
            text, tip = project.name, f"{project.folder}\nEvery stroke is saved by itself"
            if project.reader:
                tip += f"\nYou read as {project.reader}"
        # The spaces keep the letters clear of the arrow.
        self.setText(f"{self.fontMetrics().elidedText(text, _middle(), 150)}   ")
        self.setToolTip(tip)

    def fill(self) -> None:
        """Offer what can be done now."""
        menu, project = self.menu_, projects.current_project(self.session)
        menu.clear()
        self._add("New from the open scans…", self._on_new)
        self._add("New from a cohort file…", self._on_cohort)
        self._add("New from a folder of scans…", self._on_folder)
        self._add("Open a project…", self._on_open)
        self._add("Open a study…", self._on_open)
        recent = menu.addMenu("Reopen")
        for folder in recent_projects():
            if project is None or folder != project.folder.resolve():
                entry = recent.addAction(f"{folder.name}   ({folder.parent})")
                entry.triggered.connect(lambda _=False, folder=folder: self.open(folder))
        recent.setEnabled(bool(recent.actions()))
        if project is None:
            return
        menu.addSeparator()
        self._add("List of cases…", lambda: show_cases(self.session))
        self._fill_cases(menu.addMenu("Cases"), project)
        self._add("Open the next case", lambda: do(self.session, projects.next_case))
        if project.reader:
            self._add("This case is read", lambda: do(self.session, projects.mark_read))
            self._add("Somebody else reads…", lambda: self._on_somebody(project.folder))
        elif not project.read_only:
            self._add("Add files…", self._on_add)
            self._add("Add the open scans", lambda: do(self.session, projects.add_layers))
            self._add("Remove this case…", self._on_remove)
        menu.addSeparator()
        self._add("Close the project", lambda: do(self.session, projects.close_project))

    def open(self, folder: Path) -> None:
        """Open a project, or one's cases of a study.

        Asks where its last window ended without closing it, and who one is in the study.
        """
        if (folder / STUDY).is_file():
            self._open_study(folder)
            return

        def opened(session: Session) -> str:
            said = projects.open_project(session, folder)
            project = projects.current_project(session)
            holder = None if project is None else project.holder
            if holder is not None and holder.stale and self._ask_take_over(str(holder)):
                projects.close_project(session)
                said = projects.open_project(session, folder, recover=True)
            return said

        do(self.session, opened)

    def _open_study(self, study: Path, *, ask: bool = False) -> None:
        """Open one's own cases of a study; who that is, is asked once."""

        def opened(session: Session) -> str:
            name = "" if ask else known_reader(study)
            if not name:
                name, sure = QInputDialog.getText(
                    self, "Who reads?", "Your name, as the study has it:"
                )
                if not sure or not name.strip():
                    return "Nothing was opened"
            said = projects.open_project(session, become(study, name))
            show_cases(session)
            return said

        do(self.session, opened)

    def _on_somebody(self, project: Path) -> None:
        study = study_of(project)
        if study is not None:
            self._open_study(study, ask=True)

    def _fill_cases(self, menu: QMenu, project: Project) -> None:
        image = self.session.image
        shown = "" if image is None else self.session.autosave.case_of(image)
        for case in project.cases[:MOST]:
            site = f"   ({case.site})" if case.site else ""
            entry = menu.addAction(f"{case.name}{site}")
            entry.setCheckable(True)
            entry.setChecked(case.name == shown)
            entry.triggered.connect(
                lambda _=False, name=case.name: do(
                    self.session, lambda session: projects.switch_case(session, name)
                )
            )
        menu.setEnabled(bool(project.cases))

    def _add(self, title: str, call: Callable[[], Any]) -> None:
        self.menu_.addAction(title).triggered.connect(lambda _=False: call())

    def _ask_take_over(self, holder: str) -> bool:
        answer = QMessageBox.question(
            self,
            "Take over the project?",
            f"{holder[:1].upper()}{holder[1:]} ended without closing this project. "
            "Take it over? All that was saved is there.",
        )
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _where(self) -> Path | None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Folder of the new project", str(Path.home() / "project"), "Folder (*)"
        )
        return Path(path) if path else None

    def _on_new(self) -> None:
        folder = self._where()
        if folder is not None:
            do(self.session, lambda session: projects.from_layers(session, folder))

    def _on_cohort(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Cohort file", "", "Cohort (*.csv)")
        folder = self._where() if path else None
        if folder is not None:
            do(self.session, lambda s: projects.from_cohort(s, folder, Path(path), self._each))

    def _on_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder of scans")
        folder = self._where() if path else None
        if folder is not None:
            do(self.session, lambda s: projects.from_folder(s, folder, Path(path), self._each))

    def _each(self, name: str) -> None:
        """Keep the window alive while many scans are added."""
        self.session.say(f"Adding {name}")
        QApplication.processEvents()

    def _on_open(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder of the project or study")
        if path:
            self.open(Path(path))

    def _on_add(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Add scans", "", "All files (*)")
        if paths:
            do(self.session, lambda session: projects.add_files(session, map(Path, paths)))

    def _on_remove(self) -> None:
        image = self.session.image
        name = "" if image is None else self.session.autosave.case_of(image)
        if not name:
            self.session.say("The scan on the screen is not in the project")
            return
        answer = QMessageBox.question(
            self,
            "Remove the case?",
            f"Take {name} out of the project? Its scan stays where it is, its labels are kept "
            "in the folder “removed”.",
        )
        if answer == QMessageBox.StandardButton.Yes:
            do(self.session, lambda session: projects.remove_case(session, name))


def _middle() -> Any:
    from qtpy.QtCore import Qt

    return Qt.TextElideMode.ElideMiddle
