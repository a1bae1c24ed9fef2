"""``napari-dim fit``: train on a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dim.cli.console import about, check_folder, parse_budget
from napari_dim.cli.settings_faults import settings_faults
from napari_dim.config import Device, Preset, Settings, read_settings_file, with_length
from napari_dim.errors import InputError
from napari_dim.options import Divergence, SystemName
from napari_dim.words import UNTIL_STOPPED

if TYPE_CHECKING:
    from napari_dim.engine.training.checkpoint import Checkpoint
    from napari_dim.engine.training.launched import Launch


def fit(
    cohort: Annotated[
        Path, typer.Argument(metavar="COHORT.csv", help="Table of image,labels,slices,site,split.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Folder for the trained run. [needed]")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long to train: 60s, 3m, until-stopped. [180s]"),
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help=about("steps"))] = None,
    system: Annotated[
        SystemName | None, typer.Option("--system", "--method", help=about("system"))
    ] = None,
    preset: Annotated[Preset | None, typer.Option(help=about("preset"))] = None,
    divergence: Annotated[Divergence | None, typer.Option(help=about("divergence"))] = None,
    device: Annotated[Device | None, typer.Option(help=about("device"))] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help=about("seed"))] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", metavar="RUN", help="Go on from the weights of an earlier run."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with a stopped run, as if it had not stopped."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Settings as TOML or JSON; the options above win."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run that is in the folder of --out.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")] = False,
) -> None:
    """Train on the labelled and unlabelled slices of a cohort.

    Ctrl-C stops after the current step and keeps what was learnt; with `--budget
    until-stopped` that is how it ends. With `--resume RUN` it goes on to the result that it
    would have had. `torchrun --nproc-per-node N -m napari_dim fit ...` shares each step among
    N processes, on a graphics card each where there are some.
    """
    from napari_dim.cli.one_voice import one_voice

    options = {
        "system": system,
        "preset": preset,
        "divergence": divergence,
        "device": device,
        "seed": seed,
    }
    with one_voice() as launch:
        length = length_options(budget, steps)
        if resume is not None:
            others = {"out": out, "from": start, "config": config, "overwrite": overwrite or None}
            _resume(cohort, resume, length, others | options, launch, as_json=json)
            return
        if out is None:
            raise InputError("--out is missing", hint="Name the folder that the run goes to")
        settings = fit_settings(config, length, start, **options)
        _begin(cohort, out, settings, start, launch, as_json=json, overwrite=overwrite)


def _resume(
    cohort: Path,
    run: Path,
    length: dict[str, Any],
    others: dict[str, Any],
    launch: Launch | None,
    *,
    as_json: bool,
) -> None:
    """Go on with a run that stopped."""
    from napari_dim.cli.training import train_cohort

    checkpoint = checkpoint_of(run, others)
    settings = checkpoint.model.settings.changed(**length)
    train_cohort(cohort, run, settings, resume=checkpoint, as_json=as_json, launch=launch)


def _begin(
    cohort: Path,
    out: Path,
    settings: Settings,
    start: Path | None,
    launch: Launch | None,
    *,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Begin a run in a folder that may be written to."""
    from napari_dim.cli.training import train_cohort
    from napari_dim.engine.training.run_folder import check_run_folder

    if start is not None and start.resolve() == out.resolve():
        raise InputError("the run to go on from would be overwritten", where=f"--out {out}",
                         hint="Give a new folder")  # fmt: skip
    if launch is None or launch.ranks.first:
        check_run_folder(out, overwrite=overwrite)
        check_folder(out)
    train_cohort(
        cohort, out, settings, start=start, as_json=as_json, overwrite=overwrite, launch=launch
    )


def checkpoint_of(run: Path, others: dict[str, Any]) -> Checkpoint:
    """The checkpoint of a run that is to go on.

    Raises
    ------
    InputError
        If there is none, or one of the other options was given: the run has its own.
    """
    from napari_dim.engine.training.checkpoint import Checkpoint

    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InputError(
            f"--{given[0]} and --resume exclude each other",
            hint="A resumed run keeps its folder and settings; --budget or --steps may change",
        )
    return Checkpoint.load(run)


def length_options(budget: str | None, steps: int | None) -> dict[str, Any]:
    """The settings that ``--budget`` and ``--steps`` stand for; one replaces the other.

    ``--budget until-stopped`` trains in rounds, the first as long as the default budget.

    Raises
    ------
    InputError
        If both are given, or the budget is no length of time.
    """
    if budget is not None and steps is not None:
        raise InputError("--budget and --steps exclude each other", hint="Give one of them")
    if steps is not None:
        return {"steps": steps, "budget": None, "until_stopped": False}
    if budget is not None and budget.strip().lower() == UNTIL_STOPPED:
        return {"until_stopped": True}
    if budget is not None:
        return {"budget": parse_budget(budget), "steps": None, "until_stopped": False}
    return {}


def fit_settings(
    config: Path | None, length: dict[str, Any], start: Path | None = None, **options: Any
) -> Settings:
    """Settings of an earlier run (`start`), then from a file, then the options that were given.

    Raises
    ------
    InputError
        If a name is unknown or a value outside its range.
    """
    given = {} if config is None else settings_in(config)
    given |= {name: value for name, value in options.items() if value is not None} | length
    if start is None:
        return Settings.make(**given)
    from napari_dim.engine.inference.trained_model import Model

    return Model.load(start).settings.changed(**given)


def settings_in(path: Path) -> dict[str, Any]:
    """Names and values from a settings file; a budget may be written as for ``--budget``.

    Raises
    ------
    InputError
        If there are faults in it: all of them, with the file's name.
    """
    values: dict[str, Any] = read_settings_file(path)
    if faults := settings_faults(values):
        raise InputError("; ".join(faults), where=path)
    return with_length(values)
