"""Options of the commands that can work on a cluster, and what they tell of its work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dim.cli.console import Failure, messages
from napari_dim.errors import InputError
from napari_dim.words import count

if TYPE_CHECKING:
    from napari_dim.cluster.connection import Cluster
    from napari_dim.cluster.pieces_of_work import Outcome

ClusterAddress = Annotated[
    str,
    typer.Option(
        "--cluster",
        metavar="ADDRESS|local[:N]",
        help="Work on a Dask scheduler's workers, or on N of this machine; the same command goes "
        "on with what was broken off. Files may be URLs then.",
    ),
]
WorkerMemory = Annotated[
    str,
    typer.Option(
        metavar="SIZE", help="With --cluster local: most memory of a worker. [its share of 80 %]"
    ),
]
Batch = Annotated[
    int, typer.Option(metavar="N", min=1, help="With --cluster: cases a task, if they are small.")
]


def check_cluster(
    cluster: str, *places: str | Path, batch: int = 1, worker_memory: str = ""
) -> None:
    """Refuse what needs a cluster where there is none, and a cluster without Dask.

    Raises
    ------
    InputError
        Naming it.
    """
    if cluster:
        from napari_dim.cluster.connection import check_extra

        check_extra()
        return
    for place in places:
        if not isinstance(place, Path) and "://" in str(place) and "file://" not in str(place):
            raise InputError("files elsewhere are fetched by a cluster's workers", where=place,
                             hint="Add --cluster local")  # fmt: skip
    if worker_memory or batch > 1:
        option = "--worker-memory" if worker_memory else "--batch"
        raise InputError("this is for the workers of a cluster", where=option,
                         hint="Add --cluster local")  # fmt: skip


@contextmanager
def on_cluster(address: str, worker_memory: str, places: Iterable[object]) -> Iterator[Cluster]:
    """Workers, of whom is told; they are threads of this process if a place is in its memory.

    Raises
    ------
    InputError
        If they can't be had.
    Failure
        If the scheduler goes away.
    """
    from napari_dim.cluster.connection import ClusterLostError, connected
    from napari_dim.io.places import in_memory

    inside = any(in_memory(place) for place in places)
    try:
        with connected(address, in_process=inside, memory=worker_memory) as cluster:
            messages().print(f"Cluster   {cluster.told}")
            yield cluster
    except ClusterLostError as error:
        raise Failure(f"{error}. What is done is kept; the same command goes on") from error


class Faults:
    """Tells what could not be done, and of how much was done before.

    Parameters
    ----------
    doing
        What could not be done, as a verb: ``"predicted"``.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._first, self._details = "", ""
        self._number = self._found = 0

    def take(self, name: str, outcome: Outcome) -> None:
        """Look at what came of a case."""
        self._found += outcome.found
        if outcome.fault:
            self._number += 1
            self._first = self._first or f"{name}: {outcome.fault}"
            self._details = self._details or outcome.details
            messages().print(f"Failed    {name}: {outcome.fault}")

    def end(self) -> None:
        """End the command as it went.

        Raises
        ------
        Failure
            If a case failed.
        """
        if self._found:
            messages().print(f"Note      {count(self._found, 'case')} had been done before")
        if self._number:
            what = count(self._number, "case")
            raise Failure(f"{what} could not be {self._doing}: {self._first}", self._details)
