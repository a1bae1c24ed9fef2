"""Names of cases: the image's own, with the folders in which those of one name differ."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path

from napari_dim.volume import file_stem

_REFUSED = re.compile(r'[\\/:*?"<>|\s]+')
"""What a file's name can't hold on every system."""


def distinct_names(images: Sequence[Path], parts: Sequence[str] = ()) -> list[str]:
    """A name for each image, unlike all others, upper and lower case being the same.

    It is the file's name without its suffix. Of those that share it, each has the folders
    before it in which they differ (``sub-01/T1w.nii.gz`` is ``sub-01_T1w``); in one folder, the
    whole name; of one file, the part of it.

    Parameters
    ----------
    images
        Files or folders.
    parts
        Which part of each is meant, ``""`` where it holds one.
    """
    names = [file_stem(image) for image in images]
    parts = parts or [""] * len(images)

    def folders(group: list[int]) -> list[str]:
        before = _differing([images[number] for number in group])
        return ["_".join([*own, names[n]]) for own, n in zip(before, group, strict=True)]

    def suffixes(group: list[int]) -> list[str]:
        ends = [images[n].name[len(file_stem(images[n])) :] for n in group]
        return [
            names[n] + (end if len(set(ends)) > 1 else "")
            for end, n in zip(ends, group, strict=True)
        ]

    def parted(group: list[int]) -> list[str]:
        return [f"{names[n]}_{_plain(parts[n])}" if parts[n] else names[n] for n in group]

    def counted(group: list[int]) -> list[str]:
        return [f"{names[n]}_{place}" for place, n in enumerate(group, start=1)]

    ways: tuple[Callable[[list[int]], list[str]], ...] = (
        folders, folders, suffixes, parted, counted, counted,
    )  # fmt: skip
    for longer in ways:
        for group in _clashes(names):
            for number, name in zip(group, longer(group), strict=True):
                names[number] = name
    return names


def _clashes(names: Sequence[str]) -> list[list[int]]:
    """The numbers of those that share a name."""
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        groups.setdefault(name.casefold(), []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def _differing(images: Sequence[Path]) -> list[list[str]]:
    """Of each path the folders that are not those of all the others."""
    # Not resolved: data sets keep their files elsewhere, under names that say nothing.
    folders = [Path(os.path.abspath(str(image))).parent.parts for image in images]  # noqa: PTH100
    same = [len(set(level)) == 1 for level in zip_longest(*folders)]
    return [
        [_plain(name) for name, alike in zip(own, same, strict=False) if not alike]
        for own in folders
    ]


def _plain(text: str) -> str:
    return _REFUSED.sub("-", text).strip("-.") or "-"
