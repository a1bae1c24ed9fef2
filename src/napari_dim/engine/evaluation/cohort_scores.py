"""Predictions of a cohort against its reference masks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.data.cohort import Cohort, CohortCase
from napari_dim.data.load import load_reference
from napari_dim.data.predicted_masks import (
    changed_masks,
    changed_words,
    models_by_case,
    predicted_masks,
    summary_in,
)
from napari_dim.engine.evaluation.metrics import Scores, relabel, score
from napari_dim.engine.inference.mask_volume import Mask
from napari_dim.errors import InputError
from napari_dim.io import lay_mask
from napari_dim.io.geometry import Laid, lay
from napari_dim.io.labels import as_labels, ids_in
from napari_dim.io.pictures.picture_reader import UNTAGGED
from napari_dim.volume import Volume

METRICS = ("dice", "jaccard", "hd95_mm", "asd_mm")

Report = dict[str, Any]
MaskOfCase = Mask | np.ndarray | str | Path
"""A predicted mask: in its place, its ids ``(slice, row, column)`` alone, or its file."""


def evaluate(
    cohort: Cohort,
    predictions: Path | Mapping[str, MaskOfCase] | Sequence[MaskOfCase],
    *,
    split: str = "test",
    merges: Mapping[int, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> Report:
    """Score the predictions of a split.

    Parameters
    ----------
    cohort
        Names the images and their reference masks.
    predictions
        Folder with a mask of each case, as predict wrote them: what its ``predictions.json``
        says, else ``<case>_dim`` with the end of any format that can be read. Or the masks
        themselves, by the cases' names or in the order of those that are compared.
    split
        ``"train"``, ``"test"`` or ``"all"``.
    merges
        Old id -> new id, applied to predictions and references.
    progress
        Called with (cases done, cases in all).
    note
        Called with each thing that was decided of a case or its files.

    Returns
    -------
    dict
        ``cases``: a list of ``case``, ``site``, ``split`` and ``classes`` (id as text ->
        the four metrics). ``by_site``: site -> means of its cases. ``mean``: means of all
        cases. Means have ``classes`` (id -> means, ``cases`` and ``nulls``, how many cases
        have no distance) and the four ``METRICS`` over the classes. ``distance_unit`` is
        ``"mm"``, or ``"pixel"`` for pictures: the names of the distances stay the same.
        ``merged``: old id -> new id, as given. Where the folder tells which model made a mask,
        its case has ``model``, a hash, and ``models`` says of each what ``predictions.json`` does.

    Raises
    ------
    InputError
        If a prediction is missing, unreadable or doesn't fit its image, or a class is merged
        that no mask holds.
    """
    rows = compared(cohort.split(split), note)
    masks = _masks_of(rows, predictions, note)
    scored: list[CaseScores] = []
    for number, (row, mask) in enumerate(zip(rows, masks, strict=True)):
        scored.append(score_case(row, mask, merges))
        _check_unit(row, scored[-1], scored[0])
        if note is not None:
            for text in scored[-1].notes:
                note(f"{row.name}: {text}")
        if progress is not None:
            progress(number + 1, len(rows))
    if not isinstance(predictions, Path):
        return report_of(rows, scored, merges)
    summary = summary_in(predictions)
    changed = changed_masks(rows, predictions, summary)
    if note is not None and changed:
        note(changed_words(changed))
    return report_of(rows, scored, merges, summary, changed)


@dataclass(frozen=True)
class CaseScores:
    """The scores of one case.

    Attributes
    ----------
    scores
        Of each class that its mask or its reference shows.
    unit
        ``"mm"`` or ``"pixel"``.
    held
        The classes of both before any were merged.
    notes
        What was decided of the case.
    """

    scores: Mapping[int, Scores]
    unit: str
    held: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


def score_case(
    row: CohortCase, mask: MaskOfCase, merges: Mapping[int, int] | None = None
) -> CaseScores:
    """Score the mask of one case.

    Raises
    ------
    InputError
        If mask, image or reference can't be used.
    """
    volume, reference = load_reference(row)
    laid = _laid(mask, volume, row)
    prediction = laid.ids
    held: frozenset[int] = frozenset()
    if merges:
        held = frozenset({*ids_in(reference), *ids_in(prediction)})
        reference, prediction = relabel(reference, merges), relabel(prediction, merges)
    ids = {int(i) for i in np.union1d(np.unique(reference), np.unique(prediction)) if i}
    return CaseScores(
        score(prediction, reference, volume.spacing, sorted(ids)),
        volume.grid.unit,
        held,
        tuple(_told(row, volume, mask, laid.notes)),
    )


def report_of(
    rows: Sequence[CohortCase],
    scored: Sequence[CaseScores],
    merges: Mapping[int, int] | None,
    summary: Mapping[str, Any] | None = None,
    changed: Collection[str] = (),
) -> Report:
    """The report on the scores of all cases, see `evaluate`.

    All classes of the split count in every case: those that a case has on neither side are
    filled in here. `summary` is what the masks' folder says of them, `changed` the cases whose
    masks are not as the model wrote them.

    Raises
    ------
    InputError
        If units differ, or a class is merged that no mask holds.
    """
    for row, each in zip(rows, scored, strict=True):
        _check_unit(row, each, scored[0])
    held: set[int] = set().union(*(each.held for each in scored))
    if absent := sorted({*(merges or {})} - held):
        raise InputError(
            f"no mask holds class {absent[0]}, which is to be merged",
            hint=f"The classes are {', '.join(str(one) for one in sorted(held)) or 'none'}",
        )  # fmt: skip
    classes = sorted(set().union(*(each.scores for each in scored)))
    nowhere = Scores(1.0, 1.0, None, None)
    made = models_by_case(rows, summary or {})
    cases = [
        {
            "case": row.name,
            **({"model": made[row.name]} if made.get(row.name) else {}),
            **({"changed_since": True} if row.name in changed else {}),
            "site": row.site,
            "split": row.split,
            "classes": {str(label): _named(each.scores.get(label, nowhere)) for label in classes},
        }
        for row, each in zip(rows, scored, strict=True)
    ]
    sites = sorted({row.site for row in rows})
    about = (summary or {}).get("models", {})
    used = {"models": {key: about.get(key, {}) for key in sorted({*made.values()} - {""})}}
    return {
        "cases": cases,
        **(used if made else {}),
        "by_site": {site: _means(case for case in cases if case["site"] == site) for site in sites},
        "mean": _means(cases),
        "distance_unit": scored[0].unit,
        "merged": {str(old): new for old, new in sorted((merges or {}).items())},
    }


def _check_unit(row: CohortCase, one: CaseScores, first: CaseScores) -> None:
    if one.unit != first.unit:
        raise InputError(
            "distances in mm and in pixels can't be averaged",
            where=row.where,
            hint="Evaluate them as two cohorts",
        )


def _told(row: CohortCase, volume: Volume, mask: MaskOfCase, laid: Sequence[str]) -> list[str]:
    """What matters to scores: of a picture what was decided of its masks.

    That the picture is turned or its transparency left out was told by fit and predict, and a
    prediction is drawn on what viewers show.
    """
    own = list(volume.warnings)
    if volume.kind == "picture":
        assert row.labels is not None  # or there were no reference
        own = [text for text in own if text.startswith(f"{row.labels.name}: ")]
        laid = [text for text in laid if UNTAGGED not in text]
    called = f"{Path(mask).name}: " if isinstance(mask, (str, Path)) else ""
    return [*own, *(f"{called}{text}" for text in laid)]


def _masks_of(
    rows: Sequence[CohortCase],
    given: Path | Mapping[str, MaskOfCase] | Sequence[MaskOfCase],
    note: Callable[[str], None] | None,
) -> Sequence[MaskOfCase]:
    """The mask of each case."""
    if isinstance(given, Path):
        return predicted_masks(rows, given, note)
    if isinstance(given, Mapping):
        for row in rows:
            if row.name not in given:
                raise InputError(
                    f"there is no mask called {row.name}", where=row.where,
                    hint=f"Those given are {', '.join(map(str, given)) or 'none'}",
                )  # fmt: skip
        return [given[row.name] for row in rows]
    if len(given) != len(rows):
        raise InputError(
            f"there are {len(given)} masks for {len(rows)} cases",
            hint=f"Give one for each of {', '.join(row.name for row in rows[:5])}, in this order",
        )  # fmt: skip
    return list(given)


def _laid(mask: MaskOfCase, volume: Volume, row: CohortCase) -> Laid:
    """A mask on the image of its case."""
    if isinstance(mask, (str, Path)):
        return lay_mask(Path(mask), volume)
    if isinstance(mask, Mask):
        return lay(Volume(mask.array, mask.grid, kind=mask.place.kind), volume.grid)
    ids = np.asarray(mask)
    ids = ids[None] if ids.ndim == 2 else ids
    if ids.shape != volume.grid.shape:
        raise InputError(f"its mask is {ids.shape}, its image {volume.grid.shape}", where=row.name)
    return Laid(as_labels(ids, where=row.name))


def compared(
    rows: Sequence[CohortCase], note: Callable[[str], None] | None
) -> Sequence[CohortCase]:
    """The cases that have a reference; those to train on without labels are left out, told."""
    left = [row for row in rows if row.split == "train" and row.labels is None]
    if len(left) == len(rows):
        load_reference(left[0])  # says what is missing
    if left and note is not None:
        names = ", ".join(row.name for row in left[:5]) + (" ..." if len(left) > 5 else "")
        note(f"{len(left)} of {len(rows)} cases have no labels and are not compared: {names}")
    return [row for row in rows if row not in left]


def _named(scores: Scores) -> dict[str, float | None]:
    values = (scores.dice, scores.jaccard, scores.hd95, scores.asd)
    return dict(zip(METRICS, values, strict=True))


def _means(cases: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over cases for each class, then over the classes."""
    cases = list(cases)
    classes: dict[str, dict[str, Any]] = {}
    for label in cases[0]["classes"]:
        values = [case["classes"][label] for case in cases]
        classes[label] = {
            **{metric: _mean(value[metric] for value in values) for metric in METRICS},
            "cases": len(values),
            "nulls": sum(value["hd95_mm"] is None for value in values),
        }
    overall = {metric: _mean(mean[metric] for mean in classes.values()) for metric in METRICS}
    nulls = sum(mean["nulls"] for mean in classes.values())
    return {"classes": classes, **overall, "cases": len(cases), "nulls": nulls}


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of what there is; None of nothing."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
