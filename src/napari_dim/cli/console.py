"""What all commands share: where they print, how they fail, what their options look like."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console

from napari_dim.config import setting_field
from napari_dim.words import parse_time

DONE, FAILED, BAD_INPUT = 0, 1, 2
"""Exit codes: a promise to scripts."""

Split = Literal["train", "test", "all"]


class Failure(Exception):  # noqa: N818 - how a command ends, not always an error
    """Ends a command with exit code 1 and one line.

    Parameters
    ----------
    line
        What to tell the user.
    details
        A traceback for ``--debug``.
    """

    def __init__(self, line: str, details: str = "") -> None:
        super().__init__(line)
        self.details = details


def output() -> Console:
    """Results: standard output, lines as long as they are, text taken literally."""
    return Console(soft_wrap=True, highlight=False, markup=False, emoji=False)


def messages() -> Console:
    """Everything else: standard error."""
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def parse_budget(text: str) -> float:
    """Seconds in a ``--budget``.

    Raises
    ------
    InputError
        If it is no length of time, or longer than a week.
    """
    return parse_time(text, where="--budget")


def about(setting: str) -> str:
    """Help text of an option: the setting's own, with its default."""
    field = setting_field(setting)
    text = (field.description or "").rstrip(".")
    default = getattr(field.default, "name", field.default)
    return f"{text}." if default is None else f"{text}. [{default}]"


def check_folder(folder: Path, option: str = "--out") -> None:
    """Refuse a folder that can't be made or written to, before any work is done.

    Raises
    ------
    InputError
        If it is a file, can't be made, or may not be written to.
    """
    from napari_dim.io.atomic import check_writable

    check_writable(folder, f"{option} {folder}")
