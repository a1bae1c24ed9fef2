"""Time of one training step, beside its bare network passes and plain versions of it.

Ours: views of the whole batch at once on the device, bfloat16 where the device gains,
channels-last, on the working grid that the labels allow. Bare: the passes of the networks
that the step can't do without, on ready batches of the same size, type and layout, and
nothing else. Plain: the same equations in float32 and contiguous layout, every slice
augmented on its own with scipy on the CPU: on our grid with our network, on the slices' own
grid with our network, and there with the plain U-Net of the same width. All take turns; the
medians and the medians of the ratios are printed.

    python benchmarks/step.py [--rows 160] [--columns 224] [--steps 7] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from napari_dim.config import Settings
from napari_dim.data.batches import Sampler, Views
from napari_dim.data.case import Case
from napari_dim.data.slice_store import SliceStore
from napari_dim.data.working_grid import WorkingGrid
from napari_dim.engine.device import pick_device
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.precision import use_threads
from napari_dim.engine.training.assembly import begin, sampler_of
from napari_dim.method.ramps import ramp
from napari_dim.systems.dim import DiM
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


def built(
    made: list[Case], settings: Settings, side: int, device: torch.device
) -> tuple[DiM, Sampler]:
    """Step and sampler on a working grid whose longer side is `side`."""
    grid = WorkingGrid.fit([c.volume for c in made], min_size=16, max_size=side)
    model = Model.new(settings, (1,), 1, settings.context, grid, {})
    store = SliceStore.build(made, grid, {1: 1}, device)
    generator = torch.Generator(device).manual_seed(settings.seed)
    system = begin(model, device, generator)
    return system, sampler_of(model, store, generator)


def plain(made: list[Case], settings: Settings, side: int) -> tuple[DiM, PlainSampler]:
    """The plain version of it."""
    method, sampler = built(made, settings, side, torch.device("cpu"))
    method.course = replace(method.course, autocast=nullcontext)
    method.networks.to(memory_format=torch.contiguous_format)
    return method, PlainSampler(sampler)


class BarePasses:
    """The network passes of a step on ready batches."""

    def __init__(self, method: DiM, batch: Views) -> None:
        self.method = method
        self.labelled, self.unlabelled = batch.labelled, batch.unlabelled
        self.gradients: dict[int, torch.Tensor] = {}

    def __call__(self, progress: float) -> None:
        """The passes at t / T = `progress`, the sharpness-aware second ones included."""
        method, options = self.method, self.method.options
        weight = ramp(progress)
        labelled, unlabelled = len(self.labelled), len(self.unlabelled)
        student, teacher = labelled, 0
        if weight >= options.least_weight:
            student += 2 * unlabelled
            teacher = 3 * unlabelled if options.agreement else unlabelled
        if weight**2 >= options.least_weight:
            student, teacher = student + unlabelled, 3 * unlabelled
        if teacher:
            with torch.no_grad(), method.course.autocast():
                method.networks["teacher"](self._batch(teacher))
        for _ in range(2):
            with method.course.autocast():
                logits = method.networks["student"](self._batch(student))
            if student not in self.gradients:
                self.gradients[student] = torch.randn_like(logits)
            logits.backward(self.gradients[student])

    def _batch(self, count: int) -> torch.Tensor:
        both = torch.cat([self.labelled, self.unlabelled])
        many = both.repeat(-(-count // len(both)), 1, 1, 1)[:count]
        return many.contiguous(memory_format=torch.channels_last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--columns", type=int, default=224)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    own = max(args.rows, args.columns)
    settings = Settings.make(
        device=args.device, max_size=max(256, own), sharpness_every=1, sharpness_from=0.0
    )
    use_threads(0)
    device = pick_device(settings.device)
    made = cases(args.rows, args.columns)
    side = min(settings.usual_size, own)

    ours, sampler = built(made, settings, side, device)
    bare_method, bare_sampler = built(made, settings, side, device)
    bare = BarePasses(bare_method, bare_sampler.draw(with_unlabelled=True))
    unet = Settings.make(**{**settings.model_dump(), "network": "unet"})
    plains = {
        "plain, same grid": plain(made, settings, side),
        "plain, own grid": plain(made, settings, own),
        "plain U-Net, own grid": plain(made, unet, own),
    }

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def timed(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        wait()
        return time.perf_counter() - start

    stages = {"labelled alone (t/T = 0)": 0.0, "L_in, L_out, L_align (0.6)": 0.6, "all terms": 1.0}
    table: dict[str, dict[str, dict[str, float]]] = {}
    for stage, progress in stages.items():
        times: dict[str, list[float]] = {name: [] for name in ("ours", "bare", *plains)}
        for turn in range(args.steps + 1):
            taken = {
                "ours": timed(
                    lambda at=progress, n=turn: ours.step(
                        sampler.draw(
                            with_unlabelled=True, with_strong=ours.strong(ours.stage(at, n))
                        ),
                        at,
                        n,
                    )
                ),
                "bare": timed(lambda at=progress: bare(at)),
            }
            for name, (method, by_slice) in plains.items():
                taken[name] = timed(
                    lambda m=method, s=by_slice, at=progress, n=turn: m.step(s.draw(), at, n)
                )
            if turn:  # the first turn warms up
                for name, seconds in taken.items():
                    times[name].append(seconds)
        table[stage] = {
            name: {
                "ms": statistics.median(each) * 1000,
                "times ours": statistics.median(
                    a / b for a, b in zip(each, times["ours"], strict=True)
                ),
            }
            for name, each in times.items()
        }
    patch = sampler.weak.patch
    print(
        f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{platform.machine()}; slices {args.rows} x {args.columns}, our patch {patch[0]} x "
        f"{patch[1]}, batch {sampler.labelled} + {sampler.unlabelled}, "
        f"SAM on every step\n"
    )
    names = ["ours", "bare", *plains]
    print("| step | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for stage, row in table.items():
        cells = [f"{row[n]['ms']:.0f} ms ({row[n]['times ours']:.2f})" for n in names]
        print(f"| {stage} | " + " | ".join(cells) + " |")
    if args.json:
        args.json.write_text(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
