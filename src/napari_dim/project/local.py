"""What this user's machine knows of projects and does not put into them.

In the user's data folder: where scans lie that are kept outside a project, the projects
opened last, and the recovery folders of work that was done without a project.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from napari_dim.errors import InputError
from napari_dim.io.atomic import write_text_atomically
from napari_dim.project.paths import read_capped

RECENT = 20
_CAP = 16 * 2**20


def user_folder() -> Path:
    """The user's data folder of napari-dim; not made yet."""
    from platformdirs import user_data_path

    return user_data_path("napari-dim", appauthor=False)


def recent_projects() -> list[Path]:
    """Folders of the projects opened last, newest first; those that are gone are left out."""
    return [folder for folder in _recent() if (folder / "project.json").is_file()]


def remember(folder: Path) -> None:
    """Put a project first among those opened last."""
    folder = Path(folder).resolve()
    _keep_recent([folder, *(other for other in _recent() if other != folder)])


def forget_project(folder: Path) -> None:
    """Leave a project out of those opened last; the folder itself stays."""
    folder = Path(folder).resolve()
    _keep_recent([other for other in _recent() if other != folder])


def references(project: str) -> dict[str, Path]:
    """Where the scans of a project lie that are kept outside it: case folder -> path."""
    found = _read(user_folder() / "projects" / f"{project}.json")
    if not isinstance(found, dict):
        return {}
    return {str(case): Path(text) for case, text in found.items() if isinstance(text, str)}


def keep_references(project: str, paths: Mapping[str, Path]) -> None:
    """Remember where scans of a project lie.

    Raises
    ------
    InputError
        If it can't be written.
    """
    folder = user_folder() / "projects"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({case: str(path) for case, path in paths.items()}, indent=1)
    write_text_atomically(folder / f"{project}.json", text + "\n")


def reader_in(study: str) -> str:
    """Who this user is in a study, by its id; "" where that was not said."""
    found = _read(user_folder() / "readers.json")
    name = found.get(study, "") if isinstance(found, dict) else ""
    return name if isinstance(name, str) else ""


def remember_reader(study: str, name: str) -> None:
    """Remember who this user is in a study.

    Raises
    ------
    InputError
        If it can't be written.
    """
    home = user_folder()
    home.mkdir(parents=True, exist_ok=True)
    found = _read(home / "readers.json")
    known = {**(found if isinstance(found, dict) else {}), study: name}
    write_text_atomically(home / "readers.json", json.dumps(known, indent=1) + "\n")


def recovery_folder() -> Path:
    """A new folder for work that is done without a project; not made yet."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    return user_folder() / "recovery" / f"{stamp}_{secrets.token_hex(2)}"


def recovery_folders() -> list[Path]:
    """The recovery folders there are, newest first."""
    home = user_folder() / "recovery"
    if not home.is_dir():
        return []
    return sorted((f for f in home.iterdir() if (f / "project.json").is_file()), reverse=True)


def is_recovery(folder: Path) -> bool:
    """Whether a folder is one for work without a project."""
    return Path(folder).resolve().parent == (user_folder() / "recovery").resolve()


def _recent() -> list[Path]:
    found = _read(user_folder() / "recent.json")
    texts = found if isinstance(found, list) else []
    return [Path(text) for text in texts if isinstance(text, str)][:RECENT]


def _keep_recent(folders: list[Path]) -> None:
    home = user_folder()
    with suppress(OSError, InputError):  # a comfort, not worth a failure
        home.mkdir(parents=True, exist_ok=True)
        texts = [str(folder) for folder in folders[:RECENT]]
        write_text_atomically(home / "recent.json", json.dumps(texts, indent=1) + "\n")


def _read(path: Path) -> object:
    try:
        return json.loads(read_capped(path, _CAP)) if path.is_file() else None
    except (InputError, ValueError, RecursionError, OSError):
        return None
