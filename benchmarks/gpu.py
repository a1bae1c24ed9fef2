"""What a GPU makes of it: each part of docs/results/gpu.md, as one JSON and its tables.

    python benchmarks/gpu.py DATA [--only PART ...] [--json FILE] [--table FILE]

DATA holds the cohorts (see `tasks.py`). Parts that fail are told and left out.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from runs import dice_of, machine
from step import built, cases
from tasks import build

from napari_dim.config import Settings
from napari_dim.engine.training.assembly import set_rates
from napari_dim.engine.training.graphs import WARM, Stepper

CUDA = torch.device("cuda")
STAGES = {
    "labelled slices alone": (0.0, 1),
    "with L_in, L_out, L_align": (0.6, 1),
    "all terms": (1.0, 1),
    "all terms, SAM every 4th step": (1.0, None),
    "all terms, SAM every step": (1.0, 0),
}
"""t / T, and the number of a step (of two: 0 climbs); None counts on, with SAM on each fourth."""


def stepper(settings: Settings, side: int = 128, *, recorded: bool, size=(160, 224)) -> Stepper:
    """A training on noise, ready to take steps."""
    made = cases(*size)
    method, sampler = built(made, settings, side, CUDA)
    return Stepper(method, sampler, CUDA, recorded=recorded)


def interactive(**changes: Any) -> Settings:
    """The interactive preset, with SAM wherever the number of the step says so."""
    every = changes.pop("every", 4)
    batch = {"labelled_batch": 4, "unlabelled_batch": 2}
    return Settings.make(
        device="cuda", sharpness_every=every, sharpness_from=0.0, **{**batch, **changes}
    )


def timed(steps: Stepper, progress: float, number: int | None, count: int = 60) -> dict[str, float]:
    """Milliseconds a step over `count` steps, after those that warm up and record."""

    def take(n: int) -> None:
        steps.step(progress, n if number is None else number, with_unlabelled=True)

    for n in range(8 * (WARM + 1)):
        take(n)
    torch.cuda.synchronize()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        for n in range(count):
            take(n)
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / count * 1000)
    return {"ms": round(statistics.median(times), 3), "spread": round(max(times) - min(times), 3)}


def busy(steps: Stepper, progress: float, number: int | None, count: int = 12) -> dict[str, float]:
    """Kernels a step and their own time; kernels of one queue don't overlap."""
    from torch.profiler import ProfilerActivity, profile

    def run() -> None:
        for n in range(count):
            steps.step(progress, n if number is None else number, with_unlabelled=True)
        torch.cuda.synchronize()

    run()
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        run()
    spans = []
    for event in found.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            spans.append((event.time_range.start, event.time_range.end, event.name))
    spans = [s for s in spans if not s[2].startswith(("Memcpy HtoD (Pageable", "ProfilerStep"))]
    spans.sort()
    covered, end = 0.0, float("-inf")
    for a, b, _ in spans:
        covered += max(0.0, b - max(a, end))
        end = max(end, b)
    return {"kernels": len(spans) / count, "kernels_ms": round(covered / 1000 / count, 3)}


def equality() -> dict[str, Any]:
    """Weights after 50 recorded steps beside those after 50 plain ones, in float32."""
    found = {}
    with exact():
        for name, changes in {
            "interactive": {}, "unet, SGD": {"network": "unet", "optimiser": "sgd", "width": 16,
                                             "learning_rate": 0.01},
        }.items():  # fmt: skip
            ends, states = [], []
            for recorded in (False, True, False):
                steps = stepper(
                    interactive(mixed_precision=False, **changes), 64, recorded=recorded
                )
                for n in range(50):
                    progress = n / 49
                    set_rates(steps.system, 0.9 * progress, 1.0)
                    losses = steps.step(progress, n, with_unlabelled=True)
                ends.append(float(losses["total"]))
                states.append(weights(steps))
                if recorded:
                    found[f"{name}: stages recorded"] = len(steps._stages)
                    found[f"{name}: still recorded"] = steps.recorded
            plain, graphed, again = states
            found[f"{name}: relative difference"] = distance(graphed, plain)
            found[f"{name}: of plain steps, taken twice"] = distance(again, plain)
            found[f"{name}: losses"] = ends
    return found


@contextmanager
def exact() -> Iterator[None]:
    """No shorter numbers, and the same algorithms each time."""
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = False
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32


def weights(steps: Stepper) -> torch.Tensor:
    networks = steps.system.networks
    tensors = (*networks.parameters(), *networks.buffers())
    return torch.cat([t.detach().flatten().double() for t in tensors])


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def step() -> dict[str, Any]:
    """The interactive step at each stage, recorded and plain, and with a card's own batch."""
    rows: dict[str, Any] = {}
    steps = stepper(interactive(labelled_batch=8, unlabelled_batch=8), recorded=True)
    print("8 + 8 slices, all terms, SAM every 4th step", timed(steps, 1.0, None), flush=True)
    steps.forget()
    for name, (progress, number) in STAGES.items():
        row: dict[str, Any] = {}
        for how, recorded in (("recorded", True), ("plain", False)):
            steps = stepper(interactive(every=4 if number is None else 2), recorded=recorded)
            row[how] = timed(steps, progress, number, 60 if recorded else 16)
            row[how] |= busy(steps, progress, number)
            row[how]["mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
            if recorded and not steps.recorded:
                row["fell back"] = True
            steps.forget()
            del steps
            clean()
        row["share"] = round(row["recorded"]["kernels_ms"] / row["recorded"]["ms"], 3)
        rows[name] = row
        print(name, row, flush=True)
    return rows


def clean() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def paper() -> dict[str, Any]:
    """The paper preset's step, as set and in bfloat16."""
    rows = {}
    for name, changes in {"float32": {}, "bfloat16": {"mixed_precision": True}}.items():
        for recorded in (False, True):
            settings = Settings.make(preset="paper", device="cuda", **changes)
            steps = stepper(settings, 256, recorded=recorded, size=(256, 256))
            row = timed(steps, 1.0, 0, 8)
            row |= busy(steps, 1.0, 0, 2)
            row["mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
            rows[f"{name}, {'recorded' if recorded else 'plain'}"] = row
            print(name, recorded, row, flush=True)
            steps.forget()
            del steps
            clean()
    return rows


def start() -> dict[str, Any]:
    """Seconds from Start to the first step, to the first replay, and steps in a budget."""
    from napari_dim.engine.training.events import Finished, Started, StepDone
    from napari_dim.engine.training.loop import Job, train

    found: dict[str, Any] = {}
    for again in (False, True):
        begun = time.perf_counter()
        told: dict[str, Any] = {}
        for event in train(Job(cases(160, 224), Settings.make(device="cuda", budget=5.0))):
            now = time.perf_counter() - begun
            if isinstance(event, Started):
                told["set-up"] = round(now, 2)
            elif isinstance(event, StepDone):
                told.setdefault("first step", round(now, 2))
            elif isinstance(event, Finished):
                told["steps in 5 s"] = event.steps
        found["again" if again else "first"] = told
    print(found, flush=True)
    return found


def beats(seconds: float) -> list[float]:
    """Milliseconds between the beats of a 5 ms clock in this thread."""
    gaps, last = [], time.perf_counter()
    end = last + seconds
    while last < end:
        time.sleep(0.005)
        now = time.perf_counter()
        gaps.append((now - last) * 1000)
        last = now
    return sorted(gaps)


def stall() -> dict[str, Any]:
    """How long another thread of the process waits while one trains; no window is open."""
    from napari_dim.engine.training.control import Control
    from napari_dim.engine.training.loop import Job, train

    def told(gaps: list[float]) -> dict[str, float]:
        return {
            name: round(gaps[min(len(gaps) - 1, int(share * len(gaps)))], 1)
            for name, share in {"50 %": 0.5, "95 %": 0.95, "99 %": 0.99, "largest": 1}.items()
        }

    found = {"idle": told(beats(4))}
    control, steps = Control(), []
    job = Job(cases(160, 224), Settings.make(device="cuda", budget=60.0))

    def work() -> None:
        steps.extend(event for event in train(job, control))

    thread = threading.Thread(target=work)
    thread.start()
    found["from Start on"] = told(beats(4))
    found["training"] = told(beats(6))
    control.cancel()
    thread.join()
    found["steps"] = steps[-1].steps
    print(found, flush=True)
    return found


def memory() -> dict[str, Any]:
    """The paper preset and the interactive one on a card of 4 GiB, and what is left after."""
    from napari_dim.engine.training.events import Recovered, Started
    from napari_dim.engine.training.loop import Job, train

    found: dict[str, Any] = {}
    clean()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(4 * 2**30 / total)
    try:
        for name, size, changes in (
            ("interactive", (160, 224), {"budget": None, "steps": 60}),
            ("paper", (256, 256), {"preset": "paper", "steps": 12}),
            ("paper, bfloat16", (256, 256), {"preset": "paper", "steps": 12,
                                             "mixed_precision": True}),
        ):  # fmt: skip
            clean()
            before = torch.cuda.memory_reserved()
            events = list(train(Job(cases(*size), Settings.make(device="cuda", **changes))))
            found[name] = {
                "end": type(events[-1]).__name__,
                "recovered": [f"{e.problem}: {e.remedy}" for e in events
                              if isinstance(e, Recovered)],
                "started": any(isinstance(e, Started) for e in events),
                "peak MiB": round(torch.cuda.max_memory_reserved() / 2**20),
            }  # fmt: skip
            del events
            clean()
            found[name]["MiB left after"] = round(
                (torch.cuda.memory_reserved() - before) / 2**20, 1
            )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    print(json.dumps(found, indent=1), flush=True)
    return found


def predicting() -> dict[str, Any]:
    """A volume of 512 x 512 x 400, and a cohort of 100 volumes from files to files."""
    from predict import model_for, scan

    from napari_dim.engine.inference.predictor import predict

    volume = scan(512, 512, 400)
    model = model_for(volume, 2)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        predict(model, volume, device="cuda")
        times.append(round(time.perf_counter() - begun, 3))
    found: dict[str, Any] = {"512 x 512 x 400, seconds": times}
    found["cohort"] = cohort(model)
    print(found, flush=True)
    return found


def cohort(model: Any, count: int = 100) -> dict[str, Any]:
    """Volumes of 192 x 192 x 48 from compressed files to compressed files."""
    import shutil
    import tempfile

    import nibabel as nib

    from napari_dim.cli.masks import chosen_images, predict_all
    from napari_dim.engine.inference.predict_files import planned

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        first = folder / "v000.nii.gz"
        voxels = (rng.normal(size=(192, 192, 48)) * 40 + 500).astype(np.int16)
        nib.save(nib.Nifti1Image(voxels, np.diag([0.8, 0.8, 2.0, 1.0])), first)
        for number in range(1, count):
            shutil.copy(first, folder / f"v{number:03d}.nii.gz")
        rows, files = chosen_images(sorted(folder.glob("*.nii.gz")))
        targets = planned(rows, folder / "out", files)
        (folder / "out").mkdir()
        predict_all(model, targets[:2])
        shares: list[int] = []
        over = threading.Event()
        watcher = threading.Thread(target=watch, args=(shares, over))
        watcher.start()
        begun = time.perf_counter()
        predict_all(model, targets)
        seconds = time.perf_counter() - begun
        over.set()
        watcher.join()
    return {"volumes": count, "seconds": round(seconds, 1), "GPU busy %": round(np.mean(shares))}


def watch(shares: list[int], over: threading.Event) -> None:
    """The card's own account of how busy it was, ten times a second."""
    import pynvml

    pynvml.nvmlInit()
    card = pynvml.nvmlDeviceGetHandleByIndex(0)
    while not over.wait(0.1):
        shares.append(pynvml.nvmlDeviceGetUtilizationRates(card).gpu)


TASKS = ("left_atrium", "hippocampus", "fundus_disc")
PACE = 5.0
"""Seconds of the training alone that tells how many steps 30 s hold; it starts cold."""


def dice(seconds: float = 30.0) -> dict[str, Any]:
    """Dice on the test split after 30 s, three seeds.

    Each cohort's pace is taken alone; then all are trained side by side with as many steps
    as 30 s hold at that pace, the first seed of each before the others. What is not done at
    `--until` is stopped, and told by its steps.
    """
    tasks = {name: build(DATA, name) for name in TASKS}
    alone = {"budget": PACE}
    paces = {name: trained(task, 0, alone, test=False) for name, task in tasks.items()}
    steps = {name: round(pace["steps"] * seconds / PACE) for name, pace in paces.items()}
    print(steps, flush=True)
    found: dict[str, Any] = {
        name: {"pace": paces[name], "steps in 30 s": steps[name]} for name in TASKS
    }

    def work(name: str, seed: int) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            changes = {"budget": None, "steps": steps[name]}
            found[name][f"seed {seed}"] = told = trained(tasks[name], seed, changes)
        print(name, seed, told, flush=True)

    for seeds in ((0,), (1, 2)):
        begun = time.perf_counter()
        threads = [
            threading.Thread(target=work, args=(name, seed)) for seed in seeds for name in TASKS
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found[f"seconds of seeds {seeds}, side by side"] = round(time.perf_counter() - begun)
    return found


def trained(task: Any, seed: int, changes: dict[str, Any], *, test: bool = True) -> dict[str, Any]:
    """One training on the card, tested."""
    from napari_dim.engine.inference.predictor import predict
    from napari_dim.engine.training.control import Control
    from napari_dim.engine.training.events import Finished
    from napari_dim.engine.training.loop import Job, train

    settings = Settings.make(device="cuda", seed=seed, **{**BATCH, **changes})
    begun = time.perf_counter()
    control = Control()
    timer = threading.Timer(max(1.0, UNTIL - begun), control.cancel)
    timer.start()
    last = list(train(Job(task.cases, settings), control))[-1]
    timer.cancel()
    if not isinstance(last, Finished):
        raise RuntimeError(str(last))
    taken = time.perf_counter() - begun
    sites: dict[str, list[float]] = {}
    for scan in task.tests if test else ():
        mask = predict(last.model, scan.volume, device="cuda").mask
        each = dice_of(mask, scan, task.merge)
        sites.setdefault(scan.site, []).append(statistics.mean(each.values()))
    return {"steps": last.steps, "reason": last.reason, "seconds": round(taken, 1),
            "dice": {site: round(statistics.mean(v), 4) for site, v in sites.items()}}  # fmt: skip


def precision() -> dict[str, Any]:
    """The paper preset on the pictures of the fundus cohort, in both kinds of numbers."""
    found = {}
    task = build(DATA, "fundus_disc")
    for name, mixed in (("bfloat16", True), ("float32", False)):
        changes = {"preset": "paper", "steps": 150, "mixed_precision": mixed, "labelled_batch": 4,
                   "unlabelled_batch": 4}  # fmt: skip
        found[name] = trained(task, 0, changes)
        print(name, found[name], flush=True)
    return found


DATA = Path()
BATCH: dict[str, int] = {}
UNTIL = float("inf")
PARTS: dict[str, Callable[..., Any]] = {
    "equality": equality, "step": step, "start": start, "paper": paper, "memory": memory,
    "stall": stall, "predict": predicting, "dice": dice, "precision": precision,
}  # fmt: skip


def tables(found: dict[str, Any]) -> str:
    """What was found, as the tables of the results' page."""
    lines = [found["machine"] + ".", ""]

    def table(head: list[str], rows: list[list[Any]]) -> None:
        for row in (head, ["---"] * len(head), *rows):
            lines.append("| " + " | ".join(map(str, row)) + " |")
        lines.append("")

    if "equality" in found:
        table(["recorded beside plain steps", ""], [[*item] for item in found["equality"].items()])
    if "step" in found:
        rows = [
            [name, f"{row['recorded']['ms']:.1f}", f"{row['recorded']['kernels']:.0f}",
             f"{row['recorded']['kernels_ms']:.1f}", f"{100 * row['share']:.0f} %",
             f"{row['plain']['ms']:.0f}", row["recorded"]["mib"]]
            for name, row in found["step"].items()
        ]  # fmt: skip
        head = ["step", "ms", "kernels", "their own ms", "share", "plain, ms", "MiB"]
        table(head, rows)
    if "paper" in found:
        rows = [[name, *row.values()] for name, row in found["paper"].items()]
        table(["paper preset", *next(iter(found["paper"].values()))], rows)
    for part in ("start", "stall", "predict", "memory", "precision"):
        if part in found:
            table([part, ""], [[name, json.dumps(row)] for name, row in found[part].items()])
    rows = []
    for name in TASKS:
        told = found.get("dice", {}).get(name, {})
        seeds = [each for key, each in told.items() if key.startswith("seed ")]
        for site in seeds[0]["dice"] if seeds else ():
            each = [f"{seed['dice'][site]:.3f}" for seed in seeds]
            mean = statistics.mean(seed["dice"][site] for seed in seeds)
            rows.append([name, site, told["steps in 30 s"], f"{mean:.3f}", ", ".join(each)])
    if rows:
        table(["cohort", "site", "steps in 30 s", "Dice", "seeds"], rows)
    return "\n".join(lines)


def main() -> None:
    global DATA, UNTIL
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", type=Path, default=Path("gpu.json"))
    parser.add_argument("--table", type=Path, default=Path("gpu.md"))
    parser.add_argument("--batch", type=int, nargs=2, help="labelled and unlabelled, for dice")
    parser.add_argument("--until", type=float, default=3600.0, help="seconds for dice")
    args = parser.parse_args()
    DATA = args.data
    UNTIL = time.perf_counter() + args.until
    if args.batch:
        BATCH.update(labelled_batch=args.batch[0], unlabelled_batch=args.batch[1])
    found: dict[str, Any] = {"machine": machine()}
    print(found["machine"], flush=True)
    for name in args.only:
        begun = time.perf_counter()
        try:
            found[name] = PARTS[name]()
        except Exception:
            traceback.print_exc()
        print(f"[{name}: {time.perf_counter() - begun:.0f} s]", flush=True)
        args.json.write_text(json.dumps(found, indent=1))
        args.table.write_text(tables(found))


if __name__ == "__main__":
    main()
