"""One training on its device: networks, optimiser, slices, and the way back to a good state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_dim.data.ahead import made_ahead
from napari_dim.data.case import Case, unsaid_groups
from napari_dim.data.resolution import labelled_place, sufficient_side
from napari_dim.data.slice_store import SliceStore
from napari_dim.data.slice_stream import Stream, slice_bytes
from napari_dim.data.turning import directions
from napari_dim.data.working_grid import MULTIPLE, WorkingGrid, normalised
from napari_dim.engine.device import memory_for_slices, pick_device, release_memory
from napari_dim.engine.inference.components import MOST_CASES, MOST_SLICES, single_pieces
from napari_dim.engine.inference.predictor import Predictor
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.precision import available_cpus, too_many, usable_threads, use_threads
from napari_dim.engine.training.assembly import begin, sampler_of, set_rates
from napari_dim.engine.training.checkpoint import (
    Checkpoint,
    moments_for,
    moments_of,
    restore_moments,
)
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import Relabelled, Started
from napari_dim.engine.training.graphs import Stepper
from napari_dim.engine.training.job import (
    Job,
    blank_scans,
    class_ids,
    common_channels,
    few_slices,
    late_classes,
    left_out,
    per_site,
    scarce_classes,
    unseen_ends,
)
from napari_dim.engine.training.live_previews import Previews
from napari_dim.engine.training.run_record import record_of
from napari_dim.engine.training.thread_count import ThreadCount
from napari_dim.errors import InputError


class Trainer:
    """Set up for a job; takes steps, and goes back where one went wrong.

    Parameters
    ----------
    job
        What to train.
    control
        Asked during the longer phases whether to leave them.

    Attributes
    ----------
    step
        Steps done.
    rate
        What the learning rate is multiplied by: halved when the weights blew up.
    skipped
        Where the schedule begins.
    notes
        What the user should know of the set-up.

    Raises
    ------
    InputError
        If the cases or settings can't be used.
    StoppedError
        If the training is stopped meanwhile.
    """

    def __init__(self, job: Job, control: Control) -> None:
        settings = job.settings
        self._control = control
        self._settings = settings
        self._cases = cases = list(job.cases)
        channels = common_channels(cases)
        self._classes = classes = class_ids(cases)
        self._device = device = pick_device(settings.device)
        use_threads(settings.threads)
        # Other threads give other roundings: a number of steps is to be made the same again.
        free = device.type == "cpu" and not settings.threads and settings.steps is None
        self._ranks = ranks = job.ranks
        free = free and not ranks.several  # they'd wait for the slowest anyway
        self._thread_count = ThreadCount(usable_threads()) if free else None
        control.check_stop()
        self.step, self.rate = 0, 1.0
        many = too_many(settings.threads, "threads")
        self._told = (*job.notes, many) if many else job.notes
        self.notes: tuple[str, ...] = ()
        self.skipped = 0.0
        # Each volume is looked through for its intensities: several at a time.
        for _ in made_ahead(lambda case: case.volume.intensities, cases, available_cpus()):
            control.check_stop()
        record = record_of(job, device)
        if job.resume is not None:
            self.model = self._resumed(job.resume, channels, record)
        else:
            self.model = self._new(job, channels, record)
        self._grid = grid = self.model.grid
        self._semi = self._learns_unlabelled(cases)
        limit = int(settings.slice_memory * 2**20) or memory_for_slices(device)
        if ranks.several:  # all are to draw the same slices; on one machine they share its memory
            limit = int(min(told for (told,) in ranks.told(limit))) // ranks.count
        self._fits = sum(slice_bytes(case, grid) * len(case.states) for case in cases) <= limit
        self._indices = {class_id: place + 1 for place, class_id in enumerate(classes)}
        store = self._stored()
        self._stream = None
        if self._semi and not self._fits:
            self._stream = Stream(
                cases, grid, device, limit=limit, neighbours=self.model.context,
                seed=settings.seed, waits=ranks.several,
            )  # fmt: skip
            self.notes += (
                "The unlabelled slices don't fit into memory; they are read as they are needed",
            )
        self.notes += scarce_classes(cases, classes) + few_slices(cases) + unseen_ends(cases)
        self.notes += blank_scans(cases) + (left_out(cases) if self._semi else ())
        wide = settings.focus and any(grid.is_wide(grid.shape(case.volume)) for case in cases)
        if wide:
            self.notes += _wide(cases, grid)
        experienced = self.skipped > 0 if job.resume is None else job.resume.experienced
        self._generator = torch.Generator(device).manual_seed(settings.seed)
        self.system = begin(
            self.model, device, self._generator, experienced=experienced, ranks=ranks
        )
        self._sampler = sampler_of(self.model, store, self._generator, self._stream, wide=wide)
        self._deal()
        recorded = False if ranks.several else None
        self._stepper = Stepper(self.system, self._sampler, device, recorded=recorded)
        self._allow()
        if job.resume is not None:
            self._restore(job.resume)
        ranks.same(self._weights())
        predictor = Predictor(self.model, device)
        self._predictor = predictor
        self.previews = None if job.preview_case is None else Previews(job, predictor, control)
        self._good: tuple[list[Tensor], dict[str, Tensor], dict[str, Tensor]] | None = None
        self.keep()

    def started(self) -> Started:
        """What is about to be trained."""
        return Started(
            device=str(self._device),
            labelled=per_site(self._cases, labelled=True),
            unlabelled=per_site(self._cases, labelled=False) if self._semi else {},
            classes=self._classes,
            patch=self._grid.patch,
            parameters=sum(p.numel() for p in self.model.net.parameters()),
            notes=self._told + self.notes,
            terms=dict(self.system.terms),
            masks_from=0 if self.previews is None else self.previews.worth_from,
        )

    def learn(self, progress: float) -> dict[str, Tensor]:
        """Take one step at t / T = `progress`; returns its losses."""
        set_rates(self.system, progress, self.rate)
        losses = self._stepper.step(progress, self.step, with_unlabelled=self._semi)
        self.step += 1
        if self._thread_count is not None:
            self._thread_count.look()
        return losses

    def relabel(self, given: Mapping[int, Case]) -> Relabelled | None:
        """Train on other labels from now on; without any, the last ones stay."""
        newest = [given.get(place, case) for place, case in enumerate(self._cases)]
        if not any(case.labelled.size for case in newest):
            return None
        self._cases = newest
        if self.previews is not None:
            for case in newest:
                self.previews.know(case)
        if self._semi and self._fits:
            self._sampler.store = self._sampler.store.relabelled(newest, self._grid, self._indices)
        else:
            self._sampler.store = self._stored()
        self._allow()
        return Relabelled(per_site(newest, labelled=True), late_classes(newest, self._classes))

    def seconds_to_end(self) -> float:
        """How long the masks at the end will take, by the pace of the last preview."""
        if self.previews is None:
            return 0.0
        shown = len(self.previews) * (1 + (2 if self.system.second_opinion() is not None else 0))
        labelled = sorted((len(c.states) for c in self._cases if c.labelled.size), reverse=True)
        others = min(sum(labelled[:MOST_CASES]), MOST_SLICES) - (
            len(self.previews) if labelled else 0
        )
        return self.previews.pace * (shown + max(0, others))

    def settle(self) -> None:
        """Find out which classes come in one piece; see `engine.inference.components`.

        Raises
        ------
        StoppedError
            If the training is cancelled.
        """
        pieces = single_pieces(self._cases, self._classes, self._whole)
        self.model = replace(self.model, pieces=pieces)

    def sound(self) -> bool:
        """Whether all weights and moments are numbers."""
        tensors = [
            *self._weights(),
            *moments_of(self.system.optimisers).values(),
            *self.system.state().values(),
        ]
        floats = [t for t in tensors if t.is_floating_point()]
        with torch.no_grad():
            norms = torch.stack(torch._foreach_norm(floats))
        return bool(torch.isfinite(norms).all())

    def keep(self) -> None:
        """Remember this state as a good one."""
        weights = [t.detach().clone() for t in self._weights()]
        moments = moments_of(self.system.optimisers)
        self._good = weights, _copied(moments), _copied(self.system.state())

    @torch.no_grad()
    def go_back(self) -> None:
        """Put the weights and moments of the last good state back; the steps still count."""
        assert self._good is not None
        weights, moments, state = self._good
        torch._foreach_copy_(self._weights(), weights)
        for optimiser in self.system.optimisers.values():
            optimiser.zero_grad(set_to_none=True)
        restore_moments(self.system.optimisers, moments)
        self.system.load_state(_copied(state))

    def shrink(self) -> str:
        """Halve the batch, and start from the last good state; empty if it is 1 already.

        Returns
        -------
        str
            What was done, for the user.
        """
        sampler = self._sampler
        if max(sampler.labelled, sampler.unlabelled) == 1 or self._ranks.several:
            return ""  # the other processes are in the middle of a step
        sampler.labelled = max(1, sampler.labelled // 2)
        sampler.unlabelled = max(1, sampler.unlabelled // 2)
        self._stepper.forget()
        self.go_back()
        release_memory(thorough=True)
        return (
            f"it goes on with {sampler.labelled} labelled and {sampler.unlabelled} unlabelled "
            "slices a step"
        )

    def record(self, seconds: float, end: str, after: float = 0.0) -> None:
        """Keep in the model's record how far it is, and how it ended, if it did.

        `seconds` are those of the steps, `after` those since the last one.
        """
        so_far = {
            "steps": self.step, "seconds": round(seconds, 2), "seconds_after": round(after, 2),
            "end": end,
        }  # fmt: skip
        self.model = replace(self.model, record={**self.model.record, **so_far})

    def checkpoint(self, seconds: float) -> Checkpoint:
        """The training as it stands after `seconds`."""
        return Checkpoint(
            self.model,
            self.step,
            seconds,
            self.skipped,
            self.rate,
            (self._sampler.labelled, self._sampler.unlabelled),
            self.system.course.experienced,
            self._device.type,
            moments_of(self.system.optimisers),
            self._generator.get_state(),
            self.system.state(),
        )

    def networks(self, mode: bool) -> None:
        """Set the networks to training or to evaluation."""
        self.model.networks.train(mode)

    def close(self) -> None:
        """End what runs in the background, and let go of what the steps needed."""
        self._stepper.forget()
        if self._stream is not None:
            self._stream.close()
        self.model.system.end()

    def _new(self, job: Job, channels: int, record: Mapping[str, object]) -> Model:
        settings, cases = self._settings, self._cases
        volumes = [case.volume for case in cases]
        usual = min(settings.usual_size, settings.max_size)
        sides = [*range(usual, settings.max_size, 2 * MULTIPLE), settings.max_size]
        side = sufficient_side(cases, sides, settings.detail)
        self._control.check_stop()
        grid = WorkingGrid.fit(
            volumes,
            min_size=min(settings.min_size, side),
            max_size=side,
            directions=directions(next(case.volume for case in cases if case.labelled.size)),
        )
        grid = replace(grid, focus=labelled_place(cases, grid))
        context = 0 if _stand_alone(cases, grid, settings.context_reach) else settings.context
        if job.start is not None and job.start.settings.context == settings.context:
            context = job.start.context  # a scan more does not make the network another
        model = Model.new(settings, self._classes, channels, context, grid, record)
        if job.start is None:
            return model
        if why := model.misfit(job.start):
            self.notes = (f"Starting anew: the last training had {why}",)
            return model
        grid = replace(job.start.grid, focus=labelled_place(cases, job.start.grid))
        model = replace(model, grid=grid)
        model.take_weights(job.start)
        self.notes = _new_classes(model, job.start)
        # What is new is learnt at the rates of a beginning (docs/decisions/0015).
        self.skipped = 0.0 if self.notes else settings.resume_at
        return model

    def _resumed(self, resume: Checkpoint, channels: int, record: Mapping[str, object]) -> Model:
        model = resume.model
        if model.channels != channels:
            raise InputError(
                f"the images have {channels} channels, the checkpoint {model.channels}",
                hint="Go on with the images that the training began with",
            )
        if lost := sorted({*model.classes} - {*self._classes}):
            raise InputError(
                f"no labelled slice holds class {lost[0]}, one of the checkpoint's classes",
                hint="Start a new training from its weights instead",
            )
        self.step, self.rate, self.skipped = resume.step, resume.rate, resume.skipped
        self.notes = (*resume.notes, f"Going on from step {resume.step:,}")
        settings = self._settings
        if model.classes != self._classes:
            old = model
            model = Model.new(settings, self._classes, channels, old.context, old.grid, record)
            model.take_weights(old)
            self.notes += _new_classes(model, old)
        return replace(model, settings=settings, record=record, pieces=())

    def _restore(self, resume: Checkpoint) -> None:
        optimisers = self.system.optimisers
        moments = moments_for(self.model, optimisers, resume.model, resume.moments)
        restore_moments(optimisers, moments)
        if self.model.classes == resume.model.classes:
            try:
                self.system.load_state(resume.state)
            except ValueError as error:
                raise InputError(f"the checkpoint is damaged: {error}") from error
        self._sampler.labelled, self._sampler.unlabelled = (max(1, n) for n in resume.batches)
        generator = self._generator
        if resume.generator.shape == generator.get_state().shape:
            generator.set_state(resume.generator)
        else:
            self.notes += (f"It began on another device ({resume.device}): the draws differ",)

    def _learns_unlabelled(self, cases: Sequence[Case]) -> bool:
        """Whether unlabelled slices are drawn.

        Raises
        ------
        InputError
            If the system can do nothing without them, and there are none.
        """
        system = self.model.system
        some = any(case.guessed.size for case in cases)
        if "unlabelled" in system.needs and not some and not system.alone:
            raise InputError(
                f"{system.name} learns from unlabelled slices too, and there are none",
                hint="Add a scan without labels, or choose another system",
            )
        return some and "unlabelled" in system.needs

    def _deal(self) -> None:
        """Refuse a batch of which the processes can't have equal parts.

        Raises
        ------
        InputError
            Naming the settings that give one.
        """
        count, sampler = self._ranks.count, self._sampler
        kinds = {"labelled_batch": sampler.labelled}
        if self._semi:
            kinds["unlabelled_batch"] = sampler.unlabelled
        uneven = [name for name, slices in kinds.items() if slices % count]
        if uneven:
            raise InputError(
                f"{kinds[uneven[0]]} {uneven[0].partition('_')[0]} slices a step can't be dealt "
                f"to {count} processes in equal parts",
                hint=f"Set {' and '.join(uneven)} to a multiple of {count} by --config",
            )

    def _allow(self) -> None:
        """Let the background of slices hide classes that were not looked for there."""
        groups = unsaid_groups(self._cases, self._classes)
        unsaid = tuple(tuple(self._indices[i] for i in group) for group in groups)
        if unsaid != self.system.targets.unsaid:
            self.system.targets.allow(unsaid)
            self._stepper.forget()

    def _stored(self) -> SliceStore:
        unlabelled = (
            None if self._semi and self._fits else [np.empty(0, dtype=int)] * len(self._cases)
        )
        check: Callable[[], None] = self._control.check_stop
        return SliceStore.build(
            self._cases, self._grid, self._indices, self._device,
            unlabelled=unlabelled, neighbours=self.model.context, check=check,
        )  # fmt: skip

    def _whole(self, case: Case) -> np.ndarray:
        if self.previews is not None and self.previews.shows(case):
            return self.previews.whole().mask
        volume = case.volume
        check: Callable[[], None] = self._control.check_cancel
        shape = self._grid.shape(volume) if case.labelled.size else self._predictor.shape(volume)
        stack = normalised(volume, shape, check=check, turn=self._grid.turn(volume))
        return self._predictor.whole(volume, stack, lambda share: check()).mask

    def _weights(self) -> list[Tensor]:
        networks = self.model.networks
        return [*networks.parameters(), *networks.buffers()]


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _stand_alone(cases: Sequence[Case], grid: WorkingGrid, reach: float) -> bool:
    """Whether slices have no neighbours that tell of them: pictures, or too far apart.

    `reach` is in pixels of the working grid, 0 for any distance; most cases decide.
    """
    stacks = [case.volume for case in cases if len(case.states) > 1 and not case.volume.separate]
    steps = [volume.spacing[0] / grid.pixel for volume in stacks if volume.grid.unit == "mm"]
    return not stacks or bool(reach and steps and np.median(steps) > reach)


def _wide(cases: Sequence[Case], grid: WorkingGrid) -> tuple[str, ...]:
    """That some scans are looked at in part, for the user."""
    number = sum(grid.is_wide(grid.shape(case.volume)) for case in cases)
    are = "1 scan shows" if number == 1 else f"{number} scans show"
    return (
        f"{are} much more than the labelled structures' surroundings: there masks are looked for "
        "around the place where the labels lie, and everywhere if nothing shows in it (`focus`); "
        "larger than they are, if the network is surer then (`closer`)",
    )


def _new_classes(model: Model, old: Model) -> tuple[str, ...]:
    """What is new, for the user."""
    new = [str(i) for i in model.classes if i not in old.classes]
    if not new:
        return ()
    what = f"Class {new[0]} is" if len(new) == 1 else f"Classes {', '.join(new)} are"
    return (f"{what} new; what was learnt of the others is kept",)
