"""Masks for images from a trained run: `predict` and `demo` share it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dim.cli.console import Failure, Split, messages, output
from napari_dim.errors import InputError
from napari_dim.words import count

if TYPE_CHECKING:
    from napari_dim.data.cohort import CohortCase
    from napari_dim.engine.inference.predict_files import Target
    from napari_dim.engine.inference.prediction_summary import Predictions
    from napari_dim.engine.inference.trained_model import Model


def chosen_images(
    inputs: Sequence[str | Path],
    split: Split | None = None,
    *,
    slice_axis: str = "",
    part: str = "",
    elsewhere: bool = False,
) -> tuple[list[CohortCase], list[Path]]:
    """The images to segment, and all files that must not be overwritten.

    They may lie `elsewhere`, as URLs say.

    Raises
    ------
    InputError
        If inputs are mixed, missing, or of no known kind.
    """
    from napari_dim.data.cohort import case_of, named_apart, read_cohort
    from napari_dim.io import file_kind
    from napari_dim.io.places import is_elsewhere, place_of, there

    if any(str(path).lower().endswith(".csv") for path in inputs):
        if len(inputs) > 1:
            raise InputError(
                f"{len(inputs)} inputs, one of them a cohort", hint="Give one cohort, or images"
            )
        if slice_axis or part:
            raise InputError("a cohort names these itself, in the columns slice_axis and part")
        cohort = read_cohort(place_of(inputs[0]))
        for text in cohort.notes:
            messages().print(f"Note      {cohort.path.name}: {text}")
        chosen = list(cohort.split(split or "test"))
        far = next((row for row in chosen if is_elsewhere(row.image)), None)
        if far is not None and not elsewhere:
            raise InputError("this image lies elsewhere", where=far.where,
                             hint="Add --cluster local")  # fmt: skip
        return chosen, cohort.files()
    if split is not None:
        raise InputError("--split needs a cohort", hint="Leave it out, or give a .csv file")
    rows = [case_of(path, slice_axis=slice_axis, part=part) for path in inputs]
    for path in _files(rows):
        if not is_elsewhere(path):
            file_kind(path)
        if not there(path):
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
    told: Predictions | None = None,
    before: int = 0,
) -> None:
    """Segment each image and write its mask, whole or not at all, and a summary beside them.

    `form` is the `io.format_rows.Writer.key` of the masks' format; by default their names' ends
    say it. `told` is what the folder says of its masks, `before` how many were done before.

    Raises
    ------
    InputError
        If a mask can't be written.
    Failure
        If the user interrupts; masks written so far are kept.
    """
    from napari_dim.cli.watch import FileProgress, write_json_line
    from napari_dim.engine.inference.predict_files import predict_files, predictions_of

    told = told or predictions_of(model, targets, form)
    folder = told.folder
    done: list[dict[str, Any]] = []
    try:
        with FileProgress(messages(), "Predicting", len(targets)) as progress:
            for entry in predict_files(model, targets, progress, form=form, told=told):
                done.append(entry)
                if as_json:
                    write_json_line({"event": "predicted", **entry})
    except KeyboardInterrupt:
        new = {entry["mask"] for entry in done}
        stale = sum(told.stale(each.mask.name) for each in targets if each.mask.name not in new)
        others = f"; {count(stale, 'mask')} there of another model still" if stale else ""
        raise Failure(
            f"Interrupted; {len(done)} of {count(len(targets), 'mask')} written to {folder}{others}"
            "; the same command goes on"
        ) from None
    tell_of_empty(done)
    if told.others:
        messages().print(
            f"Note      {count(len(told.others), 'mask')} of other models stay in {folder}"
        )
    if as_json:
        write_json_line(
            {"event": "finished", "masks": len(done), "before": before, "folder": str(folder)}
        )
    else:
        more = f"; {before} had been written by this model before" if before else ""
        output().print(f"Wrote {count(len(done), 'mask')} to {folder}{more}")


def tell_of_unfinished(model: Model) -> None:
    """Note that a model's training did not come to its end."""
    end = str(model.record.get("end", "steps"))
    if end in ("steps", "budget") or (end == "stopped" and model.settings.until_stopped):
        return
    how = {"stopped": "was stopped", "failed": "failed"}.get(end, "has not come to its end")
    steps = model.record.get("steps")
    after = f" after {count(steps, 'step')}" if isinstance(steps, int) else ""
    messages().print(f"Note      the training of this run {how}{after}: its last save is used")


def tell_of_empty(entries: Iterable[Mapping[str, Any]]) -> None:
    """Note which masks show nothing."""
    empty = [str(entry["mask"]) for entry in entries if entry.get("empty")]
    if empty:
        first = ", ".join(empty[:3]) + (f" and {len(empty) - 3} more" if len(empty) > 3 else "")
        are = "is empty" if len(empty) == 1 else "are empty"
        messages().print(f"Note      {first} {are}: no class was found anywhere")


@contextmanager
def gone_if_empty(folder: Path) -> Iterator[None]:
    """Take a folder away again that was made meanwhile, if the work ends early and left nothing."""
    from napari_dim.io.places import is_elsewhere

    before = is_elsewhere(folder) or folder.exists()
    try:
        yield
    except BaseException:
        if not before:
            with suppress(OSError):  # it is not empty, or never came to be
                folder.rmdir()
        raise


def predict_on_cluster(
    address: str,
    run: Path,
    rows: Sequence[CohortCase],
    out: Path,
    *,
    keep: Sequence[Path],
    form: str = "",
    worker_memory: str = "",
    batch: int = 1,
    as_json: bool = False,
    overwrite: bool = False,
) -> None:
    """As `predict_all`, a task a case; what was done before is not done again.

    Raises
    ------
    InputError
        If the model can't be used, or there is no cluster.
    Failure
        If a case could not be predicted, or the user interrupts; masks written so far are kept.
    """
    import tempfile

    from napari_dim.cli.cluster_options import Faults, on_cluster
    from napari_dim.cli.watch import FileProgress, write_json_line
    from napari_dim.cluster.predicted_cases import predict_cases
    from napari_dim.engine.inference.trained_model import Model
    from napari_dim.io.places import fetched

    faults, done, new = Faults("predicted"), 0, 0
    entries: list[dict[str, Any]] = []
    places = [out, *(row.image for row in rows)]
    try:
        with (
            gone_if_empty(out),
            tempfile.TemporaryDirectory() as copied,
            on_cluster(address, worker_memory, places) as cluster,
            FileProgress(messages(), "Predicting", len(rows)) as progress,
        ):
            local = fetched(run, Path(copied))
            tell_of_unfinished(Model.load(local))
            for outcome in predict_cases(
                cluster, local, rows, out, keep=keep, form=form, batch=batch,
                overwrite=overwrite,
            ):  # fmt: skip
                name = rows[outcome.number].name
                faults.take(name, outcome)
                if not outcome.fault:
                    done += 1
                    new += not outcome.found
                    entries.append(entry := dict(outcome.result))
                    progress.begin(name, entry.pop("notes", ()))
                    if as_json:
                        write_json_line({"event": "predicted", **entry})
                progress.end()
    except KeyboardInterrupt:
        raise Failure(
            f"Interrupted; {done} of {count(len(rows), 'mask')} written to {out}; the same "
            "command goes on"
        ) from None
    tell_of_empty(entries)
    if as_json:
        before = done - new
        write_json_line({"event": "finished", "masks": new, "before": before, "folder": str(out)})
    elif done:
        output().print(f"Wrote {count(new, 'mask')} to {out}")
    faults.end()
