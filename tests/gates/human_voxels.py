"""Predictions arrive, layers are renamed, moved, hidden, deleted: a person's voxels stay."""

from __future__ import annotations

import collections
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.gates.children import offscreen

PROMISE = "Human voxels change only on accept, as one step that undo takes back"
FULL, QUICK = 1_000, 6
ACTIONS = 25
"""Of a schedule."""


def run(count: int) -> str:
    """`count` random schedules; after each action the voxels that were a person's are compared."""
    with tempfile.TemporaryDirectory() as home:
        offscreen(Path(home))
        from tests.gates.strokes import application

        app = application()
        done: collections.Counter[str] = collections.Counter()
        for seed in range(count):
            _Schedule(seed, app, done).run()
    total = sum(done.values())
    return (
        f"{count} schedules of {ACTIONS} actions ({total} done, {done['accept']} accepted and "
        f"{done['undo accept']} taken back): 0 human voxels changed, 0 exceptions"
    )


class _Schedule:
    """One random schedule.

    `human` is what a person's layer must hold; `corrected` what a person made of slices of the
    prediction.
    """

    def __init__(self, seed: int, app: Any, done: collections.Counter[str]) -> None:
        from napari_dim.gui.layers.image_layers import layer_source
        from napari_dim.gui.layers.predicted_layer import PredictionLayer
        from tests.gates.strokes import SHAPE, session_with_labels

        self.seed, self.app, self.done = seed, app, done
        self.rng = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.shape = SHAPE
        self.viewer, self.session = session_with_labels(app)
        self.labels, self.image = self.viewer.layers["mine"], self.viewer.layers["scan"]
        self.prediction = PredictionLayer(layer_source(self.image), "machine")
        self.session.predictions[self.image] = self.prediction
        self.viewer.add_layer(self.prediction.layer)
        self.human = self.labels.data.copy()
        self.corrected: dict[int, np.ndarray] = {}

    def run(self) -> None:
        actions = [
            self.predict, self.predict, self.predict, self.paint, self.paint, self.correct,
            self.rename, self.move, self.hide, self.accept, self.duplicate, self.delete,
            self.scroll,
        ]  # fmt: skip
        for _ in range(ACTIONS):
            action = self.rng.choice(actions)
            action()
            self.done[action.__name__] += 1
            self.app.processEvents()
            where = f"schedule {self.seed}, after {action.__name__}"
            assert np.array_equal(self.labels.data, self.human), where
            for number, plane in self.corrected.items():
                assert np.array_equal(self.prediction.layer.data[number], plane), where
        self.session.autosave.close()

    def predict(self) -> None:
        """The machine sends masks of some slices."""
        size = self.rng.randint(1, self.shape[0])
        numbers = self.numbers.choice(self.shape[0], size, replace=False)
        masks = self.numbers.integers(0, 3, (size, *self.shape[1:]), dtype=np.uint8)
        self.prediction.write(numbers, masks)

    def paint(self) -> None:
        """A person paints in the labels."""
        self.labels.visible = True
        point = tuple(self.rng.randrange(n) for n in self.shape)
        self.labels.paint(point, self.rng.randint(0, 3))
        self.human = self.labels.data.copy()

    def correct(self) -> None:
        """A person paints in the prediction."""
        layer = self.prediction.layer
        layer.visible = True
        number = self.rng.randrange(self.shape[0])
        before = layer.data[number].copy()
        layer.paint((number, self.rng.randrange(30), self.rng.randrange(25)), 3)
        if not np.array_equal(before, layer.data[number]) or number in self.corrected:
            self.corrected[number] = layer.data[number].copy()

    def rename(self) -> None:
        layer = self.rng.choice(list(self.viewer.layers))
        layer.name = self.rng.choice(["mine", "machine", "scan", "x"])

    def move(self) -> None:
        count = len(self.viewer.layers)
        self.viewer.layers.move(self.rng.randrange(count), self.rng.randrange(count))

    def hide(self) -> None:
        layer = self.rng.choice(list(self.viewer.layers))
        layer.visible = not layer.visible

    def scroll(self) -> None:
        self.viewer.dims.set_point(0, 3.0 * self.rng.randrange(self.shape[0]))

    def duplicate(self) -> None:
        """A copy of the labels, which is painted in: the labels themselves stay."""
        from napari.layers import Labels

        copy = self.viewer.add_layer(Labels(self.labels.data.copy(), scale=(3, 1, 1)))
        copy.paint((1, 5, 5), 2)

    def delete(self) -> None:
        """Delete a layer; the labels and the scan are opened again at once."""
        others = [la for la in self.viewer.layers if la not in (self.labels, self.image)]
        layer = self.rng.choice([self.prediction.layer, self.labels, *others])
        if layer not in self.viewer.layers:
            return
        self.viewer.layers.remove(layer)
        self.predict()  # a preview that comes late
        if layer in (self.labels, self.prediction.layer):
            self.viewer.add_layer(layer)
        self.session.show_case(self.image, self.labels)

    def accept(self) -> None:
        """Accept slices or all; only slices that were not labelled may change. Perhaps undo."""
        from napari_dim.errors import InputError
        from napari_dim.gui.logic import slice_actions as slices
        from napari_dim.states import LABELLED

        labelled = np.isin(self.session.annotation.states, LABELLED)
        before = self.labels.data.copy()
        how = self.rng.choice([slices.accept_slice, slices.accept_all])
        try:
            how(self.session)
        except InputError:  # nothing to accept
            assert np.array_equal(self.labels.data, before)
            return
        assert np.array_equal(self.labels.data[labelled], before[labelled]), self.seed
        if self.rng.random() < 0.5 and not np.array_equal(self.labels.data, before):
            self.labels.undo()
            assert np.array_equal(self.labels.data, before), f"schedule {self.seed}: one undo"
            self.done["undo accept"] += 1
        self.human = self.labels.data.copy()
