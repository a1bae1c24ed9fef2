"""What the engine says while it works: one typed stream for window, command line and tests.

`train` yields ``Started``, then any number of ``StepDone``, ``Preview``,
``Relabelled``, ``Recovered`` and ``Checkpointed``, ``Ending`` after the last step, then exactly
one of ``Finished`` and ``Failed``. Nothing follows that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from napari_dim.engine.inference.trained_model import Model

ALONE_FROM = 16
"""Steps of a new network before its own masks are shown; until then they are specks all over, and
a preview has those slices alone that lean on labelled ones."""


@dataclass(frozen=True)
class Started:
    """Training is about to take its first step.

    `labelled` and `unlabelled` map each site to the number of its slices, `terms` the names of
    the losses to what they are, for people. From step `masks_from` on a preview is worth a look.
    """

    device: str
    labelled: Mapping[str, int]
    unlabelled: Mapping[str, int]
    classes: tuple[int, ...]
    patch: tuple[int, int]
    parameters: int
    notes: tuple[str, ...] = ()
    terms: Mapping[str, str] = field(default_factory=dict)
    masks_from: int = 0


@dataclass(frozen=True)
class StepDone:
    """One optimiser step; sent at most ten times a second, so `step` may jump.

    `progress` is t / T in [0, 1]; `time_left` is in seconds, None where training goes on
    until it is stopped; `losses` holds those of `Started.terms` that ran, ``total``
    among them.
    """

    step: int
    progress: float
    elapsed: float
    time_left: float | None
    losses: Mapping[str, float]

    @property
    def share(self) -> float:
        """The share that is done, for people, in [0, 1].

        A training that goes on from an earlier one begins within the schedule, where `progress`
        says so, and yet has done nothing. Without an end it is the share of the round.
        """
        if self.time_left is None or self.elapsed + self.time_left <= 0:
            return self.progress
        return self.elapsed / (self.elapsed + self.time_left)


@dataclass(frozen=True)
class Preview:
    """The masks that the model gives now for some slices of one case.

    Attributes
    ----------
    case
        Index of the case in the job.
    slices
        Slice numbers, (n,) int.
    mask
        Class ids, (n, row, column), in the case's own grid.
    entropy
        Mean entropy of each slice relative to its maximum, (n,), in [0, 1].
    confidence, disagreement
        With the last preview alone: as in `engine.inference.predictor.Prediction`, and how far a
        second opinion differs on each slice, (n,), as `Predictor.disagreement` has it.
    """

    case: int
    slices: np.ndarray
    mask: np.ndarray
    entropy: np.ndarray
    step: int
    confidence: np.ndarray | None = None
    disagreement: np.ndarray | None = None


@dataclass(frozen=True)
class Relabelled:
    """New labels have joined the training (`engine.training.control.Control.give_case`).

    `labelled` maps each site to the number of its labelled slices; `notes` say what of
    them could not join.
    """

    labelled: Mapping[str, int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checkpointed:
    """The run folder at `path` now holds the weights of `step`."""

    path: Path
    step: int


@dataclass(frozen=True)
class Recovered:
    """Something went wrong and was mended; the training goes on.

    `problem` and `remedy` are what happened and what was done, for the user.
    """

    problem: str
    remedy: str


@dataclass(frozen=True)
class Ending:
    """The last step is done, after `seconds` of steps; the last masks and the files follow."""

    step: int
    seconds: float


@dataclass(frozen=True)
class Finished:
    """The last event of a training that ended well, stopped ones included.

    `seconds` are those of the steps, `after` those since the last one. `run` is None if nothing
    was saved; `notes` say what did not go as it should.
    """

    model: Model
    reason: Literal["budget", "steps", "stopped"]
    steps: int
    seconds: float
    run: Path | None = None
    notes: tuple[str, ...] = ()
    after: float = 0.0


@dataclass(frozen=True)
class Failed:
    """The last event of a training that could not go on.

    `problem` is one sentence for the user, `hint` what to do, `details` the
    traceback for a bug report. `bad_input` tells the user's data from our bug;
    `stopped` that the user ended it before anything was learnt. `run` is a folder whose
    last checkpoint the training can go on from.
    """

    problem: str
    hint: str = ""
    details: str = field(default="", repr=False)
    bad_input: bool = False
    stopped: bool = False
    run: Path | None = None


Event = (
    Started
    | StepDone
    | Preview
    | Relabelled
    | Recovered
    | Checkpointed
    | Ending
    | Finished
    | Failed
)
