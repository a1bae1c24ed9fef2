"""Which file in a folder of predictions is the mask of which case: what predict wrote down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_dim.data.cohort import CohortCase
from napari_dim.errors import InputError
from napari_dim.io import prediction_name
from napari_dim.io.formats import known_format, mask_suffixes

SUMMARY = "predictions.json"
"""What predict writes beside the masks: the case, image and mask of each, among others."""

_LARGEST = 64 * 2**20


def predicted_masks(rows: Sequence[CohortCase], folder: Path) -> list[Path]:
    """The mask of each case, in any format that can be read; all are there, or it is an error.

    What `SUMMARY` says of a case goes before the names: a folder may hold a mask in two formats.

    Raises
    ------
    InputError
        If there is none, or one that holds no voxels.
    """
    told = _told(folder)
    return [_mask_of(row, folder, told) for row in rows]


def _mask_of(row: CohortCase, folder: Path, told: Sequence[Mapping[str, Any]]) -> Path:
    named = [one for one in told if one.get("case", "") == row.name] or [
        one for one in told if "case" not in one and one.get("image") == row.image.name
    ]
    if len(named) == 1:
        found = folder / Path(str(named[0].get("mask", ""))).name
        if found.exists():
            if known_format(found) is None:
                raise InputError(
                    f"{found.name} holds no voxels to compare", where=row.where,
                    hint="Run predict again with --format nifti",
                )  # fmt: skip
            return found
    usual = prediction_name(row.image, name=row.name)
    names = [usual, *(f"{row.name}_dim{end}" for end in mask_suffixes())]
    found_here = [folder / name for name in names if (folder / name).exists()]
    for found in found_here:
        if known_format(found) is not None:
            return found
    raise InputError(
        f"there is no prediction {usual} in {folder}",
        where=row.where,
        hint="Run predict on this cohort and split first",
    )


def _told(folder: Path) -> list[Mapping[str, Any]]:
    """The cases of the folder's summary; none where there is no summary that can be used."""
    path = folder / SUMMARY
    try:
        if path.stat().st_size > _LARGEST:
            return []
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    return [one for one in cases if isinstance(one, dict)] if isinstance(cases, list) else []
