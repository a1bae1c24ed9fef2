"""Which slices a training would learn from, by state and by site, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

import numpy as np

from napari_dim.gui.controller import Session
from napari_dim.gui.jobs.training_plan import Part
from napari_dim.gui.layers.annotation import Annotation
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.states import SliceState, guessed


def describe(session: Session, parts: Sequence[Part]) -> str:
    """What a training on these scans would learn from, as rich text."""
    first = parts[0].annotation
    lines = [_slices(part, len(parts) > 1) for part in parts if part.annotation is not None]
    rest: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    for part in parts:
        site = part.site or part.image.name
        labelled[site] += 0 if part.annotation is None else len(part.annotation.labelled)
        rest[site] += _unlabelled(part)
    text = f"{'<br>'.join(lines)}<br>It also learns from {sum(rest.values())} unlabelled slices."
    if len(rest) > 1:
        rows = "".join(
            f"<tr><td>{escape(site)}&nbsp;</td><td align=right>&nbsp;{labelled[site]}&nbsp;</td>"
            f"<td align=right>&nbsp;{rest[site]}</td></tr>"
            for site in rest
        )
        text += (
            f"<table><tr><td>{len(rest)} sites</td><td>&nbsp;labelled&nbsp;</td>"
            f"<td>&nbsp;unlabelled</td></tr>{rows}</table>"
        )
    waiting = [] if first is None else _corrected(session, first)
    if waiting:
        text += (
            f" Slices you corrected but did not accept: {listed(np.array(waiting))}; "
            "accept them in Review, and it learns from them too."
        )
    return text


def _slices(part: Part, named: bool) -> str:
    annotation = part.annotation
    assert annotation is not None
    states, areas = annotation.states, annotation.areas
    confirmed = states == SliceState.PAINTED
    found = [f"Slices labelled: {listed(np.flatnonzero(confirmed & (areas > 0)))}"]
    for title, where in (
        ("background only", confirmed & (areas == 0)),
        ("partial", states == SliceState.PARTIAL),
        ("filled in but not confirmed, so unlabelled", states == SliceState.MACHINE),
    ):
        if where.any():
            found.append(f"{title}: {listed(np.flatnonzero(where))}")
    return (f"{escape(part.image.name)}: " if named else "") + "; ".join(found)


def _unlabelled(part: Part) -> int:
    if part.annotation is None:
        return int(layer_source(part.image).grid.shape[0])
    return int(guessed(part.annotation.states).size)


def _corrected(session: Session, annotation: Annotation) -> list[int]:
    """Slices of the prediction that a person changed and did not accept."""
    prediction = session.prediction
    if prediction is None or len(prediction.mask) != len(annotation.states):
        return []
    return [n for n in prediction.touched if n not in annotation.labelled]


def listed(numbers: np.ndarray, most: int = 8) -> str:
    """How many there are, and the first of them."""
    if not numbers.size:
        return "none"
    shown = ", ".join(str(n) for n in numbers[:most])
    return f"{numbers.size} ({shown}{', …' if numbers.size > most else ''})"
