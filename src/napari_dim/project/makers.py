"""Which model made the masks of a case: what their record says of it after a restart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_dim.errors import InputError
from napari_dim.io.atomic import make_folder, write_text_atomically
from napari_dim.project.paths import read_capped

FILE = "model.json"
_CAP = 2**20


def write_maker(path: Path, maker: Mapping[str, Any]) -> None:
    """Write what is known of it, whole or not at all.

    Raises
    ------
    InputError
        If it can't be written.
    """
    make_folder(path.parent)
    write_text_atomically(path, json.dumps(maker, indent=2) + "\n")


def read_maker(path: Path) -> dict[str, Any] | None:
    """Read it; None where nothing is kept.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    if not path.exists():
        return None
    try:
        found = json.loads(read_capped(path, _CAP))
    except (ValueError, RecursionError) as error:
        raise InputError("the file is damaged", where=path) from error
    if not isinstance(found, dict):
        raise InputError("the file is damaged", where=path)
    return found
