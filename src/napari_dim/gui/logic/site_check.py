"""A look at all sites before masks are exported: what was looked at, and how sure the model is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import BY_HAND, UNCHANGED, SliceState

CLEARLY = 1.5
"""So many times the doubt of the surest site that is looked at, and it is worth telling."""


@dataclass
class _Site:
    """What is known of the open scans of one site.

    `machine` counts slices that nobody has looked at, `accepted` those left as the machine made
    them, `labelled` those that a person drew, corrected or said to be empty;
    `doubts` are the model's, one a slice in [0, 1];
    `dice` how right it was on slices that were corrected.
    """

    machine: int = 0
    accepted: int = 0
    labelled: int = 0
    doubts: list[np.ndarray] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """Slices that a person stands behind."""
        return self.accepted + self.labelled

    @property
    def doubt(self) -> float:
        """Mean over the slices; NaN where the model has not said."""
        known = np.concatenate(self.doubts) if self.doubts else np.zeros(0)
        known = known[np.isfinite(known)]
        return float(known.mean()) if known.size else float("nan")


def check_sites(scans: Sequence[tuple[str, ScanMask]]) -> str:
    """What to know of the sites of the open scans before their masks go out, as rich text.

    Empty where the machine has filled scans of one site alone.

    Parameters
    ----------
    scans
        The site, and the mask, of each open scan; a scan whose site nobody named is a site of
        its own, by its name.
    """
    sites = _sites(scans)
    if len(sites) < 2 or not any(site.machine for site in sites.values()):
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}&nbsp;</td><td align=right>&nbsp;{site.machine}&nbsp;</td>"
        f"<td align=right>&nbsp;{site.accepted}&nbsp;</td>"
        f"<td align=right>&nbsp;{site.labelled}&nbsp;</td>"
        f"<td align=right>&nbsp;{_mean(site.dice)}&nbsp;</td>"
        f"<td align=right>&nbsp;{_percent(site.doubt)}</td></tr>"
        for name, site in sites.items()
    )
    table = (
        "<table><tr><td>site&nbsp;</td><td>&nbsp;machine&nbsp;</td><td>&nbsp;accepted&nbsp;</td>"
        f"<td>&nbsp;labelled&nbsp;</td><td>&nbsp;Dice&nbsp;</td><td>&nbsp;doubt</td></tr>{rows}</table>"
    )
    warnings = _warnings(sites)
    return table + (f"<b>{' '.join(map(escape, warnings))}</b>" if warnings else "")


def _sites(scans: Sequence[tuple[str, ScanMask]]) -> dict[str, _Site]:
    found: dict[str, _Site] = {}
    for name, mask in scans:
        if not mask.answer.said.any():
            continue
        site = found.setdefault(name, _Site())
        states = mask.states
        site.accepted += int(np.isin(states, UNCHANGED).sum())
        site.labelled += int(np.isin(states, BY_HAND).sum())
        site.machine += int((states == SliceState.MACHINE).sum())
        site.doubts.append(mask.answer.entropy)
        site.dice += [score.dice for score in mask.scores]
    return found


def _warnings(sites: dict[str, _Site]) -> list[str]:
    unseen = [name for name, site in sites.items() if site.machine and not site.seen]
    told = []
    if unseen:
        told.append(
            f"Nobody has looked at a slice of {', '.join(unseen)}: confirm a few in Review."
        )
    least = min(
        (site.doubt for site in sites.values() if site.seen and site.doubt > 0), default=0.0
    )
    unsure = [name for name, site in sites.items() if least and site.doubt > CLEARLY * least]
    if unsure:
        told.append(f"The model is clearly less sure at {', '.join(unsure)}.")
    return told


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({len(values)})" if values else "–"


def _percent(share: float) -> str:
    return f"{share:.1%}" if np.isfinite(share) else "–"
