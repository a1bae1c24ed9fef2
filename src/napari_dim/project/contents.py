"""The file ``project.json``: read with its faults, written with the one before kept; free names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from napari_dim.errors import InputError
from napari_dim.io.atomic import write_text_atomically
from napari_dim.project.model import SHARED, VERSION, Case, Contents
from napari_dim.project.paths import inside, read_capped

FILE, PREVIOUS = "project.json", "project.previous.json"
_CAP = 64 * 2**20

_Model = TypeVar("_Model", bound=BaseModel)


def load(folder: Path) -> tuple[Contents, str]:
    """What the project's file says, or the one before it; and what had to be mended.

    Raises
    ------
    InputError
        If neither can be used.
    """
    try:
        return _read(inside(folder, FILE)), ""
    except InputError as first:
        if first.problem.startswith("it was made by"):
            raise
        try:
            contents = _read(inside(folder, PREVIOUS))
        except InputError:
            raise first from None
        return contents, "The list of cases was damaged; the one before its last change was used"


def save(folder: Path, contents: Contents, before: Contents | None) -> None:
    """Write the project's file, after the one that was `before`.

    Raises
    ------
    InputError
        If it can't be written; what stood there stays.
    """
    # Not the file that is there: it may be the damaged one.
    for name, what in ((PREVIOUS, before), (FILE, contents)):
        if what is not None:
            write_text_atomically(inside(folder, name), what.model_dump_json(indent=1) + "\n")


def checked(kind: type[_Model], **fields: Any) -> _Model:
    """A model made of what the user gave.

    Raises
    ------
    InputError
        If a field can't be used.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or kind.__name__.lower()
        raise InputError(f"the {field} can't be used: {first['msg']}") from error


def _read(path: Path) -> Contents:
    text = read_capped(path, _CAP)
    try:
        contents = Contents.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"this is no file of a project: {field}: {first['msg']}"[:300], where=path
        ) from error
    if contents.version > (SHARED if contents.reader else VERSION):
        raise InputError(
            "it was made by a later version of napari-dim", where=path, hint="Update napari-dim"
        )
    return contents


def free_name(cases: Sequence[Case], wanted: str) -> str:
    """A name that no case has: the one that is wanted, or that with a number."""
    taken = {case.name for case in cases}
    wanted = wanted[:180] or "case"
    numbered = (f"{wanted} {n}" for n in range(2, len(taken) + 3))
    return wanted if wanted not in taken else next(n for n in numbered if n not in taken)


def free_folder(root: Path, cases: Sequence[Case], wanted: str) -> str:
    """A name for the folder of a case in the project at `root`, which nothing has yet."""
    taken = {case.folder for case in cases}
    names = (f"{wanted}-{n}" if n else wanted for n in range(len(taken) + 10**6))
    return next(n for n in names if n not in taken and not (root / "cases" / n).exists())
