"""What a script or a notebook calls: `napari_dim.fit`, `predict`, `evaluate`, `load_model`.

The command line and the window use the same engine. Whatever goes wrong is raised:
`napari_dim.InputError` for what can't be used, `napari_dim.TrainingError` for a training that
ended without a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, overload

from napari_dim.bars import CaseBar, TrainingBar
from napari_dim.config import Settings, read_settings_file
from napari_dim.data.array_cases import (
    Image,
    MaskGiven,
    as_volume,
    cases_given,
)
from napari_dim.data.cohort import Cohort, case_of, read_cohort
from napari_dim.data.load import load_image
from napari_dim.engine.evaluation.cohort_scores import MaskOfCase
from napari_dim.engine.evaluation.cohort_scores import evaluate as scores_of
from napari_dim.engine.evaluation.score_table import ScoreTable
from napari_dim.engine.inference.mask_volume import Mask
from napari_dim.engine.inference.out_of_core import segment
from napari_dim.engine.inference.predict_files import (
    check_images,
    left_to_do,
    planned,
    predict_files,
    predictions_of,
)
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training.checkpoint import Checkpoint
from napari_dim.engine.training.events import Event
from napari_dim.engine.training.run_folder import check_run_folder, held
from napari_dim.engine.training.run_log import Watcher
from napari_dim.engine.training.training_run import cohort_job, job_of, run_training, too_few
from napari_dim.errors import InputError, TrainingError
from napari_dim.io import make_folder

Split = Literal["train", "test", "all"]
_PATHS = (str, Path)


def fit(
    data: str | Path | Cohort | Image | Sequence[Image],
    masks: MaskGiven | Sequence[MaskGiven] = None,
    *,
    slices: Any = None,
    spacing: Any = None,
    sites: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    run: str | Path | None = None,
    overwrite: bool = False,
    start: Model | str | Path | None = None,
    resume: str | Path | None = None,
    settings: Settings | Mapping[str, Any] | str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    progress: bool = True,
    **changes: Any,
) -> Model:
    """Train on a cohort, or on images and masks.

    Ctrl-C, or a notebook's stop button, ends the training after its step: one that was to go on
    until then (``budget="until-stopped"``) gives its model; of any other, what was learnt is
    kept in `run`, and `KeyboardInterrupt` is raised.

    Parameters
    ----------
    data
        A cohort file (``.csv``), or images: one or several, each an array
        ``(slice, row, column[, channel])`` or ``(row, column)`` for a picture, a
        `napari_dim.volume.Volume`, or a file.
    masks
        Of images: class ids for each, of its slices, rows and columns, as an array or a file;
        None for an image without labels, from which is learnt nevertheless.
    slices
        The labelled slices of each mask: numbers from 0, or ``"all"``; None takes those that
        show a structure. Of several images a list of these, or ``"all"``.
    spacing
        Of arrays: distance of slices, rows and columns in mm, for all images or a list of one
        for each. Without it they are in pixels.
    sites, names
        Of images: the scanner or centre of each, and what it is called.
    run
        Folder for weights, settings, losses, log and record, the same as of
        ``napari-dim fit --out``; None keeps the model in memory.
    overwrite
        Replace the run that is in the folder; without it that is refused.
    start
        A model, or its run folder, to go on from: with its weights and its settings.
    resume
        A run folder whose training was broken off, to go on to the result that it would have
        had. It keeps its settings; its length may change.
    settings
        `napari_dim.Settings`, a mapping of them, or a TOML or JSON file.
    on_event
        Called with every event of the training (`napari_dim.engine.training.events`). What it
        raises ends the training.
    progress
        Whether to show a bar, in a notebook or on a terminal.
    **changes
        Settings by name, before those of `settings`: ``budget=60`` seconds, ``budget="3m"``,
        ``steps=2000``, ``system="fixmatch"``, ``seed=1``, ``device="cpu"``, ...

    Returns
    -------
    Model
        What `predict` takes.

    Raises
    ------
    InputError
        If an image, a mask or a setting can't be used; nothing is written then.
    TrainingError
        If the training failed, or was stopped before its first step.
    KeyboardInterrupt
        If it was stopped before its time.
    """
    folder = None if run is None else Path(run)
    checkpoint = None
    if resume is not None:
        folder, checkpoint = _resumed(resume, run, start, settings)
    elif folder is not None:
        check_run_folder(folder, overwrite=overwrite, where="run",
                         ways=("resume", "start", "overwrite"))  # fmt: skip
    earlier = Path(start) if isinstance(start, _PATHS) else start
    chosen = _settings(settings, changes, earlier, checkpoint)
    how: dict[str, Any] = {"run": folder, "start": earlier, "resume": checkpoint,
                           "overwrite": overwrite}  # fmt: skip
    with nullcontext() if folder is None else held(folder):
        cohort = _cohort(data)
        if cohort is not None:
            if masks is not None or slices is not None or spacing is not None or sites or names:
                raise InputError("a cohort names masks, slices and sites itself", where="fit")
            job = cohort_job(cohort, chosen, **how)
        else:
            cases, known = cases_given(data, masks, slices, spacing, sites, names)
            job = job_of(cases, chosen, known, **how)
        watchers: list[Watcher] = [_Told(on_event)] if on_event is not None else []
        if progress:
            watchers.append(TrainingBar())
        last = run_training(job, watchers)
    if folder is not None and last.run is None:
        raise TrainingError("the run could not be saved", hint="; ".join(last.notes))
    if last.reason == "stopped" and not chosen.until_stopped:
        raise KeyboardInterrupt(f"stopped after {last.steps} steps")
    if few := too_few(last):
        import warnings

        warnings.warn(f"{few}: give more time, or a smaller network or size", stacklevel=2)
    return last.model


def predict(
    model: Model | str | Path,
    image: Image,
    *,
    spacing: Sequence[float] | None = None,
    out: str | Path | None = None,
    slice_axis: str = "",
    part: str = "",
    device: str = "auto",
    progress: bool = True,
) -> Mask:
    """Segment one image, of any size.

    Parameters
    ----------
    model
        A model, or its run folder.
    image
        A file or folder, a `napari_dim.volume.Volume`, or an array as in `fit`.
    spacing
        Of an array, as in `fit`.
    out
        A file to write the mask to, too; its end says the format.
    slice_axis, part
        Of a file: ``"axial"``, ``"coronal"``, ``"sagittal"`` or a file axis, and which series or
        volume of several, as ``--slice-axis``, ``--series`` and ``--volume``.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    progress
        Whether to show a bar.

    Returns
    -------
    Mask
        Class ids in the image's place.

    Raises
    ------
    InputError
        If the image can't be used, doesn't fit the model, or the mask can't be written.
    """
    if isinstance(image, _PATHS):
        if str(image).lower().endswith(".csv"):
            raise InputError("this is a cohort", where=image, hint="Call predict_cohort")
        if spacing is not None:
            raise InputError("its file says its spacing", where=image, hint="Leave spacing out")
        volume = load_image(case_of(image, slice_axis=slice_axis, part=part))
    elif slice_axis or part:
        raise InputError("slice_axis and part are for files", where="predict")
    else:
        volume = as_volume(image, spacing)
    trained = _model(model)
    bar = CaseBar("Predicting", 1, shown=progress)
    try:
        bar.begin("image" if volume.path is None else volume.path.name, volume.warnings)
        found = segment(trained, volume, device=device, progress=bar.part)
        bar.end()
    finally:
        bar.close()
    mask = Mask.on(volume, found.mask, classes=trained.classes, entropy=found.entropy)
    if out is not None:
        mask.save(out)
    return mask


@overload
def predict_cohort(
    model: Model | str | Path, cohort: str | Path | Cohort, *, out: None = None,
    split: Split = "test", form: str = "", device: str = "auto",
    overwrite: bool = False, progress: bool = True,
) -> dict[str, Mask]: ...  # fmt: skip


@overload
def predict_cohort(
    model: Model | str | Path, cohort: str | Path | Cohort, *, out: str | Path,
    split: Split = "test", form: str = "", device: str = "auto",
    overwrite: bool = False, progress: bool = True,
) -> dict[str, Path]: ...  # fmt: skip


def predict_cohort(
    model: Model | str | Path,
    cohort: str | Path | Cohort,
    *,
    out: str | Path | None = None,
    split: Split = "test",
    form: str = "",
    device: str = "auto",
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Mask] | dict[str, Path]:
    """Segment the images of a cohort.

    Parameters
    ----------
    model
        A model, or its run folder.
    cohort
        A cohort, or its file.
    out
        Folder for the masks and ``predictions.json``, as of ``napari-dim predict``; None keeps
        the masks in memory.
    split
        Which cases: ``"train"``, ``"test"`` or ``"all"``.
    device, progress
        As in `predict`.
    form
        With `out`: the key of a format, as ``--format``.
    overwrite
        With `out`: replace masks of other models, which is refused without it. Those that this
        model has written there, of the same images, are left in any case.

    Returns
    -------
    dict
        The mask of each case by its name, or its file; `evaluate` takes either.

    Raises
    ------
    InputError
        If an image can't be used, a mask can't be written, or masks of another model are there.
    """
    read = cohort if isinstance(cohort, Cohort) else read_cohort(Path(cohort))
    rows = read.split(split)
    trained = _model(model)
    bar = CaseBar("Predicting", len(rows), shown=progress)
    try:
        if out is None:
            masks = {}
            for row in rows:
                volume = load_image(row)
                bar.begin(row.name, volume.warnings)
                found = segment(trained, volume, device=device, progress=bar.part)
                masks[row.name] = Mask.on(
                    volume, found.mask, classes=trained.classes, entropy=found.entropy
                )
                bar.end()
            return masks
        folder = Path(out)
        targets = planned(rows, folder, read.files(), form)
        told = predictions_of(trained, targets, form)
        names = [target.mask.name for target in targets]
        told.check(rows, names, overwrite=overwrite, where=f"out {folder}", way="overwrite")
        left = left_to_do(targets, told)
        check_images(left, trained, form)
        make_folder(folder)
        for _ in predict_files(trained, left, bar, form=form, device=device, told=told):
            pass
        return {target.row.name: target.mask for target in targets}
    finally:
        bar.close()


def evaluate(
    cohort: str | Path | Cohort,
    masks: str | Path | Mapping[str, MaskOfCase] | Sequence[MaskOfCase],
    *,
    split: Split = "test",
    merge: Mapping[int, int] | None = None,
    progress: bool = True,
) -> ScoreTable:
    """Compare masks with a cohort's reference masks.

    Parameters
    ----------
    cohort
        A cohort, or its file.
    masks
        A folder that `predict_cohort` or ``napari-dim predict`` wrote; or the mask of each case
        by its name, or of all in their order: a `Mask`, an array of ids
        ``(slice, row, column)``, or a file.
    split
        Which cases: ``"train"``, ``"test"`` or ``"all"``.
    merge
        Old id -> new id, on both sides: ``{1: 1, 2: 1}`` counts both classes as one.
    progress
        Whether to show a bar.

    Returns
    -------
    ScoreTable
        Dice, Jaccard, 95 % Hausdorff and average surface distance of each case and class, and
        their means.

    Raises
    ------
    InputError
        If a mask is missing or doesn't fit its image.
    """
    read = cohort if isinstance(cohort, Cohort) else read_cohort(Path(cohort))
    notes = list(read.notes)
    bar = CaseBar("Comparing", len(read.split(split)), shown=progress)
    try:
        report = scores_of(
            read,
            Path(masks) if isinstance(masks, _PATHS) else masks,
            split=split,
            merges=merge,
            progress=lambda done, total: bar.end(),
            note=notes.append,
        )
    finally:
        bar.close()
    return ScoreTable(report, tuple(dict.fromkeys(notes)))


def load_model(run: str | Path) -> Model:
    """The model of a run folder.

    Parameters
    ----------
    run
        What ``napari-dim fit --out``, ``fit(run=...)``, the window or `Model.save` wrote.

    Raises
    ------
    InputError
        If it is no whole run folder.
    """
    return Model.load(Path(run))


class _Told:
    """Hands a training's events on."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self.event = tell

    def close(self) -> None:
        """Nothing is held."""


def _model(model: Model | str | Path) -> Model:
    return Model.load(Path(model)) if isinstance(model, _PATHS) else model


def _cohort(data: Any) -> Cohort | None:
    """The cohort that is meant; None where images are given."""
    if isinstance(data, Cohort):
        return data
    if isinstance(data, _PATHS) and str(data).lower().endswith(".csv"):
        return read_cohort(Path(data))
    return None


def _settings(
    settings: Settings | Mapping[str, Any] | str | Path | None,
    changes: Mapping[str, Any],
    start: Model | Path | None,
    resume: Checkpoint | None,
) -> Settings:
    """The settings that are meant: of an earlier run, then those given, then the changes."""
    if resume is not None:
        others = sorted({*changes} - {"budget", "steps", "until_stopped"})
        if others:
            raise InputError(f"a resumed run keeps its {others[0]}", where="fit",
                             hint="Its length alone may change")  # fmt: skip
        return resume.model.settings.changed(**changes)
    if isinstance(settings, Settings):
        return settings.changed(**changes)
    given = read_settings_file(Path(settings)) if isinstance(settings, _PATHS) else settings or {}
    if {"budget", "steps"} & {*changes}:
        given = {name: one for name, one in given.items() if name not in ("budget", "steps")}
    given = {**given, **changes}
    if start is None:
        return Settings.make(**given)
    return _model(start).settings.changed(**given)


def _resumed(resume: str | Path, run: Any, start: Any, settings: Any) -> tuple[Path, Checkpoint]:
    for name, other in (("run", run), ("start", start), ("settings", settings)):
        if other is not None:
            raise InputError(f"{name} and resume exclude each other", where="fit",
                             hint="A resumed run keeps its folder and settings")  # fmt: skip
    return Path(resume), Checkpoint.load(Path(resume))
