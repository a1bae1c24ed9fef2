"""Times and numbers as people read them."""

from __future__ import annotations

from napari_dim.engine.training.events import StepDone


def left(event: StepDone) -> str:
    """How much of a training is still to come."""
    return "until you stop" if event.time_left is None else f"{clock(event.time_left)} left"


def clock(seconds: float) -> str:
    """Minutes and seconds, as on a clock."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def counted(number: int, thing: str) -> str:
    """A number of things: 1 scan, 2 scans."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
