"""What each reader has done, and the reader's project as this machine opens it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_dim.errors import InputError
from napari_dim.project import Project, local
from napari_dim.project.contents import load
from napari_dim.project.lock import Lock
from napari_dim.project.paths import inside
from napari_dim.states import BY_HAND
from napari_dim.study.plan import Dealt, Plan, read_plan

BEGUN, OPEN, READ, WAITS = "begun", "open", "read", "waits"
"""How far a reading is: nobody began; begun; open in a window now; read."""


@dataclass(frozen=True)
class Reading:
    """One case of one reader.

    Attributes
    ----------
    case, reader
        What, and whose.
    state
        One of `WAITS`, `BEGUN`, `OPEN`, `READ`.
    read
        When it was read, ISO 8601; "" before.
    """

    case: Dealt
    reader: str
    state: str
    read: str = ""


def folder_of(study: Path, plan: Plan, reader: str) -> Path:
    """The folder of a reader's project."""
    return Path(study) / "readers" / f"reader-{plan.readers.index(reader) + 1}"


def prepare(study: Path, reader: str) -> Path:
    """Let this machine know where a reader's scans lie; returns the folder of the project.

    Raises
    ------
    InputError
        If there is no such study or reader, or a scan has gone.
    """
    plan = read_plan(study)
    reader = plan.reader(reader)
    folder = folder_of(study, plan, reader)
    contents, _ = load(folder)
    own = {case.folder for case in contents.cases}
    paths = {case.folder: inside(study, case.scan) for case in plan.cases if case.folder in own}
    gone = [path for path in paths.values() if not path.exists()]
    if gone:
        raise InputError("a scan of the study is not here any more", where=gone[0])
    local.keep_references(contents.id, {name: path.resolve() for name, path in paths.items()})
    return folder


def study_of(project: Path) -> Path | None:
    """The study that a reader's project lies in; None of another project."""
    study = Path(project).resolve().parent.parent
    return study if (study / "study.json").is_file() else None


def readings(study: Path, plan: Plan, reader: str) -> list[Reading]:
    """A reader's cases in the reader's order, and how far each is; nothing is written.

    Raises
    ------
    InputError
        If the project can't be read.
    """
    folder = folder_of(study, plan, reader)
    found = []
    with Project.open(folder, read_only=True) as project:
        known = {case.folder: case for case in project.cases}
        for case in plan.of(reader):
            own = known.get(case.folder)
            if own is None:
                raise InputError(f"{case.name} is missing in it", where=folder)
            begun = any(_touched(project, own.name, layer) for layer in project.layers(own.name))
            state = READ if own.read else BEGUN if begun else WAITS
            if Lock(inside(folder, f"cases/{case.folder}")).seen():
                state = OPEN
            found.append(Reading(case, reader, state, own.read))
    return found


def next_reading(study: Path, plan: Plan, reader: str) -> Reading | None:
    """The first case that a reader has not read and nobody has open; a begun one first."""
    left = [r for r in readings(study, plan, reader) if r.state in (BEGUN, WAITS)]
    return next((r for r in left if r.state == BEGUN), next(iter(left), None))


def _touched(project: Project, name: str, layer: str) -> bool:
    note = project.note(name, layer)
    return note is not None and any(int(digit) in BY_HAND for digit in note.states)
