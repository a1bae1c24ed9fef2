"""A training at a worker, for a window elsewhere: what the window asks for, and what it is told.

`serve` is the task that holds the worker's GPU; `exchange` and `whereabouts` are run beside it.
The training is in a process of its own, so that its end is not the worker's, and its checkpoints
lie in a folder of this machine, from where it goes on after the worker's own end.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_dim.cluster.elsewhere.kept_runs import (
    KEPT,
    KeptRun,
    server_folder,
    sweep_runs,
    without_model,
)
from napari_dim.cluster.elsewhere.message_stream import Inbox, Outbox
from napari_dim.cluster.elsewhere.scan_store import ScanStore
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import Event, Failed, Finished, Preview, StepDone
from napari_dim.io.atomic import write_bytes_atomically

if TYPE_CHECKING:
    from napari_dim.cluster.elsewhere.sent_cases import SentJob, SentScan
    from napari_dim.data.case import Case
    from napari_dim.engine.training.job import Job

RESOURCE = "GPU"
"""What a worker must have, by ``dask worker --resources "GPU=1"``."""
DESERTED = 3600.0
"""Seconds without a word after which a training ends; it can go on from its checkpoint."""
NO_JOB = 600.0
"""Seconds that a task waits for its training's cases."""
LOOK_EVERY = 0.5
"""Seconds between two looks at whether a training is still wanted."""
ANSWER_WITHIN = 0.25
"""Seconds that `exchange` waits for news."""
_BACKLOG = 2**20
_UNWRITTEN, _BREATH = 4, 5.0  # messages that may wait, and seconds that others are held for it
_here: dict[str, Served] = {}


@dataclass(frozen=True)
class Whereabouts:
    """What a worker knows of a training.

    Attributes
    ----------
    token
        Which try of it is served here; empty for none.
    kept
        Whether its checkpoint or its result is on this machine.
    """

    token: str
    kept: bool


def whereabouts(training: str) -> Whereabouts:
    """What this worker knows of a training."""
    served = _here.get(training)
    return Whereabouts("" if served is None else served.token, KeptRun(training).is_there)


def dismiss(training: str) -> None:
    """End a training here: nobody waits for it, or it goes on elsewhere."""
    if (served := _here.get(training)) is not None:
        served.dismissed = True


async def exchange(
    training: str, token: str, heard: int, start: int, data: bytes, most: int
) -> tuple[int, int, bytes] | None:
    """Take a piece of what the window says, and give one of what it is told.

    Parameters
    ----------
    training, token
        Which one.
    heard
        Bytes that the window has of what it is told.
    start, data
        A piece of what the window says, and where it begins.
    most
        Bytes that the window takes at a time.

    Returns
    -------
    tuple
        How much this side has heard, and a piece of what it tells, with where that begins. None
        if this try of the training is not here.
    """
    served = _here.get(training)
    if served is None or served.token != token:
        return None
    served.heard = time.monotonic()
    served.outbox.acknowledge(heard)
    if data:
        await asyncio.to_thread(served.hear, start, data)
    end = time.monotonic() + (0.0 if data else ANSWER_WITHIN)
    while not served.outbox.waiting and time.monotonic() < end:
        await asyncio.sleep(0.01)
    return served.inbox.end, *served.outbox.piece(most)


def serve(training: str) -> None:
    """Train what a window sends; the task of a worker."""
    from distributed import get_worker

    worker = get_worker()
    logging.getLogger("distributed.worker").addFilter(_is_news)
    _forget()
    dismiss(training)
    served = Served(training, lambda: "clos" in worker.status.name)
    _here[training] = served
    served.run()


class Served:
    """One try of a training here.

    Parameters
    ----------
    training
        Its id.
    closing
        Whether the worker is about to end.

    Attributes
    ----------
    token
        Names this try.
    heard
        When the window was last heard of.
    dismissed
        Whether nobody will ask after it any more.
    """

    def __init__(self, training: str, closing: Callable[[], bool]) -> None:
        self._training, self._closing = training, closing
        self._run = KeptRun(training)
        self.token = secrets.token_hex(8)
        self.outbox, self.inbox = Outbox(), Inbox()
        self.heard = time.monotonic()
        self.dismissed = self._ended = False
        self._said: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._hearing = threading.Lock()
        self._over = threading.Event()

    def hear(self, start: int, data: bytes) -> None:
        """Take a piece of what the window says."""
        with self._hearing:
            for message in self.inbox.take(start, data):
                if message == ("done",):
                    self.forget()
                else:
                    self._said.put(message)
            end = time.monotonic() + _BREATH
            while self._said.qsize() > _UNWRITTEN and not self.over and time.monotonic() < end:
                time.sleep(0.01)  # the disk is slower than the network

    def forget(self) -> None:
        """The window has all."""
        self._leave()
        self._run.drop()

    @property
    def over(self) -> bool:
        """Whether the training is over."""
        return self._over.is_set()

    def _leave(self) -> None:
        if _here.get(self._training) is self:
            del _here[self._training]

    def run(self) -> None:
        """Hold the GPU for the training, until it is over."""
        try:
            for event in self._events():
                self._tell(event)
        except Exception as error:
            from napari_dim.engine.training.failures import failure_of

            self._tell(failure_of(error))
        finally:
            self._over.set()
        if self.dismissed:
            self.forget()
        elif not self._wanted(NO_JOB):
            self._leave()

    def _events(self) -> Iterator[Event]:
        """All events of the training; none if nobody sends its cases."""
        if ended := self._run.end():
            yield from ended
            return
        store = ScanStore(server_folder() / "scans")
        try:
            sent = self._awaited(store)
        finally:
            store.close()
        if sent is None:
            return
        from napari_dim.engine.training.child_process import train_apart

        job = self._resumed(sent.job(store, self._run.folder, time.monotonic()))
        control = Control()
        for work in (partial(self._guard, control), partial(self._obey, control, job.cases)):
            threading.Thread(target=work, daemon=True).start()
        last = None
        for event in train_apart(job, control, _environment()):
            if isinstance(event, Preview) and event.confidence is not None:
                last = event
            if isinstance(event, Finished | Failed) and not self._ended:
                self._run.keep_end(last, event)
            yield event

    def _awaited(self, store: ScanStore) -> SentJob | None:
        """The training, once its cases are here; None if they don't come."""
        while self._wanted(NO_JOB):
            try:
                name, *arguments = self._said.get(timeout=LOOK_EVERY)
            except queue.Empty:
                continue
            if name == "scans":
                store.sweep()
                self._ask_for(arguments[0], store)
            elif name == "block":
                store.take(*arguments)
            elif name == "job":
                sent: SentJob = arguments[0]
                self._prepare(sent)
                return sent
        return None

    def _ask_for(self, scans: tuple[SentScan, ...], store: ScanStore) -> None:
        """Say which scans are not here yet."""
        missing = {scan.digest: scan for scan in scans if not store.has(scan.digest)}
        for digest, scan in missing.items():
            store.expect(digest, scan.dtype, scan.shape)
        self.outbox.put(("missing", tuple(missing)))

    def _prepare(self, sent: SentJob) -> None:
        from napari_dim.engine.training.run_record import LOSSES

        self._run.make()
        if sent.losses and not (self._run.folder / LOSSES).exists():
            write_bytes_atomically(self._run.folder / LOSSES, sent.losses)

    def _resumed(self, job: Job) -> Job:
        """The training from where it stands, if it has been here."""
        from napari_dim.engine.training.checkpoint import Checkpoint, has_checkpoint

        if not has_checkpoint(self._run.folder):
            return job
        return replace(job, resume=Checkpoint.load(self._run.folder), start=None)

    def _obey(self, control: Control, cases: Sequence[Case]) -> None:
        """Do what the window says, until the training is over."""
        while not self._over.is_set():
            with suppress(queue.Empty):
                name, *arguments = self._said.get(timeout=LOOK_EVERY)
                if name == "labels":
                    place, labels = arguments
                    control.give_case(place, labels.case(cases[place].volume))
                elif name in ("stop", "cancel", "pause", "resume", "ask_preview"):
                    getattr(control, name)(*arguments)

    def _guard(self, control: Control) -> None:
        """End a training that nobody wants any more; its checkpoint stays."""
        while not self._over.wait(LOOK_EVERY):
            if not self._wanted(DESERTED):
                self._ended = True
                control.cancel()
                return

    def _wanted(self, patience: float) -> bool:
        silent = time.monotonic() - self.heard
        return not (self.dismissed or silent > patience or self._closing())

    def _tell(self, event: Event) -> None:
        """Send an event; while nobody listens, passing ones are left out."""
        if self.outbox.waiting > _most_waiting(event):
            return
        if isinstance(event, Finished | Failed) and event.run is not None:
            for name, data in self._run.files():
                self.outbox.put(("file", name, data))
            event = without_model(event)
        self.outbox.put(event)


def _most_waiting(event: Event) -> float:
    """Bytes of unheard news beside which an event is still told."""
    if isinstance(event, StepDone):
        return _BACKLOG
    if isinstance(event, Preview) and event.confidence is None:
        return 64 * _BACKLOG
    return math.inf


def _environment() -> dict[str, str]:
    """Those of this process, without the one thread that Dask gives its workers' libraries."""
    own = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        if own.get(name) == "1":
            del own[name]
    return own


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Dask's log is not of a call that comes several times a second."""
    return record.args not in ((exchange.__name__,), (whereabouts.__name__,))


def _forget() -> None:
    """Forget what nobody came back for."""
    for training, served in list(_here.items()):
        if served.over and time.monotonic() - served.heard > KEPT:
            _here.pop(training, None)
    sweep_runs()
