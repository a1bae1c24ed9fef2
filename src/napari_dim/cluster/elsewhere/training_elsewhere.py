"""A training on a server: the events, ends and control of one on this computer.

It goes on there while nobody listens: the connection may break, this computer may sleep, and the
worker or the scheduler may end and start again. Labels and strokes are never there alone.
"""

from __future__ import annotations

import asyncio
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_dim.cluster.elsewhere.sent_training import SentTraining
from napari_dim.cluster.elsewhere.served_training import (
    RESOURCE,
    Whereabouts,
    dismiss,
    exchange,
    whereabouts,
)
from napari_dim.cluster.elsewhere.server import Server
from napari_dim.cluster.elsewhere.server_link import ServerLink
from napari_dim.engine.training.control import Control, StoppedError
from napari_dim.engine.training.events import Event, Failed, Finished, Recovered
from napari_dim.engine.training.failures import failure_of
from napari_dim.engine.training.job import Job
from napari_dim.errors import InputError
from napari_dim.words import clock

if TYPE_CHECKING:
    from distributed import Future

ANSWER = 20.0
"""Seconds for one piece of news; then the connection is taken for broken."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between two tries to connect again; the last one is repeated."""
STOP_WITHIN = 30.0
"""Seconds that a stop may take to reach a server that does not answer."""
CANCEL_WITHIN = 15.0
"""Seconds that an end at once may take; the model comes back within."""
CLOSE_WITHIN = 3.0
"""Seconds for the last word to a server."""
SILENT = 3.0
"""Seconds without an answer in which an end at once does not wait for one."""
MOST_FAULTS = 20
"""Answers in a row that are faults."""
LEAST, MOST = 2**16, 2**22
"""Bytes of a piece, by how fast the connection is."""


def train_elsewhere(
    job: Job, control: Control | None, server: Server, say: Callable[[str], None]
) -> Iterator[Event]:
    """Train on a worker with a GPU; events, ends and control as `train`'s.

    Only voxels, geometry and labels leave: see `cluster.elsewhere.sent_cases`. What the server
    keeps comes back into ``job.run`` at the end.

    Parameters
    ----------
    job, control
        The training. Device and threads of its settings are those of the server.
    server
        Where.
    say
        Takes lines on what goes on before the first step, and while nobody answers there.
    """
    work = _Work(job, control or Control(), server)
    try:
        while True:
            news = work.news.get()
            if isinstance(news, str):
                say(news)
                continue
            yield news
            if isinstance(news, Finished | Failed):
                return
    finally:
        work.close()


class _Work:
    """Keeps the connection in a thread of its own, so that whoever hears the news may take long.

    Attributes
    ----------
    news
        Events, and lines for people.
    """

    def __init__(self, job: Job, control: Control, server: Server) -> None:
        self.news: queue.SimpleQueue[Event | str] = queue.SimpleQueue()
        self._control, self._server = control, server
        self._id = secrets.token_hex(8)
        self._link = ServerLink(server)
        self._training = SentTraining(job, control, server.name, self.news.put)
        self._left = False
        self._try, self._token, self._address = 1, "", ""
        self._task: Future | None = None
        self._known = False  # whether the server was there once
        self._lost: float | None = None
        self._stopping: float | None = None
        self._answered = time.monotonic()
        self._faults = 0
        self._thread = threading.Thread(target=self._run, name="elsewhere", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Nobody listens any more."""
        self._left = True
        self._thread.join(CLOSE_WITHIN)

    def _run(self) -> None:
        try:
            self.news.put(f"Looking through the scans for {self._server.name}")
            self._training.look_through()
        except StoppedError:
            self.news.put(self._unheard())
        except Exception as error:
            self.news.put(failure_of(error))
        else:
            asyncio.run(self._train())

    def _unheard(self) -> Failed:
        """The end of a training that was stopped and of which nothing came back."""
        if not self._training.begun:
            return Failed("Stopped before anything was learnt", stopped=True)
        return Failed(
            f"Stopped; {self._server.name} could not be reached, so its masks did not come",
            "All labels are kept. It ends there by itself; start the training again",
        )

    async def _train(self) -> None:
        """Be connected until the training is over, or nothing more is to be waited for."""
        connected = asyncio.ensure_future(self._stay_connected())
        try:
            while not connected.done():
                await asyncio.wait([connected], timeout=0.1)
                if not connected.done() and self._leaves():
                    self.news.put(self._unheard())
                    connected.cancel()
                    await asyncio.wait([connected], timeout=CLOSE_WITHIN)
                    return
            await connected
        except Exception as error:
            self.news.put(failure_of(error))

    async def _stay_connected(self) -> None:
        tries = 0
        while True:
            try:
                await self._link.open()
                self._known = True
                await self._attend()
                return
            except InputError as error:
                if not (self._known and isinstance(error.__cause__, OSError)):
                    raise
            except OSError:
                pass
            except asyncio.CancelledError:
                await self._part()
                raise
            finally:
                await self._link.close()
                self._task = None
            tries = 0 if self._lost is None else tries + 1
            self._say_lost()
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])

    async def _attend(self) -> None:
        """Be with the worker that has the training until it is over."""
        first = True
        while not self._training.over:
            workers = await self._link.workers()
            if first and (workers or not self._training.begun):
                await self._link.check(workers)
                first = False
            self._address, found = await self._found()
            if found.token != self._token:
                self._token = found.token
                self._training.restart(kept=found.kept)
            await self._talk()
        await self._part()

    async def _found(self) -> tuple[str, Whereabouts]:
        """The worker that has the training, once one has; it is asked for where none does."""
        link, name = self._link, self._server.name
        begun = time.monotonic()
        soon = begun + 5.0
        while True:
            workers = await link.workers()
            asked = await link.ask(workers, whereabouts, self._id) if workers else {}
            found = {a: one for a, one in asked.items() if isinstance(one, Whereabouts)}
            kept = [address for address, one in found.items() if one.kept]
            serving = [address for address, one in found.items() if one.token]
            lost = self._token and kept and not {*kept} & {*serving}
            if serving and not (lost and found[serving[0]].token != self._token):
                best = next((address for address in serving if address in kept), serving[0])
                return best, found[best]
            if serving:  # it began anew on another machine than the one that can go on
                await link.ask(serving, dismiss, self._id)
                self._try, self._task = self._try + 1, None
            if self._task is not None and self._task.status != "pending":
                self._try, self._task = self._try + 1, None
            if self._task is None:
                self._task = link.submit(self._id, f"train-{self._id}-{self._try}", kept)
                self.news.put(f"Waiting for {name}")
            elif time.monotonic() - begun > 2.0:
                what = "free GPU" if workers else f"worker with the resource {RESOURCE}"
                self.news.put(f"Waiting for a {what} on {name}")
                begun = time.monotonic() + 5.0
            await asyncio.sleep(0.3 if time.monotonic() < soon else 1.0)

    async def _talk(self) -> None:
        """Say and hear until the training is over or is not there any more."""
        training, most = self._training, 4 * LEAST
        while not training.over:
            await asyncio.to_thread(training.prepare)
            start, data = training.outbox.piece(most)
            began = time.monotonic()
            said = (self._id, self._token, training.inbox.end, start, data, most)
            answers = await self._link.ask([self._address], exchange, *said, within=ANSWER)
            took = time.monotonic() - began
            answer = answers.get(self._address)
            if not isinstance(answer, tuple):
                self._faults += 1
                if isinstance(answer, Exception) and self._faults > MOST_FAULTS:
                    raise answer
                await asyncio.sleep(0.3)
                return
            self._faults, self._answered = 0, time.monotonic()
            self._say_back()
            heard, there, news = answer
            training.outbox.acknowledge(heard)
            for message in training.inbox.take(there, news):
                training.take(message)
            if took < 1.0:
                most = min(MOST, 2 * most)
            elif took > 5.0:
                most = max(LEAST, most // 2)

    def _leaves(self) -> bool:
        """Whether no answer is waited for any longer."""
        control = self._control
        if self._training.over:
            return False
        if not control.stopped:
            return self._left
        now = time.monotonic()
        self._stopping = self._stopping or now
        if control.cancelled:
            silent = now - self._answered > SILENT
            return silent or now - self._stopping > CANCEL_WITHIN or not self._training.begun
        reached = self._lost is None and self._training.started
        return not self._training.begun or (not reached and now - self._stopping > STOP_WITHIN)

    async def _part(self) -> None:
        """Tell the worker that it is over; it may not hear it, and ends by itself then."""
        training = self._training
        with suppress(Exception):
            if time.monotonic() - self._answered > SILENT and training.begun:
                return
            if training.over:
                training.outbox.put(("done",))
                start, data = training.outbox.piece(MOST)
                said = (self._id, self._token, training.inbox.end, start, data, 0)
                await self._link.ask([self._address], exchange, *said, within=CLOSE_WITHIN)
                return
            if self._task is not None:
                await self._link.withdraw(self._task)
            await self._link.ask(await self._link.workers(), dismiss, self._id)

    def _say_lost(self) -> None:
        if self._lost is None:
            self._lost = time.monotonic()
            name = self._server.name
            self.news.put(Recovered(
                f"{name} can't be reached", "it is tried again; your labels and strokes are here"
            ))  # fmt: skip
            self.news.put(f"{name} can't be reached; trying again")

    def _say_back(self) -> None:
        if self._lost is not None:
            seconds = time.monotonic() - self._lost
            self._lost = None
            self.news.put(Recovered(
                f"{self._server.name} could not be reached for {clock(seconds)}",
                "it is there again",
            ))  # fmt: skip
