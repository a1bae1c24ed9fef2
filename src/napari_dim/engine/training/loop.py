"""Training as a stream of events: data and method in, events out, no window known."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace

import torch

from napari_dim.engine.device import is_out_of_memory, release_memory
from napari_dim.engine.training.checkpoint import forget_checkpoints, has_checkpoint
from napari_dim.engine.training.clock import Clock
from napari_dim.engine.training.control import Control, StoppedError
from napari_dim.engine.training.events import (
    Checkpointed,
    Ending,
    Event,
    Failed,
    Finished,
    Recovered,
    StepDone,
)
from napari_dim.engine.training.failures import failure_of
from napari_dim.engine.training.job import Job, class_ids
from napari_dim.engine.training.run_folder import saved_in
from napari_dim.engine.training.run_record import LossLog
from napari_dim.engine.training.trainer import Trainer
from napari_dim.errors import InputError
from napari_dim.io.atomic import check_writable
from napari_dim.nets.ranks import Ranks

__all__ = ["Job", "class_ids", "train"]

REPORT_EVERY = 0.1
"""Seconds between two StepDone."""
CHECKPOINT_EVERY = 30.0
"""Seconds between two checkpoints."""
FIRST_CHECKPOINT = 5.0
"""Seconds until the first one."""
GOOD_EVERY = 5.0
"""Seconds between two states that a training goes back to when its weights blow up."""
PREVIEW_SHARE = 0.15
"""Share of the time left that one preview takes at most."""
LEAST_PREVIEW = 2.0
"""Seconds that it may take in any case."""
MOST_RETURNS = 5
"""So often a training goes back before it gives up."""


def train(job: Job, control: Control | None = None) -> Iterator[Event]:
    """Train; see `engine.training.events` for what is yielded.

    Nothing is raised for a fault that a user can meet: the stream ends in `Failed` then,
    for an exception in a generator can vanish on its way through a window's worker.
    """
    control = control or Control()
    try:
        last = yield from _guarded(job, control)
    finally:
        release_memory()
    yield last


def _guarded(job: Job, control: Control) -> Generator[Event, None, Finished | Failed]:
    """All events but the last, which is returned: the memory is free before it is told."""
    trainer: Trainer | None = None
    loop: _Loop | None = None
    try:
        trainer = Trainer(job, control)
        loop = _Loop(job, control, trainer)
        yield trainer.started()
        yield from loop.events()
        return loop.end
    except StoppedError:
        return _nothing_learnt()
    except Exception as error:
        return failure_of(error) if loop is None else loop.failed(error)
    finally:
        if loop is not None:
            loop.close()
        elif trainer is not None:
            trainer.close()


def _nothing_learnt() -> Failed:
    return Failed("Stopped before anything was learnt", "Nothing was changed", stopped=True)


class _DivergedError(Exception):
    """The weights blew up again and again."""


class _Told:
    """What all processes of a training were told before the step that they are at.

    Attributes
    ----------
    stopped
        Whether it is to stop.
    """

    def __init__(self, ranks: Ranks, control: Control) -> None:
        self._ranks, self._control = ranks, control
        self._now, self.stopped = 0.0, False

    def ask(self) -> bool:
        """Whether it is to stop; all processes are told the same, and the same time."""
        self.stopped = self._control.stopped
        if self._ranks.several:
            told = self._ranks.told(time.monotonic(), float(self.stopped))
            self._now = told[0][0]
            self.stopped = any(stop for _, stop in told)
        return self.stopped

    def time(self) -> float:
        """Seconds, as `time.monotonic`; of several processes those of the first, when asked."""
        return self._now if self._ranks.several else time.monotonic()


class _Loop:
    """Steps, and what goes on between them.

    Nothing is written before the first save: what lies in the run folder stays until then.

    Attributes
    ----------
    end
        The last event, once `events` is through.
    """

    def __init__(self, job: Job, control: Control, trainer: Trainer) -> None:
        settings = job.settings
        self._job, self._control, self._trainer = job, control, trainer
        self._ranks = job.ranks
        self._told = _Told(job.ranks, control)
        self._reason = ""  # how it ended, once it has
        self._replaces = False  # whether another run gives way to this one's first save
        if job.run is not None:
            check_writable(job.run)
            self._replaces = job.overwrite and bool(saved_in(job.run))
        self._own = job.resume is not None  # whether the checkpoint in the folder is of this one
        self._log = LossLog(tuple(trainer.system.terms), after=trainer.step)
        self._told.ask()
        self._clock = Clock(
            settings.budget,
            settings.steps,
            trainer.skipped,
            again=settings.resume_at if settings.until_stopped else None,
            spent=0.0 if job.resume is None else job.resume.seconds,
            before=0.0 if job.begun is None else max(0.0, time.monotonic() - job.begun),
            now=self._told.time,  # not of this loop: it and its clock would hold each other
        )
        now = self._clock.elapsed
        self._reported = -math.inf
        self._previewed = self._good = now
        self._saved = now + FIRST_CHECKPOINT - CHECKPOINT_EVERY
        self._returns = 0
        self._full = False  # whether the last checkpoint could not be written
        self.end: Finished | Failed = _nothing_learnt()

    def events(self) -> Iterator[Event]:
        """Train to the end; `end` is set then."""
        trainer, clock = self._trainer, self._clock
        trainer.networks(True)
        while not (self._told.ask() or clock.over(trainer.step)):
            progress = clock.progress(trainer.step)
            shortage = ""
            try:
                losses = trainer.learn(progress)
            except Exception as error:
                if not is_out_of_memory(error) or not (shortage := trainer.shrink()):
                    raise
            if shortage:
                yield Recovered("The device ran out of memory", shortage)
                continue
            now = clock.elapsed
            if now - self._reported >= REPORT_EVERY or clock.over(trainer.step):
                self._reported = now
                # Together: the device is asked once.
                values = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
                if not math.isfinite(values["total"]):
                    yield self._go_back()
                    continue
                progress = clock.progress(trainer.step)
                self._log.write(trainer.step, progress, now, values)
                left = clock.time_left(trainer.step)
                yield StepDone(trainer.step, progress, now, left, values)
            yield from self._between(now)
        yield from self._finish()

    def _between(self, now: float) -> Iterator[Event]:
        """What is due between two steps."""
        trainer, control, job = self._trainer, self._control, self._job
        request = control.take_preview()
        preview = trainer.previews is not None and (
            request is not None or now - self._previewed >= job.preview_every
        )
        due = now - self._saved >= CHECKPOINT_EVERY
        if preview or due or now - self._good >= GOOD_EVERY:
            if not trainer.sound():
                yield self._go_back()
                return
            trainer.keep()
            self._good = now
        if due:
            self._saved = now
        if due and job.run is not None:
            yield from self._save()
        if given := control.take_cases():
            with suppress(StoppedError):
                relabelled = trainer.relabel(given)
                if relabelled is not None:
                    yield relabelled
        if preview:
            yield from self._preview(request[1] if request else None)
        if control.paused:
            held = time.monotonic()
            control.wait_while_paused()
            self._clock.hold(time.monotonic() - held)

    def _preview(self, first: int | None) -> Iterator[Event]:
        trainer = self._trainer
        assert trainer.previews is not None
        left = self._clock.time_left(trainer.step)
        most = math.inf if left is None else max(LEAST_PREVIEW, PREVIEW_SHARE * left)
        try:
            yield from trainer.previews.events(trainer.step, first, most)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            yield Recovered("There was no memory for a preview", "the training goes on without it")
        self._previewed = self._clock.elapsed
        if self._job.begun is not None:
            self._clock.reserve(trainer.seconds_to_end())

    def _go_back(self) -> Recovered:
        """To the last good state, with half the learning rate."""
        step = self._trainer.step
        self._returns += 1
        self._trainer.go_back()
        if self._returns > MOST_RETURNS:
            raise _DivergedError(f"the last time after step {step:,}")
        self._trainer.rate /= 2
        return Recovered(
            f"The weights were no numbers any more after step {step:,}",
            "it went back to the last good ones and halved the learning rate",
        )

    def _save(self) -> Iterator[Event]:
        """Write a checkpoint; that it can't be written ends no training."""
        run, trainer = self._job.run, self._trainer
        assert run is not None
        try:
            self._write()
        except InputError as error:
            if not self._full:
                yield Recovered(
                    f"The checkpoint could not be saved: {error}",
                    "the training goes on, and will try again",
                )
            self._full = True
            return
        self._full = False
        yield Checkpointed(run, trainer.step)

    def _write(self) -> None:
        run, trainer = self._job.run, self._trainer
        assert run is not None
        seconds = self._clock.elapsed
        trainer.record(seconds, self._reason)
        trainer.checkpoint(seconds).save(run, after_another=not self._own)
        trainer.model.save(run)
        self._own = True
        self._log.open(run)

    def _finish(self) -> Iterator[Event]:
        """The way out after the last step."""
        trainer, control, job = self._trainer, self._control, self._job
        if trainer.step == 0 and (job.start is None or self._replaces):
            return  # Fresh weights are no result, nor are others' worth an earlier run.
        seconds = self._clock.elapsed
        yield Ending(trainer.step, seconds)
        if not trainer.sound():
            yield self._go_back()
        stopped = self._told.stopped
        self._reason = "stopped" if stopped else "budget" if job.settings.steps is None else "steps"
        if job.run is not None:  # before the rest, which takes time
            yield from self._save()
        last = None
        settled = False
        notes: tuple[str, ...] = ()
        try:
            control.check_cancel()
            if self._ranks.first:
                trainer.settle()
                settled = True
            if trainer.previews is not None and trainer.previews.large:
                yield from trainer.previews.events(trainer.step, None, at_end=True)
            elif trainer.previews is not None:
                last = trainer.previews.last(trainer.step, trainer.model.pieces)
        except StoppedError:
            pass
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            notes = ("There was no memory left to predict once more",)
        trainer.record(seconds, self._reason, self._clock.elapsed - seconds)
        saved = job.run
        if job.run is not None and (settled or self._full):
            try:
                trainer.model.save(job.run)
                if not stopped or not self._own:
                    forget_checkpoints(job.run)
                self._log.open(job.run)
            except InputError as error:
                saved = None
                notes += (f"The model could not be saved: {error}",)
            else:
                yield Checkpointed(job.run, trainer.step)
        if last is not None:
            yield last
        trainer.networks(False)
        self.end = Finished(
            trainer.model,
            self._reason,  # type: ignore[arg-type]
            trainer.step,
            seconds,
            saved,
            notes,
            self._clock.elapsed - seconds,
        )

    def failed(self, error: Exception) -> Failed:
        """How it ended, with the last good state saved if that can still be done."""
        run, trainer = self._job.run, self._trainer
        self._reason = "failed"
        if isinstance(error, _DivergedError):
            failed = Failed(
                f"Training stopped: the weights were no numbers again and again ({error})",
                "The last good ones are kept; lower the learning rate, or look for odd images",
            )
        else:
            failed = failure_of(error)
        if run is None:
            return failed
        if trainer.step > 0 and (self._own or not self._replaces):
            with suppress(Exception):  # A lost device can't give its weights back.
                trainer.go_back()
                self._write()
        return replace(failed, run=run) if self._own and has_checkpoint(run) else failed

    def close(self) -> None:
        """End what runs in the background and let go of the memory."""
        self._log.close()
        self._trainer.close()
        del self._trainer
