"""Rate and memory of predicting a whole volume, beside the bare forward passes.

Bare: the network alone on ready batches of the same size, type and layout. `predict` also
normalises, smooths across slices, brings the masks onto the volume's own grid and, last,
drops stray pieces. Both take turns in one process; peak memory is that of a process of its
own that loads nothing else.

    python benchmarks/predict.py [--size 512 512 400] [--classes 2] [--native] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from runs import machine

from napari_dim.config import Settings
from napari_dim.data.working_grid import WorkingGrid
from napari_dim.engine.inference.predictor import BATCH, Predictor, predict
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.precision import use_threads
from napari_dim.volume import Grid, Volume


def scan(rows: int, columns: int, slices: int) -> Volume:
    """Noise as int16: the time doesn't depend on what it shows."""
    rng = np.random.default_rng(0)
    array = rng.integers(0, 2000, (slices, rows, columns), dtype=np.int16)
    return Volume(array, Grid((columns, rows, slices), np.diag([-0.7, -0.7, 1.0, 1]), slice_axis=2))


def model_for(volume: Volume, classes: int, *, native: bool) -> Model:
    """Fresh weights on the usual working grid, or on the scan's own."""
    settings = Settings.make()
    size = max(volume.array.shape[1:]) if native else settings.usual_size
    grid = WorkingGrid.fit([volume], min_size=settings.min_size, max_size=size)
    return Model.new(settings, tuple(range(1, classes)), 1, settings.context, grid, {})


def peak_mib(words: list[str]) -> float:
    """Peak memory of this script with other arguments, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *words], check=True, capture_output=True, text=True
    )
    return float(json.loads(done.stdout.splitlines()[-1])["mib"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, nargs=3, default=[512, 512, 400])
    parser.add_argument("--classes", type=int, default=2, help="with background")
    parser.add_argument("--native", action="store_true", help="the network sees all pixels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", choices=["load", "predict"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    use_threads(0)
    volume = scan(*args.size)
    model = model_for(volume, args.classes, native=args.native)
    if args.alone:
        if args.alone == "predict":
            predict(model, volume)
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"mib": kib / 1024}))
        return

    predictor = Predictor(model, torch.device("cpu"))
    rows, columns = model.grid.shape(volume)
    stack = torch.randn(2 * BATCH, 1, rows, columns).half()
    batch = predictor.view(stack, np.arange(BATCH))
    predictor.net.eval()

    @torch.no_grad()
    def bare() -> None:
        for _ in range(-(-args.size[2] // BATCH)):
            with predictor.autocast():
                predictor.net(batch)

    times: dict[str, list[float]] = {"bare": [], "predict": []}
    for _ in range(args.repeats):
        for name, work in (("bare", bare), ("predict", lambda: predict(model, volume))):
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    share = statistics.median(b / p for b, p in zip(times["bare"], times["predict"], strict=True))
    words = ["--size", *map(str, args.size), "--classes", str(args.classes), "--alone"]
    words[:0] = ["--native"] if args.native else []
    load, whole = peak_mib([*words, "load"]), peak_mib([*words, "predict"])
    size = " x ".join(map(str, args.size))
    print(f"{machine()}; {size}, int16, {args.classes} classes, working grid {rows} x {columns}\n")
    print("| bare passes | predict | bare / predict | memory with the volume open | peak |")
    print("|---|---|---|---|---|")
    print(
        f"| {statistics.median(times['bare']):.1f} s | {statistics.median(times['predict']):.1f} s "
        f"| {share:.2f} | {load:.0f} MiB | {whole:.0f} MiB |"
    )


if __name__ == "__main__":
    main()
