"""Where a window's training runs: in this process, in one of its own, or on a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from napari_dim.gui import garbage_collection

if TYPE_CHECKING:
    from napari_dim.engine.training.control import Control
    from napari_dim.engine.training.events import Event
    from napari_dim.engine.training.job import Job


def load_engine(server: str, *, apart: bool) -> None:
    """Load what the training needs in this process; in the background thread."""
    if apart and not server:
        return
    with garbage_collection.loading():
        import napari_dim.engine.training.loop  # noqa: F401

        if server and find_spec("distributed") is not None:
            import distributed  # noqa: F401


def trained(job: Job, control: Control, server: str, say: Callable[[str], None]) -> Iterator[Event]:
    """The events of a training, wherever it runs; `say` hears of the way to a server."""
    if not server:
        from napari_dim.engine.training.child_process import run

        return run(job, control)
    from napari_dim.cluster.elsewhere.server import Server
    from napari_dim.cluster.elsewhere.training_elsewhere import train_elsewhere

    return train_elsewhere(job, control, Server(server), say)
