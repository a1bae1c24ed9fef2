"""What an exception of the machine means for the user."""

from __future__ import annotations

import traceback

import torch

from napari_dim.engine.device import is_out_of_memory
from napari_dim.engine.training.events import Failed
from napari_dim.errors import InputError

_DEVICE_LOST = ("cuda error", "cudnn", "cublas", "device-side assert", "hip error", "mps device")
_OTHERS_LOST = ("gloo", "nccl", "connection closed by peer", "connection reset", "broken pipe")
_KEPT = "what was learnt until the last checkpoint is kept, and so are all labels"


def failure_of(error: Exception, doing: str = "Training") -> Failed:
    """The event that a stream ends in after an exception."""
    if isinstance(error, InputError):
        return Failed(str(error), bad_input=True)
    details = "".join(traceback.format_exception(error))
    text = str(error).strip().split("\n")[0] or type(error).__name__
    if is_out_of_memory(error):
        return Failed(
            f"{doing} stopped: there is no memory left, even for the smallest batch",
            f"Close other programs, or lower the largest slice size; {_KEPT}",
            details,
        )
    if isinstance(error, NotImplementedError):
        return Failed(
            f"{doing} stopped: the device can't do what the network needs ({text})",
            f"Choose the device cpu; {_KEPT}",
            details,
        )
    if isinstance(error, RuntimeError) and _mentions(str(error), _OTHERS_LOST):
        return Failed(
            f"{doing} stopped: another of its processes ended",
            f"See what ended it (was its memory full?); {_KEPT}",
            details,
        )
    accelerator = getattr(torch, "AcceleratorError", ())
    lost = isinstance(error, accelerator) if accelerator else False
    if lost or (isinstance(error, RuntimeError) and _mentions(text, _DEVICE_LOST)):
        return Failed(
            f"{doing} stopped: the graphics card gave up ({text})",
            f"Start napari again, or choose the device cpu; {_KEPT}",
            details,
        )
    return Failed(
        f"{doing} stopped by an unexpected error: {text}",
        f"Please report the details; {_KEPT}",
        details,
    )


def _mentions(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text.lower() for word in words)
