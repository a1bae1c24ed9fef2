"""A study for a paper: tables, a plot of the readers' volumes, and a methods paragraph."""

from __future__ import annotations

import csv
import io
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim import __version__
from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path, make_folder, write_text_atomically
from napari_dim.study.plan import Plan
from napari_dim.study.reader_agreement import Pair, compared, limits, mask_of
from napari_dim.study.readings import READ, Reading, readings
from napari_dim.words import count

_METHODS = "methods.md"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes
    ----------
    files
        All of it, in the order to read it in.
    notes
        What was left out, and why.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def write_report(study: Path, plan: Plan, out: Path) -> Report:
    """Write the tables, the plots and the methods paragraph of a study; only what is read counts.

    Raises
    ------
    InputError
        If nothing is read yet, or something can't be read or written.
    """
    all_of = [one for reader in plan.readers for one in readings(study, plan, reader)]
    done = {(one.reader, one.case.name) for one in all_of if one.read}
    if not done:
        raise InputError("no case is read yet", where=study,
                         hint="A reader says so by “Read, next” in the list of cases")  # fmt: skip
    pairs, notes = compared(study, plan, lambda reader, case: (reader, case) in done)
    make_folder(out)
    rows = _reading_rows(study, plan, all_of)
    files = [_csv(out / "readings.csv", rows)]
    if pairs:
        agreement = [_pair_row(pair) for pair in pairs]
        files.append(_csv(out / "agreement.csv", agreement))
        summary = summary_of(pairs)
        files.append(_csv(out / "agreement_by_class.csv", summary))
        text = f"# Agreement of two readers\n\n{_markdown(summary)}\n{_READ_AS}"
        files.append(_text(out / "agreement_by_class.md", text))
        plots, why = _plots(out, pairs)
        files += plots
        notes += why
    else:
        notes.append("No case is read by both of its readers: there is no agreement to tell")
    files.append(_text(out / _METHODS, methods(plan, all_of, pairs)))
    return Report(tuple(files), tuple(notes))


_READ_AS = (
    "\nDice and HD95 (95 % Hausdorff distance): mean ± standard deviation over cases. Bias: mean "
    "of the first reader's volume less the second's; limits: bias ± 1.96 standard deviations "
    "(Bland and Altman, Lancet 1986).\n"
)


def summary_of(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """A row a class: cases, Dice, HD95, bias and limits of agreement of the volumes."""
    rows = []
    for label in sorted({pair.label for pair in pairs}):
        own = [pair for pair in pairs if pair.label == label]
        found = limits(own)
        distances = [pair.hd95 for pair in own if pair.hd95 is not None]
        unit = own[0].unit
        volume = "ml" if unit == "mm" else "pixels"
        bounds = found.bounds
        rows.append(
            {
                "class": own[0].name,
                "cases": len(own),
                "Dice": _spread([pair.dice for pair in own], 3),
                f"HD95 ({unit})": _spread(distances, 2),
                f"bias ({volume})": f"{found.bias:.2f}",
                f"limits ({volume})": "-" if bounds is None else f"{bounds[0]:.2f} to "
                f"{bounds[1]:.2f}",
            }
        )  # fmt: skip
    return rows


def methods(plan: Plan, all_of: Sequence[Reading], pairs: Sequence[Pair]) -> str:
    """How the masks came about, as a paper tells it; every number is the study's."""
    read = [one for one in all_of if one.read]
    double = len(plan.doubly)
    sites = {case.site for case in plan.cases if case.site}
    where = f" from {len(sites)} sites" if len(sites) > 1 else ""
    both = len({pair.case for pair in pairs})
    text = (
        f"{count(len(plan.cases), 'scan')}{where} were dealt to "
        f"{count(len(plan.readers), 'reader')} at random (in turn over a random order, seed "
        f"{plan.seed}). "
    )
    if double:
        text += (
            f"{count(double, 'scan')} ({double / len(plan.cases):.0%}) were dealt to two readers "
            "each, who worked without sight of each other's masks or names; each reader went "
            "through the scans in an order of their own. "
        )
    text += (
        f"Masks were made with napari-dim {__version__} in napari: readers labelled slices by "
        "hand, and corrected or accepted what a network (DiM, semi-supervised) trained on their "
        "own labels proposed for the others; of every slice the program kept whether it was "
        f"drawn, corrected or accepted. When this was written, {len(read)} of {len(all_of)} "
        "readings were complete. "
    )
    if pairs:
        text += (
            f"Agreement was assessed on the {count(both, 'scan')} that both readers had "
            "completed, by the Dice coefficient, the 95 % Hausdorff distance and the limits of "
            "agreement of volumes (Bland and Altman). "
        )
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scipy"))
    text += f"Python {platform.python_version()}, {versions}; the study was made with napari-dim "
    text += f"{plan.program} on {plan.made[:10]}."
    return f"# Methods\n\n{text}\n"


def _reading_rows(study: Path, plan: Plan, all_of: Sequence[Reading]) -> list[dict[str, Any]]:
    rows = []
    for one in all_of:
        row: dict[str, Any] = {
            "case": one.case.name, "site": one.case.site, "reader": one.reader,
            "state": READ if one.read else one.state, "read": one.read,
        }  # fmt: skip
        mask = mask_of(study, plan, one.reader, one.case.name)
        if mask is not None:
            row |= {f"slices {name}": number for name, number in mask.slices.items()}
            unit = "ml" if mask.unit == "mm" else "pixels"
            labels = sorted({int(i) for i in np.unique(mask.ids)} - {0})
            for label in labels:
                name = mask.classes.get(label, f"class {label}")
                row[f"{name} ({unit})"] = f"{mask.volume(label):.3f}"
        rows.append(row)
    return rows


def _pair_row(pair: Pair) -> dict[str, Any]:
    unit = "ml" if pair.unit == "mm" else "pixels"
    return {
        "case": pair.case, "site": pair.site, "class": pair.name,
        "reader 1": pair.readers[0], "reader 2": pair.readers[1],
        "dice": f"{pair.dice:.4f}",
        f"hd95 ({pair.unit})": "" if pair.hd95 is None else f"{pair.hd95:.3f}",
        f"volume 1 ({unit})": f"{pair.volumes[0]:.3f}",
        f"volume 2 ({unit})": f"{pair.volumes[1]:.3f}",
        f"difference ({unit})": f"{pair.difference:.3f}",
    }  # fmt: skip


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def _plots(out: Path, pairs: Sequence[Pair]) -> tuple[list[Path], list[str]]:
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        return [], ["No plot: it needs matplotlib, the extra napari-dim[plots]"]
    from napari_dim.study.bland_altman import draw

    files = []
    for label in sorted({pair.label for pair in pairs}):
        path = out / f"bland_altman_class_{label}.png"
        with atomic_path(path) as temporary:
            draw([pair for pair in pairs if pair.label == label], temporary)
        files.append(path)
    return files, []


def _markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(row.get(name, "-")) for name in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return _text(path, text.getvalue())


def _text(path: Path, text: str) -> Path:
    write_text_atomically(path, text)
    return path
