"""Ctrl-C ends a training after its step, and does not tear it apart."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_interrupt(
    stop: Callable[[], None], doing: Callable[[], str], *, launched: bool = False
) -> Iterator[None]:
    """Ctrl-C (or SIGTERM) calls `stop`; a second one interrupts at once, as usual.

    `doing` says what follows the first one: ``"Stopping after this step"``.
    Of processes that were `launched` together the launcher ends the others when one has ended:
    it is not told then, and a SIGTERM that comes after the training does not keep a process from
    saying how it ended.

    In another thread than the main one, which signals never reach, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    if launched:
        usual[signal.SIGTERM] = signal.SIG_IGN

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def on_signal(number: int, frame: FrameType | None) -> None:
        restore()
        stop()
        # Not print(): the signal may have come in the middle of one.
        if not launched:
            os.write(2, f"\n{doing()}; Ctrl-C again quits at once.\n".encode())

    for number in usual:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        restore()
