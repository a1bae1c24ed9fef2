"""Where the scans of a project lie: in its folder, or elsewhere on this user's machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path
from napari_dim.project import local
from napari_dim.project.model import Case
from napari_dim.project.paths import inside
from napari_dim.volume import file_stem


def path_of(root: Path, project: str, case: Case) -> Path | None:
    """Where the scan of a case lies; None if it is in no file.

    Raises
    ------
    InputError
        If it isn't where it was.
    """
    if case.image is not None:
        path = inside(root, case.image)
    else:
        found = local.references(project).get(case.folder)
        if found is None and not case.sha256:
            return None
        path = found or Path()
    if not path.name or not path.exists():
        raise InputError("its scan is not where it was", where=case.name, hint="Choose the file")
    return path


def refer(project: str, case: Case, image: Path) -> None:
    """Remember on this machine where the scan of a case lies.

    Raises
    ------
    InputError
        If it can't be written.
    """
    known = local.references(project)
    known[case.folder] = image.resolve()
    local.keep_references(project, known)


def copied(root: Path, image: Path, folder: str) -> Path:
    """Copy a scan into the project; returns the copy.

    Raises
    ------
    InputError
        If it is no file, or can't be copied.
    """
    if not image.is_file():
        raise InputError("only a file can be copied into a project", where=image)
    target = inside(root, f"images/{folder}{image.name[len(file_stem(image)) :]}")
    target.parent.mkdir(exist_ok=True)
    with atomic_path(target) as temporary:
        shutil.copyfile(image, temporary)
    return target
