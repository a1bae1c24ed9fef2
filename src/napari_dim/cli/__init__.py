"""``napari-dim`` at the command line: one file a command, on the engine that napari uses.

Commands import torch and friends when they run: help and versions come at once.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from napari_dim import __version__
from napari_dim.cli.compare import compare
from napari_dim.cli.console import BAD_INPUT, DONE, FAILED, Failure, messages, output
from napari_dim.cli.convert import convert
from napari_dim.cli.demo import demo
from napari_dim.cli.doctor import doctor
from napari_dim.cli.evaluate import evaluate
from napari_dim.cli.fit import fit
from napari_dim.cli.info import info
from napari_dim.cli.predict import predict
from napari_dim.cli.study import study
from napari_dim.errors import InputError

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_TYPER_INTERRUPTED = 130
"""What typer makes of Ctrl-C."""

for _command in (demo, fit, predict, evaluate, compare, convert, info, doctor):
    app.command()(_command)
app.add_typer(study, name="study", rich_help_panel=None)


@dataclass
class _Run:
    """What the program's own options say about this run."""

    debug: bool = False


def _show_version(wanted: bool) -> None:
    if wanted:
        output().print(f"napari-dim {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Label a few slices, train DiM, get masks for the rest."""
    context.obj.debug = debug
    if context.invoked_subcommand is None:
        output().print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments
        Those after the program's name; by default the process's own.

    Returns
    -------
    int
        0 done, 2 bad input (one line on standard error says what and where), 1 anything else.
    """
    run = _Run()
    try:
        code = app(arguments, prog_name="napari-dim", standalone_mode=False, obj=run)
    except InputError as error:
        return _end(str(error), BAD_INPUT, traceback.format_exc() if run.debug else "")
    except Failure as failure:
        return _end(str(failure), FAILED, failure.details if run.debug else "")
    except (KeyboardInterrupt, typer.Abort):
        return _end("interrupted", FAILED)
    except Exception as error:
        if hasattr(error, "format_message"):
            return _end(_usage_line(error), BAD_INPUT)
        line = f"unexpected error, {type(error).__name__}: {error}"
        if run.debug:
            return _end(line, FAILED, traceback.format_exc())
        return _end(f"{line}. Run `napari-dim --debug ...` for the traceback", FAILED)
    if code == _TYPER_INTERRUPTED:
        return _end("interrupted", FAILED)
    return code if isinstance(code, int) else DONE


def _usage_line(error: Any) -> str:
    """What a usage error of typer says; its class moved between typer's versions."""
    command = error.ctx.command_path if getattr(error, "ctx", None) else "napari-dim"
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    return f"{message}. See {command} --help"


def _end(line: str, code: int, details: str = "") -> int:
    """Say why the program ends, in one line, after the details if they are wanted."""
    if details:
        messages().print(details.rstrip())
    messages().print(f"napari-dim: {' '.join(line.split())}")
    return code
