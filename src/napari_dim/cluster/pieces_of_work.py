"""Pieces of work, each done once: as Dask tasks, retried on other workers, recorded when done.

What a piece came to is written down beside its results, after them. A task whose worker died, and
a command that is given again, find it there and do nothing; so nothing is done twice.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from napari_dim.cluster.connection import Cluster, ClusterLostError
from napari_dim.errors import InputError
from napari_dim.io.places import read_text, write_text

if TYPE_CHECKING:
    from distributed import Client, Future

ATTEMPTS = 3
"""So often a piece is tried where it failed by no fault of its input."""
AHEAD = 8
"""Tasks that are handed out a thread of the cluster: enough that no worker waits."""
DESERTED, LOOK_EVERY = 300.0, 5.0
"""Seconds without a worker after which the work is given up; and between two looks at that."""
DONE = ".done"
"""Folder for the records, beside the results."""


class Work(Protocol):
    """A piece of work; it is sent to a worker, so all of it can be pickled."""

    @property
    def kind(self) -> str:
        """What the dashboard calls it."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def record(self) -> Path | None:
        """Where it is written down that it is done; None: nowhere."""

    def made_of(self) -> str:
        """What the result depends on: it is done anew when this changes."""

    def is_there(self, result: dict[str, Any]) -> bool:
        """Whether the result that was written down is there."""

    def do(self, folder: Path) -> dict[str, Any]:
        """Do it, with a folder for files that go with it; gives plain values.

        Raises
        ------
        InputError
            If its input can't be used.
        """


@dataclass(frozen=True)
class Outcome:
    """What came of a piece.

    Attributes
    ----------
    number
        Its place among all.
    result
        What `Work.do` gave; empty if it failed.
    fault
        Why it failed.
    again
        How it may succeed yet: ``"elsewhere"``, or ``"alone"`` if a worker died that had others.
    found
        Whether it was done before.
    worker
        Who did it.
    """

    number: int
    result: dict[str, Any]
    fault: str = ""
    again: Literal["", "elsewhere", "alone"] = ""
    found: bool = False
    worker: str = ""
    details: str = ""


def carried_out(cluster: Cluster, works: Sequence[Work], batch: int = 1) -> Iterator[Outcome]:
    """Do all pieces; gives what came of each as it comes.

    Parameters
    ----------
    cluster
        Who does it.
    works
        The pieces.
    batch
        Pieces a task.

    Raises
    ------
    ClusterLostError
        If the scheduler goes away.
    """
    from distributed import as_completed

    numbered = list(enumerate(works))
    waiting = [numbered[start : start + batch] for start in range(0, len(numbered), batch)]
    waiting.reverse()
    tries: Counter[int] = Counter()
    running: dict[Future, Sequence[tuple[int, Work]]] = {}
    suspects: list[int] = []  # each is tried alone at the end: which one it was shows then
    alone: set[int] = set()
    futures = as_completed(loop=cluster.client.loop)

    def hand_out(pieces: Sequence[tuple[int, Work]], but: str = "") -> None:
        first, work = pieces[0]
        tries.update(number for number, _ in pieces)
        token = hashlib.sha256(work.name.encode()).hexdigest()[:8]  # names may be patients'
        others = [one for one in cluster.client.nthreads() if one != but] if but else []
        future = cluster.client.submit(
            do_all, pieces, key=f"{work.kind}-{first}-{token}-{tries[first]}",
            workers=others or None, allow_other_workers=bool(others), pure=False,
        )  # fmt: skip
        running[future] = pieces
        futures.add(future)

    with _ended_without_workers(cluster.client, running):
        for _ in range(max(1, AHEAD * cluster.threads)):
            if waiting:
                hand_out(waiting.pop())
        for future in futures:
            pieces = running[future]
            found = _outcomes(future, pieces)
            del running[future]
            for outcome in found:
                number = outcome.number
                if outcome.again == "elsewhere" and tries[number] < ATTEMPTS:
                    hand_out([numbered[number]], but=outcome.worker)
                elif outcome.again == "alone" and number not in alone:
                    suspects.append(number)
                else:
                    yield outcome
            if waiting:
                hand_out(waiting.pop())
            elif suspects and not running:
                alone.add(number := suspects.pop())
                hand_out([numbered[number]])


@contextmanager
def _ended_without_workers(client: Client, running: Mapping[Future, object]) -> Iterator[None]:
    """Cancel what waits for workers once there have been none for `DESERTED`."""
    over = threading.Event()

    def watch() -> None:
        last = time.monotonic()
        while not over.wait(LOOK_EVERY):
            with suppress(Exception):  # a scheduler that is gone is told by what waits for it
                now = time.monotonic()
                last = now if client.nthreads() else last
                if now - last > DESERTED:
                    client.cancel(list(running), force=True)

    watcher = threading.Thread(target=watch, daemon=True, name="workers")
    watcher.start()
    try:
        yield
    finally:
        over.set()


def _outcomes(future: Future, pieces: Sequence[tuple[int, Work]]) -> list[Outcome]:
    """What a task gave, or what its end means for its pieces."""
    from distributed import CancelledError, KilledWorker

    try:
        found: list[Outcome] = future.result()
    except KilledWorker as error:
        fault = (
            f"the worker that did it died {error.allowed_failures + 1} times; is its memory enough?"
        )
        return [Outcome(number, {}, fault, again="alone") for number, _ in pieces]
    except (CancelledError, OSError) as error:
        raise ClusterLostError("the scheduler went away, or all its workers did") from error
    return found


def do_all(pieces: Sequence[tuple[int, Work]]) -> list[Outcome]:
    """Do pieces one after the other, on a worker; a fault of one does not end the others."""
    from distributed import get_worker

    worker = get_worker()
    return [_do(number, work, worker.address, worker.local_directory) for number, work in pieces]


def _do(number: int, work: Work, worker: str, scratch: str) -> Outcome:
    try:
        made_of = hashlib.sha256(work.made_of().encode()).hexdigest()
        if (known := _known(work, made_of)) is not None:
            return Outcome(number, known, found=True, worker=worker)
        # Dask takes the folder of a worker that died away.
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            result = work.do(Path(folder))
        if work.record is not None:
            write_text(work.record, json.dumps({"made_of": made_of, "result": result}) + "\n")
    except InputError as error:
        passing = isinstance(error.__cause__, OSError)  # a disk or a store, not the input
        return Outcome(number, {}, str(error), again="elsewhere" if passing else "", worker=worker)
    except Exception as error:
        from napari_dim.engine.training.failures import failure_of

        failed = failure_of(error, work.name)
        return Outcome(
            number, {}, failed.problem, again="elsewhere", worker=worker,
            details="".join(traceback.format_exception(error)),
        )  # fmt: skip
    return Outcome(number, result, worker=worker)


def _known(work: Work, made_of: str) -> dict[str, Any] | None:
    """What an earlier task came to, if it was made of the same and is there."""
    text = None if work.record is None else read_text(work.record)
    if text is None:
        return None
    try:
        kept = json.loads(text)
        result: dict[str, Any] = kept["result"]
        return result if kept["made_of"] == made_of and work.is_there(result) else None
    except (ValueError, KeyError, TypeError):
        return None  # damaged: it is done anew
