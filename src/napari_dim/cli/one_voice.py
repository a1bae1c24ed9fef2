"""Several processes of one command, which end with one line and not with one each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import typer

from napari_dim.cli.console import BAD_INPUT, FAILED, Failure
from napari_dim.errors import InputError

if TYPE_CHECKING:
    from napari_dim.engine.training.launched import Launch


@contextmanager
def one_voice() -> Iterator[Launch | None]:
    """The process among those that `torchrun` launched; None without it.

    Of a fault in all of them the first that meets it tells; the others end without a word.
    """
    if os.environ.get("WORLD_SIZE", "1") in ("", "1") or "RANK" not in os.environ:
        yield None
        return
    from napari_dim.engine.training.launched import Launch

    launch = Launch.found()
    try:
        yield launch
    except (InputError, Failure) as error:
        if launch.speaks():
            raise
        raise typer.Exit(BAD_INPUT if isinstance(error, InputError) else FAILED) from error
    except Exception as error:
        if launch.speaks():
            raise
        raise typer.Exit(FAILED) from error
    finally:
        with suppress(Exception):  # the others may be gone
            launch.close()
