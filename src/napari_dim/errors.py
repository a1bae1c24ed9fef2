"""The one exception for input that can't be used."""

from __future__ import annotations

from pathlib import Path

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
        self.problem = _one_line(problem)
        self.where = str(where) if where is not None else ""
        self.hint = _one_line(hint)
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{text}. {self.hint}" if self.hint else text


def _one_line(text: str) -> str:
    """Without line breaks, and short enough to be read."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
