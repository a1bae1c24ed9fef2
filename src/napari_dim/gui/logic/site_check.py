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

LONGEST = 32
"""Letters of a site's name that are shown."""


@dataclass
class _Site:
    """What is known of the open scans of one site.

    `machine` counts slices that nobody has looked at, `accepted` those left as the machine made
    them, `labelled` those that a person drew, corrected or said to be empty;
    `doubts` are the model's, one a slice in [0, 1]; `models` which one it is of each scan, None
    where nothing is known of it; `dice` how right it was on slices that were corrected.
    """

    machine: int = 0
    accepted: int = 0
    labelled: int = 0
    doubts: list[np.ndarray] = field(default_factory=list)
    models: set[object] = field(default_factory=set)
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
    lines = [f"<b>{escape(_short(name))}</b>: {_words(site)}" for name, site in sites.items()]
    lines += [f"<b>{escape(warning)}</b>" for warning in _warnings(sites)]
    return "<br>".join(lines)


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
        site.models.add(mask.answer.maker)
        site.dice += [score.dice for score in mask.scores]
    return found


def _warnings(sites: dict[str, _Site]) -> list[str]:
    unseen = [name for name, site in sites.items() if site.machine and not site.seen]
    told = []
    if unseen:
        told.append(
            f"Nobody has looked at a slice of {', '.join(unseen)}: confirm a few in Review."
        )
    # What two models doubt is not comparable.
    unsure = [
        name
        for name, site in sites.items()
        if any(
            other.seen and other.models == site.models and site.doubt > CLEARLY * other.doubt > 0
            for other in sites.values()
        )
    ]
    if unsure:
        told.append(f"The model is clearly less sure at {', '.join(unsure)}.")
    return told


def _words(site: _Site) -> str:
    """What is known of a site, in a line that wraps."""
    told = [
        f"{site.machine} the machine's", f"{site.accepted} accepted", f"{site.labelled} labelled"
    ]  # fmt: skip
    if site.dice:
        told.append(f"Dice {np.mean(site.dice):.2f} ({len(site.dice)})")
    if np.isfinite(site.doubt):
        told.append(f"doubt {site.doubt:.1%}")
    return ", ".join(told)


def _short(name: str) -> str:
    """Both ends of a name that is wider than the panel."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 :]}"
