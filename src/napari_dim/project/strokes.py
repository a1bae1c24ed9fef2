"""The annotation layers of a project: what is kept of them, and the thread that keeps more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.project.model import Note
from napari_dim.project.paths import inside, slug
from napari_dim.project.store import Store
from napari_dim.project.writer import Writer


@dataclass(frozen=True)
class Recovered:
    """One annotation layer as it was kept.

    Attributes
    ----------
    array
        Class ids, ``(slice, row, column)``.
    note
        What is known beside them.
    damaged
        Places of its journal that could not be read.
    """

    array: np.ndarray
    note: Note
    damaged: int = 0


class Strokes:
    """Layers by the folder of their case and their own name.

    Parameters
    ----------
    root
        The project's folder.
    writer
        Writes; None where it can only be read.
    """

    def __init__(self, root: Path, writer: Writer | None) -> None:
        self._root, self._writer = root, writer
        self._stores: dict[tuple[str, str], Store] = {}

    def layers(self, folder: str) -> tuple[str, ...]:
        """The layers that are kept of a case."""
        path = inside(self._root, f"cases/{folder}")
        if not path.is_dir():
            return ()
        found = sorted(entry.name for entry in path.iterdir() if slug(entry.name) == entry.name)
        return tuple(layer for layer in found if self.store(folder, layer).generations())

    def recover(self, folder: str, layer: str) -> Recovered | None:
        """A layer as it is kept; None if none is.

        Raises
        ------
        InputError
            If it is damaged beyond repair, or too large for the memory.
        """
        self.wait()
        found = self.store(folder, layer).read()
        if found is None:
            return None
        return Recovered(found.array(), Note.model_validate(found.note), found.damaged)

    def note(self, folder: str, layer: str) -> Note | None:
        """What is kept of a layer beside its voxels; None if nothing is."""
        self.wait()
        found = self.store(folder, layer).read()
        return None if found is None else Note.model_validate(found.note)

    def store(self, folder: str, layer: str) -> Store:
        """Where a layer is kept.

        Raises
        ------
        InputError
            If its name can't be that of a folder.
        """
        if slug(layer) != layer:
            raise InputError(f"{layer!r} can't be the name of a layer's folder")
        key = folder, layer
        if key not in self._stores:
            self._stores[key] = Store(self._root, f"cases/{folder}/{layer}")
        return self._stores[key]

    def close(self, folder: str) -> None:
        """Close the files of a case; another window may write them from now on."""
        for key in [key for key in self._stores if key[0] == folder]:
            self._stores.pop(key).close()

    def set_aside(self, folder: str) -> Path | None:
        """Move what is kept of a case to ``removed/``; None where nothing is.

        Raises
        ------
        InputError
            If it can't be moved.
        """
        self.close(folder)
        source = inside(self._root, f"cases/{folder}")
        if not source.is_dir():
            return None
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        target = inside(self._root, f"removed/{folder}-{stamp}")
        try:
            target.parent.mkdir(exist_ok=True)
            source.rename(target)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"it can't be moved: {reason}", where=source) from error
        return target

    def stamp(self, folder: str) -> tuple[tuple[str, int], ...]:
        """What is kept of a case changed if this did: its files and how long they are."""
        self.wait()
        path = inside(self._root, f"cases/{folder}")
        files = path.glob("*/*.journal") if path.is_dir() else ()
        return tuple(sorted((str(one.relative_to(path)), one.stat().st_size) for one in files))

    def wait(self) -> None:
        """Wait until all is on the disk.

        Raises
        ------
        InputError
            If it can't be written.
        """
        writer = self._writer
        for _ in range(50):
            if writer is None or writer.wait(timeout=0.2):
                return
            if writer.fault is not None:
                raise writer.fault
        raise InputError("the disk is too slow", where=self._root)


def fields_of(note: Note | Mapping[str, Any] | None) -> dict[str, Any]:
    """What a note says, for JSON."""
    checked = note if isinstance(note, Note) else Note.model_validate(note or {})
    return checked.model_dump(mode="json", exclude_unset=True)
