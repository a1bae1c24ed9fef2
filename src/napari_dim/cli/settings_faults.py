"""What is wrong with a table of settings: all of it at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_dim.config import Settings, with_length
from napari_dim.errors import InputError


def settings_faults(values: Mapping[str, Any]) -> list[str]:
    """What is wrong: the length of the training, and all else; empty if all is right."""
    faults = []
    known = dict(values)
    try:
        known = with_length(known)
    except InputError as error:
        faults.append(f"budget: {error.problem}" if error.where == "budget" else error.problem)
        known.pop("budget")
    try:
        Settings.make(**known)
    except InputError as error:
        faults.append(error.problem)
    return faults
