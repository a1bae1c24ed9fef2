"""Progress bars for scripts and notebooks; without a screen to show them there is none."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

from napari_dim.engine.training.events import Event, Finished, Recovered, Started, StepDone
from napari_dim.engine.training.run_log import (
    finished_line,
    recovered_line,
    started_lines,
    step_texts,
)


class TrainingBar:
    """Shows a training's events; a `run_log.Watcher`."""

    def __init__(self) -> None:
        self._bar = bar("Training", "{desc} {percentage:3.0f}%|{bar}| {postfix}")

    def event(self, event: Event) -> None:
        """Say the start, move the bar."""
        match event:
            case Started():
                for line in started_lines(event):
                    self._say(line)
            case Recovered():
                self._say(recovered_line(event))
            case StepDone():
                texts = step_texts(event)
                self._bar.set_postfix_str(
                    f"step {texts['step']}, loss {texts['loss']}, {texts['left']}", refresh=False
                )
                self._bar.update(event.share - self._bar.n)
            case Finished():
                self._bar.update(1 - self._bar.n)
                self._say(finished_line(event))

    def _say(self, line: str) -> None:
        if not self._bar.disable:
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


class CaseBar:
    """Shows how many cases are done; an `inference.predict_files.FileWatcher`.

    Parameters
    ----------
    doing
        What is done: ``"Predicting"``.
    total
        Number of cases.
    shown
        Whether there is a bar at all.
    """

    def __init__(self, doing: str, total: int, *, shown: bool = True) -> None:
        self._done = 0
        layout = "{desc} {percentage:3.0f}%|{bar}| {postfix} [{elapsed}<{remaining}]"
        self._bar = bar(doing, layout, total, shown=shown)

    def begin(self, name: str, notes: Sequence[str] = ()) -> None:
        """The next case, and what was decided when its image was read."""
        for note in notes:
            if not self._bar.disable:
                self._bar.write(f"Note      {name}: {note}", file=sys.stderr)
        self._bar.set_postfix_str(name, refresh=False)

    def part(self, share: float) -> None:
        """So much of the case is done, in [0, 1]."""
        self._bar.update(self._done + share - self._bar.n)

    def end(self) -> None:
        """The case is done."""
        self._done += 1
        self._bar.update(self._done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def bar(doing: str, layout: str, total: float = 1, *, shown: bool = True) -> Any:
    """A bar in a notebook or a terminal; one that shows nothing elsewhere, or if not `shown`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets a notebook gets a bar of text
        from tqdm.auto import tqdm
    # None: shown on a terminal alone. A notebook is none, and shows it nevertheless.
    hidden = True if not shown else False if "ipykernel" in sys.modules else None
    return tqdm(desc=doing, total=total, bar_format=layout, disable=hidden)
