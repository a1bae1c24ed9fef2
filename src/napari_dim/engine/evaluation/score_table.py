"""Scores as a table: for a notebook, a terminal, pandas, or a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from napari_dim.engine.evaluation.cohort_scores import METRICS
from napari_dim.io import write_text_atomically

_COLUMNS = ("case", "site", "class", *METRICS)


@dataclass(frozen=True, eq=False, repr=False)
class ScoreTable:
    """What `napari_dim.evaluate` gives: a row for each case and class, and means.

    ``pandas.DataFrame(table)`` takes it as it is.

    Attributes
    ----------
    report
        All of it as plain values, as `napari-dim evaluate --json` writes them.
    notes
        What was decided of cases and files.
    """

    report: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """``case``, ``site``, ``class`` (an id) and the metrics, a dict for each case and class.

        Distances are None where one of the masks is empty; ``report["distance_unit"]`` is their
        unit.
        """
        return [
            {"case": case["case"], "site": case["site"], "class": int(label), **scores}
            for case in self.report["cases"]
            for label, scores in case["classes"].items()
        ]

    @property
    def mean(self) -> dict[str, float | None]:
        """The mean of each metric over cases, then over classes."""
        return {name: self.report["mean"][name] for name in METRICS}

    @property
    def by_site(self) -> dict[str, dict[str, float | None]]:
        """The same for each site."""
        return {
            site: {name: means[name] for name in METRICS}
            for site, means in self.report["by_site"].items()
        }

    def save(self, path: str | Path) -> None:
        """Write the report as JSON, whole or not at all."""
        text = json.dumps(self.report, indent=2, allow_nan=False)
        write_text_atomically(Path(path), text + "\n")

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def _texts(self) -> list[tuple[str, ...]]:
        """All rows as text, their mean last."""
        rows = [*self.rows, {"case": "mean", "site": "", "class": "", **self.mean}]
        return [tuple(_text(row[name]) for name in _COLUMNS) for row in rows]

    def __repr__(self) -> str:
        rows = [_COLUMNS, *self._texts()]
        widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(
                text.ljust(width) if place < 2 else text.rjust(width)
                for place, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>"
            for row in self._texts()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
