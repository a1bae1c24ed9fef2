"""Projects in the window: make one, open it, go from case to case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path

import numpy as np
from napari.layers import Image, Labels

from napari_dim.data.cohort import CohortCase, read_cohort
from napari_dim.data.load import load_case, load_image
from napari_dim.errors import InputError
from napari_dim.gui.hourglass import hourglass
from napari_dim.gui.layers.image_layers import layer_path
from napari_dim.gui.session import Session
from napari_dim.gui.storage.last_model import model_back
from napari_dim.gui.storage.mask_files import LABEL_NAMES
from napari_dim.gui.storage.open_cases import add_open_layers, close_case, open_case
from napari_dim.gui.storage.readers import check_own
from napari_dim.gui.storage.written_scans import written
from napari_dim.io.formats import known_format
from napari_dim.project import Note, Project
from napari_dim.project.model import Case
from napari_dim.states import SliceState
from napari_dim.study.readings import study_of
from napari_dim.volume import file_stem
from napari_dim.words import count as counted

Each = Callable[[str], None]
"""Told the name of each case that is about to be added."""
_MOST_TOLD = 4


def current_project(session: Session) -> Project | None:
    """The open project."""
    project: Project | None = session.autosave.project
    return project


def from_layers(session: Session, folder: Path) -> str:
    """Make a project of the open scans and go on in it.

    Raises
    ------
    InputError
        If no scan is open, or the folder can't be used.
    """
    images = list(reversed(session.scans.layers(Image)))
    if not images:
        raise InputError("no scan is open", hint="Open one first")
    project = Project.create(folder)
    session.autosave.use(project)
    names = add_open_layers(session, project, _one_a_scan(images))
    if session.image is not None:
        project.current = session.autosave.case_of(session.image) or names[0]
    scans = counted(len(names), "scan")
    return f"Made the project “{project.name}” of {scans}; it saves by itself"


def from_cohort(session: Session, folder: Path, cohort: Path, each: Each = lambda _: None) -> str:
    """Make a project of a cohort file and open its first case; its labelled slices come along.

    Raises
    ------
    InputError
        If the cohort or the folder can't be used.
    """
    table = read_cohort(cohort)
    told = list(table.notes)
    project = Project.create(folder)
    try:
        for row in table.cases:
            each(row.name)
            case = _case(project, row)
            if row.slices and row.split == "train":
                told += [f"{case.name}: {text}" for text in _take_labels(project, case.name, row)]
        project.flush()
    except BaseException:
        project.close()
        raise
    more = [f"{counted(len(told) - _MOST_TOLD, 'more note')} in the log"]
    return ". ".join(
        [_begin(session, project), *told[:_MOST_TOLD], *(more if len(told) > _MOST_TOLD else ())]
    )


def _case(project: Project, row: CohortCase) -> Case:
    """A row of a cohort as a case; several channels become one file of the project."""
    name, image, part, axis = project.free_name(row.name), row.image, row.part, None
    if row.slice_axis or row.channels:
        volume = load_image(row)
        axis = volume.grid.slice_axis
        if row.channels:
            image, part = written(project, volume, name), ""
    return project.add_case(image, name, site=row.site, slice_axis=axis, part=part)


def from_folder(session: Session, folder: Path, scans: Path, each: Each = lambda _: None) -> str:
    """Make a project of all scans in a folder and open the first.

    Files whose names end as those of masks do are left out.

    Raises
    ------
    InputError
        If there is none, or the project's folder can't be used.
    """
    found = scans_in(scans)
    if not found:
        raise InputError("there are no scans that can be read", where=scans)
    project = Project.create(folder)
    try:
        for path in found:
            each(path.name)
            project.add_case(path)
    except BaseException:
        project.close()
        raise
    return _begin(session, project)


def scans_in(folder: Path) -> list[Path]:
    """The scans in a folder: files, and folders that hold a series each."""
    found = []
    for path in sorted(Path(folder).iterdir()):
        if path.name.startswith("."):
            continue
        words = file_stem(path).lower().replace("-", "_").split("_")
        if path.is_file() and len(words) > 1 and words[-1] in LABEL_NAMES:
            continue
        if known_format(path) is not None:
            found.append(path)
    return found


@hourglass()
def open_project(session: Session, folder: Path, *, recover: bool = False) -> str:
    """Open a project with the case that was worked on last.

    Raises
    ------
    InputError
        If it can't be read.
    """
    study = study_of(folder)
    if study is not None:
        check_own(study, folder)
    return _begin(session, Project.open(folder, recover=recover))


def switch_case(session: Session, name: str) -> str:
    """Close the case that is open and open another.

    Raises
    ------
    InputError
        If it can't be opened, or the last strokes of the open one can't be written.
    """
    project = _project(session)
    before = "" if session.image is None else session.autosave.case_of(session.image)
    if before == name:
        return f"{name} is open already"
    # Opened first: should its scan have gone, the case at hand stays.
    said = open_case(session, project, name)
    if before and not close_case(session, before):
        said += f". {before} stays open: its last strokes are not on the disk yet"
    return said


def next_case(session: Session) -> str:
    """Open the case that follows, the first after the last.

    Raises
    ------
    InputError
        If there is no other case.
    """
    project = _project(session)
    if len(project.cases) < 2:
        raise InputError("the project has no other case", hint="Add scans to it")
    before = "" if session.image is None else session.autosave.case_of(session.image)
    following = project.after(before) or project.cases[0]
    return switch_case(session, following.name)


def mark_read(session: Session) -> str:
    """Say that the open case of a study is read, and open the next one that is not.

    Raises
    ------
    InputError
        If no case of a study is open, or nothing is kept of it yet.
    """
    project = _project(session)
    name = "" if session.image is None else session.autosave.case_of(session.image)
    if not project.reader or not name:
        raise InputError("no case of a study is open", hint="Open one from the list")
    if not session.autosave.flush():
        raise InputError("its last strokes are not on the disk yet", hint="Try again in a moment")
    if not project.layers(name):
        raise InputError(
            f"nothing is said of {name} yet",
            hint="Where it shows nothing, press New and confirm a slice",
        )
    project.update_case(name, read=datetime.now().astimezone().isoformat(timespec="seconds"))
    session.changed.emit()
    return f"{name} is read. {_next_unread(session, project, name)}"


def mark_unread(session: Session, name: str) -> str:
    """Take back that a case of a study is read.

    Raises
    ------
    InputError
        If it can't be written.
    """
    _project(session).update_case(name, read="")
    session.changed.emit()
    return f"{name} is not read yet"


def _next_unread(session: Session, project: Project, name: str) -> str:
    """Open the next case that is not read, leaving out those that are open elsewhere."""
    names = [case.name for case in project.cases]
    place = names.index(name)
    left = [one for one in (*names[place + 1 :], *names[:place]) if not project.case(one).read]
    for one in left:
        try:
            return switch_case(session, one)
        except InputError as error:
            why = str(error)
    return f"The others can't be opened: {why}" if left else "All your cases are read"


def mark_exported(session: Session, labels: Labels) -> None:
    """Remember in the project that the mask of a scan was exported today."""
    project, image = current_project(session), session.scans.owner_of(labels)
    case = "" if image is None else session.autosave.case_of(image)
    if case and project is not None and not project.read_only:
        project.update_case(case, exported=f"{date.today()}")


def add_files(session: Session, paths: Iterable[Path], site: str = "") -> str:
    """Add scans to the project.

    Raises
    ------
    InputError
        If one can't be added; those before it are.
    """
    project = _project(session)
    names = [project.add_case(Path(path), site=site).name for path in paths]
    return f"Added {', '.join(names)}" if names else "Nothing was added"


def add_layers(session: Session) -> str:
    """Add the open scans that are not in the project yet.

    Raises
    ------
    InputError
        If there are none.
    """
    project = _project(session)
    images = [i for i in reversed(session.scans.layers(Image)) if not session.autosave.case_of(i)]
    if not images:
        raise InputError("all open scans are in the project already")
    return f"Added {', '.join(add_open_layers(session, project, _one_a_scan(images)))}"


def remove_case(session: Session, name: str) -> str:
    """Take a case out of the project; its layers are closed, its labels kept aside.

    Raises
    ------
    InputError
        If it can't be taken out.
    """
    project = _project(session)
    if not close_case(session, name):
        raise InputError("its last strokes are not on the disk yet", hint="Try again in a moment")
    kept = project.remove_case(name)
    return f"Removed {name}" + (f"; its labels are kept in {kept}" if kept else "")


def close_project(session: Session) -> str:
    """Close the project and its layers.

    Raises
    ------
    InputError
        If the last strokes can't be written.
    """
    project = _project(session)
    for case in project.cases:
        if not close_case(session, case.name):
            raise InputError("the last strokes are not on the disk yet", hint="Try again")
    session.autosave.use(None)
    return f"Closed “{project.name}”"


def _project(session: Session) -> Project:
    project = current_project(session)
    if project is None:
        raise InputError("no project is open", hint="Make or open one first")
    return project


def _begin(session: Session, project: Project) -> str:
    """Work in a project from now on, on its current case or the first."""
    before = current_project(session)
    if before is not None:
        close_project(session)
    session.autosave.use(project)
    scans = counted(len(project.cases), "scan")
    said = [f"Opened the project “{project.name}” of {scans}", *project.notes]
    if project.read_only and project.holder is not None:
        said.append(f"It can only be looked at: {project.holder} has it. Strokes are refused")
    if project.cases:
        name = project.current or project.cases[0].name
        if project.reader and project.case(name).read:
            name = next((case.name for case in project.cases if not case.read), name)
        try:
            said.append(open_case(session, project, name))
        except InputError as error:
            said.append(str(error))
    if text := model_back(session, project):
        said.append(text)
    return ". ".join(said)


def _one_a_scan(images: Iterable[Image]) -> list[Image]:
    """One layer a scan: the channels of a file are several."""
    found: dict[object, Image] = {}
    for image in images:
        found.setdefault(layer_path(image) or image, image)
    return list(found.values())


def _take_labels(project: Project, name: str, row: CohortCase) -> list[str]:
    """Keep the labelled slices of a row as if a person had painted them here.

    Returns
    -------
    list of str
        What was decided of its mask.
    """
    case = load_case(row)
    assert case.mask is not None
    assert row.labels is not None
    empty = [int(n) for n in case.labelled if not case.mask[n].any()]
    project.begin(
        name,
        "labels",
        np.ascontiguousarray(case.mask),
        Note(
            name=f"{name} (mask)",
            states="".join(str(int(state)) for state in case.states),
            marks=dict.fromkeys(empty, int(SliceState.PAINTED)),
        ),
    )
    own = f"{row.labels.name}: "
    return [text.removeprefix(own) for text in case.volume.warnings if text.startswith(own)]
