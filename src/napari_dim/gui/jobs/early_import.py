"""What a training needs is imported before somebody asks for it: torch alone takes seconds.

Half of these are `torch._dynamo`, which torch brings in when the first optimiser is made.
"""

from __future__ import annotations

import sys
import threading

from qtpy.QtCore import QObject, QTimer

from napari_dim.gui import garbage_collection

WAIT = 700
"""Milliseconds after the workspace has opened: the window is drawn first."""
NEEDED = "napari_dim.engine.training.loop"

_begun = False


def import_soon(parent: QObject) -> None:
    """Import it in the background, once in a process; nothing if `parent` goes before."""
    if NEEDED not in sys.modules and not _begun:
        timer = QTimer(parent, singleShot=True, interval=WAIT)
        timer.timeout.connect(_begin)
        timer.start()


def _begin() -> None:
    global _begun
    if _begun:
        return
    _begun = True
    # No daemon: a process that ends in the middle of loading a library may crash.
    threading.Thread(target=_import, name="import").start()


def _import() -> None:
    with garbage_collection.set_apart(), garbage_collection.loading():
        import torch._dynamo  # noqa: F401  The first optimiser of a process imports it.

        import napari_dim.engine.training.loop  # noqa: F401
