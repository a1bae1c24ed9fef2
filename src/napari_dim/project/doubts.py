"""What the machine said of a case beside its mask, kept for the next start: how unsure it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path
from napari_dim.project.paths import read_capped

FILE = "doubts.safetensors"
_CAP = 2**30
_AXES = {"entropy": 1, "disagreement": 1, "confidence": 3, "said": 1}
_TYPES = {
    "entropy": np.float32, "disagreement": np.float32, "confidence": np.uint8, "said": np.uint8,
}  # fmt: skip


@dataclass(frozen=True)
class Doubts:
    """How unsure the machine was of one case.

    Attributes
    ----------
    entropy
        Mean entropy of each slice as a share of its maximum, ``(slice,)`` in [0, 1]; NaN where
        it has said nothing.
    disagreement
        How far the two networks differ on each slice, ``(slice,)``.
    confidence
        Probability of the class that each pixel was given, in 255ths, ``(slice, row, column)``
        uint8 on a grid of its own; None where it isn't known.
    said
        Slices of which the machine has given a mask, ``(slice,)`` bool.
    """

    entropy: np.ndarray
    disagreement: np.ndarray
    confidence: np.ndarray | None
    said: np.ndarray


def write_doubts(path: Path, doubts: Doubts) -> None:
    """Write them, whole or not at all.

    Raises
    ------
    InputError
        If they can't be written.
    """
    from safetensors.numpy import save

    arrays = {name: getattr(doubts, name) for name in _AXES}
    data = save(
        {
            name: np.ascontiguousarray(array, dtype=_TYPES[name])
            for name, array in arrays.items()
            if array is not None
        }
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"it can't be written: {error.strerror}", where=path) from error
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def read_doubts(path: Path) -> Doubts | None:
    """Read them; None where nothing is kept.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if not path.exists():
        return None
    try:
        found = load(read_capped(path, _CAP))
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"the file is damaged: {error}"[:200], where=path) from error
    for name, array in found.items():
        if _AXES.get(name) != array.ndim or array.dtype != _TYPES[name]:
            raise InputError(f"{name[:40]} is not as it should be", where=path)
    lengths = {len(array) for array in found.values()}
    if len(lengths) != 1 or not {"entropy", "disagreement", "said"} <= set(found):
        raise InputError("the file is damaged: something is missing", where=path)
    return Doubts(
        found["entropy"], found["disagreement"], found.get("confidence"), found["said"] > 0
    )
