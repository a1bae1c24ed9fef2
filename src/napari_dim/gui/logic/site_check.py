"""A look at all sites before masks are exported: what was looked at, and how sure the model is."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import numpy as np
from napari.layers import Image

from napari_dim.gui.controller import Session
from napari_dim.states import LABELLED

CLEARLY = 1.5
"""So many times the doubt of the surest site that is looked at, and it is worth telling."""


@dataclass
class _Site:
    """What is known of the open scans of one site.

    `machine` and `confirmed` count slices; `doubts` are the model's, one a slice in [0, 1];
    `dice` how right it was on slices that were corrected.
    """

    machine: int = 0
    confirmed: int = 0
    doubts: list[np.ndarray] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)

    @property
    def doubt(self) -> float:
        """Mean over the slices; NaN where the model has not said."""
        known = np.concatenate(self.doubts) if self.doubts else np.zeros(0)
        known = known[np.isfinite(known)]
        return float(known.mean()) if known.size else float("nan")


def check_sites(session: Session) -> str:
    """What to know of the sites of the open scans before their masks go out, as rich text.

    Empty where the machine has filled scans of one site alone. A scan whose site nobody
    named is a site of its own.
    """
    sites = _sites(session)
    if len(sites) < 2 or not any(site.machine for site in sites.values()):
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}&nbsp;</td><td align=right>&nbsp;{site.machine}&nbsp;</td>"
        f"<td align=right>&nbsp;{site.confirmed}&nbsp;</td>"
        f"<td align=right>&nbsp;{_mean(site.dice)}&nbsp;</td>"
        f"<td align=right>&nbsp;{_percent(site.doubt)}</td></tr>"
        for name, site in sites.items()
    )
    table = (
        "<table><tr><td>site&nbsp;</td><td>&nbsp;machine&nbsp;</td><td>&nbsp;confirmed&nbsp;</td>"
        f"<td>&nbsp;Dice&nbsp;</td><td>&nbsp;doubt</td></tr>{rows}</table>"
    )
    warnings = _warnings(sites)
    return table + (f"<b>{' '.join(map(escape, warnings))}</b>" if warnings else "")


def _sites(session: Session) -> dict[str, _Site]:
    found: dict[str, _Site] = {}
    for image in session.layers(Image):
        prediction, labels = session.prediction_of(image), session.labels_of(image)
        if prediction is None or not prediction.said.any():
            continue
        site = found.setdefault(session.site_of(image) or image.name, _Site())
        known = np.zeros(len(prediction.said), bool)
        if labels is not None:
            states = session.annotation_of(labels).states
            if len(states) == len(known):
                known = np.isin(states, LABELLED)
        site.confirmed += int(known.sum())
        site.machine += int((prediction.said & ~known).sum())
        site.doubts.append(prediction.entropy)
        site.dice += [score.dice for score in session.scores if score.scan() is image]
    return found


def _warnings(sites: dict[str, _Site]) -> list[str]:
    unseen = [name for name, site in sites.items() if site.machine and not site.confirmed]
    told = []
    if unseen:
        told.append(
            f"Nobody has looked at a slice of {', '.join(unseen)}: confirm a few in Review."
        )
    least = min(
        (site.doubt for site in sites.values() if site.confirmed and site.doubt > 0), default=0.0
    )
    unsure = [name for name, site in sites.items() if least and site.doubt > CLEARLY * least]
    if unsure:
        told.append(f"The model is clearly less sure at {', '.join(unsure)}.")
    return told


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({len(values)})" if values else "–"


def _percent(share: float) -> str:
    return f"{share:.1%}" if np.isfinite(share) else "–"
