"""Scores of a cohort's masks, a task a case: what `engine.evaluation.cohort_scores` does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from napari_dim.cluster.connection import Cluster
from napari_dim.cluster.pieces_of_work import DONE, Outcome, carried_out
from napari_dim.cluster.predicted_cases import fetched_case, rooted_case
from napari_dim.data.cohort import CohortCase
from napari_dim.data.predicted_masks import mask_of_case, told_in
from napari_dim.engine.evaluation.cohort_scores import CaseScores, score_case
from napari_dim.engine.evaluation.metrics import Scores
from napari_dim.io.formats import mask_suffixes
from napari_dim.io.places import fetched, rooted, state_of, there

Told = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ScoreCase:
    """The scores of one case; a `pieces_of_work.Work`.

    Attributes
    ----------
    row
        The case; its files may lie elsewhere.
    folder
        Of the masks.
    told
        What the folder's summary says of this case.
    merges
        Old class id -> new one.
    report
        The file that all scores go to; None writes nothing down.
    """

    row: CohortCase
    folder: Path
    told: Told
    merges: Mapping[int, int]
    report: Path | None
    kind = "evaluate"

    @property
    def name(self) -> str:
        """The case's."""
        return self.row.name

    @property
    def record(self) -> Path | None:
        """Beside the report."""
        if self.report is None:
            return None
        return self.report.parent / DONE / self.report.name / f"{self.row.name}.json"

    def made_of(self) -> str:
        """Image, reference and mask, and which classes count as one."""
        row = self.row
        files = [row.image, *row.channels, *([] if row.labels is None else [row.labels])]
        names = [str(one.get("mask", "")) for one in self.told]
        names += [f"{row.name}_dim{end}" for end in mask_suffixes()]
        masks = [self.folder / name for name in dict.fromkeys(names) if name]
        states = [state_of(place) for place in (*files, *(one for one in masks if there(one)))]
        return json.dumps([states, row.slice_axis, row.part, sorted(self.merges.items())])

    def is_there(self, result: dict[str, Any]) -> bool:
        """The record is the result."""
        return True

    def do(self, folder: Path) -> dict[str, Any]:
        """The case's scores as plain values, see `scores_of`."""
        row = fetched_case(self.row, folder)
        notes: list[str] = []
        mask = mask_of_case(row, self.folder, self.told, notes.append)
        found = score_case(row, fetched(mask, folder), self.merges)
        return {
            "scores": {str(label): astuple(one) for label, one in found.scores.items()},
            "unit": found.unit,
            "held": sorted(found.held),
            "notes": [*notes, *(f"{row.name}: {text}" for text in found.notes)],
        }


def scores_of(result: Mapping[str, Any]) -> CaseScores:
    """What `ScoreCase.do` gave."""
    scores = {int(label): Scores(*values) for label, values in result["scores"].items()}
    return CaseScores(scores, result["unit"], frozenset(result["held"]), tuple(result["notes"]))


def score_cases(
    cluster: Cluster,
    rows: Sequence[CohortCase],
    folder: Path,
    *,
    merges: Mapping[int, int] | None = None,
    report: Path | None = None,
    batch: int = 1,
) -> Iterator[Outcome]:
    """Score each case on a worker.

    Parameters
    ----------
    cluster
        Who does it.
    rows
        Cases that have a reference.
    folder
        Of the masks, as predict wrote it.
    merges
        Old class id -> new one.
    report
        The file that all scores go to: scores of single cases are kept beside it.
    batch
        Cases a task.

    Yields
    ------
    Outcome
        Of each case as it comes; `scores_of` takes its result.
    """
    by_case: dict[str, list[Mapping[str, Any]]] = {}
    told = told_in(folder)
    for one in told:
        by_case.setdefault(str(one.get("case", "")), []).append(one)
    folder = rooted(folder)
    works = [
        ScoreCase(
            rooted_case(row), folder, by_case.get(row.name, told), merges or {},
            None if report is None else rooted(report),
        )
        for row in rows
    ]  # fmt: skip
    yield from carried_out(cluster, works, batch)
