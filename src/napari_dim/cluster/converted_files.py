"""Files in another format, a task a file: what `io.conversion` does, on workers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_dim.cluster.connection import Cluster
from napari_dim.cluster.pieces_of_work import DONE, Outcome, carried_out
from napari_dim.errors import InputError
from napari_dim.io.conversion import converted
from napari_dim.io.places import fetched, rooted, state_of, there, written_to


@dataclass(frozen=True)
class ConvertFile:
    """One file in another format; a `pieces_of_work.Work`.

    Attributes
    ----------
    source, target
        The file, and where it goes.
    like
        The image that a mask lies on.
    how
        As `io.conversion.converted` takes it.
    """

    source: Path
    target: Path
    like: Path | None
    how: Mapping[str, Any]
    kind = "convert"

    @property
    def name(self) -> str:
        """The file's."""
        return self.source.name

    @property
    def record(self) -> Path:
        """Beside the new file."""
        return self.target.parent / DONE / f"{self.target.name}.json"

    def made_of(self) -> str:
        """The file, the image that it lies on, and how it is converted."""
        places = [self.source, *([] if self.like is None else [self.like])]
        return json.dumps([[state_of(place) for place in places], sorted(self.how.items())])

    def is_there(self, result: dict[str, Any]) -> bool:
        """Whether the new file is still there."""
        return there(self.target.parent / str(result["file"]))

    def do(self, folder: Path) -> dict[str, Any]:
        """Convert it; gives the new ``file`` and ``notes``."""
        like = None if self.like is None else fetched(self.like, folder)
        source = fetched(self.source, folder)
        if str(self.source) == str(self.target):
            raise InputError("source and target are the same", where=self.target)
        with written_to(self.target.parent) as out:
            written, notes = converted(source, out / self.target.name, like=like, **self.how)
        return {"file": written[0].name, "notes": list(notes)}


def convert_files(
    cluster: Cluster,
    pairs: Sequence[tuple[Path, Path]],
    like: Path | None,
    how: Mapping[str, Any],
    *,
    batch: int = 1,
) -> Iterator[Outcome]:
    """Convert each file on a worker; `pairs` are sources and targets, `batch` files a task.

    Yields
    ------
    Outcome
        Of each file as it comes.
    """
    image = None if like is None else rooted(like)
    works = [ConvertFile(rooted(one), rooted(goal), image, how) for one, goal in pairs]
    yield from carried_out(cluster, works, batch)
