"""What a training's server is told, and what it tells: the words, whatever carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_dim.cluster.elsewhere.fetched_run import FetchedRun
from napari_dim.cluster.elsewhere.kept_runs import FILES
from napari_dim.cluster.elsewhere.message_stream import Inbox, Outbox
from napari_dim.cluster.elsewhere.scan_store import blocks
from napari_dim.cluster.elsewhere.sent_cases import Names, SentScan, sent_job
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import (
    Checkpointed,
    Event,
    Failed,
    Finished,
    Recovered,
    Relabelled,
    Started,
    StepDone,
)
from napari_dim.engine.training.job import Job
from napari_dim.engine.training.run_record import LOSSES
from napari_dim.errors import InputError

AHEAD = 16 * 2**20
"""Bytes of scans that are made ready while the ones before are on their way."""


class SentTraining:
    """One training and its server, over as many tries as it takes.

    Parameters
    ----------
    job, control
        The training.
    name
        What the server is called.
    hear
        Takes the events, as they would be of a training here, and lines on what goes on.

    Attributes
    ----------
    outbox, inbox
        Of this try.
    begun
        Whether the training took its first step, in any try.
    started
        Whether this try did.
    over
        Whether its last event has come.
    """

    def __init__(
        self, job: Job, control: Control, name: str, hear: Callable[[Event | str], None]
    ) -> None:
        self._job, self._control, self._name, self._hear = job, control, name, hear
        self._names = Names(job.cases)
        self._cases = dict(enumerate(job.cases))
        self._scans: Sequence[SentScan] = ()
        self.begun = self.over = False
        self._again: tuple[int, int | None] | None = None
        self._tries = self._fruitless = 0
        self._begin()

    def look_through(self) -> None:
        """Find the hashes of the scans; takes as long as reading them all.

        Raises
        ------
        StoppedError
            If the training is stopped meanwhile.
        """
        found = []
        for case in self._job.cases:
            self._control.check_stop()
            found.append(SentScan.of(case.volume))
        self._scans = found

    def restart(self, *, kept: bool) -> None:
        """Begin another try: its server knows nothing yet, or (`kept`) has a checkpoint.

        Raises
        ------
        InputError
            If try after try ends without a step.
        """
        self._begin()
        self.outbox.put(("scans", tuple(self._scans)))
        self._tries += 1
        if self._tries > 1:
            self._fruitless += 1
            if self._fruitless > 4:
                raise InputError(
                    f"the worker on {self._name} ended {self._fruitless} times without a step",
                    hint="Is its memory enough? Its log tells more",
                )
            how = "goes on from its last checkpoint" if kept else "begins anew"
            self._hear(Recovered(f"The worker on {self._name} ended", f"the training {how} there"))

    def _begin(self) -> None:
        self.outbox, self.inbox = Outbox(), Inbox()
        self._run = FetchedRun(self._job, self._names)
        self._blocks: Iterator[tuple[str, np.ndarray]] | None = None
        self._whole = self._done = 0
        self.started = self._paused = False
        self._told: set[str] = set()
        self._asked = self._again  # whoever asked waits for the masks

    def prepare(self) -> None:
        """Add what is to be sent by now."""
        self._send_scans()
        control = self._control
        for place, case in control.take_cases().items():
            self._cases[place] = case
            if "job" in self._told:
                self.outbox.put(("labels", place, self._names.labels(place, case)))
        if not self.started:  # a training that is stopped before it has begun has no result
            return
        for word, is_so in (("stop", control.stopped), ("cancel", control.cancelled)):
            if is_so and word not in self._told:
                self._told.add(word)
                self.outbox.put((word,))
        if control.paused != self._paused and not control.stopped:
            self._paused = control.paused
            self.outbox.put(("pause",) if self._paused else ("resume",))
        if request := control.take_preview() or self._asked:
            self._asked, self._again = None, request
            self.outbox.put(("ask_preview", *request))

    def take(self, message: object) -> None:
        """Take what the server says."""
        match message:
            case ("missing", tuple(digests)):
                self._blocks = self._missing(set(digests))
            case ("file", str(name), bytes(data)):
                if name in FILES:
                    self._run.take(name, data)
            case Finished() | Failed():
                try:
                    last = self._last(message)
                except InputError as error:
                    last = Failed(f"Trained, but its model came here damaged: {error}")
                self.over = True
                self._hear(last)
            case _:
                self._pass_on(message)  # type: ignore[arg-type]

    def _send_scans(self) -> None:
        """The next scans that are missing there; the training itself after the last one."""
        while self._blocks is not None and self.outbox.waiting < AHEAD:
            found = next(self._blocks, None)
            if found is None:
                self._blocks = None
                self._send_job()
                return
            digest, block = found
            self.outbox.put(("block", digest, block))
            self._done += block.nbytes
            share = self._done / max(1, self._whole)
            self._hear(f"Sending the scans to {self._name}, {share:.0%}")

    def _send_job(self) -> None:
        job = replace(self._job, cases=[self._cases[place] for place in range(len(self._cases))])
        losses = b""
        if job.resume is not None and job.run is not None and (job.run / LOSSES).is_file():
            losses = (job.run / LOSSES).read_bytes()
        self.outbox.put(("job", sent_job(job, self._scans, self._names, losses)))
        self._told.add("job")
        self._hear(f"Preparing the slices for the network on {self._name}")

    def _missing(self, digests: set[str]) -> Iterator[tuple[str, np.ndarray]]:
        arrays = {
            scan.digest: case.volume.array
            for scan, case in zip(self._scans, self._job.cases, strict=True)
            if scan.digest in digests
        }
        self._whole = sum(array.nbytes for array in arrays.values())
        return ((digest, block) for digest, array in arrays.items() for block in blocks(array))

    def _pass_on(self, event: Event) -> None:
        back = self._names.back
        match event:
            case Started():
                self.started = True
                if self.begun:
                    return
                self.begun = True
                event = replace(
                    event, labelled=back(event.labelled), unlabelled=back(event.unlabelled),
                    notes=(*self._job.notes, *back(event.notes)),
                )  # fmt: skip
            case Relabelled():
                event = replace(event, labelled=back(event.labelled), notes=back(event.notes))
            case Recovered():
                event = Recovered(back(event.problem), back(event.remedy))
            case StepDone():
                self._fruitless = 0
            case Checkpointed():
                return  # it lies there
        self._hear(event)

    def _last(self, event: Finished | Failed) -> Event:
        """How it ended, with its files where they belong."""
        back = self._names.back
        if isinstance(event, Failed):
            event = replace(event, problem=back(event.problem), hint=back(event.hint), run=None)
            return replace(event, run=self._saved(())[0]) if self._run.resumable else event
        notes = tuple(back(event.notes))
        if event.run is None:
            model = replace(event.model, record=back(event.model.record))
            return replace(event, model=model, notes=notes)
        model = self._run.model()
        run, notes = self._saved(notes)
        if run is not None:
            self._hear(Checkpointed(run, event.steps))
        return replace(event, model=model, run=run, notes=notes)

    def _saved(self, notes: tuple[str, ...]) -> tuple[Path | None, tuple[str, ...]]:
        try:
            return self._run.save(), notes
        except InputError as error:
            return None, (*notes, f"The model could not be saved: {error}")
