"""A volume larger than memory: opened, trained on, predicted and written, with peak memory.

Makes an OME-Zarr of 16 bit slices with a tube in noise (compressible), opens it without
loading, trains on a few labelled slices, predicts block by block into ``labels/dim`` of the
same store, and says how long each took and the peak memory of the process, beside what the
volume would take. With ``--limit`` the kernel itself refuses the process more data memory.

    python benchmarks/large.py [--size 4000 1024 1024] [--steps 60] [--folder DIR] [--limit 4096]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, nargs=3, default=[4000, 1024, 1024])
    parser.add_argument("--steps", type=int, default=60, help="of training")
    parser.add_argument("--labelled", type=int, default=4, help="slices")
    parser.add_argument("--folder", type=Path, default=None, help="for the store")
    parser.add_argument("--slices", type=float, default=128, help="MiB for slices in training")
    parser.add_argument("--side", type=int, default=0, help="longest side the network sees")
    parser.add_argument("--limit", type=int, default=0, help="MiB of data memory allowed")
    args = parser.parse_args()
    if args.limit:
        resource.setrlimit(resource.RLIMIT_DATA, (args.limit * 2**20,) * 2)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        print(json.dumps(run(args, Path(folder) / "scan.zarr"), indent=2))


def run(args: argparse.Namespace, store: Path) -> dict[str, object]:
    """Do it all; returns the figures."""
    import torch  # noqa: F401 - its own memory is in the figure

    from napari_dim.config import Settings
    from napari_dim.data.case import Case
    from napari_dim.engine.inference.out_of_core import predict_into
    from napari_dim.engine.training.events import Failed, Finished
    from napari_dim.engine.training.job import Job
    from napari_dim.engine.training.loop import train
    from napari_dim.io import LabelClass, read_mask, read_volume
    from napari_dim.io.zarr.zarr_writer import zarr_mask
    from napari_dim.states import SliceState

    times: dict[str, float] = {}
    peak = Peak()

    def timed(name, work):
        began = time.perf_counter()
        peak.reset()
        done = work()
        times[name] = round(time.perf_counter() - began, 1)
        peaks[name] = round(peak.mib)
        return done

    peaks: dict[str, int] = {}
    timed("make", lambda: make(store, args.size))
    volume = timed("open", lambda: read_volume(store))
    shape = volume.array.shape
    numbers = np.linspace(0.1, 0.9, args.labelled) * shape[0]
    states = np.zeros(shape[0], np.uint8)
    # A file with holes: the labels are on the disk, too.
    mask = np.memmap(store.with_name("labels.raw"), np.uint8, "w+", shape=shape)
    for number in numbers.astype(int):
        mask[number] = tube(number, *args.size)
        states[number] = SliceState.PAINTED
    case = Case(volume, mask, states)
    # Less than all slices take on the working grid: they are streamed.
    changes = {"steps": args.steps, "seed": 0, "device": "cpu", "slice_memory": args.slices}
    if args.side:
        changes |= {"max_size": args.side, "min_size": min(args.side, 64)}
    settings = Settings.make(**changes)

    def learn():
        last = None
        for event in train(Job([case], settings)):
            last = event
            if isinstance(event, Failed):
                sys.exit(f"{event.problem}\n{event.details}")
        assert isinstance(last, Finished)
        return last.model

    model = timed("train", learn)
    classes = [LabelClass(1, "tube")]
    target = store / "labels" / "dim"

    def predict():
        with zarr_mask(target, volume, np.uint8, classes) as out:
            predict_into(out, model, volume, device="cpu")

    timed("predict and write", predict)
    found = read_mask(target, volume)
    shown = range(0, shape[0], max(1, shape[0] // 40))
    overlap = [(np.asarray(found[n]) == 1, tube(n, *args.size) == 1) for n in shown]
    dice = 2 * sum((a & b).sum() for a, b in overlap) / sum(a.sum() + b.sum() for a, b in overlap)
    return {
        "size": args.size,
        "volume (MiB)": round(np.prod(args.size) * 2 / 2**20),
        "store (MiB)": round(
            sum(p.stat().st_size for p in store.rglob("*") if p.is_file()) / 2**20
        ),
        "seconds": times,
        "peak memory of its own (MiB)": peaks,
        "slices a second": round(shape[0] / times["predict and write"], 1),
        "dice on every 40th part": round(float(dice), 4),
        "working grid": list(model.grid.shape(volume)),
        "limit of data memory (MiB)": args.limit or None,
    }


def tube(number: int, slices: int, rows: int, columns: int) -> np.ndarray:
    """A disc that wanders from slice to slice, ``(row, column)``."""
    turn = 2 * np.pi * number / slices
    y, x = np.ogrid[:rows, :columns]
    away = np.hypot(y - rows * (0.5 + 0.2 * np.sin(turn)), x - columns * (0.5 + 0.2 * np.cos(turn)))
    return (away < 0.12 * min(rows, columns)).astype(np.uint8)


def make(store: Path, size: list[int]) -> None:
    """The image, a few slices at a time."""
    import zarr

    slices, rows, columns = size
    group = zarr.open_group(str(store), mode="w", zarr_format=2)
    deep = min(16, slices)
    array = group.create_array("0", shape=tuple(size), dtype="uint16",
                               chunks=(deep, min(rows, 512), min(columns, 512)))  # fmt: skip
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 64, (deep, rows, columns), dtype=np.uint16)
    for start in range(0, slices, deep):
        part = np.stack([tube(n, *size) for n in range(start, min(start + deep, slices))])
        array[start : start + len(part)] = 400 + 150 * part.astype(np.uint16) + noise[: len(part)]
    scale = [{"type": "scale", "scale": [0.05, 0.05, 0.05]}]
    axes = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes,
         "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    ]  # fmt: skip


class Peak:
    """Peak of the memory that is the process's own: pages of files may be dropped at any time."""

    def __init__(self) -> None:
        self.mib = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def reset(self) -> None:
        """Begin anew."""
        self.mib = 0.0

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE") / 2**20
        while True:
            numbers = Path("/proc/self/statm").read_text(encoding="ascii").split()
            self.mib = max(self.mib, (int(numbers[1]) - int(numbers[2])) * page)
            time.sleep(0.02)


if __name__ == "__main__":
    main()
