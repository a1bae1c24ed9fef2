"""``napari-dim demo``: the whole job on a phantom of several sites."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dim.cli.console import (
    check_folder,
    messages,
    output,
    parse_budget,
)
from napari_dim.errors import InputError
from napari_dim.words import count

if TYPE_CHECKING:
    import numpy as np

    from napari_dim.cli.picture import Panel, Row
    from napari_dim.data.cohort import Cohort, CohortCase
    from napari_dim.volume import Volume

PHANTOM, RUN, PREDICTIONS = "phantom", "run", "predictions"
SCORES, PICTURE = "scores.json", "demo.png"
"""What the demo leaves in its folder."""


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for all it makes.")] = Path(
        "napari-dim-demo"
    ),
    headless: Annotated[
        bool, typer.Option("--headless", help="Don't open napari at the end.")
    ] = False,
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="How long to train: 60s, 3m, 180.")
    ] = "60s",
) -> None:
    """See the whole job on a phantom: training, masks, scores, a picture, napari."""
    from napari_dim.cli.evaluate import report_table
    from napari_dim.cli.training import train_cohort
    from napari_dim.config import Settings

    settings = Settings.make(budget=parse_budget(budget), steps=None)
    _check_demo_folder(out)
    check_folder(out)

    from napari_dim.cli.masks import chosen_images, predict_all
    from napari_dim.data.cohort import read_cohort
    from napari_dim.data.phantom import make_phantom
    from napari_dim.engine.evaluation.cohort_scores import evaluate
    from napari_dim.engine.inference.predict_files import planned
    from napari_dim.io import make_folder, write_text_atomically

    console = messages()
    cohort_file = make_phantom(make_folder(out, f"--out {out}") / PHANTOM)
    cohort = read_cohort(cohort_file)
    sites = {case.site for case in cohort.cases}
    console.print(f"Phantom   {count(len(cohort.cases), 'volume')} from {len(sites)} scanners")
    finished = train_cohort(cohort_file, out / RUN, settings, overwrite=True)
    images, keep = chosen_images([cohort_file], "all")
    targets = planned(images, make_folder(out / PREDICTIONS), keep)
    predict_all(finished.model, targets)
    report = evaluate(cohort, out / PREDICTIONS, split="test")
    write_text_atomically(out / SCORES, json.dumps(report, indent=2, allow_nan=False) + "\n")
    output().print()
    output().print("Scans never seen in training, against their reference masks:")
    output().print(report_table(report))
    picture = _draw(out, cohort, report, finished.seconds)
    output().print(f"Picture   {picture}")
    output().print(f"Masks     {out / PREDICTIONS}")
    if not headless:
        _open_window(out)


def _check_demo_folder(out: Path) -> None:
    """A demo may replace an earlier demo, nothing else."""
    if out.is_dir() and any(out.iterdir()) and not (out / PHANTOM).is_dir():
        raise InputError(
            "this folder holds other files", where=f"--out {out}", hint="Give a new folder"
        )


def _open_window(out: Path) -> None:
    """Open napari on the demo, or say in one line why not."""
    from napari_dim.cli.system import check_window

    window = check_window()
    if not window.works:
        messages().print(f"Headless  {window.reason}; the demo ends here without opening napari")
        return
    output().print("Opening napari ...")
    # By name at run time: nothing but the gui room may depend on napari, the command line
    # included, and a machine without a screen never gets here.
    importlib.import_module("napari_dim.gui.demo_window").open_demo(out)


def _draw(out: Path, cohort: Cohort, report: Mapping[str, Any], seconds: float) -> Path:
    """The picture: one row a site, its first test case."""
    from napari_dim.cli import picture
    from napari_dim.words import clock

    labelled: Counter[str] = Counter()
    for case in cohort.split("train"):
        labelled[case.site] += len(case.slices)
    tests = cohort.split("test")
    scores = {case["case"]: case["classes"] for case in report["cases"]}
    first = {case.site: case for case in reversed(tests)}
    rows = [
        _row(first[site], out / PREDICTIONS, scores[first[site].name], labelled[site])
        for site in sorted(first)
    ]
    drawn = picture.draw(
        rows,
        "Scans that training never saw, from sites with and without labels",
        f"napari-dim demo: a phantom, trained for {clock(seconds)} min on "
        f"{count(labelled.total(), 'labelled slice')}; mean Dice {report['mean']['dice']:.3f} "
        f"over {count(len(tests), 'scan')}",
        sorted(int(label) for label in report["mean"]["classes"]),
    )
    return picture.save(drawn, out / PICTURE)


def _row(case: CohortCase, predictions: Path, scores: Mapping[str, Any], labelled: int) -> Row:
    """Slices at a fifth, half and four fifths of the organ, and the one with the worst Dice."""
    import numpy as np

    from napari_dim.cli.picture import Row
    from napari_dim.data.load import load_reference
    from napari_dim.data.predicted_masks import predicted_masks
    from napari_dim.io import read_mask

    volume, reference = load_reference(case)
    prediction = read_mask(predicted_masks([case], predictions)[0], volume)
    present = np.flatnonzero(reference.any(axis=(1, 2)))
    dice = {int(n): _slice_dice(reference[n], prediction[n]) for n in present}
    shown = {int(present[round(share * (len(present) - 1))]) for share in (0.2, 0.5, 0.8)}
    worst = min(dice, key=lambda n: dice[n])
    panels = tuple(
        _panel(volume, reference, prediction, n, f"slice {n}  Dice {dice[n]:.2f}{note}")
        for n, note in [*((n, "") for n in sorted(shown)), (worst, "  (its worst)")]
    )
    labels = f"{count(labelled, 'slice')} labelled" if labelled else "no labels"
    dices = [f"class {label}: Dice {values['dice']:.3f}" for label, values in scores.items()]
    return Row((f"Site {case.site}: {labels}", case.name, *dices), panels)


def _panel(
    volume: Volume, reference: np.ndarray, prediction: np.ndarray, number: int, caption: str
) -> Panel:
    import numpy as np

    from napari_dim.cli.picture import Panel

    image = volume.array[number].astype(np.float32)
    low, high = np.percentile(image, (1, 99.5))
    return Panel(
        image,
        reference[number],
        prediction[number],
        (volume.spacing[1], volume.spacing[2]),
        (float(low), float(high)),
        caption,
    )


def _slice_dice(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Dice of all classes of one slice together: pixels of the same class over the mean size."""
    same = int(((reference == prediction) & (reference > 0)).sum())
    total = int((reference > 0).sum() + (prediction > 0).sum())
    return 2 * same / total if total else 1.0
