"""The keys of the workspace, in one place; none that napari uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from qtpy.QtWidgets import QPushButton

from napari_dim.errors import InputError
from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.commands.class_commands import (
    BY_KEY,
    take_background,
    take_class,
    take_eraser,
)
from napari_dim.gui.commands.clean_up_commands import show_clean_up
from napari_dim.gui.commands.contrast_commands import next_window
from napari_dim.gui.commands.outline_commands import toggle_contours
from napari_dim.gui.commands.undo_commands import redo, undo
from napari_dim.gui.jobs.growing_job import carry_on, fill_between, grow_from_seeds
from napari_dim.gui.session import Session
from napari_dim.gui.tools.range_tools import RangeBrush, RegionGrower
from napari_dim.gui.tools.ruler_tool import take_ruler
from napari_dim.gui.tools.scribble_tool import BoxTool, EllipseTool, ScribbleTool
from napari_dim.gui.tools.tool_in_hand import HandTool, take_up
from napari_dim.gui.tools.wire_tool import LiveWire
from napari_dim.words import sentence

Action = Callable[[Session], str]


@dataclass(frozen=True)
class Key:
    """A key, what it does, and for whom it is written down."""

    key: str
    title: str
    action: Action


TOOLS: dict[type[HandTool], Action] = {
    kind: partial(take_up, make=kind)
    for kind in (ScribbleTool, BoxTool, EllipseTool, RangeBrush, RegionGrower, LiveWire)
}
"""What takes each tool of ours into the hand, in the order of their buttons."""


def show_help(session: Session) -> str:
    """Show all keys and what the mouse does, or hide them again."""
    session.help_wanted.emit()
    return "H shows and hides the keys and what the mouse does"


def show_numbers(session: Session) -> str:
    """Show the window of numbers and rulers, or hide it again."""
    session.numbers_wanted.emit()
    return "Shift-N shows and hides the numbers; Copy takes the table to a spreadsheet"


def step_difference(session: Session, direction: int) -> str:
    """Go to another difference of two masks (1 or -1), or show or hide their window (0)."""
    session.differences_wanted.emit(direction)
    return session.message


next_difference = partial(step_difference, direction=1)
previous_difference = partial(step_difference, direction=-1)
show_differences = partial(step_difference, direction=0)


def show_views(session: Session) -> str:
    """Show the linked views beside the scan, or hide them again."""
    session.views_wanted.emit()
    if session.crosshair is None:
        return "Linked views are off"
    return "Linked views: paint in any of them; the middle button moves the crosshair"


KEYS = (
    Key("K", "Confirm this slice (an empty one: background only)", slices.confirm),
    Key("Shift-K", "Partial: only what is painted in this slice counts", slices.set_partial),
    Key("U", "Take back what was said of this slice", slices.set_untouched),
    Key("G", "Fill the slices between labelled ones", fill_between),
    Key("Shift-G", "Grow from labelled slices and strokes into all around", grow_from_seeds),
    Key("J", "Copy the nearest painted slice onto this one", slices.copy_nearest),
    Key("Shift-J", "Carry this slice's mask on into its neighbours", carry_on),
    Key(",", "Previous labelled slice", partial(slices.step_labelled, direction=-1)),
    Key(".", "Next labelled slice", partial(slices.step_labelled, direction=1)),
    Key("N", "Slice that should be labelled next", slices.next_suggested),
    Key("W", "Accept the prediction of this slice", slices.accept_slice),
    Key("Q", "Reject the prediction of this slice", slices.reject_slice),
    Key("8", "Smart scribble: strokes give the mask of the slice", TOOLS[ScribbleTool]),
    Key("Shift-B", "Box: drag it around the structure for its mask", TOOLS[BoxTool]),
    Key("Shift-E", "Ellipse: drag it around the structure for its mask", TOOLS[EllipseTool]),
    Key("9", "Threshold brush: paint only what is within a range of intensity", TOOLS[RangeBrush]),
    Key("0", "Grow from a spot; a drag to the right takes more", TOOLS[RegionGrower]),
    Key("Shift-X", "Live wire: an outline that follows edges from click to click", TOOLS[LiveWire]),
    Key("Alt-0", "Eraser", take_eraser),
    Key("Alt-B", "Background brush: what is certainly not the structure", take_background),
    Key("Shift-C", "Clean up: islands, holes, borders, margins, copies", show_clean_up),
    Key("Shift-W", "Next window of the scan: those for CT that fit, automatic", next_window),
    Key("Shift-N", "Numbers: ml, mm², intensity; rulers and angles", show_numbers),
    Key("Shift-R", "Ruler; once more: angle; once more: laid down", take_ruler),
    Key("Shift-D", "Differences between two masks", show_differences),
    Key("Alt-,", "Previous difference", previous_difference),
    Key("Alt-.", "Next difference", next_difference),
    Key("Shift-O", "Contours only: yours as lines, too, or as areas again", toggle_contours),
    Key("Shift-T", "Linked views: planes through all slices, with a crosshair", show_views),
    Key("H", "Show all keys and what the mouse does", show_help),
)

CLASSES = tuple(
    Key(f"Alt-{place}", f"Class {place} of the table", partial(take_class, place=place))
    for place in range(1, BY_KEY + 1)
)
"""A key for each of the first classes; 1 to 7 alone are napari's tools."""

HISTORY = (
    Key("Control-Z", "Take back the last point, ruler or step in the mask", undo),
    Key("Control-Shift-Z", "Do it again", redo),
)
"""napari's own keys for a labels layer, which are for the scan whatever layer is selected."""


BOUND = (*KEYS, *CLASSES, *HISTORY)
"""All keys that are bound in a viewer."""

SHOWN = (
    (
        "Alt-1 to Alt-9",
        "The first to the ninth class of the table, in the slice tool in hand or else the brush",
    ),
    *((key.key, key.title) for key in KEYS),
)
"""Our keys and what they do, for whom they are written down."""

NAPARIS = (
    ("2", "Paint"),
    ("1", "Erase"),
    ("3", "Polygon: a click a corner, Enter closes it"),
    ("4", "Fill"),
    ("5", "Take the class under the mouse"),
    ("[ and ]", "Smaller and larger brush"),
    ("B", "Preserve labels: keep other classes, whatever the tool"),
    ("Ctrl-Z", "Take back the last point of what is half drawn, else the last step"),
    ("Ctrl-Shift-Z", "Do the step again"),
    ("Esc", "Give up what is half drawn: an outline, a ruler, a stroke or box not let go yet"),
    ("Ctrl-E", "Look along another axis"),
)
"""napari's own keys that are used most, for whom they are written down."""


def do(session: Session, action: Action) -> None:
    """Carry out an action of the annotator: say what it did, or why it can't be done."""
    with told(session):
        session.say(action(session))


@contextmanager
def told(session: Session) -> Iterator[None]:
    """Tell why something can't be done: in a toast, which is short and goes, and in the window."""
    try:
        yield
    except InputError as error:
        from napari.utils.notifications import show_warning

        session.say(sentence(error))
        show_warning(sentence(error))


def button_for(session: Session, title: str, action: Action, tip: str) -> QPushButton:
    """A button that carries out an action; its tip says what that does, and its key."""
    button = QPushButton(title)
    button.setToolTip(tip + key_of(action))
    button.clicked.connect(lambda: do(session, action))
    return button


def key_of(action: Action) -> str:
    """The key of an action, as it is written on its button's tip; empty without one."""
    return next((f"  [{key.key}]" for key in BOUND if _same(key.action, action)), "")


def _same(one: Action, other: Action) -> bool:
    """Whether two actions are one: `partial` makes a new object each time."""
    if isinstance(one, partial) and isinstance(other, partial):
        return (one.func, one.args, one.keywords) == (other.func, other.args, other.keywords)
    return one is other


def bind(viewer: Any, session: Session) -> None:
    """Bind all keys in a viewer; a key that something else has bound there is left to it."""
    for key in BOUND:
        if _binding(key) not in viewer.keymap:
            viewer.bind_key(key.key, _press(session, key))


def bind_history(session: Session) -> None:
    """Bind the keys of taking back in the mask's layer as well, whose own come before others."""
    if session.labels is not None:
        for key in HISTORY:
            session.labels.bind_key(key.key, _press(session, key), overwrite=True)


def unbind(viewer: Any) -> None:
    """Take the keys back."""
    for holder in (viewer, *viewer.layers):
        for key in BOUND:
            if getattr(holder.keymap.get(_binding(key)), "__module__", "") == __name__:
                holder.bind_key(key.key, None)


def _press(session: Session, key: Key) -> Callable[[Any], Callable[[], None]]:
    """What napari calls when a key is pressed: a function, as it reads the names of all of them.

    It gives what is to be done at the key's release, nothing: without it napari does what one of
    its own keys left to be done there. After B, Shift-B unticked *preserve labels* so.
    """

    def press(viewer: Any) -> Callable[[], None]:
        do(session, key.action)
        return _nothing

    press.__name__ = f"napari_dim_{key.key}"
    press.__doc__ = key.title
    return press


def _nothing() -> None:
    """What is to be done at the release of our keys."""


def _binding(key: Key) -> Any:
    from napari.utils.key_bindings import coerce_keybinding

    return coerce_keybinding(key.key)
