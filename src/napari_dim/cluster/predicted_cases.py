"""Masks of a cohort, a task a case: what `engine.inference.predict_files` does, on workers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_dim.cluster.carried_model import carried, model_of
from napari_dim.cluster.connection import Cluster
from napari_dim.cluster.pieces_of_work import DONE, Outcome, carried_out
from napari_dim.data.cohort import CohortCase
from napari_dim.engine.inference.predict_files import planned, predict_one, predictions_in
from napari_dim.engine.inference.prediction_summary import KEPT
from napari_dim.engine.inference.trained_model import Model
from napari_dim.errors import InputError
from napari_dim.io.places import (
    fetched,
    is_elsewhere,
    rooted,
    state_of,
    there,
    written_to,
)


@dataclass(frozen=True)
class PredictCase:
    """The mask of one case; a `pieces_of_work.Work`.

    Attributes
    ----------
    row
        The case; its files may lie elsewhere.
    out
        Folder for the mask.
    form
        The key of the mask's format; by default the image's own kind.
    model
        The hash of the model, see `carried_model`.
    device
        As in `predict`.
    inputs
        Names of files in `out` that must not be replaced.
    stale
        Whether the mask that is there is to be replaced: another model's, or changed since.
    """

    row: CohortCase
    out: Path
    form: str
    model: str
    device: str = "auto"
    inputs: frozenset[str] = frozenset()
    stale: bool = False
    kind = "predict"

    @property
    def name(self) -> str:
        """The case's."""
        return self.row.name

    @property
    def record(self) -> Path:
        """Beside the masks."""
        return self.out / DONE / f"{self.row.name}.json"

    def made_of(self) -> str:
        """Image, model, and how its slices lie."""
        row = self.row
        states = [state_of(place) for place in (row.image, *row.channels)]
        return json.dumps([states, row.slice_axis, row.part, self.form, self.model])

    def is_there(self, result: dict[str, Any]) -> bool:
        """Whether the mask is still there."""
        files = result.get("files", [result["mask"]])
        return not self.stale and all(there(self.out / str(name)) for name in files)

    def do(self, folder: Path) -> dict[str, Any]:
        """Write the mask; gives its entry in ``predictions.json``, and ``notes``."""
        row = fetched_case(self.row, folder)
        with written_to(self.out) as out:
            target = planned([row], out, form=self.form)[0]
            if target.mask.name in self.inputs:
                raise InputError(f"{target.mask.name} is an input itself", where=self.out,
                                 hint="Give another folder")  # fmt: skip
            entry, notes = predict_one(
                model_of(self.model), target, form=self.form, device=self.device
            )
        return {**entry, "notes": list(notes)}


def rooted_case(row: CohortCase) -> CohortCase:
    """A case whose files are named from the root on: workers are in other folders."""
    return replace(
        row,
        image=rooted(row.image),
        channels=tuple(rooted(place) for place in row.channels),
        labels=None if row.labels is None else rooted(row.labels),
    )


def fetched_case(row: CohortCase, folder: Path) -> CohortCase:
    """A case whose files are on this machine; those from elsewhere are copied below `folder`."""
    return replace(
        row,
        image=fetched(row.image, folder),
        channels=tuple(fetched(place, folder) for place in row.channels),
        labels=None if row.labels is None else fetched(row.labels, folder),
    )


def predict_cases(
    cluster: Cluster,
    run: Path,
    rows: Sequence[CohortCase],
    out: Path,
    *,
    keep: Sequence[Path] = (),
    form: str = "",
    device: str = "auto",
    batch: int = 1,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Segment each case on a worker, and write ``predictions.json`` of those that came through.

    Parameters
    ----------
    cluster
        Who does it.
    run
        Run folder of the model, on this machine.
    rows
        The cases.
    out
        Folder for the masks, reached from every worker.
    keep
        Files that must not be replaced.
    form, device
        As in `engine.inference.predict_files.predict_files`.
    batch
        Cases a task.
    overwrite
        Whether masks of other models may be replaced.

    Yields
    ------
    Outcome
        Of each case as it comes.

    Raises
    ------
    InputError
        If the model or a mask's name can't be used, or other masks are there.
    ClusterLostError
        If the scheduler goes away.
    """
    model = Model.load(run)
    out, rows = rooted(out), [rooted_case(row) for row in rows]
    told = predictions_in(out, model, form)
    if not any(is_elsewhere(place) for place in (out, *(row.image for row in rows))):
        names = [target.mask.name for target in planned(rows, out, keep, form)]
    else:  # which kind of image it is, workers find out
        names = [told.name_of(row.name) or f"{row.name}_dim.nii.gz" for row in rows]
    told.check(rows, names, overwrite=overwrite, where=f"--out {out}", way="--overwrite")
    inside = frozenset(place.name for place in map(rooted, keep) if str(place.parent) == str(out))
    with carried(cluster.client, run) as digest:
        works = [
            PredictCase(
                row,
                out,
                form,
                digest,
                device,
                inside,
                told.stale(name) or (overwrite and told.changed(name)),
            )
            for row, name in zip(rows, names, strict=True)
        ]
        told.begin(names)
        try:
            for outcome in carried_out(cluster, works, batch):
                if not outcome.fault:
                    entry = {k: v for k, v in outcome.result.items() if k != "notes"}
                    told.add(entry, found=outcome.found)
                    name = str(outcome.result["mask"])
                    if outcome.found and told.changed(name):
                        notes = [*outcome.result.get("notes", ()), f"{name} {KEPT}"]
                        outcome = replace(outcome, result={**outcome.result, "notes": notes})
                yield outcome
        finally:
            told.end()
