"""What a server keeps of trainings for others: a folder each, for as long as they may come back."""

from __future__ import annotations

import io
import json
import re
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from napari_dim.engine.training.events import Event, Failed, Finished, Preview
from napari_dim.errors import InputError
from napari_dim.io.atomic import make_folder, write_bytes_atomically

FILES = (
    "weights.safetensors", "settings.json", "losses.csv", "run.json", "latest.safetensors",
)  # fmt: skip
"""What a window gets of a run's folder."""
KEPT = 24 * 3600.0
"""Seconds that the result of a training is kept for a window that did not fetch it."""
FORGOTTEN = 14 * 24 * 3600.0
"""Seconds that a checkpoint is."""

ENDED = "ended.npz"
"""How a training ended, and its last masks."""

_TOLD = {
    Finished: ("reason", "steps", "seconds", "notes"),
    Failed: ("problem", "hint", "details", "bad_input", "stopped"),
}
_SHOWN = ("case", "slices", "mask", "entropy", "step", "confidence", "disagreement")


class KeptRun:
    """The folder of one training.

    Parameters
    ----------
    training
        Its id.
    """

    def __init__(self, training: str) -> None:
        if not re.fullmatch("[0-9a-f]{16}", training):
            raise ValueError("this is no training's id")
        self.folder = server_folder() / "runs" / training

    def make(self) -> None:
        """Make it, for its owner's eyes alone.

        Raises
        ------
        InputError
            If the system refuses.
        """
        make_folder(self.folder)
        with suppress(OSError):
            self.folder.chmod(0o700)

    @property
    def is_there(self) -> bool:
        """Whether a checkpoint or a result is."""
        return any((self.folder / name).is_file() for name in (ENDED, FILES[-1]))

    def files(self) -> list[tuple[str, bytes]]:
        """What a window gets."""
        paths = [self.folder / name for name in FILES]
        return [(path.name, path.read_bytes()) for path in paths if path.is_file()]

    def keep_end(self, last: Preview | None, end: Finished | Failed) -> None:
        """Keep the end of a training for a window that asks after this process's own end."""
        if end.run is None:
            return
        about = {name: getattr(end, name) for name in _TOLD[type(end)]}
        shown = {} if last is None else {name: getattr(last, name) for name in _SHOWN}
        arrays = {name: value for name, value in shown.items() if value is not None}
        kept = io.BytesIO()
        np.savez_compressed(kept, about=json.dumps(about), **arrays)
        with suppress(InputError):  # the window gets it now
            write_bytes_atomically(self.folder / ENDED, kept.getvalue())

    def end(self) -> list[Event]:
        """What `keep_end` kept; nothing of a training that is not over."""
        try:
            with np.load(self.folder / ENDED) as kept:
                found = {name: kept[name] for name in kept.files}
        except OSError:
            return []
        about = json.loads(str(found.pop("about")))
        events: list[Event] = []
        if found:
            case, step = int(found.pop("case")), int(found.pop("step"))
            events.append(Preview(case=case, step=step, **found))
        if "problem" in about:
            return [*events, Failed(**about, run=self.folder)]
        about["notes"] = tuple(about["notes"])
        return [*events, Finished(None, run=self.folder, **about)]  # type: ignore[arg-type]

    def drop(self) -> None:
        """Nobody needs it any more."""
        shutil.rmtree(self.folder, ignore_errors=True)


def without_model(event: Event) -> Event:
    """An event whose model is in the files that go with it."""
    return replace(event, model=None) if isinstance(event, Finished) else event  # type: ignore[arg-type]


def server_folder() -> Path:
    """What is kept on this machine for trainings of others."""
    return user_cache_path("napari-dim", appauthor=False) / "elsewhere"


def sweep_runs() -> None:
    """Drop trainings that nobody came back for."""
    with suppress(OSError):
        for folder in (server_folder() / "runs").iterdir():
            patience = KEPT if (folder / ENDED).is_file() else FORGOTTEN
            if time.time() - folder.stat().st_mtime > patience:
                shutil.rmtree(folder, ignore_errors=True)
