"""What is recovered from the disk is what was on the screen, whatever was done to the layer."""

from __future__ import annotations

import collections
import random
import tempfile
from pathlib import Path

import numpy as np

from tests.gates.children import offscreen

PROMISE = "The recovered mask is the mask last seen"
FULL, QUICK = 10_000, 150


def run(count: int) -> str:
    """`count` random operations; the journal is replayed and compared every few of them."""
    with tempfile.TemporaryDirectory() as home:
        offscreen(Path(home))
        from napari_dim.project import Project, store
        from napari_dim.project.local import recovery_folders
        from tests.gates.strokes import application, operate, session_with_labels

        store.COMPACT_AT, store.COMPACT_RATIO = 60_000, 2  # many generations
        app = application()
        viewer, session = session_with_labels(app)
        layer = viewer.layers["mine"]
        rng = random.Random(20)
        done: collections.Counter[str] = collections.Counter()
        compared = 0
        until = 1
        for number in range(1, count + 1):
            done[operate(rng, viewer, layer)] += 1
            app.processEvents()
            if number < until and number < count:
                continue
            until = number + rng.randint(1, 9)
            assert session.autosave.flush(20), session.autosave.text
            folders = recovery_folders()
            if not folders:
                assert not layer.data.any(), "painted, and nothing is kept"
                continue
            with Project.open(folders[0], read_only=True) as project:
                kept = session.autosave._layers[layer]
                found = project.recover(kept.case, kept.name)
                states = project.states(kept.case, kept.name)
            assert found is not None
            assert found.array.dtype == layer.data.dtype, f"after {number} operations"
            assert np.array_equal(found.array, layer.data), f"after {number}: {done}"
            assert list(states) == list(session.mask.states), f"states after {number}"
            compared += 1
        generations = max(int(p.stem) for p in Path(home).rglob("*.journal"))
        session.autosave.close()
    kinds = ", ".join(f"{n} {kind}" for kind, n in done.most_common())
    return (
        f"{count} operations ({kinds}), compared {compared} times over {generations} "
        "generations: 0 mismatches"
    )
