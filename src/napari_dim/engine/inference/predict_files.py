"""Masks for image files: read ahead of the network, written behind it, whole or not at all."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from napari_dim.data.ahead import made_ahead
from napari_dim.data.cohort import CohortCase
from napari_dim.data.load import load_image
from napari_dim.engine.inference.out_of_core import is_large, predict_into, segment
from napari_dim.engine.inference.prediction_summary import Predictions, made_of
from napari_dim.engine.inference.trained_model import Model
from napari_dim.errors import InputError, all_faults
from napari_dim.io import LabelClass, prediction_name, write_mask_files
from napari_dim.io.channels import read_as
from napari_dim.io.formats import mask_format
from napari_dim.io.hashing import hash_files
from napari_dim.io.zarr.zarr_reader import is_zarr
from napari_dim.volume import Volume

AT_A_TIME = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Images read ahead of the network, and masks written behind it: each is held in memory."""


@dataclass(frozen=True)
class Target:
    """An image and the mask that will be written for it."""

    row: CohortCase
    mask: Path

    @property
    def image(self) -> Path:
        """The file that the mask belongs to: the first of several channels."""
        return self.row.image


class FileWatcher(Protocol):
    """Is told how far a prediction of several files is."""

    def begin(self, name: str, notes: Sequence[str]) -> None:
        """The next case, and what was decided when its image was read."""

    def part(self, share: float) -> None:
        """So much of the case is done, in [0, 1]; what is raised here ends the work."""

    def end(self) -> None:
        """The case is done."""


def planned(
    rows: Sequence[CohortCase], out: Path, keep: Iterable[Path] = (), form: str = ""
) -> list[Target]:
    """Where each mask goes, and in which format; by default the image's own kind.

    `keep` are files that must not be replaced; `form` is the key of a format. In the ``labels``
    of an OME-Zarr image a mask is called after the method alone.

    Raises
    ------
    InputError
        If a mask would overwrite an input, or another one.
    """
    inside = form == "zarr" and out.name == "labels" and is_zarr(out.parent)
    inputs = {path.resolve() for path in keep}
    targets: list[Target] = []
    for row in rows:
        image = row.image
        name = "dim" if inside else prediction_name(image, form=form, name=row.name)
        if inside and targets:
            raise InputError(f"{len(rows)} masks can't all be called dim", where=out,
                             hint="Predict the image of this store alone")  # fmt: skip
        if (out / name).resolve() in inputs:
            raise InputError(f"{name} is an input itself", where=out, hint="Give another folder")
        targets.append(Target(row, out / name))
    return targets


def check_images(targets: Sequence[Target], model: Model, form: str = "") -> None:
    """Read every image once before the first mask is written: all are usable, or none is begun.

    Raises
    ------
    InputError
        Naming all that can't be read, have not the model's channels, or can't have such a mask.
    """

    def fault_of(target: Target) -> InputError | None:
        try:
            volume = read_as(load_image(target.row), model.channels)
            mask_format(target.mask, form).check(target.mask, volume)
        except InputError as error:
            return error
        if volume.channels == model.channels:
            return None
        return InputError(
            f"the image has {volume.channels} channel{'s' if volume.channels > 1 else ''}, "
            f"the run was trained on {model.channels}",
            where=target.image,
        )

    faults = [fault for fault in made_ahead(fault_of, targets, AT_A_TIME) if fault is not None]
    if faults:
        raise all_faults(faults, len(targets))


def predict_files(
    model: Model,
    targets: Sequence[Target],
    watcher: FileWatcher,
    *,
    form: str = "",
    device: str = "auto",
    told: Predictions | None = None,
) -> Iterator[dict[str, Any]]:
    """Segment each image and write its mask, whole or not at all, and ``predictions.json`` beside.

    However it ends, ``predictions.json`` tells of the masks that were written, and of those that
    were there; among the labels of an OME-Zarr image there is none.

    Parameters
    ----------
    model
        A trained model.
    targets
        What to segment, and where each mask goes.
    watcher
        Is told how far it is.
    device
        As in `engine.inference.predictor.predict`.
    form
        The `io.format_rows.Writer.key` of the masks' format; by default their names' ends say it.
    told
        What `predictions_of` gave, if that was asked before.

    Yields
    ------
    dict
        What `predictions.json` says of a case, once its mask is written: ``case``, ``image``,
        ``sha256``, ``mask``, ``entropy`` of each slice, ``seconds``. After Ctrl-C those that were
        on their way still come, then `KeyboardInterrupt`.

    Raises
    ------
    InputError
        If an image can't be used, or a mask can't be written.
    """
    written: deque[Future[dict[str, Any]]] = deque()
    if told is None:
        told = predictions_of(model, targets, form)
    told.begin([target.mask.name for target in targets])

    def read(target: Target) -> tuple[Volume, dict[str, Any]]:
        return read_as(load_image(target.row), model.channels), made_of(target.row)

    def finished(most: int) -> Iterator[dict[str, Any]]:
        """Wait until at most so many masks are still being written."""
        while len(written) > most:
            yield written.popleft().result()

    try:
        # The next image is read and the last mask written while the network is at work.
        with (
            ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="masks") as writers,
            closing(made_ahead(read, targets, AT_A_TIME)) as images,
        ):
            for target, (volume, made) in zip(targets, images, strict=True):
                watcher.begin(target.row.name, volume.warnings)
                start = time.monotonic()
                yield from finished(AT_A_TIME - 1)
                entropy, empty, write = _predicted(
                    target.mask, model, volume, form,
                    device=device, progress=watcher.part,
                )  # fmt: skip
                entry = _entry(target, made, entropy, empty)
                written.append(writers.submit(_timed, write, target.mask, entry, start, told.add))
                watcher.end()
            yield from finished(0)
    except KeyboardInterrupt:
        yield from finished(0)
        raise
    finally:
        told.end()


def predictions_of(model: Model, targets: Sequence[Target], form: str = "") -> Predictions:
    """What the folder of the masks says of those that are in it."""
    return predictions_in(targets[0].mask.parent, model, form)


def left_to_do(targets: Sequence[Target], told: Predictions) -> list[Target]:
    """The masks that the model has not written yet, of these very images."""
    return [each for each in targets if not told.has(each.row, each.mask.name)]


def predictions_in(folder: Path, model: Model, form: str = "") -> Predictions:
    """What a folder says of the masks that are in it; nothing among an OME-Zarr image's labels."""
    return Predictions(folder, model, kept=folder.name != "labels" or form != "zarr")


def predict_one(
    model: Model, target: Target, *, form: str = "", device: str = "auto"
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Segment one image and write its mask, whole or not at all; nothing beside it.

    Parameters
    ----------
    model, target, form, device
        As in `predict_files`.

    Returns
    -------
    (dict, tuple of str)
        What `predictions.json` says of the case, and what was decided when its image was read.

    Raises
    ------
    InputError
        If the image can't be used, doesn't fit the model, or the mask can't be written.
    """
    start = time.monotonic()
    volume = read_as(load_image(target.row), model.channels)
    model.check_fits(volume)
    mask_format(target.mask, form).check(target.mask, volume)
    entropy, empty, write = _predicted(target.mask, model, volume, form, device=device)
    entry = _entry(target, made_of(target.row), entropy, empty)
    return _timed(write, target.mask, entry, start), volume.warnings


def _entry(
    target: Target, made: Mapping[str, Any], entropy: np.ndarray, empty: bool
) -> dict[str, Any]:
    return {
        "case": target.row.name,
        "image": target.image.name,
        **made,
        "mask": target.mask.name,
        "empty": empty,
        "entropy": [round(float(value), 4) for value in entropy],
    }


def _timed(
    write: Callable[[], Sequence[Path]],
    mask: Path,
    entry: dict[str, Any],
    start: float,
    add: Callable[[Mapping[str, Any]], None] | None = None,
) -> dict[str, Any]:
    files = write()
    done = {**entry, "seconds": round(time.monotonic() - start, 2),
            "mask_sha256": hash_files(files)}  # fmt: skip
    if list(files) != [mask]:
        done["files"] = [path.name for path in files]
    if add is not None:
        add(done)
    return done


def _predicted(
    path: Path, model: Model, volume: Volume, form: str, **how: Any
) -> tuple[np.ndarray, bool, Callable[[], Sequence[Path]]]:
    """Segment a volume; its entropies ``(slice,)``, whether nothing was found, what writes it.

    A large one is written already: it is not held while the next one is made.
    """
    classes = [LabelClass(class_id) for class_id in model.classes]
    if is_large(volume) and (form == "zarr" or path.suffix == ".zarr"):
        from napari_dim.io.zarr.zarr_writer import zarr_mask

        dtype = np.min_scalar_type(max(model.classes, default=0))
        with zarr_mask(path, volume, dtype, classes) as out:
            entropy, found_any = predict_into(out, model, volume, **how)
        return entropy, not found_any, lambda: [path]
    found = segment(model, volume, folder=path.parent, **how)

    empty = not found.mask.any()

    def write() -> list[Path]:
        try:
            return write_mask_files(path, found.mask, volume, classes=classes, form=form)
        except InputError as error:
            if not empty or isinstance(error.__cause__, OSError):
                raise
            return []  # the format has no file for a mask of nothing

    if is_large(volume):
        files = write()
        return found.entropy, empty, lambda: files
    return found.entropy, empty, write
