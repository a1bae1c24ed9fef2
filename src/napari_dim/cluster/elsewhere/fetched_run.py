"""The files of a run that was trained elsewhere, as a run of this machine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_dim.cluster.elsewhere.sent_cases import Names
from napari_dim.engine.inference.trained_model import RECORD, Model
from napari_dim.engine.training.checkpoint import LATEST, forget_checkpoints
from napari_dim.engine.training.job import Job
from napari_dim.engine.training.run_folder import clear_run
from napari_dim.io.atomic import make_folder, write_bytes_atomically, write_text_atomically


class FetchedRun:
    """What came of a training's run folder.

    Parameters
    ----------
    job
        The training, as it is known here.
    names
        What cases are called here.
    """

    def __init__(self, job: Job, names: Names) -> None:
        self._job, self._names = job, names
        self._files: dict[str, bytes] = {}

    def take(self, name: str, data: bytes) -> None:
        """Keep a file until all are there."""
        self._files[name] = data

    @property
    def resumable(self) -> bool:
        """Whether the training can go on from it."""
        return LATEST in self._files

    def model(self) -> Model:
        """The model in it, with the names of this machine in its record.

        Raises
        ------
        InputError
            If a file is missing or damaged.
        """
        with tempfile.TemporaryDirectory() as folder:
            for name, data in self._files.items():
                (Path(folder) / name).write_bytes(data)
            model = Model.load(Path(folder))
        return replace(model, record=self._here(model.record))

    def save(self) -> Path | None:
        """Write it where the training was to be kept; None if that is nowhere.

        Raises
        ------
        InputError
            If it can't be written.
        """
        run = self._job.run
        if run is None:
            return None
        make_folder(run)
        for name, data in self._files.items():
            if name == RECORD:
                record = self._here(json.loads(data))
                write_text_atomically(run / name, json.dumps(record, indent=2) + "\n")
            else:
                write_bytes_atomically(run / name, data)
        if not self.resumable:
            forget_checkpoints(run)
        if self._job.overwrite:
            clear_run(run, but=self._files)
        return run

    def _here(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._names.back(record), **self._job.provenance}
