"""Two exceptions: input that can't be used, with what turns others into it; a failed training."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

Foreseen = Mapping[type[Exception], tuple[str, str]]
"""Exception types, and what to say of them: problem and hint."""

_MOST_TOLD = 3
_LONGEST = 400
"""Characters of a problem: what a damaged file says of itself can be any length."""


class InputError(ValueError):
    """Something the user gave can't be used: what is wrong, where, and what to do.

    Parameters
    ----------
    problem
        One sentence without a full stop: what is wrong.
    where
        File, row or field it was found in.
    hint
        One sentence: what to do about it.
    """

    def __init__(self, problem: str, *, where: str | Path | None = None, hint: str = "") -> None:
        self.problem = _shortened(problem)
        self.where = str(where) if where is not None else ""
        self.hint = _shortened(hint)
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{text}. {self.hint}" if self.hint else text


class TrainingError(RuntimeError):
    """A training that ended without a model.

    Parameters
    ----------
    problem
        One sentence without a full stop: what happened.
    hint
        One sentence: what to do about it.
    details
        The traceback, for a bug report.
    run
        A folder whose last checkpoint the training can go on from.
    log
        The log that tells more.
    stopped
        Whether somebody stopped it before anything was learnt.
    """

    def __init__(
        self,
        problem: str,
        *,
        hint: str = "",
        details: str = "",
        run: Path | None = None,
        log: Path | None = None,
        stopped: bool = False,
    ) -> None:
        self.problem, self.hint, self.details = problem, hint, details
        self.run, self.log, self.stopped = run, log, stopped
        super().__init__(f"{problem}. {hint}" if hint else problem)


def all_faults(faults: Sequence[InputError], of: int) -> InputError:
    """One error for what is wrong with some `of` so many files: each is named, the first few why.

    A single one is given as it is.
    """
    if len(faults) == 1:
        return faults[0]
    told = [f"{Path(each.where).name}: {each.problem}" for each in faults[:_MOST_TOLD]]
    more = f"; and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
    return InputError(
        f"{len(faults)} of {of} images can't be used: {'; '.join(told)}{more}",
        hint="Mend them or leave them out",
    )


def _shortened(text: str) -> str:
    """Without line breaks, and short enough to be read."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


@contextmanager
def one_line(
    path: Path,
    kind: str,
    done: str = "read",
    known: Foreseen | None = None,
) -> Iterator[None]:
    """Turn whatever goes wrong with a file into one `InputError` that names it.

    The libraries that read a format raise many types on a damaged file; the user needs one.

    Parameters
    ----------
    path
        The file or folder.
    kind
        What it ought to be: "NIfTI file".
    done
        What is done with it: "read" or "written".
    known
        The exceptions that are foreseen.
    """
    try:
        yield
    except InputError as error:
        if error.where:
            raise
        raise InputError(error.problem, where=path, hint=error.hint) from error
    except Exception as error:
        problem, hint = _told(error, kind, done), ""
        for foreseen, words in (known or {}).items():
            if isinstance(error, foreseen):
                problem, hint = words
                break
        raise InputError(problem, where=path, hint=hint) from error


def without_quotes(error: Exception | str) -> str:
    """What an exception says, without the values that it quotes: they may name a patient."""
    text = str(error).strip().split("\n")[0] or type(error).__name__
    return re.sub(r"(['\"]).*\1", "'…'", text)


def _told(error: Exception, kind: str, done: str) -> str:
    """What to say of an exception that nobody foresaw."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory for this {kind}"
    if isinstance(error, OSError):
        return f"the file can't be {done}: {error.strerror or error}"
    text = without_quotes(error)
    if done == "read":
        return f"this is not a usable {kind}: {text}"
    return f"the {kind} can't be {done}: {text}"
