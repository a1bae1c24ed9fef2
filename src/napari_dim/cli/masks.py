"""Masks for images from a trained run: `predict` and `demo` share it."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dim.cli.console import Failure, Split, count, messages, output
from napari_dim.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from napari_dim.data.cohort import CohortCase
    from napari_dim.engine.inference.trained_model import Model
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


def chosen_images(
    inputs: Sequence[Path],
    split: Split | None = None,
    *,
    slice_axis: str = "",
    part: str = "",
) -> tuple[list[CohortCase], list[Path]]:
    """The images to segment, and all files that must not be overwritten.

    Raises
    ------
    InputError
        If inputs are mixed, missing, or of no known kind.
    """
    from napari_dim.data.cohort import case_of, named_apart, read_cohort
    from napari_dim.io import file_kind

    if any(path.suffix.lower() == ".csv" for path in inputs):
        if len(inputs) > 1:
            raise InputError(
                f"{len(inputs)} inputs, one of them a cohort", hint="Give one cohort, or images"
            )
        if slice_axis or part:
            raise InputError("a cohort names these itself, in the columns slice_axis and part")
        cohort = read_cohort(inputs[0])
        for text in cohort.notes:
            messages().print(f"Note      {cohort.path.name}: {text}")
        masks = [case.labels for case in cohort.cases if case.labels is not None]
        return list(cohort.split(split or "test")), _files(cohort.cases) + masks
    if split is not None:
        raise InputError("--split needs a cohort", hint="Leave it out, or give a .csv file")
    rows = [case_of(path, slice_axis=slice_axis, part=part) for path in inputs]
    for path in _files(rows):
        file_kind(path)
        if not path.exists():
            raise InputError("there is no such file", where=path)
    seen: set[Path] = set()
    for row in rows:
        if row.image.resolve() in seen:
            raise InputError("this image is given twice", where=row.image)
        seen.add(row.image.resolve())
    return list(named_apart(rows)), _files(rows)


def _files(rows: Iterable[CohortCase]) -> list[Path]:
    return [path for row in rows for path in (row.image, *row.channels)]


def plan(
    rows: Sequence[CohortCase], out: Path, keep: Iterable[Path] = (), form: str = ""
) -> list[Target]:
    """Where each mask goes, and in which format; by default the image's own kind.

    In the ``labels`` of an OME-Zarr image it is called after the method alone.

    Raises
    ------
    InputError
        If a mask would overwrite an input, or another one.
    """
    from napari_dim.io import prediction_name
    from napari_dim.io.zarr.zarr_reader import is_zarr

    inside = form == "zarr" and out.name == "labels" and is_zarr(out.parent)
    inputs = {path.resolve() for path in keep}
    targets: list[Target] = []
    for row in rows:
        image = row.image
        name = "dim" if inside else prediction_name(image, form=form, name=row.name)
        if inside and targets:
            raise InputError(f"{len(rows)} masks can't all be called dim", where=f"--out {out}",
                             hint="Predict the image of this store alone")  # fmt: skip
        if (out / name).resolve() in inputs:
            raise InputError(
                f"{name} is an input itself", where=f"--out {out}", hint="Give another folder"
            )
        targets.append(Target(row, out / name))
    return targets


def check_images(targets: Sequence[Target], model: Model, form: str = "") -> None:
    """Read every image once before the first mask is written: all are usable, or none is begun.

    Raises
    ------
    InputError
        If one can't be read, has not the model's channels, or its mask can't be written so.
    """
    from napari_dim.data.ahead import made_ahead
    from napari_dim.data.load import load_image
    from napari_dim.io.channels import read_as
    from napari_dim.io.formats import mask_format

    def channels_of(target: Target) -> int:
        volume = read_as(load_image(target.row), model.channels)
        mask_format(target.mask, form).check(target.mask, volume)
        return volume.channels

    with messages().status("Checking the images"):
        found = made_ahead(channels_of, targets, AT_A_TIME)
        for target, channels in zip(targets, found, strict=True):
            if channels != model.channels:
                raise InputError(
                    f"the image has {count(channels, 'channel')}, "
                    f"the run was trained on {model.channels}",
                    where=target.image,
                )


def predict_all(
    model: Model,
    targets: Sequence[Target],
    *,
    adapt: bool = False,
    as_json: bool = False,
    form: str = "",
) -> None:
    """Segment each image and write its mask, whole or not at all, and a summary beside them.

    `form` is the `io.format_rows.Writer.key` of the masks' format; by default their names' ends
    say it. A summary is not put among the labels of an OME-Zarr image.

    Raises
    ------
    InputError
        If a mask can't be written.
    Failure
        If the user interrupts; masks written so far are kept.
    """
    from napari_dim.cli.watch import FileProgress, write_json_line
    from napari_dim.data.ahead import made_ahead
    from napari_dim.data.load import load_image
    from napari_dim.io import hash_file
    from napari_dim.io.channels import read_as

    console = messages()
    folder = targets[0].mask.parent
    done: list[dict[str, Any]] = []
    written: deque[Future[dict[str, Any]]] = deque()

    def read(target: Target) -> tuple[Volume, str]:
        return read_as(load_image(target.row), model.channels), hash_file(target.image)

    def finish(most: int) -> None:
        """Wait until at most so many masks are still being written."""
        while len(written) > most:
            done.append(written.popleft().result())
            if as_json:
                write_json_line({"event": "predicted", **done[-1]})

    try:
        # The next image is read and the last mask written while the network is at work.
        with (
            FileProgress(console, "Predicting", len(targets)) as progress,
            ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="masks") as writers,
            closing(made_ahead(read, targets, AT_A_TIME)) as images,
        ):
            for target, (volume, digest) in zip(targets, images, strict=True):
                progress.begin(target.row.name)
                start = time.monotonic()
                for text in volume.warnings:
                    console.print(f"Note      {target.row.name}: {text}")
                finish(AT_A_TIME - 1)
                entropy, write = predicted(
                    target.mask, model, volume, form=form, adapt=adapt, progress=progress.part
                )
                entry = {
                    "case": target.row.name,
                    "image": target.image.name,
                    "sha256": digest,
                    "mask": target.mask.name,
                    "entropy": [round(float(value), 4) for value in entropy],
                }
                written.append(writers.submit(_timed, write, entry, start))
                progress.end()
            finish(0)
    except KeyboardInterrupt:
        finish(0)
        raise Failure(
            f"Interrupted; {len(done)} of {count(len(targets), 'mask')} written to {folder}"
        ) from None
    if folder.name != "labels" or form != "zarr":
        _write_summary(folder, model, done, adapt=adapt)
    if as_json:
        write_json_line({"event": "finished", "masks": len(done), "folder": str(folder)})
    else:
        output().print(f"Wrote {count(len(done), 'mask')} to {folder}")


def _timed(write: Callable[[], None], entry: dict[str, Any], start: float) -> dict[str, Any]:
    write()
    return {**entry, "seconds": round(time.monotonic() - start, 2)}


def write_prediction(
    path: Path,
    model: Model,
    volume: Volume,
    *,
    form: str = "",
    adapt: bool = False,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Segment a volume and write its mask; a large one block by block, in bounded memory.

    Returns
    -------
    numpy.ndarray
        Mean entropy of each slice, ``(slice,)``.

    Raises
    ------
    InputError
        If the mask can't be written.
    """
    entropy, write = predicted(path, model, volume, form=form, adapt=adapt, progress=progress)
    write()
    return entropy


def predicted(
    path: Path,
    model: Model,
    volume: Volume,
    *,
    form: str = "",
    adapt: bool = False,
    progress: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, Callable[[], None]]:
    """Segment a volume; its entropies, and what writes its mask. A large one is written already.

    Parameters and errors as those of `write_prediction`.
    """
    import numpy as np

    from napari_dim.engine.inference.out_of_core import LARGE, predict_into
    from napari_dim.engine.inference.predictor import predict as segment
    from napari_dim.io import LabelClass, write_mask

    how: Any = {"adapt": adapt, "progress": progress}
    classes = [LabelClass(class_id) for class_id in model.classes]
    dtype = np.min_scalar_type(max(model.classes, default=0))
    if volume.array.size <= LARGE and isinstance(volume.array, np.ndarray):
        found = segment(model, volume, **how)

        def write() -> None:
            write_mask(path, found.mask, volume, classes=classes, form=form)

        return found.entropy, write
    if form == "zarr" or path.suffix == ".zarr":
        from napari_dim.io.zarr.zarr_writer import zarr_mask

        with zarr_mask(path, volume, dtype, classes) as out:
            return predict_into(out, model, volume, **how), _nothing
    # Other formats are written from a file that holds the plain voxels meanwhile.
    with tempfile.TemporaryFile(dir=path.parent) as file:
        mask = np.memmap(file, dtype, "w+", shape=volume.array.shape[:3])
        entropy = predict_into(mask, model, volume, **how)
        write_mask(path, mask, volume, classes=classes, form=form)
        return entropy, _nothing


def _nothing() -> None:
    """All is written."""


def _write_summary(folder: Path, model: Model, cases: list[dict[str, Any]], *, adapt: bool) -> None:
    from napari_dim import __version__
    from napari_dim.data.predicted_masks import SUMMARY
    from napari_dim.io import write_text_atomically

    summary = {
        "napari_dim": __version__,
        "system": model.settings.system.name,
        "seed": model.settings.seed,
        "classes": list(model.classes),
        "adapted": adapt,
        "cases": cases,
    }
    write_text_atomically(folder / SUMMARY, json.dumps(summary, indent=2) + "\n")
