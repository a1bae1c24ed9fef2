"""What a project keeps of the machine for the next start: its model, and what it said of cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from napari_dim.project import local
from napari_dim.project.doubts import FILE as DOUBTS
from napari_dim.project.doubts import Doubts, read_doubts, write_doubts
from napari_dim.project.makers import FILE as MAKER
from napari_dim.project.makers import read_maker, write_maker
from napari_dim.project.paths import inside

_RUN = ".run"  # no case has such a folder


class FolderOf(Protocol):
    """Gives the folder of a case by name, below ``cases/``."""

    def __call__(self, name: str, *, write: bool = False) -> str:
        """With `write` only where the case may be changed."""


class KeptAnswers:
    """The last model of a project, and how unsure which model was of each case.

    Parameters
    ----------
    folder, project
        Where the project lies, and its id.
    folder_of
        Which folder a case has.
    """

    def __init__(self, folder: Path, project: str, folder_of: FolderOf) -> None:
        self._folder, self._project, self._folder_of = folder, project, folder_of

    @property
    def model_folder(self) -> Path:
        """Where the last model is kept, as a run folder; not made here.

        Raises
        ------
        InputError
            If it is a link that leads out of the project.
        """
        return inside(self._folder, "model")

    @property
    def run(self) -> Path | None:
        """The run folder of the last training on this machine, if it is still there."""
        run = local.references(self._project).get(_RUN)
        return run if run is not None and run.is_dir() else None

    @run.setter
    def run(self, run: Path | None) -> None:
        known = local.references(self._project)
        known.pop(_RUN, None)
        if run is not None:
            known[_RUN] = run.resolve()
        local.keep_references(self._project, known)

    def keep_doubts(self, case: str, found: Doubts) -> None:
        """Keep how unsure the machine was of a case; safe from any thread.

        Raises
        ------
        InputError
            If the project can't be changed, or it can't be written.
        """
        write_doubts(self._path(case, DOUBTS, write=True), found)

    def keep_maker(self, case: str, maker: Mapping[str, Any]) -> None:
        """Keep which model made the masks of a case; safe from any thread.

        Raises
        ------
        InputError
            If the project can't be changed, or it can't be written.
        """
        write_maker(self._path(case, MAKER, write=True), maker)

    def doubts(self, case: str) -> Doubts | None:
        """How unsure the machine was of a case; None where nothing is kept.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        return read_doubts(self._path(case, DOUBTS))

    def maker(self, case: str) -> dict[str, Any] | None:
        """Which model made the masks of a case; None where nothing is kept.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        return read_maker(self._path(case, MAKER))

    def _path(self, case: str, file: str, *, write: bool = False) -> Path:
        return inside(self._folder, f"cases/{self._folder_of(case, write=write)}/{file}")
