"""Time of one training step, beside a plain version of the same step.

Plain: float32, contiguous layout, every slice augmented on its own with scipy on the CPU.
Ours: views of the whole batch at once on the device, bfloat16 where the device gains,
channels-last. Both run the same equations on the same networks; they take turns, and the
medians and their ratio are printed.

    python benchmarks/step.py [--rows 160] [--columns 224] [--steps 7] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from napari_dim.config import Settings
from napari_dim.data.batches import Sampler, Views
from napari_dim.data.case import Case
from napari_dim.data.store import SliceStore
from napari_dim.data.working import WorkingGrid
from napari_dim.engine.device import pick_device
from napari_dim.engine.model import Model
from napari_dim.engine.precision import use_threads
from napari_dim.engine.train import training_method
from napari_dim.method.dim import DiM
from napari_dim.volume import Grid, Volume


def cases(rows: int, columns: int) -> list[Case]:
    """One labelled and one unlabelled noise volume: time doesn't depend on what they show."""
    rng = np.random.default_rng(0)
    made = []
    for labelled in (True, False):
        array = rng.normal(size=(24, rows, columns)).astype(np.float32)
        grid = Grid((columns, rows, 24), np.diag([-1.0, -1.0, 3.0, 1.0]), slice_axis=2)
        mask = (ndimage.gaussian_filter(array, (0, 12, 12)) > 0).astype(np.uint8)
        states = np.full(24, int(labelled), np.uint8)
        made.append(Case(Volume(array, grid), mask, states))
    return made


class PlainSampler:
    """The same views, one slice after the other, in float32 with scipy."""

    def __init__(self, sampler: Sampler, seed: int = 0) -> None:
        self.sampler = sampler
        self.rng = np.random.default_rng(seed)

    def draw(self) -> Views:
        """One batch of both kinds of slices."""
        s = self.sampler
        labelled = [self._slice(s.store.labelled, labels=True) for _ in range(s.labelled)]
        other = [self._slice(s.store.unlabelled, labels=False) for _ in range(s.unlabelled)]
        return Views(
            torch.from_numpy(np.stack([x for x, _, _ in labelled])),
            torch.from_numpy(np.stack([x for _, x, _ in labelled])),
            torch.from_numpy(np.stack([y for _, _, y in labelled])),
            torch.from_numpy(np.stack([x for x, _, _ in other])),
            torch.from_numpy(np.stack([x for _, x, _ in other])),
        )

    def _slice(self, places, *, labels):
        s, rng = self.sampler, self.rng
        pick = int(rng.integers(len(places)))
        x = s.store.with_context(places[pick : pick + 1], s.context)[0].numpy()
        rows, columns = s.weak.patch
        angle = np.deg2rad(rng.uniform(-s.weak.rotation, s.weak.rotation))
        scale = np.exp(rng.uniform(-1, 1) * np.log1p(s.weak.zoom))
        y0, x0 = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        y, z = y0 - (rows - 1) / 2, x0 - (columns - 1) / 2
        place = np.stack(
            (
                (np.cos(angle) * y - np.sin(angle) * z) / scale + (x.shape[1] - 1) / 2,
                (np.sin(angle) * y + np.cos(angle) * z) / scale + (x.shape[2] - 1) / 2,
            )
        )
        bend = rng.uniform(-1, 1, (2, 6, 6))
        zoomed = [ndimage.zoom(b, (rows / 6, columns / 6), order=3) for b in bend]
        place += np.stack(zoomed) * s.weak.elastic * columns
        weak = np.stack([ndimage.map_coordinates(c, place, order=1, mode="nearest") for c in x])
        low, high = weak.min(), weak.max()
        strong = ((weak - low) / (high - low + 1e-6)) ** np.exp(rng.uniform(-0.5, 0.5))
        strong = strong * (high - low) + low
        field = ndimage.zoom(rng.normal(size=(4, 4)), (rows / 4, columns / 4), order=3)
        strong = strong * (1 + 0.2 * rng.uniform() * field)
        blurred = np.stack([ndimage.gaussian_filter(c, 1.5, mode="nearest") for c in strong])
        strong = strong + rng.uniform(-1, 1) * (blurred - strong)
        strong = strong * np.exp(rng.uniform(-0.4, 0.4)) + rng.uniform(-0.4, 0.4)
        strong = strong + rng.normal(size=strong.shape) * 0.25 * rng.uniform() ** 2
        index = None
        if labels:
            label = s.store.labels[pick].numpy()
            index = ndimage.map_coordinates(label, place, order=0, mode="constant").astype(int) - 1
        return weak.astype(np.float32), strong.astype(np.float32), index


def median_ms(runs: list[float]) -> float:
    """Median in milliseconds."""
    return statistics.median(runs) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--columns", type=int, default=224)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    settings = Settings.make(
        device=args.device, max_size=max(256, args.rows, args.columns), sharpness_every=1,
        sharpness_from=0.0,
    )  # fmt: skip
    use_threads(0)
    device = pick_device(settings.device)
    made = cases(args.rows, args.columns)
    grid = WorkingGrid.fit([c.volume for c in made], min_size=16, max_size=settings.max_size)

    def build(device: torch.device) -> tuple[DiM, Sampler]:
        model = Model.new(settings, (1,), 1, settings.context, grid, {})
        store = SliceStore.build(made, grid, {1: 1}, device)
        return training_method(model, store, device, semi=True)

    ours, sampler = build(device)
    plain, plain_sampler = build(torch.device("cpu"))
    plain.autocast = nullcontext
    plain.student.to(memory_format=torch.contiguous_format)
    plain.teacher.to(memory_format=torch.contiguous_format)
    by_slice = PlainSampler(plain_sampler)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    stages = {
        "labelled slices alone (t/T = 0)": 0.0,
        "with L_in, L_out, L_align (0.5)": 0.5,
        "all terms (1)": 1.0,
    }
    table = {}
    for stage, progress in stages.items():
        times: dict[str, list[float]] = {"ours": [], "plain": []}
        for turn in range(args.steps + 1):
            start = time.perf_counter()
            ours.step(sampler.draw(with_unlabelled=True), progress, turn)
            wait()
            middle = time.perf_counter()
            plain.step(by_slice.draw(), progress, turn)
            end = time.perf_counter()
            if turn:  # the first turn warms up
                times["ours"].append(middle - start)
                times["plain"].append(end - middle)
        table[stage] = {
            "ours_ms": median_ms(times["ours"]),
            "plain_ms": median_ms(times["plain"]),
            "ratio": statistics.median(
                p / o for p, o in zip(times["plain"], times["ours"], strict=True)
            ),
        }
    print(
        f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{platform.machine()}; patch {grid.patch[0]} x {grid.patch[1]}, "
        f"batch {settings.labelled_batch} + {settings.unlabelled_batch}, SAM on every step"
    )
    print(f"{'step':34s} {'ours':>9s} {'plain':>9s} {'plain / ours':>13s}")
    for stage, row in table.items():
        print(
            f"{stage:34s} {row['ours_ms']:6.0f} ms {row['plain_ms']:6.0f} ms {row['ratio']:12.1f}"
        )
    if args.json:
        args.json.write_text(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
