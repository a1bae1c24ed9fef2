"""The last model of a project or recovery folder: kept with it, and there again after a restart.

The weights lie in the folder itself, so that it can be handed on; where a training broke off,
this machine remembers its run folder, too. Of each case it is kept how unsure the model was.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.gui.commands.slice_commands import renew_suggestions
from napari_dim.io.hashing import hash_file
from napari_dim.project import Project
from napari_dim.project.doubts import Doubts

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_dim.engine.inference.trained_model import Model
    from napari_dim.gui.session import Session

CHECKPOINTS = ("latest.safetensors", "previous.safetensors")
WEIGHTS, RECORD = "weights.safetensors", "run.json"


class Home:
    """Where what a piece of work finds out is kept: a project that can be written to.

    Parameters
    ----------
    session
        Whose.
    image
        The scan that is worked on.
    """

    def __init__(self, session: Session, image: Layer | None) -> None:
        found = None if image is None else session.autosave.place_of(image)
        project = found[0] if found is not None else session.autosave.project
        self.project = None if project is None or project.read_only else project
        self.case = found[1] if found is not None else ""

    def keep_model(self, model: Model) -> None:
        """Keep a model for the next start; safe from any thread, a fault is logged alone."""
        if self.project is not None:
            self._try(lambda project: model.save(project.answers.model_folder))

    def keep_doubts(self, doubts: Doubts) -> None:
        """Keep how unsure it was of the scan; safe from any thread, a fault is logged alone."""
        if self.project is not None and self.case:
            self._try(lambda project: project.answers.keep_doubts(self.case, doubts))

    def keep_maker(self, model: Model, run: Path | None) -> None:
        """Keep which model made the masks of the scan; safe from any thread, as above.

        Parameters
        ----------
        run
            The folder that it is saved in, for its hash.
        """
        if self.project is not None and self.case:
            self._try(lambda project: project.answers.keep_maker(self.case, maker_of(model, run)))

    def keep_run(self, run: Path | None) -> None:
        """Remember which training was done last."""
        if self.project is not None:
            self._try(lambda project: setattr(project.answers, "run", run))

    def _try(self, act: Any) -> None:
        try:
            act(self.project)
        except (InputError, OSError) as error:  # a comfort of the next start, no loss today
            logging.getLogger("napari_dim").warning("not kept for the next start: %s", error)


def model_back(session: Session, project: Project) -> str:
    """Go on from the model that a project keeps; says so, "" where there is none.

    The weights are loaded once they are needed.
    """
    if session.model is not None or session.busy:
        return ""
    try:
        folder = project.answers.model_folder
    except InputError as error:
        return str(error)
    run = project.answers.run
    if run is not None and any((run / name).is_file() for name in CHECKPOINTS):
        session.resumable = run
    there = (folder / WEIGHTS).is_file() and (folder / RECORD).is_file()
    if there:
        session.run = folder
    if there or session.resumable is not None:
        session.model_changed.emit()
    if session.resumable is not None:
        return "Its last training broke off and can go on"
    return "Its last model is there again" if there else ""


def doubts_back(session: Session, project: Project, case: str, image: Layer) -> None:
    """Show again how unsure the model was of a case, and what it suggests."""
    mask = session.mask_of(image)
    if mask is None:
        return
    try:
        doubts = project.answers.doubts(case)
    except InputError as error:
        logging.getLogger("napari_dim").warning("%s", error)
        return
    if doubts is None or len(doubts.entropy) != len(mask.planes):
        return
    answer = mask.answer
    answer.entropy = doubts.entropy
    answer.disagreement = doubts.disagreement
    answer.confidence = doubts.confidence
    with suppress(InputError):
        answer.made = project.answers.maker(case)
        if answer.made is None and len(project.cases) == 1:  # of a version that kept none
            answer.run = project.answers.model_folder
    renew_suggestions(session)
    session.slices_changed.emit()


def maker_of(model: Model, run: Path | None) -> dict[str, Any]:
    """What the record of a mask says of the model that made it.

    Raises
    ------
    InputError
        If its weights can't be read.
    """
    weights = None if run is None else run / WEIGHTS
    known = weights is not None and weights.is_file()
    return {
        "seed": model.settings.seed,
        "settings": model.settings.model_dump(mode="json"),
        "versions": dict(model.record.get("versions", {})),
        **({"weights_sha256": hash_file(weights)} if known and weights is not None else {}),
    }


def doubts_of(
    entropy: np.ndarray,
    disagreement: np.ndarray | None,
    confidence: np.ndarray | None,
) -> Doubts:
    """What is kept of a whole prediction."""
    zero = np.zeros(len(entropy), np.float32)
    return Doubts(
        np.asarray(entropy, np.float32),
        zero if disagreement is None else disagreement,
        confidence,
        np.ones(len(entropy), bool),
    )


def start_of(session: Session) -> Model | Path | None:
    """What a training goes on from: the model, or the folder to load it from."""
    return _own(session) or session.model or session.run


def _own(session: Session) -> Model | None:
    """The model that made the masks of the scan, where the last one has not learnt from it."""
    mask, image = session.mask, session.image
    if mask is None or image is None or mask.answer.model is None:
        return None
    learnt = image.name in _cases(_last_record(session))
    return (
        None
        if learnt or image.name not in _cases(mask.answer.model.record)
        else (mask.answer.model)
    )


def record_of(session: Session) -> Mapping[str, Any]:
    """The record of the model that a training goes on from; empty where there is none."""
    own = _own(session)
    return _last_record(session) if own is None else own.record


def _last_record(session: Session) -> Mapping[str, Any]:
    """That of the last model, loaded or not."""
    if session.model is not None:
        return session.model.record
    if session.run is None:
        return {}
    path = session.run / RECORD
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (InputError, OSError):
        return {}


@cache
def _read(path: Path, changed: int) -> Mapping[str, Any]:
    """What a file said when it was `changed`."""
    from napari_dim.config import read_settings_file

    return read_settings_file(path)


def known_cases(session: Session) -> dict[str, Mapping[str, Any]]:
    """What a training that goes on has learnt from: name -> what is recorded of it."""
    return _cases(record_of(session))


def _cases(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = record.get("cases", ())
    return {str(case["name"]): case for case in found if isinstance(case, dict) and "name" in case}
