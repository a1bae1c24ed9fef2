"""Masks for images from a trained run: `predict` and `demo` share it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dim.cli.console import Failure, Split, messages, output
from napari_dim.errors import InputError
from napari_dim.words import count

if TYPE_CHECKING:
    from napari_dim.data.cohort import CohortCase
    from napari_dim.engine.inference.predict_files import Target
    from napari_dim.engine.inference.trained_model import Model


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
        return list(cohort.split(split or "test")), cohort.files()
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


def predict_all(
    model: Model,
    targets: Sequence[Target],
    *,
    as_json: bool = False,
    form: str = "",
) -> None:
    """Segment each image and write its mask, whole or not at all, and a summary beside them.

    `form` is the `io.format_rows.Writer.key` of the masks' format; by default their names' ends
    say it.

    Raises
    ------
    InputError
        If a mask can't be written.
    Failure
        If the user interrupts; masks written so far are kept.
    """
    from napari_dim.cli.watch import FileProgress, write_json_line
    from napari_dim.engine.inference.predict_files import predict_files

    folder = targets[0].mask.parent
    done: list[dict[str, Any]] = []
    try:
        with FileProgress(messages(), "Predicting", len(targets)) as progress:
            for entry in predict_files(model, targets, progress, form=form):
                done.append(entry)
                if as_json:
                    write_json_line({"event": "predicted", **entry})
    except KeyboardInterrupt:
        raise Failure(
            f"Interrupted; {len(done)} of {count(len(targets), 'mask')} written to {folder}"
        ) from None
    if as_json:
        write_json_line({"event": "finished", "masks": len(done), "folder": str(folder)})
    else:
        output().print(f"Wrote {count(len(done), 'mask')} to {folder}")
