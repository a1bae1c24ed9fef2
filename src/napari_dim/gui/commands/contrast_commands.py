"""Which values of the scan are shown from black to white: presets for CT, automatic, by a drag."""

from __future__ import annotations

from napari.layers import Image

from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import contrast_of
from napari_dim.gui.logic.contrast_windows import (
    AUTOMATIC,
    Limits,
    Window,
    following,
    limits_words,
    shows_something,
)
from napari_dim.gui.session import Session
from napari_dim.words import figure


def use(session: Session, window: Window) -> str:
    """Show the scan in a window for CT.

    Raises
    ------
    InputError
        If it would show nothing of the scan.
    """
    image = shown_image(session)
    low, high = contrast_of(image)
    if not shows_something(window.limits, (low, high)):
        raise InputError(
            f"the window for {window.name} is for CT, in Hounsfield units; the values of this "
            f"scan run from {figure(low, 4)} to {figure(high, 4)}",
            hint="Take the automatic one",
        )
    said = _show(image, window.limits, window.name)
    session.autosave.looks.prefer(window.name)
    return said


def automatic(session: Session) -> str:
    """Show all but the darkest and brightest half per cent of the scan."""
    image = shown_image(session)
    said = _show(image, contrast_of(image), AUTOMATIC)
    session.autosave.looks.prefer("")
    return said


def next_window(session: Session) -> str:
    """Show the scan in the next window for CT that fits its values; after the last, automatic.

    A scan whose values can't be Hounsfield units has the automatic one alone.
    """
    image = shown_image(session)
    low, high = image.contrast_limits
    window = following((float(low), float(high)), contrast_of(image))
    return automatic(session) if window is None else use(session, window)


def shown_image(session: Session) -> Image:
    """The scan that is worked on, if its values are shown from black to white.

    Raises
    ------
    InputError
        If there is none, or it is a colour picture.
    """
    image = session.image
    if image is None:
        raise InputError("no scan is open")
    if image.rgb:
        raise InputError("a colour picture has no window and level")
    return image


def _show(image: Image, limits: Limits, name: str) -> str:
    image.contrast_limits = limits
    return f"{name.capitalize()} window: {limits_words(limits)}"
