"""What a clean-up would do to the mask of a scan: worked out before anything is changed.

A tool works on one slice, or on a run of them as one body. Slices that a person stands behind
are looked at with the others, and changed only where that is wanted; the slice on the screen
is always meant. What a tool leaves in a slice that nobody has looked at is a proposal, like one
that was filled in: it counts once somebody confirms it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_dim.editing import clean_up
from napari_dim.editing.kept_classes import kept
from napari_dim.errors import InputError
from napari_dim.gui.state.act import Act
from napari_dim.gui.state.provenance import edited
from napari_dim.gui.state.scan_mask import ScanMask
from napari_dim.states import FREE, LABELLED, SliceState
from napari_dim.words import count as counted
from napari_dim.words import figure


@dataclass(frozen=True)
class Tool:
    """A way to clean up.

    Attributes
    ----------
    key, title
        What it is called, here and for people.
    size
        What its length stands for, for people; empty where it has none.
    usual
        The length that is proposed, in mm.
    least
        The least length; below 0 where it may shrink.
    tip
        What it does, for people.
    other
        What it is to the other class that it needs, for people; empty where it needs none.
    """

    key: str
    title: str
    size: str = ""
    usual: float = 0.0
    least: float = 0.0
    tip: str = ""
    other: str = ""


TOOLS = (
    Tool(
        "islands", "Remove islands", "smaller than", 5.0, 0.0,
        "Pieces smaller than a ball of this width go; in a single slice, than a disc",
    ),
    Tool("largest", "Keep the largest piece", tip="All other pieces of a class go"),
    Tool("holes", "Fill holes", tip="Background that a class encloses in a slice becomes that"),
    Tool(
        "smooth", "Smooth", "over", 3.0, 0.0,
        "Borders become smooth; what is narrower than this goes",
    ),
    Tool(
        "margin", "Margin", "by", 2.0, -1000.0,
        "Grow into background by so much, or shrink by less than 0",
    ),
    Tool(
        "minus", "Minus another class", "and nearer than", 0.0, 0.0,
        "What of the class the other one encloses, or lies nearer to it than this, goes",
        other="minus",
    ),
    Tool(
        "and", "Only with another class", "and nearer than", 0.0, 0.0,
        "Only what the other class encloses, or what lies nearer to it than this, stays",
        other="only with",
    ),
    Tool("or", "Join another class", tip="The other class becomes this one", other="joined by"),
    Tool(
        "replace", "Replace by another class", tip="What is of the class becomes the other one",
        other="becomes",
    ),
    Tool("clear", "Clear", tip="What is painted of a class goes"),
    Tool("copy", "Copy this slice there", tip="What the slice on the screen shows, onto others"),
    Tool("accept", "Accept the machine's", tip="The machine's slices are right as they are"),
    Tool("confirm", "Confirm filled ones", tip="What was filled, copied or cleaned up is right"),
)  # fmt: skip
"""The ways to clean up, in the order of the window."""
BY_KEY = {tool.key: tool for tool in TOOLS}


@dataclass(frozen=True)
class Wish:
    """What is to be cleaned up, and where.

    Attributes
    ----------
    tool
        The key of a `Tool`.
    classes
        The ids it works on.
    first, last
        The run of slices, both included.
    here
        The slice on the screen.
    size
        The tool's length, in the unit of `Situation.spacing`.
    labelled
        Whether slices that a person stands behind are changed, too.
    other
        The other class, where the tool needs one.
    only
        The class that may change while all others stay; None where any may.
    """

    tool: str
    classes: tuple[int, ...]
    first: int
    last: int
    here: int
    size: float = 0.0
    labelled: bool = False
    other: int = 0
    only: int | None = None


@dataclass(frozen=True)
class Situation:
    """A mask at one moment.

    Attributes
    ----------
    planes
        Class ids of all slices, ``(slice, row, column)``.
    states
        One `SliceState` a slice.
    spacing
        Size of a voxel.
    unit
        ``"mm"`` or ``"pixel"``.
    separate
        Whether the slices are pictures of their own, not neighbours in one body.
    """

    planes: np.ndarray
    states: np.ndarray
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: str = "mm"
    separate: bool = False


@dataclass(frozen=True)
class Plan:
    """What would change.

    Attributes
    ----------
    title
        What the act is called.
    text
        What it does, for people.
    planes, states
        Slice number -> class ids, and its state from now on.
    """

    title: str
    text: str
    planes: Mapping[int, np.ndarray] = field(default_factory=dict)
    states: Mapping[int, SliceState] = field(default_factory=dict)


def plan(now: Situation, wish: Wish) -> Plan:
    """Work out what a clean-up would change.

    Raises
    ------
    InputError
        If there are no such slices, or one has nothing to say of the others.
    """
    if not 0 <= wish.first <= wish.last < len(now.planes):
        raise InputError(
            f"there are no slices {wish.first} to {wish.last}",
            hint=f"They are counted from 0 to {len(now.planes) - 1}",
        )
    if wish.tool == "copy" and now.separate:
        raise InputError("these are pictures of their own: none says anything of the next one")
    _require_two(wish)
    one = wish.first == wish.last
    where = f"slice {wish.first}" if one else f"slices {wish.first} to {wish.last}"
    title = f"{BY_KEY[wish.tool].title.lower()} in {where}"
    if wish.tool in ("accept", "confirm"):
        return _said(now, wish, title)
    wanted = _copied(now, wish) if wish.tool == "copy" else _cleaned(now, wish)
    found = {n: kept(now.planes[n], plane, wish.only) for n, plane in wanted.items()}
    changed = {n: p for n, p in found.items() if not np.array_equal(p, now.planes[n])}
    others = [n for n in changed if not _may(now, wish, n)]
    for number in others:
        del changed[number]
    states = {n: _state(now, wish, n, plane) for n, plane in changed.items()}
    text = _words(now, wish, changed)
    if any(not np.array_equal(found[n], plane) for n, plane in wanted.items()):
        text += " “Preserve labels” keeps other classes as they are."
    if others:
        stay = "stays as it is" if len(others) == 1 else "stay as they are"
        text += f" {counted(len(others), 'labelled slice')} {stay}."
    return Plan(title, text, changed, states)


def _require_two(wish: Wish) -> None:
    """Refuse logic between classes that names no two of them."""
    if not BY_KEY[wish.tool].other:
        return
    if not wish.other or not set(wish.classes) - {wish.other}:
        raise InputError(
            "that needs two different classes", hint="Choose one, and another one below it"
        )
    if wish.tool == "or" and len(wish.classes) > 1:
        raise InputError("another class can be joined to one class only", hint="Choose one")


def carry_out(mask: ScanMask, made: Plan) -> Act:
    """Change the mask as planned, in one step that can be undone.

    Raises
    ------
    InputError
        If nothing would change.
    """
    if not made.states:
        raise InputError(f"nothing to do: {made.text[:1].lower()}{made.text[1:].rstrip('.')}")
    return mask.act(made.title, made.states, made.planes)


def _said(now: Situation, wish: Wish, title: str) -> Plan:
    """Slices that are taken as they are."""
    state = SliceState.MACHINE if wish.tool == "accept" else SliceState.FILLED
    numbers = range(wish.first, wish.last + 1)
    found = [n for n in numbers if now.states[n] == state]
    whose = "of the machine's" if wish.tool == "accept" else "that was filled in"
    if len(found) != 1 and wish.tool == "confirm":
        whose = "that were filled in"
    text = (
        f"Takes {counted(len(found), 'slice')} {whose} as right." if found else "Changes nothing."
    )
    return Plan(title, text, states=dict.fromkeys(found, SliceState.ACCEPTED))


def _copied(now: Situation, wish: Wish) -> dict[int, np.ndarray]:
    """The slice on the screen, laid into others: its classes in place of theirs."""
    source = now.planes[wish.here]
    given = np.isin(source, wish.classes)
    made = {}
    for number in range(wish.first, wish.last + 1):
        if number != wish.here:
            plane = now.planes[number].copy()
            plane[np.isin(plane, wish.classes)] = 0
            there = given & (plane == 0)
            plane[there] = source[there]
            made[number] = plane
    return made


def _cleaned(now: Situation, wish: Wish) -> dict[int, np.ndarray]:
    clean = _tool(wish)
    if wish.first == wish.last or now.separate:
        numbers = range(wish.first, wish.last + 1)
        return {n: clean(now.planes[n], now.spacing[1:]) for n in numbers}
    body = clean(now.planes[wish.first : wish.last + 1], now.spacing)
    return dict(enumerate(body, start=wish.first))


def _tool(wish: Wish) -> Callable[[np.ndarray, tuple[float, ...]], np.ndarray]:
    """What makes class ids clean, from ids and the size of a voxel."""
    size, other = wish.size, wish.other
    classes = tuple(i for i in wish.classes if i != other)
    if wish.tool == "islands":
        return lambda ids, spacing: clean_up.without_islands(ids, classes, spacing, size)
    if wish.tool == "largest":
        return lambda ids, spacing: clean_up.largest_piece(ids, classes)
    if wish.tool == "holes":
        return lambda ids, spacing: clean_up.without_holes(ids, classes)
    if wish.tool == "smooth":
        return lambda ids, spacing: clean_up.smoothed(ids, classes, spacing, size)
    if wish.tool == "margin":
        return lambda ids, spacing: clean_up.with_margin(ids, classes, spacing, size)
    if wish.tool == "minus":
        return lambda ids, spacing: clean_up.without_near(ids, classes, other, spacing, size)
    if wish.tool == "and":
        return lambda ids, spacing: clean_up.only_near(ids, classes, other, spacing, size)
    if wish.tool == "or":
        return lambda ids, spacing: clean_up.turned_into(ids, (other,), classes[0])
    return lambda ids, spacing: clean_up.turned_into(
        ids, classes, other if wish.tool == "replace" else 0
    )


def _may(now: Situation, wish: Wish, number: int) -> bool:
    """Whether a slice may be changed."""
    return wish.labelled or number == wish.here or now.states[number] not in LABELLED


def _state(now: Situation, wish: Wish, number: int, plane: np.ndarray) -> SliceState:
    """What a slice is once it was changed so."""
    was, area = SliceState(int(now.states[number])), int(np.count_nonzero(plane))
    seen = number == wish.here and wish.tool != "copy"
    if seen or was in LABELLED:
        return edited(was, area)
    if area == 0 and was in (*FREE, SliceState.FILLED):
        return SliceState.UNTOUCHED
    return SliceState.FILLED


def _words(now: Situation, wish: Wish, changed: Mapping[int, np.ndarray]) -> str:
    added = removed = turned = 0
    for number, plane in changed.items():
        old = now.planes[number]
        other = plane != old
        to, of = other & (plane != 0), other & (old != 0)
        turned += int(np.count_nonzero(to & of))
        added += int(np.count_nonzero(to & ~of))
        removed += int(np.count_nonzero(of & ~to))
    if not added and not removed and not turned:
        return "Changes nothing."
    parts = [
        f"{verb} {_size(now, number, flat=wish.first == wish.last)}"
        for verb, number in (
            ("adds", added), ("removes", removed), ("changes the class of", turned),
        )
        if number
    ]  # fmt: skip
    text = " and ".join(", ".join(parts).rsplit(", ", 1))
    slices = "" if wish.first == wish.last else f" in {counted(len(changed), 'slice')}"
    yours = wish.here in changed and now.states[wish.here] in LABELLED and not wish.labelled
    several = yours and len(changed) > 1
    here = f" Slice {wish.here}, on the screen and yours, is one of them." if several else ""
    return f"{text[0].upper()}{text[1:]}{slices}.{here}"


def _size(now: Situation, voxels: int, *, flat: bool) -> str:
    """So many voxels, and how much that is in the patient."""
    if now.unit != "mm":
        return counted(voxels, "pixel")
    if flat:
        size = f"{figure(voxels * now.spacing[1] * now.spacing[2])} mm²"
    else:
        size = f"{figure(voxels * float(np.prod(now.spacing)) / 1000)} ml"
    return f"{counted(voxels, 'voxel')} ({size})"
