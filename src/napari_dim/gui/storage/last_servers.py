"""Servers that this user trained on, newest first; of this machine, not of a project."""

from __future__ import annotations

import json
from contextlib import suppress

from napari_dim.errors import InputError
from napari_dim.io.atomic import make_folder, write_text_atomically
from napari_dim.project.local import user_folder

MOST = 5
_FILE = "servers.json"


def last_servers() -> list[str]:
    """Addresses of those used last."""
    try:
        found = json.loads((user_folder() / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [one for one in found if isinstance(one, str)][:MOST] if isinstance(found, list) else []


def remember_server(address: str) -> None:
    """Put a server first; that this can't be written is no fault of a training."""
    kept = [address, *(one for one in last_servers() if one != address)][:MOST]
    with suppress(InputError):
        write_text_atomically(make_folder(user_folder()) / _FILE, json.dumps(kept) + "\n")
