"""What libraries say of a file: caught, and logged without its words, which may name a patient.

pydicom and highdicom quote values of headers in their warnings, others paths and texts. Every
reader and writer is called within `withheld`, so that none of it reaches a terminal or a log.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LIBRARIES = (
    "pydicom", "highdicom", "gdcm", "openjpeg", "libjpeg", "rle", "pylibjpeg", "nibabel", "nrrd",
    "SimpleITK", "tifffile", "PIL", "imagecodecs", "zarr", "numcodecs", "skimage", "py",
)  # fmt: skip
"""First names of the loggers that speak while files are read and written."""

_log = logging.getLogger("napari_dim.io")
_lock = threading.Lock()
_running = 0
_heard: Counter[str] = Counter()
_kept: dict[str, tuple[bool, list[logging.Handler]]] = {}
_show: Any = None


class _Hear(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            _heard[f"{record.levelname.lower()} of {record.name.split('.')[0]}"] += 1


def _warned(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    _heard[category.__name__] += 1


@contextmanager
def c_words_withheld() -> Iterator[None]:
    """As `withheld`, for what libraries in C write to the terminal itself: libtiff in Pillow.

    Meanwhile nothing of this process reaches standard error, so keep it short.
    """
    try:
        kept = os.dup(2)
    except OSError:  # no terminal, a window of its own
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nothing)
        os.close(kept)


@contextmanager
def withheld() -> Iterator[None]:
    """Keep what libraries say meanwhile from everyone; how often they spoke is logged.

    It holds for all threads: decoders work in several.
    """
    global _running, _show
    with _lock:
        _running += 1
        if _running == 1:
            for name in LIBRARIES:
                logger = logging.getLogger(name)
                _kept[name] = logger.propagate, logger.handlers
                logger.propagate, logger.handlers = False, [_Hear()]
        if warnings.showwarning is not _warned:
            _show, warnings.showwarning = warnings.showwarning, _warned
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if _running == 0:
                for name, (propagate, handlers) in _kept.items():
                    logger = logging.getLogger(name)
                    logger.propagate, logger.handlers = propagate, handlers
                if warnings.showwarning is _warned:
                    warnings.showwarning = _show
                told = ", ".join(f"{count} x {what}" for what, count in sorted(_heard.items()))
                _heard.clear()
                if told:
                    _log.info("libraries spoke of a file, their words are withheld: %s", told)
