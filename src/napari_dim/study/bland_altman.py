"""Bland and Altman's plot: two readers' volumes, their difference over their mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_dim.study.reader_agreement import Pair, limits

MARKS = "osD^v<>P*X"
"""One a pair of readers."""


def draw(pairs: Sequence[Pair], path: Path) -> None:
    """Draw one class of a study, a mark a case, as PNG.

    Parameters
    ----------
    pairs
        Of one class.
    path
        The file.
    """
    from matplotlib.figure import Figure

    unit = "ml" if pairs[0].unit == "mm" else "pixels"
    figure = Figure(figsize=(6.4, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    who = list(dict.fromkeys(pair.readers for pair in pairs))
    for number, readers in enumerate(who):
        own = [pair for pair in pairs if pair.readers == readers]
        axes.scatter(
            [sum(pair.volumes) / 2 for pair in own], [pair.difference for pair in own],
            marker=MARKS[number % len(MARKS)], s=28, alpha=0.8, label=" − ".join(readers),
        )  # fmt: skip
    found = limits(pairs)
    lines = [(found.bias, "-", "bias")]
    if found.bounds is not None:
        lines += [(found.bounds[0], "--", "−1.96 SD"), (found.bounds[1], "--", "+1.96 SD")]
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    for value, style, name in lines:
        axes.axhline(value, color="0.25", linewidth=1, linestyle=style)
        said = f"{name}\n{value:.2f}".replace("-", "−")
        axes.annotate(
            said, (1.01, value), xycoords=("axes fraction", "data"),
            va="center", fontsize=8,
        )  # fmt: skip
    axes.set_xlabel(f"mean of both readers ({unit})")
    axes.set_ylabel(f"difference ({unit})")
    axes.set_title(f"{pairs[0].name}, {len(pairs)} cases" if len(pairs) > 1 else pairs[0].name)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.14), ncols=3, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.25)
    figure.savefig(path, format="png", metadata={"Software": None})
