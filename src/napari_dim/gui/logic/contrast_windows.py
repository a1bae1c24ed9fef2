"""Window and level: which values of a scan are shown from black to white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ACROSS = 200.0
"""Pixels of a drag to the right that make a window twice as wide."""
UP = 300.0
"""Pixels of a drag upwards that move the level down by the window's width: brighter."""
AUTOMATIC = "automatic"

Limits = tuple[float, float]


@dataclass(frozen=True)
class Window:
    """A window for CT, in Hounsfield units: its middle, and how wide it is."""

    name: str
    level: float
    width: float

    @property
    def limits(self) -> Limits:
        """The values that are shown black and white."""
        return self.level - self.width / 2, self.level + self.width / 2


CT = (
    Window("soft tissue", 50, 400),
    Window("lung", -600, 1500),
    Window("bone", 400, 1800),
    Window("brain", 40, 80),
    Window("liver", 30, 150),
)
"""The windows that radiologists look at CT in."""


AIR = -50.0
"""Hounsfield units: a scan of CT that shows anything but an organ has values below it, of fat or
air; scans of other kinds seldom have."""


def like_ct(values: Limits) -> bool:
    """Whether the values of a scan, from dark to bright, can be Hounsfield units."""
    return values[0] < AIR


def shows_something(limits: Limits, values: Limits) -> bool:
    """Whether a window shows any of the values that a scan has."""
    return limits[0] < values[1] and values[0] < limits[1]


def following(limits: Limits, values: Limits, windows: Sequence[Window] = CT) -> Window | None:
    """The window after the one that is shown; None for the automatic one, which comes last.

    Parameters
    ----------
    limits
        What is shown now.
    values
        What the scan has. Windows that show none of it are left out, and all of them where it
        can't be CT.
    windows
        In their order.
    """
    if not like_ct(values):
        return None
    fitting = [window for window in windows if shows_something(window.limits, values)]
    for number, window in enumerate(fitting, start=1):
        if _same(window.limits, limits):
            return fitting[number] if number < len(fitting) else None
    return fitting[0] if fitting else None


def dragged(limits: Limits, right: float, up: float) -> Limits:
    """What a drag of the mouse makes of a window: right is wider, up is brighter.

    Parameters
    ----------
    limits
        What was shown when the drag began.
    right, up
        Pixels of the screen since then.
    """
    width = limits[1] - limits[0]
    level = (limits[0] + limits[1]) / 2 - width * up / UP
    wide = width * 2 ** (right / ACROSS)
    return level - wide / 2, level + wide / 2


def limits_words(limits: Limits) -> str:
    """A window for people: ``level 40, width 400``."""
    level, width = (limits[0] + limits[1]) / 2, limits[1] - limits[0]
    return f"level {_short(level)}, width {_short(width)}"


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _same(one: Limits, other: Limits) -> bool:
    near = 1e-3 * max(one[1] - one[0], 1e-12)
    return all(abs(a - b) <= near for a, b in zip(one, other, strict=True))
