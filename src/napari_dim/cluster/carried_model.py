"""A model at every worker, those that join or start again included: its run folder's three files.

Dask hands a worker plugin to each worker once; cases then name the model by its hash.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed import Client, WorkerPlugin

from napari_dim.engine.inference.trained_model import RECORD, SETTINGS, WEIGHTS, Model
from napari_dim.io.atomic import write_bytes_atomically

_lock = threading.Lock()
_files: dict[str, Mapping[str, bytes]] = {}
_models: dict[str, Model] = {}


class CarriedModel(WorkerPlugin):
    """The files of a run folder, name -> bytes, kept at a worker under the hash of its weights."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.digest = hashlib.sha256(files[WEIGHTS]).hexdigest()
        self.name = f"napari-dim-{self.digest[:12]}"

    def setup(self, worker: Any) -> None:
        """Keep the files."""
        _files[self.digest] = self.files

    def teardown(self, worker: Any) -> None:
        """Forget them."""
        _files.pop(self.digest, None)
        _models.pop(self.digest, None)


@contextmanager
def carried(client: Client, run: Path) -> Iterator[str]:
    """Have the model of a run folder here at all workers, within the block; gives its hash."""
    model = CarriedModel({name: (run / name).read_bytes() for name in (WEIGHTS, SETTINGS, RECORD)})
    client.register_plugin(model)
    try:
        yield model.digest
    finally:
        with suppress(Exception):  # the scheduler may be gone
            client.unregister_worker_plugin(model.name)


def model_of(digest: str) -> Model:
    """The model with this hash, at a worker."""
    with _lock:
        if digest not in _models:
            with tempfile.TemporaryDirectory() as folder:
                for name, data in _files[digest].items():
                    write_bytes_atomically(Path(folder) / name, data)
                _models[digest] = Model.load(Path(folder))
        return _models[digest]
