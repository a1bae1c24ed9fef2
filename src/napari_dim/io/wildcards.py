"""Many files by one name: ``*`` stands for what differs, in the source and in the target."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

from napari_dim.errors import InputError, one_line
from napari_dim.io.places import is_elsewhere, place_of

_STAR = "*"


def pairs_of(source: str, target: str) -> list[tuple[Path, Path]]:
    """Each source with its target; of names without a ``*`` the one pair.

    Parameters
    ----------
    source, target
        Paths or URLs, each with one ``*`` in its last part or none: ``in/*.nrrd`` and
        ``out/*.nii.gz``.

    Raises
    ------
    InputError
        If one of them alone has a ``*``, there are several, or nothing fits.
    """
    if _STAR not in source and _STAR not in target:
        return [(place_of(source), place_of(target))]
    for text in (source, target):
        name = re.split(r"[/\\]", text)[-1]
        if text.count(_STAR) != 1 or _STAR not in name:
            raise InputError(
                "SRC and DST need one * each, in their last part", where=text,
                hint="Write them as in/*.nrrd and out/*.nii.gz, in quotes",
            )  # fmt: skip
    found = _fitting(source)
    if not found:
        raise InputError("nothing is called so", where=source)
    before, after = re.split(r"[/\\]", source)[-1].split(_STAR)
    pairs = []
    for place in found:
        stem = place.name[len(before) : len(place.name) - len(after)]
        pairs.append((place, place_of(target.replace(_STAR, stem))))
    return pairs


def _fitting(source: str) -> list[Path]:
    place = place_of(source)
    with one_line(place, "folder"):
        if not is_elsewhere(place):
            found = list(place.parent.glob(place.name))
        else:
            far = cast(Any, place)
            found = [far.with_name(name.rstrip("/").rsplit("/", 1)[-1])
                     for name in far.fs.glob(far.path)]  # fmt: skip
    return sorted((one for one in found if not one.name.startswith(".")), key=lambda one: one.name)
