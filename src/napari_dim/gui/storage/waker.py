"""A timer of what is kept with a session, which may outlive Qt by a moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import QTimer


class Waker:
    """Calls something some time after it was woken; where Qt has ended already, never again.

    As a program ends, Qt deletes its timers before the last window tells that it is gone; what
    waits then is written by the flush that follows, not by a timer.

    Parameters
    ----------
    call
        What is called.
    after
        Milliseconds from waking to the call.
    again
        Called every so many milliseconds until it is stopped, instead of once.
    """

    def __init__(self, call: Callable[[], None], after: int, *, again: bool = False) -> None:
        self._timer = QTimer()
        self._timer.setInterval(after)
        self._timer.setSingleShot(not again)
        self._timer.timeout.connect(call)

    def wake(self) -> None:
        """Call soon, if that is not on its way."""
        with suppress(RuntimeError):
            if not self._timer.isActive():
                self._timer.start()

    def stop(self) -> None:
        """Call no more until woken."""
        with suppress(RuntimeError):
            self._timer.stop()
