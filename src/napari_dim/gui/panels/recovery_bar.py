"""Work that was done without a project, or broken off: found at the start, opened again."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image, Layer
from qtpy.QtWidgets import QFrame, QHBoxLayout, QMessageBox, QPushButton, QVBoxLayout

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import layer_path
from napari_dim.gui.storage.last_model import model_back
from napari_dim.gui.storage.open_cases import open_case
from napari_dim.gui.widgets.fixed_lines import FixedLines
from napari_dim.gui.widgets.small_widgets import while_alive
from napari_dim.project import Project
from napari_dim.project.contents import FILE
from napari_dim.project.local import recovery_folders
from napari_dim.project.lock import Lock

if TYPE_CHECKING:
    from napari_dim.gui.session import Session


@dataclass(frozen=True)
class Leftover:
    """A recovery folder that nobody works in.

    Attributes
    ----------
    cases
        The names of its scans.
    crashed
        Whether the window ended without closing it.
    scans
        The files of its scans.
    """

    folder: Path
    cases: tuple[str, ...]
    crashed: bool
    scans: frozenset[Path] = frozenset()

    @property
    def when(self) -> str:
        """When its last stroke was written, for people."""
        written = (*self.folder.rglob("*.journal"), self.folder / FILE)
        last = max((p.stat().st_mtime for p in written if p.exists()), default=0.0)
        when = datetime.fromtimestamp(last)
        return f"{when.day} {when:%B, %H:%M}" if last else "some time ago"

    def __str__(self) -> str:
        what = ", ".join(self.cases[:3]) + (" and others" if len(self.cases) > 3 else "")
        why = "napari ended before it was closed" if self.crashed else "it is in no project yet"
        return f"There is work of {self.when} on {what}: {why}."


def leftovers() -> Iterator[Leftover]:
    """The recovery folders that nobody works in and that hold anything, newest first."""
    for folder in recovery_folders():
        try:
            holder = Lock(folder).look()
            if holder is not None and not holder.stale:
                continue
            with Project.open(folder, read_only=True) as project:
                kept = tuple(
                    case.name for case in project.cases if project.layers(case.name) or case.rulers
                )
                scans = frozenset(filter(None, (_scan_of(project, name) for name in kept)))
        except InputError:
            continue
        if kept:
            yield Leftover(folder, kept, holder is not None, scans)


def _scan_of(project: Project, name: str) -> Path | None:
    """The file of a scan; None where it is in none, or gone."""
    with suppress(InputError):
        path = project.image_path(name)
        return None if path is None else path.resolve()
    return None


def _file_of(image: Layer) -> Path | None:
    path = layer_path(image)
    return None if path is None else path.resolve()


def restore(session: Session, leftover: Leftover) -> str:
    """Open all that a recovery folder holds, and go on in it; says what was done.

    Raises
    ------
    InputError
        If somebody else has opened it meanwhile, or it can't be read.
    """
    project = Project.open(leftover.folder, recover=True)
    if project.read_only:
        raise InputError(f"{project.holder} has it", where=leftover.folder)
    said = list(project.notes)
    _make_room(session, leftover)
    session.autosave.take_over(project)
    last = project.current  # opening a case makes it the one that is worked on
    for name in sorted(leftover.cases, key=lambda name: name == last):
        try:
            said.append(open_case(session, project, name))
        except InputError as error:
            said.append(str(error))
    if text := model_back(session, project):
        said.append(text)
    return ". ".join(said)


def _make_room(session: Session, leftover: Leftover) -> None:
    """Close scans that come back with their labels, where nothing was done on them meanwhile."""
    for image in session.scans.layers(Image):
        if _file_of(image) not in leftover.scans:
            continue
        mask = session.mask_of(image)
        drawn = mask is not None and (mask.areas.any() or mask.states.any())
        if not drawn and not session.rulers_of(image).done:
            for layer in (image, None if mask is None else mask.layer):
                if layer is not None and layer in session.viewer.layers:
                    session.viewer.layers.remove(layer)


def discard(leftover: Leftover) -> None:
    """Delete a recovery folder."""
    shutil.rmtree(leftover.folder, ignore_errors=True)


class RecoveryBar(QFrame):
    """Offers work that was broken off; hidden where there is none.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.text = FixedLines(3)  # other work that is offered does not move the buttons
        self.restore = QPushButton("Restore")
        self.restore.setToolTip("Open the scans with all labels, classes, states and rulers again")
        self.restore.clicked.connect(self._on_restore)
        self.later = QPushButton("Later")
        self.later.setToolTip(
            "Keep it; it is offered again when its scan is opened, and at the next start. Older "
            "work that is left comes up"
        )
        self.later.clicked.connect(self._on_later)
        self.drop = QPushButton("Delete…")
        self.drop.clicked.connect(self._on_drop)
        row = QHBoxLayout()
        for button in (self.restore, self.later, self.drop):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.addWidget(self.text)
        column.addLayout(row)
        self._unread = leftovers()  # each takes a look into its folder
        self._waiting: list[Leftover] = []
        self._put_off: list[Leftover] = []
        self._asked: weakref.WeakSet[Layer] = weakref.WeakSet()
        self.left = next(self._unread, None)
        while_alive(self, session.case_changed, self._on_case)
        self._on_case()
        self.refresh()

    def refresh(self) -> None:
        """Show the newest that is left."""
        self.setVisible(self.left is not None)
        self.text.say(str(self.left or ""))

    def _on_restore(self) -> None:
        from napari.utils.notifications import show_warning

        leftover, self.left = self.left, None  # one at a time: the next at the next start
        if leftover is None:
            return
        self.setEnabled(False)
        self.text.say("Opening its scans and all that is kept of them…")
        self.repaint()  # before the window is busy with it
        try:
            said = restore(self.session, leftover)
        except InputError as error:
            show_warning(str(error))
        else:
            self.session.say(said)
        self.setEnabled(True)
        self.refresh()

    def _on_later(self) -> None:
        if self.left is not None:
            self._put_off.append(self.left)
        self._next()

    def _next(self) -> None:
        self.left = self._waiting.pop(0) if self._waiting else next(self._unread, None)
        self.refresh()

    def _on_case(self) -> None:
        """Work on the scan that is opened comes first, if it was put off or is older."""
        image = self.session.image
        path = None if image is None else _file_of(image)
        if image is None or path is None or image in self._asked:
            return
        if self.left is not None and path in self.left.scans:
            return
        found = self._of(path)
        if found is None:
            return
        self._asked.add(image)
        if self.left is not None:
            self._waiting.insert(0, self.left)
        self.left = found
        self.refresh()

    def _of(self, scan: Path) -> Leftover | None:
        """Take the work on a scan out of what is left, if there is any."""
        for some in (self._put_off, self._waiting):
            for one in some:
                if scan in one.scans:
                    some.remove(one)
                    return one
        for one in self._unread:
            if scan in one.scans:
                return one
            self._waiting.append(one)
        return None

    def _on_drop(self) -> None:
        if self.left is None:
            return
        question = f"Delete all labels and rulers of {', '.join(self.left.cases)} for good?"
        answer = QMessageBox.question(self, "Delete work", question)
        if answer == QMessageBox.StandardButton.Yes:
            discard(self.left)
            self._next()
