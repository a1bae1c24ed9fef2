"""Who sits here, in a study of several readers: asked once a study, remembered on this machine."""

from __future__ import annotations

from pathlib import Path

from napari_dim.errors import InputError
from napari_dim.project import local
from napari_dim.project.contents import load
from napari_dim.study.plan import read_plan
from napari_dim.study.readings import folder_of, prepare


def known_reader(study: Path) -> str:
    """Who this user is in a study; "" where that was not said, or is not so any more.

    Raises
    ------
    InputError
        If it is no study.
    """
    plan = read_plan(study)
    name = local.reader_in(plan.id)
    return name if name in plan.readers else ""


def become(study: Path, name: str) -> Path:
    """Be a reader of a study from now on; returns the folder of the reader's project.

    Raises
    ------
    InputError
        If the study has no such reader, or a scan of theirs has gone.
    """
    plan = read_plan(study)
    own = plan.reader(name)
    prepare(study, own)
    local.remember_reader(plan.id, own)
    return folder_of(study, plan, own)


def check_own(study: Path, project: Path) -> None:
    """Refuse the cases of another reader; let this machine know where one's own scans lie.

    Raises
    ------
    InputError
        If they are not this user's.
    """
    own = known_reader(study)
    if not own or load(project)[0].reader != own:
        raise InputError(
            "these cases are another reader's, whose masks you are not to see",
            where=study, hint="Open the folder of the study, and say who you are",
        )  # fmt: skip
    prepare(study, own)
