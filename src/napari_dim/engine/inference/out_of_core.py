"""Masks of volumes of any size: those that don't fit into memory are made block by block."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from napari_dim.data.lazy_slices import LazySlices
from napari_dim.engine.device import pick_device
from napari_dim.engine.inference.components import Pieces
from napari_dim.engine.inference.predictor import BATCH, Prediction, Predictor, predict
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.precision import use_threads
from napari_dim.io.channels import read_as
from napari_dim.volume import Volume

LARGE = 2**30
"""Voxels above which a mask is not held in memory as a whole."""


class Sink(Protocol):
    """Where a mask ``(slice, row, column)`` is put down: an array, in memory or on the disk."""

    def __setitem__(self, where: slice, block: np.ndarray) -> None: ...

    def __getitem__(self, where: slice) -> np.ndarray: ...


def is_large(volume: Volume) -> bool:
    """Whether a volume's mask is put down on the disk while it is made."""
    return volume.array.size > LARGE or not isinstance(volume.array, np.ndarray)


def segment(
    model: Model,
    volume: Volume,
    *,
    device: str = "auto",
    threads: int = 0,
    progress: Callable[[float], None] | None = None,
    folder: Path | None = None,
) -> Prediction:
    """Segment a whole volume, in memory, or on the disk where it is large.

    Parameters
    ----------
    model, volume, device, threads, progress
        As in `engine.inference.predictor.predict`; the volume may lie on the disk.
    folder
        Where a large mask lies meanwhile, in a file without a name that goes with the mask;
        the system's folder for such files by default.

    Returns
    -------
    Prediction
        As that of `predict`; mask and confidence of a large volume are arrays on the disk.

    Raises
    ------
    InputError
        If the volume doesn't fit the model.
    """
    how: dict[str, Any] = {"device": device, "threads": threads, "progress": progress}
    volume = read_as(volume, model.channels)
    if not is_large(volume):
        return predict(model, volume, **how)
    model.check_fits(volume)
    shape = volume.array.shape[:3]
    mask = _on_disk(shape, np.min_scalar_type(max(model.classes, default=0)), folder)
    use_threads(threads)
    seen = Predictor(model, pick_device(device)).shape(volume)
    own = model.grid.turn(volume).own(seen)
    confidence = _on_disk((shape[0], *own), np.dtype(np.uint8), folder)
    entropy, _ = predict_into(mask, model, volume, confidence=confidence, seen=seen, **how)
    return Prediction(mask, np.arange(shape[0]), entropy, confidence)


def _on_disk(shape: tuple[int, ...], dtype: np.dtype[Any], folder: Path | None) -> np.ndarray:
    """Zeros in a file that is gone once nobody looks at them any more."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def predict_into(
    sink: Sink,
    model: Model,
    volume: Volume,
    *,
    device: str = "auto",
    threads: int = 0,
    progress: Callable[[float], None] | None = None,
    confidence: Sink | None = None,
    seen: tuple[int, int] | None = None,
) -> tuple[np.ndarray, bool]:
    """Segment a volume of any size; the mask is `predictor.predict`'s, bit for bit.

    Parameters
    ----------
    sink
        Takes the ids of a few slices at a time, in order. Where stray pieces are dropped, it
        is read and written once more.
    model, volume, device, threads
        As in `engine.inference.predictor.predict`; the volume may lie on the disk.
    progress
        Called with the share done, in [0, 1], every few slices; what it raises ends the work.
    confidence
        Takes each slice's confidence, as in `engine.inference.predictor.Prediction`.
    seen
        Rows and columns at which the network sees it, `engine.inference.predictor.Predictor.shape`
        where that was asked before.

    Returns
    -------
    (numpy.ndarray, bool)
        Mean entropy of each slice as a share of its maximum, ``(slice,)``, in [0, 1]; and
        whether anything was found.

    Raises
    ------
    InputError
        If the volume doesn't fit the model.
    """
    model.check_fits(volume)
    use_threads(threads)
    predictor = Predictor(model, pick_device(device))
    stack = LazySlices(volume, seen or predictor.shape(volume), model.grid.turn(volume))
    count = len(stack)
    clean = bool(model.pieces)
    pieces = Pieces(volume.array.shape[:3], model.pieces)
    entropy = np.zeros(count, np.float32)
    share = 0.95 if clean else 1.0
    found_any = False
    for block in predictor.blocks(volume, stack):
        start, end = int(block.slices[0]), int(block.slices[-1]) + 1
        sink[start:end] = block.mask
        found_any = found_any or bool(block.mask.any())
        entropy[start:end] = block.entropy
        if confidence is not None:
            confidence[start:end] = block.confidence
        if clean:
            pieces.add(start, block.mask)
        if progress is not None:
            progress(share * end / count)
    if clean:
        for start in range(0, count, BATCH):
            end = min(start + BATCH, count)
            found = sink[start:end]
            cleaned = pieces.cleaned(start, found)
            if not np.array_equal(found, cleaned):
                sink[start:end] = cleaned
            if progress is not None:
                progress(share + (1 - share) * end / count)
    return entropy, found_any
