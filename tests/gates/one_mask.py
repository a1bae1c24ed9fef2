"""Hands and the machine at one mask, in any order: what is seen is what counts."""

from __future__ import annotations

import collections
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.gates.children import offscreen

PROMISE = (
    "One mask a scan: screen = trained on = exported; a person's voxels change by hands alone; "
    "undoing all gives the start"
)
FULL, QUICK = 1_000, 6
ACTIONS = 25
"""Of a schedule."""
LIMIT = 3600


def run(count: int) -> str:
    """`count` random schedules; the rules are checked after each act."""
    with tempfile.TemporaryDirectory() as home:
        offscreen(Path(home))
        from tests.gates.strokes import application

        app = application()
        done: collections.Counter[str] = collections.Counter()
        for seed in range(count):
            _Schedule(seed, app, done).run()
    undone, restarts = done.pop("steps undone"), done["restart"]
    return (
        f"{count} schedules of {ACTIONS} acts ({sum(done.values())} done, {restarts} restarts, "
        f"{undone} steps undone to the start): 0 voxels misstated, 0 exceptions"
    )


class _Schedule:
    """One random schedule.

    `twin` is a mask that begins alike and hears the machine alone; `claimed` what the slices
    hold that the machine may not write into.
    """

    def __init__(self, seed: int, app: Any, done: collections.Counter[str]) -> None:
        from tests.gates.strokes import SHAPE, session_with_labels

        self.app, self.done, self.seed = app, done, seed
        self.rng = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.shape = SHAPE
        self.viewer, self.session = session_with_labels(app)
        self._begin()

    def _begin(self) -> None:
        """From here on acts are undone; the machine has said what is known of it."""
        from napari_dim.gui.state.scan_mask import ScanMask

        self.layer, self.image = self.session.labels, self.session.image
        self.mask = self.session.mask
        self.twin = ScanMask(self.mask.planes.copy(), self.mask.states)
        self.twin.leave(self.mask.left)
        self.claimed = self._claims()

    def run(self) -> None:
        hands = [
            self.stroke, self.stroke, self.stroke, self.stroke, self.undo, self.undo, self.redo,
            self.accept, self.reject, self.confirm, self.fill, self.classes, self.newest,
        ]  # fmt: skip
        others = [self.predict, self.predict, self.predict, self.scroll, self.move, self.copy]
        for _ in range(ACTIONS):
            pool = hands if self.rng.random() < 0.7 else others
            act = self.rng.choice(pool)
            if self.rng.random() < 0.01:
                act = self.restart
            self._do(act, by_hand=act in hands)
        self._undo_all()
        self.session.autosave.close()

    def _do(self, act: Any, *, by_hand: bool) -> None:
        act()
        self.done[act.__name__] += 1
        self.app.processEvents()
        self.where = f"schedule {self.seed}, after {act.__name__}"
        self.mask.look()
        if not by_hand:
            now = self._claims()
            assert now.keys() == self.claimed.keys(), self.where
            for number, plane in self.claimed.items():
                assert np.array_equal(now[number], plane), f"{self.where}: slice {number}"
        self.claimed = self._claims()
        self._check()

    def _check(self) -> None:
        """Screen, training and export hold the same."""
        from napari_dim.gui.jobs.training_plan import Part, case_of
        from napari_dim.gui.logic.mask_contents import SHOWN, exported
        from napari_dim.states import LABELLED, SliceState

        shown, states = self.layer.data, self.mask.states
        case = case_of(Part(self.image, self.mask))
        labelled = np.flatnonzero(np.isin(states, LABELLED))
        assert list(case.labelled) == list(labelled), self.where
        assert np.array_equal(case.mask[labelled], shown[labelled]), self.where
        written, what = exported(self.mask, SHOWN)
        assert np.array_equal(written, shown), self.where
        assert np.array_equal(what.states, states), self.where
        assert np.array_equal(self.mask.areas > 0, shown.any((1, 2))), self.where
        machine = states == SliceState.MACHINE
        assert np.array_equal(shown[machine], self.mask.answer.mask[machine]), self.where
        bare = (states == SliceState.UNTOUCHED) | (states == SliceState.EMPTY)
        assert not shown[bare].any(), self.where

    def _undo_all(self) -> None:
        """All acts are taken back: as if there had been no hands; and done again."""
        end, last = self.layer.data.copy(), self.mask.states
        steps = 0
        while self.mask.steps.last is not None:
            self.layer.undo()
            steps += 1
        self.done["steps undone"] += steps
        where = f"schedule {self.seed}: {steps} steps undone"
        assert np.array_equal(self.layer.data, self.twin.planes), where
        assert np.array_equal(self.mask.states, self.twin.states), where
        self.where = where
        self._check()
        for _ in range(steps):
            self.layer.redo()
        assert np.array_equal(self.mask.states, last), f"schedule {self.seed}: done again"
        assert np.array_equal(self.layer.data, end), f"schedule {self.seed}: done again"

    def _claims(self) -> dict[int, np.ndarray]:
        from napari_dim.states import FREE

        states, left = self.mask.states, self.mask.left
        return {
            n: self.layer.data[n].copy()
            for n in range(len(states))
            if states[n] not in FREE or n in left
        }

    def predict(self) -> None:
        """The machine sends masks of some slices."""
        size = self.rng.randint(1, self.shape[0])
        numbers = self.numbers.choice(self.shape[0], size, replace=False)
        masks = self.numbers.integers(0, 3, (size, *self.shape[1:]), dtype=np.uint8)
        self.mask.take(numbers, masks)
        self.twin.take(numbers, masks)

    def stroke(self) -> None:
        """A person uses one of napari's tools, or a script writes."""
        from tests.gates.strokes import operate

        operate(self.rng, self.viewer, self.layer, only=("paint", "stroke", "fill", "polygon",
                                                         "set", "write"))  # fmt: skip

    def undo(self) -> None:
        self.layer.undo()

    def redo(self) -> None:
        self.layer.redo()

    def accept(self) -> None:
        from napari_dim.gui.commands import slice_commands as slices

        self._try(
            self.rng.choice(
                [
                    slices.accept_slice,
                    slices.accept_all,
                    lambda session: slices.accept_trusted(
                        session, slices.class_trusted(session, self.rng.randint(1, 2))
                    ),
                ]
            )
        )

    def reject(self) -> None:
        from napari_dim.gui.commands import slice_commands as slices

        self._try(slices.reject_slice)

    def newest(self) -> None:
        from napari_dim.gui.commands import slice_commands as slices

        self._try(slices.take_newest)

    def confirm(self) -> None:
        from napari_dim.gui.commands import slice_commands as slices

        self._try(self.rng.choice([slices.confirm, slices.set_partial, slices.set_untouched]))

    def fill(self) -> None:
        from napari_dim.gui.commands import slice_commands as slices
        from napari_dim.gui.jobs import growing_job as growing

        grown = (growing.fill_between, growing.grow_from_seeds, growing.carry_on)
        self._try(self.rng.choice([*grown, slices.copy_nearest, slices.confirm_filled]))
        while self.session.growing is not None:  # it lands when it is ready
            self.app.processEvents()

    def classes(self) -> None:
        """A class is added, or gets another id."""
        from napari_dim.gui.layers.layer_classes import ClassInfo, classes_of, set_classes

        known = classes_of(self.layer)
        if self.rng.random() < 0.7:
            free = max(info.id for info in known) + 1
            set_classes(self.layer, [*known, ClassInfo(free, f"new {free}", "#123456")])
            return
        self.mask.relabel("another id", {self.rng.randint(1, 3): 60 + self.rng.randint(0, 9)})

    def _try(self, act: Any) -> None:
        """An act that may have nothing to do; then nothing has changed."""
        from napari_dim.errors import InputError

        before, states = self.layer.data.copy(), self.mask.states
        try:
            act(self.session)
        except InputError:
            assert np.array_equal(self.layer.data, before), self.seed
            assert np.array_equal(self.mask.states, states), self.seed

    def scroll(self) -> None:
        self.viewer.dims.set_point(0, 3.0 * self.rng.randrange(self.shape[0]))

    def move(self) -> None:
        """Layers are renamed, moved and hidden."""
        layers = self.viewer.layers
        layers.move(self.rng.randrange(len(layers)), self.rng.randrange(len(layers)))
        layer = self.rng.choice(list(layers))
        layer.name, layer.visible = self.rng.choice(["mine", "scan", "x"]), not layer.visible

    def copy(self) -> None:
        """A copy of the mask, which is painted in; the mask is deleted and comes back."""
        from napari.layers import Labels

        copy = self.viewer.add_layer(Labels(self.layer.data.copy(), scale=(3, 1, 1)))
        copy.paint((1, 5, 5), 2)
        self.viewer.layers.remove(copy)
        self.viewer.layers.remove(self.layer)
        self.predict()  # a preview that comes late
        self.viewer.add_layer(self.layer)
        self.session.show_case(self.image, self.layer)

    def restart(self) -> None:
        """The window is closed and the work restored; what was done can't be undone any more."""
        from napari_dim.gui.layers.mask_layer import STATES
        from napari_dim.gui.panels.recovery_bar import leftovers, restore
        from tests.gates.strokes import empty_session, session_with_labels

        self.mask.look()
        shown, states, left = self.layer.data.copy(), self.mask.states, self.mask.left
        assert self.session.autosave.flush(20)  # a folder is made with the first that is kept
        kept = self.session.autosave._open.recovery
        assert self.session.autosave.close(20)
        there = () if kept is None else leftovers()
        found = next((one for one in there if one.folder == kept.folder), None)
        if found is None:
            self.viewer, self.session = session_with_labels(self.app)
        else:
            self.viewer, self.session = empty_session()
            restore(self.session, found)
            # The mask, beside copies of it that may lie on another scan.
            (labels,) = (one for one in self.viewer.layers if STATES in one.metadata)
            scan = self.viewer.add_image(np.zeros(self.shape, np.float32), scale=(3, 1, 1))
            self.session.show_case(scan, labels)
        where = f"schedule {self.seed}, after a restart"
        assert np.array_equal(self.session.labels.data, shown), where
        assert np.array_equal(self.session.mask.states, states), where
        assert self.session.mask.left == left, where
        self._begin()
