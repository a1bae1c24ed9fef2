"""Python's search for garbage, kept short while background work makes objects.

A full collection visits every object there is. With napari, Qt and PyTorch loaded these are
more than a million, and the window stands still for a quarter of a second; a training, which
makes objects all the time, brings one about every few seconds.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_users = 0


@contextmanager
def set_apart() -> Iterator[None]:
    """Leave the objects that exist now out of all collections until the last user has left.

    What becomes garbage of them meanwhile is found afterwards.
    """
    global _users
    with _LOCK:
        _users += 1
        gc.freeze()
    try:
        yield
    finally:
        with _LOCK:
            _users -= 1
            if not _users:
                gc.unfreeze()


@contextmanager
def loading() -> Iterator[None]:
    """Load packages without a collection, and leave what they bring out of later ones.

    To be used within `set_apart`.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
