"""Run folders from elsewhere that try to run code, to exhaust memory or to get out."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import tempfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_dim.config import Settings
from napari_dim.data.working_grid import WorkingGrid
from napari_dim.engine.inference.trained_model import RECORD, WEIGHTS, Model
from napari_dim.engine.training.checkpoint import LATEST, Checkpoint
from napari_dim.errors import InputError

PROMISE = "a checkpoint is tensors and JSON: nothing in it is run, and nothing unchecked is read"
FULL, QUICK = 20, 20


class _Gadget:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.trace),))


def run(count: int) -> str:
    """Try so many gadgets, each as a model and as a checkpoint to resume."""
    slowest = most = 0.0
    gadgets = list(_gadgets().items())[:count]
    good = Path(tempfile.mkdtemp()) / "run"
    _whole(good)
    for name, gadget in gadgets:
        for reader, file in ((Model.load, WEIGHTS), (Checkpoint.load, LATEST)):
            with tempfile.TemporaryDirectory() as folder:
                run_folder, trace = Path(folder) / "run", Path(folder) / "trace"
                shutil.copytree(good, run_folder)
                reader(run_folder)  # It is good until the gadget is in it.
                gadget(run_folder, run_folder / file, trace)
                tracemalloc.start()
                began = time.monotonic()
                with pytest.raises(InputError) as told:
                    reader(run_folder)
                assert "\n" not in str(told.value), name
                assert len(str(told.value)) < 600, name
                slowest = max(slowest, time.monotonic() - began)
                most = max(most, tracemalloc.get_traced_memory()[1] / 2**20)
                tracemalloc.stop()
                assert not trace.exists(), f"{name} was run"
    shutil.rmtree(good.parent)
    assert slowest < 10, slowest
    return (
        f"{len(gadgets)} gadgets, each as model and as checkpoint: 0 run, one InputError each, "
        f"{slowest:.1f} s and {most:.0f} MiB at most"
    )


def _whole(run: Path) -> None:
    settings = Settings.make(width=4, seed=1)
    model = Model.new(settings, (1, 2), 1, 1, WorkingGrid(1.0, 128, (128, 128), 256), {"seed": 1})
    model.save(run)
    generator = torch.Generator().get_state()
    Checkpoint(model, 1, 1.0, 0.0, 1.0, (4, 2), False, "cpu", {}, generator).save(run)


def _gadgets() -> dict[str, Callable[[Path, Path, Path], None]]:
    """What is done to a run folder, a file of tensors in it, and where the trace would be."""

    def pickled(run: Path, file: Path, trace: Path) -> None:
        file.write_bytes(pickle.dumps(_Gadget(trace)))

    def torch_archive(run: Path, file: Path, trace: Path) -> None:
        torch.save({"student": _Gadget(trace)}, file)

    def old_torch_file(run: Path, file: Path, trace: Path) -> None:
        torch.save({"student": _Gadget(trace)}, file, _use_new_zipfile_serialization=False)

    def pickle_behind_a_header(run: Path, file: Path, trace: Path) -> None:
        body = pickle.dumps(_Gadget(trace))
        header = {"student": {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]}}
        text = json.dumps(header).encode()
        file.write_bytes(struct.pack("<Q", len(text)) + text + body)

    def pickle_beside(run: Path, file: Path, trace: Path) -> None:
        (run / "data.pkl").write_bytes(pickle.dumps(_Gadget(trace)))
        with zipfile.ZipFile(file, "w") as archive:
            archive.write(run / "data.pkl", "archive/data.pkl")

    def header(change: Callable[[dict[str, Any]], None]) -> Callable[[Path, Path, Path], None]:
        def act(run: Path, file: Path, trace: Path) -> None:
            data = file.read_bytes()
            (length,) = struct.unpack("<Q", data[:8])
            values = json.loads(data[8 : 8 + length])
            change(values)
            text = json.dumps(values).encode()
            file.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])

        return act

    def about(change: Callable[[dict[str, Any]], None]) -> Callable[[Path, Path, Path], None]:
        def act(values: dict[str, Any]) -> None:
            known = json.loads(values["__metadata__"]["napari_dim"])
            change(known)
            values["__metadata__"]["napari_dim"] = json.dumps(known)

        return header(act)

    def first(values: dict[str, Any]) -> dict[str, Any]:
        entry: dict[str, Any] = values[
            next(k for k in values if k.startswith("student.") and k.endswith("weight"))
        ]
        return entry

    def huge_header(run: Path, file: Path, trace: Path) -> None:
        file.write_bytes(struct.pack("<Q", 2**62) + file.read_bytes()[8:])

    def long_header(run: Path, file: Path, trace: Path) -> None:
        text = b'{"a":"' + b"x" * (64 * 2**20) + b'"}'
        file.write_bytes(struct.pack("<Q", len(text)) + text)

    def deep_header(run: Path, file: Path, trace: Path) -> None:
        text = b"[" * 2**20 + b"]" * 2**20
        file.write_bytes(struct.pack("<Q", len(text)) + text)

    def link(run: Path, file: Path, trace: Path) -> None:
        outside = run.parent / "elsewhere"
        file.replace(outside)
        file.symlink_to(outside)

    def cut(run: Path, file: Path, trace: Path) -> None:
        file.write_bytes(file.read_bytes()[:-1000])

    def deep_record(run: Path, file: Path, trace: Path) -> None:
        (run / RECORD).write_text('{"a":' * 10**5 + "1" + "}" * 10**5)

    def paths(known: dict[str, Any]) -> None:
        known["settings"]["network"] = "../../../../tmp/evil:Network"

    def module(known: dict[str, Any]) -> None:
        known["settings"]["system"] = {"__reduce__": ["os.system", "touch trace"]}

    def no_numbers(run: Path, file: Path, trace: Path) -> None:
        data = bytearray(file.read_bytes())
        start = 8 + struct.unpack("<Q", data[:8])[0]
        at = start + first(json.loads(data[8:start]))["data_offsets"][0]
        data[at : at + 4] = struct.pack("<f", float("nan"))
        file.write_bytes(bytes(data))

    return {
        "a pickle with the right name": pickled,
        "a torch archive": torch_archive,
        "an old torch file": old_torch_file,
        "a pickle behind a header": pickle_behind_a_header,
        "a zip with a pickle": pickle_beside,
        "a header of exabytes": huge_header,
        "a header of 64 MiB": long_header,
        "a header of a million brackets": deep_header,
        "an absurd shape": header(lambda v: first(v).update(shape=[2**40, 2**40])),
        "a negative shape": header(lambda v: first(v).update(shape=[-1, 3, 3, 3])),
        "another type": header(lambda v: first(v).update(dtype="F64")),
        "offsets outside": header(lambda v: first(v).update(data_offsets=[0, 2**60])),
        "a million channels": about(lambda k: k["model"].update(channels=10**6)),
        "the widest network": about(lambda k: k["settings"].update(width=256)),
        "a path for a network": about(paths),
        "an object for a setting": about(module),
        "a link out of the folder": link,
        "weights that are no numbers": no_numbers,
        "a cut file": cut,
        "a record nested without end": deep_record,
    }
