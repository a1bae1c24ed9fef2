"""The paper's figures from a folder of runs, as PNG and PDF: features, overlays, curves."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.compare.cells import Collected
from napari_dim.compare.feature_map import domain_accuracy, domain_silhouette, feature_map
from napari_dim.compare.records import read_records
from napari_dim.compare.run_pictures import Shown, run_features, run_masks, shown_slices
from napari_dim.compare.table_rows import Row
from napari_dim.io import write_text_atomically
from napari_dim.io.atomic import atomic_path

FEATURED = ("midss", "dim")
OVERLAID = ("supervised", "uamt", "ssnet", "bcp", "caussl", "midss", "dim")
OVERLAID_PROSTATE = ("bcp", "caussl", "midss", "dim")
CURVED = ("supervised", "fixmatch", "midss", "dim", "upper-bound")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart by colour-blind eyes, too (Okabe and Ito)."""
TINTS = ((230, 40, 40), (40, 190, 60), (60, 90, 230), (230, 190, 40), (190, 60, 200))
"""Of the structures, the first on top: the cup red over a green disc."""
DPI = 150


def write_figures(folder: Path, select: str) -> tuple[str, ...]:
    """Draw what the runs of a folder give into its ``figures``.

    Parameters
    ----------
    folder
        That of ``--out``.
    select
        ``"last"`` or ``"best-on-test"``: whose masks are overlaid. Features are the last ones.

    Returns
    -------
    tuple
        What could not be drawn, and why.
    """
    missing = [name for name in ("matplotlib", "sklearn") if find_spec(name) is None]
    if missing:
        return ("No figures: they need matplotlib and scikit-learn, the extra napari-dim[plots]",)
    runs = Collected(read_records(folder), select)
    into = folder / "figures"
    into.mkdir(exist_ok=True)
    return tuple(
        note
        for draw in (draw_features, draw_overlays, draw_curves)
        if (note := draw(folder, into, runs))
    )


def draw_features(folder: Path, into: Path, runs: Collected) -> str:
    """Figure 1: features of test slices by domain, MiDSS beside DiM on one labelled site."""
    panels: list[tuple[str, np.ndarray, np.ndarray]] = []
    site = ""
    for wanted in runs.sites:
        rows = [row for row in FEATURED if _first(runs, row, wanted)] or runs.rows[:2]
        found = [(row, _kept(runs, row, wanted, lambda spec: run_features(folder, spec)))
                 for row in rows]  # fmt: skip
        panels = [(row, *each) for row, each in found if each is not None]
        site = wanted
        if panels:
            break
    if not panels:
        return "Figure 1 needs the features that runs keep in pictures; there are none"
    figure, axes = _canvas(1, len(panels), 4.2, 4.0)
    numbers = io.StringIO()
    writer = csv.writer(numbers, lineterminator="\n")
    writer.writerow(("row", "labelled", "slices", "silhouette", "domain_accuracy"))
    for axis, (row, features, sites) in zip(axes[0], panels, strict=True):
        places = feature_map(features)
        for colour, name in zip(COLOURS, dict.fromkeys(sites.tolist()), strict=False):
            mine = sites == name
            axis.scatter(*places[mine].T, s=14, color=colour, label=name, linewidths=0, alpha=0.8)
        silhouette, accuracy = domain_silhouette(features, sites), domain_accuracy(features, sites)
        writer.writerow((row, site, len(sites), silhouette, accuracy))
        axis.set_title(
            f"{Row.named(row).title}\nsilhouette {_number(silhouette)}, "
            f"domain told {_number(accuracy)}",
            fontsize=10,
        )
        axis.set_xticks([])
        axis.set_yticks([])
    _legend(figure, axes[0][0], f"t-SNE of test slices' features; {site} labelled")
    _save(figure, into / "figure1_tsne")
    write_text_atomically(into / "figure1_tsne.csv", numbers.getvalue())
    return ""


def draw_overlays(folder: Path, into: Path, runs: Collected) -> str:
    """Figure 2 (prostate: 3): masks over the test slice of median Dice, of two domains."""
    slices = shown_slices(folder)
    if not slices:
        return "Figures 2 and 3 need the test slices that runs keep in pictures; there are none"
    prostate = runs.layout.startswith("prostate")
    site = runs.sites[0]
    wanted = [r for r in (OVERLAID_PROSTATE if prostate else OVERLAID) if _first(runs, r, site)]
    wanted = wanted or [row for row in runs.rows if _first(runs, row, site)][:7]
    judge = "dim" if "dim" in wanted else wanted[-1]
    domains = list(dict.fromkeys([site, *(s.site for s in slices)]))
    domains = [domain for domain in domains if any(s.site == domain for s in slices)]
    places = [median_slice(runs, judge, site, domain, slices) for domain in _ends(domains)]
    masks = {row: _kept(runs, row, site, lambda spec: run_masks(folder, spec, runs.select))
             for row in wanted}  # fmt: skip
    wanted = [row for row in wanted if masks[row] is not None]
    columns = ["", *wanted, "reference"]
    figure, axes = _canvas(len(places), len(columns), 1.7, 1.8)
    for line, place in zip(axes, places, strict=True):
        shown = slices[place]
        for axis, column in zip(line, columns, strict=True):
            kept = masks.get(column)
            mask = shown.reference if column == "reference" else kept[place] if kept else None
            axis.imshow(shown.image if mask is None else overlaid(shown.image, mask))
            axis.set_xticks([])
            axis.set_yticks([])
        line[0].set_ylabel(f"{shown.site}\n{shown.name}", fontsize=8)
    for axis, column in zip(axes[0], columns, strict=True):
        title = {"": "slice", "reference": "reference"}.get(column) or Row.named(column).title
        axis.set_title(title, fontsize=9)
    figure.suptitle(
        f"{site} labelled; slices of median Dice of {Row.named(judge).title} in their domain",
        fontsize=9,
    )
    _save(figure, into / ("figure3_overlays" if prostate else "figure2_overlays"))
    return ""


def draw_curves(folder: Path, into: Path, runs: Collected) -> str:
    """Figure 4 (prostate: 5): loss and DC on each test domain over the steps, a file a site."""
    name = "figure5_curves" if runs.layout.startswith("prostate") else "figure4_curves"
    for site in runs.sites:
        rows = [row for row in CURVED if _first(runs, row, site)]
        rows = rows or [row for row in runs.rows if _first(runs, row, site)][:5]
        first = _first(runs, rows[0], site)
        assert first is not None
        domains = list(first["curve"][0]["loss"])
        figure, axes = _canvas(1 + len(runs.structures), len(domains), 3.2, 2.1)
        for row, colour in zip(rows, COLOURS, strict=False):
            curves = [r["curve"] for seed in runs.seeds if (r := runs.record(row, site, seed))]
            steps = [look["step"] for look in curves[0]]
            for column, domain in enumerate(domains):
                drawn = [np.mean([[look["loss"][domain] for look in c] for c in curves], 0)]
                dc = np.mean([[look["dc"][domain] for look in c] for c in curves], 0)
                drawn += [100 * dc[:, s] for s in range(len(runs.structures))]
                for axis, values in zip(axes[:, column], drawn, strict=True):
                    axis.plot(steps, values, color=colour, lw=1.4, label=Row.named(row).title)
        for column, domain in enumerate(domains):
            axes[0][column].set_title(domain, fontsize=10)
            axes[-1][column].set_xlabel("step", fontsize=9)
        for axis in axes.flat:
            axis.set_ylim(bottom=0)
        for axis in axes[1:].flat:
            axis.set_ylim(0, 100)
        labels = ["CE + Dice²", *(f"DC {s}" for s in runs.structures)]
        for line, label in zip(axes, labels, strict=True):
            line[0].set_ylabel(label, fontsize=9)
            for axis in line:
                axis.grid(alpha=0.25)
                axis.tick_params(labelsize=8)
        seeds = f"mean of {len(runs.seeds)} seeds" if len(runs.seeds) > 1 else "one seed"
        _legend(figure, axes[0][0], f"Test slices by domain; {site} labelled, {seeds}")
        ending = f"_{''.join(c if c.isalnum() else '_' for c in site)}"
        _save(figure, into / (name + (ending if len(runs.sites) > 1 else "")))
    return ""


def median_slice(runs: Collected, row: str, site: str, domain: str, slices: Sequence[Shown]) -> int:
    """The place of a domain's slice of median DC, mean over structures, of a row's run."""
    record = _first(runs, row, site)
    assert record is not None
    images = record["selected"][runs.select]["images"][domain]
    scored = sorted(
        (float(np.mean([s[0] for s in images[each.name] if s is not None])), place)
        for place, each in enumerate(slices)
        if each.site == domain
    )
    return scored[(len(scored) - 1) // 2][1]


def overlaid(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """An 8-bit image under half transparent structures, the first on top; ``(row, column, 3)``."""
    out = image.astype(np.float32)
    tint = np.zeros_like(out)
    for structure, colour in reversed(list(zip(mask, TINTS, strict=False))):
        tint[structure] = colour
    inside = mask.any(0)
    out[inside] = (out[inside] + tint[inside]) / 2
    whole: np.ndarray = out.round().astype(np.uint8)
    return whole


def _ends(domains: Sequence[str]) -> list[str]:
    """The labelled domain and the last of the others."""
    return [domains[0]] if len(domains) == 1 else [domains[0], domains[-1]]


def _first(runs: Collected, row: str, site: str) -> Mapping[str, Any] | None:
    """A row's run of the first seed that has one."""
    found = (runs.record(row, site, seed) for seed in runs.seeds)
    return next((record for record in found if record is not None), None)


def _kept(runs: Collected, row: str, site: str, read: Callable[[Mapping[str, Any]], Any]) -> Any:
    record = _first(runs, row, site)
    return None if record is None else read(record["spec"])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _canvas(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(4.0, width * columns), height * rows + 0.8), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _legend(figure: Any, axis: Any, title: str) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)


def _save(figure: Any, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, about in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
            with atomic_path(path.with_suffix(f".{kind}")) as temporary:
                figure.savefig(temporary, format=kind, dpi=DPI, metadata=about)
