"""Which file in a folder of predictions is the mask of which case: what predict wrote down."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_dim.data.cohort import CohortCase
from napari_dim.errors import InputError
from napari_dim.io import hash_file, prediction_name
from napari_dim.io.formats import known_format, mask_suffixes
from napari_dim.io.hashing import hash_files
from napari_dim.io.places import is_elsewhere, read_text, there

SUMMARY = "predictions.json"
"""What predict writes beside the masks: the case, image and mask of each, among others."""

_LARGEST = 2**28  # a hundred thousand cases of a hundred slices are 10**8 bytes


def predicted_masks(
    rows: Sequence[CohortCase], folder: Path, note: Callable[[str], None] | None = None
) -> list[Path]:
    """The mask of each case, in any format that can be read; all are there, or it is an error.

    What `SUMMARY` says of a case goes before the names: a folder may hold a mask in two formats,
    and another cohort's image of the same name has another hash. `note` is called with what was
    decided.

    Raises
    ------
    InputError
        If there is none, one that holds no voxels, or one that was made of another image.
    """
    summary = summary_in(folder)
    told = summary.get("cases", [])
    if note is not None and (mixed := several_models(rows, summary)):
        note(mixed)
    return [mask_of_case(row, folder, told, note) for row in rows]


def mask_of_case(
    row: CohortCase,
    folder: Path,
    told: Sequence[Mapping[str, Any]],
    note: Callable[[str], None] | None = None,
) -> Path:
    """The mask of one case; `told` is what the folder's summary says, see `told_in`.

    Raises
    ------
    InputError
        As `predicted_masks`.
    """
    one = _entry_of(row, told, note)
    if one is not None:
        found = folder / Path(str(one.get("mask", ""))).name
        if there(found):
            if not _holds_voxels(found):
                raise InputError(
                    f"{found.name} holds no voxels to compare", where=row.where,
                    hint="Run predict again with --format nifti",
                )  # fmt: skip
            return found
    usual = prediction_name(row.image, name=row.name)
    names = [usual, *(f"{row.name}_dim{end}" for end in mask_suffixes())]
    for name in names:
        found = folder / name
        if there(found) and _holds_voxels(found):
            return found
    raise InputError(
        f"there is no prediction {usual} in {folder}",
        where=row.where,
        hint="Run predict on this cohort and split first",
    )


def _holds_voxels(path: Path) -> bool:
    """Whether masks are read from such a file; of one elsewhere its name says so."""
    if is_elsewhere(path):
        return path.name.endswith(mask_suffixes()) and not path.name.endswith((".csv", ".stl"))
    return known_format(path) is not None


def _entry_of(
    row: CohortCase, told: Sequence[Mapping[str, Any]], note: Callable[[str], None] | None
) -> Mapping[str, Any] | None:
    """What the summary says of a case: by its name and its image's hash, or by the hash alone.

    A mask of an image of the same name and another hash is that of another patient. A folder's
    hash changes with any file that is put into it, so there it is only told.
    """
    named = [one for one in told if one.get("case", "") == row.name] or [
        one for one in told if "case" not in one and one.get("image") == row.image.name
    ]
    if not any(one.get("sha256") for one in told):
        return named[0] if len(named) == 1 else None
    digest = hash_file(row.image)
    same = [one for one in named if one.get("sha256", digest) == digest]
    if len(same) == 1:
        return same[0]
    # Called otherwise: predicted alone, or with others of its name.
    called = [one for one in told if one.get("sha256") == digest]
    if not same and len(called) == 1 and not row.part:
        return called[0]
    if len(named) != 1:
        return None
    if row.image.is_dir():
        if note is not None:
            note(f"{row.name}: {row.image.name} is not as it was when its mask was predicted")
        return named[0]
    raise InputError(
        f"{Path(str(named[0].get('mask', ''))).name} was predicted from another {row.image.name}, "
        "or that has changed since",
        where=row.where,
        hint=f"Run predict on this cohort, or delete {SUMMARY} to compare them nevertheless",
    )


def told_in(folder: Path) -> list[Mapping[str, Any]]:
    """The cases of the folder's summary; none where there is no summary that can be used."""
    return list(summary_in(folder).get("cases", ()))


def summary_in(folder: Path) -> dict[str, Any]:
    """The folder's summary, whose ``cases`` are all mappings; empty where none can be used."""
    path = folder / SUMMARY
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        found = json.loads(read_text(path) or "")
        cases = found["cases"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    if not isinstance(found, dict) or not isinstance(cases, list):
        return {}
    models = found.get("models")
    return {
        **found,
        "cases": [one for one in cases if isinstance(one, dict)],
        "models": models if isinstance(models, dict) else {},
    }


def models_by_case(rows: Sequence[CohortCase], summary: Mapping[str, Any]) -> dict[str, str]:
    """Which model made the mask of each case, ``""`` where nobody knows.

    Empty where the summary tells of no model at all.
    """
    told = summary.get("cases", ())
    if not any("model" in one for one in told):
        return {}
    entries = {one.get("case") or one.get("image"): one for one in told}
    return {
        row.name: str((entries.get(row.name) or entries.get(row.image.name) or {}).get("model", ""))
        for row in rows
    }


def several_models(rows: Sequence[CohortCase], summary: Mapping[str, Any]) -> str:
    """That the masks of these cases are not all of one model, for people; empty if they are.

    Masks of which the summary says nothing are taken for those of nobody knows which.
    """
    found = Counter(models_by_case(rows, summary).values())
    if len(found) < 2:
        return ""
    parts = [
        f"{number} of {model_words(summary.get('models', {}), {'model': key})}"
        for key, number in found.items()
    ]
    return f"the masks are not all of one model: {', '.join(parts)}"


def files_of(one: Mapping[str, Any], folder: Path) -> list[Path]:
    """The files of the mask that an entry tells of: one a class, where its format needs that."""
    names = one.get("files")
    if not isinstance(names, list):
        names = [one.get("mask", "")]
    return [folder / Path(str(name)).name for name in names]


def changed_masks(
    rows: Sequence[CohortCase], folder: Path, summary: Mapping[str, Any]
) -> frozenset[str]:
    """The cases whose masks are not as the model wrote them, as far as the summary tells.

    Masks elsewhere are not fetched for it.
    """
    entries = {one.get("case") or one.get("image"): one for one in summary.get("cases", ())}
    changed = set()
    for row in rows:
        one = entries.get(row.name) or entries.get(row.image.name) or {}
        files = files_of(one, folder)
        wrote = one.get("mask_sha256")
        known = wrote is not None and not is_elsewhere(folder) and all(map(there, files))
        if hash_files(files) != wrote if known else one.get("changed_since"):
            changed.add(row.name)
    return frozenset(changed)


def changed_words(changed: Collection[str]) -> str:
    """That these scores are not the model's, for people; empty where all are."""
    if not changed:
        return ""
    first, *more = sorted(changed)
    others = f" and {len(more)} more are" if more else " is"
    return f"the mask of {first}{others} not as the model wrote it: somebody has changed it since"


def model_words(models: Mapping[str, Any], one: Mapping[str, Any], usual: str = "") -> str:
    """Which model made a mask, for people: ``another`` as its system, seed and date."""
    key = str(one.get("model", usual))
    about = models.get(key)
    if not key or not isinstance(about, dict):
        return "an unknown model"
    date = f", trained {about['trained']}" if about.get("trained") else ""
    return f"model {key[:8]} ({about.get('system')}, seed {about.get('seed')}{date})"
