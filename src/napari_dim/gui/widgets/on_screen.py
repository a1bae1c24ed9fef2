"""A window that outgrows its screen is brought back onto it."""

from __future__ import annotations

from qtpy.QtWidgets import QMainWindow


def bring_onto_screen(window: QMainWindow) -> None:
    """Make a window no larger than its screen, and move it where all of it is seen.

    napari adds the width of a panel to its window, which is then wider than a laptop's screen.
    """
    screen = window.screen()
    if screen is None or not window.isVisible() or window.isMaximized() or window.isFullScreen():
        return
    room, frame = screen.availableGeometry(), window.frameGeometry()
    if room.contains(frame):
        return
    borders = frame.size() - window.size()
    window.resize(window.size().boundedTo(room.size() - borders))
    frame = window.frameGeometry()
    left = max(room.left(), min(frame.left(), room.right() + 1 - frame.width()))
    top = max(room.top(), min(frame.top(), room.bottom() + 1 - frame.height()))
    window.move(left, top)
