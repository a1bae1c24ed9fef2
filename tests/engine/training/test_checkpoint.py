"""Checkpoints: resume to the same result, two generations, nothing believed."""

from __future__ import annotations

import json
import struct

import pytest
import torch

from napari_dim.config import Settings
from napari_dim.engine.inference.trained_model import WEIGHTS, Model
from napari_dim.engine.tensor_file import read_about, write_tensors
from napari_dim.engine.training import loop as module
from napari_dim.engine.training.checkpoint import LATEST, PREVIOUS, Checkpoint
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import Checkpointed, Failed, Finished, StepDone
from napari_dim.engine.training.loop import Job, train
from napari_dim.engine.training.training_run import job_of
from napari_dim.errors import InputError
from tests.cases import case

SMALL = {
    "width": 4, "device": "cpu", "threads": 1, "budget": None, "steps": 12, "min_size": 16,
    "labelled_batch": 2, "unlabelled_batch": 2, "least_weight": 0.0, "sharpness_from": 0.3,
}  # fmt: skip


@pytest.fixture(autouse=True)
def report_every_step(monkeypatch):
    monkeypatch.setattr(module, "REPORT_EVERY", 0.0)


def cases():
    return [case(), case((), seed=1, site="B")]


def stopped_at(step, run, **changes):
    control = Control()
    settings = Settings.make(**{**SMALL, **changes})
    for event in train(Job(cases(), settings, run=run), control):
        if isinstance(event, StepDone) and event.step == step:
            control.stop()
    assert isinstance(event, Finished)
    return settings


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"optimiser": "sgd", "learning_rate": 0.01}, marks=pytest.mark.slow),
        pytest.param({"network": "unet"}, marks=pytest.mark.slow),
        {"method": "supervised"},
    ],
    ids=["dim", "sgd", "batch norm", "supervised"],
)
def test_resume_gives_the_same_result(tmp_path, changes):
    whole = list(train(Job(cases(), Settings.make(**{**SMALL, **changes}))))[-1].model
    settings = stopped_at(5, tmp_path, **changes)
    resume = Checkpoint.load(tmp_path)
    assert resume.step == 5
    events = list(train(Job(cases(), settings, run=tmp_path, resume=resume)))
    assert "step 5" in events[0].notes[0]
    model = events[-1].model
    assert events[-1].steps == 12
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, model.tensors()[name]), name
    rows = (tmp_path / "losses.csv").read_text().splitlines()
    assert [int(row.split(",")[0]) for row in rows[1:]] == list(range(1, 13))
    assert not (tmp_path / LATEST).exists()  # it has come to its end
    assert Model.load(tmp_path).classes == (1, 2)


def test_a_run_does_not_go_on_to_an_end_that_it_is_past(tmp_path):
    settings = stopped_at(5, tmp_path)
    resume, before = Checkpoint.load(tmp_path), sorted(p.name for p in tmp_path.iterdir())
    for length, words in (
        ({"steps": 4}, "has made 5 steps already"),
        ({"steps": None, "budget": 1e-6}, "has taken 0:0. already"),
    ):
        with pytest.raises(InputError, match=words):
            job_of(cases(), settings.model_copy(update=length), {}, run=tmp_path, resume=resume)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_each_save_writes_out_the_losses_so_far(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FIRST_CHECKPOINT", 0.0)
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", 0.0)
    saved = 0
    for event in train(Job(cases(), Settings.make(**SMALL), run=tmp_path)):
        if isinstance(event, Checkpointed):
            saved += 1
            rows = (tmp_path / "losses.csv").read_text().splitlines()  # as after a kill
            assert len(rows) > 1
            assert rows[1].startswith("1,")
    assert saved > 2


def test_the_previous_one_stands_in_for_a_damaged_one(tmp_path):
    stopped_at(3, tmp_path)
    first = (tmp_path / LATEST).read_bytes()
    resume = Checkpoint.load(tmp_path)
    resume.save(tmp_path)
    assert (tmp_path / PREVIOUS).read_bytes() == first
    (tmp_path / LATEST).write_bytes(first[:-100])
    found = Checkpoint.load(tmp_path)
    assert found.step == 3
    assert found.notes == ("The newest checkpoint is damaged: the one before it is taken",)
    assert resume.notes == ()
    (tmp_path / PREVIOUS).write_bytes(b"")
    with pytest.raises(InputError):
        Checkpoint.load(tmp_path)


def test_other_labels_or_images_are_refused(tmp_path):
    settings = stopped_at(2, tmp_path)
    resume = Checkpoint.load(tmp_path)
    for others, word in (([case(classes=1)], "classes"), ([case(channels=2)], "channels")):
        (only,) = train(Job(others, settings, resume=resume))
        assert isinstance(only, Failed)
        assert only.bad_input
        assert word in only.problem


def _header(path, change):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    change(header)
    new = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + data[8 + length :])


def test_what_is_described_must_be_what_is_there(tmp_path):
    stopped_at(2, tmp_path)
    path = tmp_path / WEIGHTS
    whole = path.read_bytes()
    model = Model.load(tmp_path)

    def wrong(word, change=None, data=None):
        path.write_bytes(whole if data is None else data)
        if change is not None:
            _header(path, change)
        with pytest.raises(InputError, match=word):
            Model.load(tmp_path)

    first = next(k for k in model.tensors() if k.endswith("weight"))
    wrong("tensor", lambda h: h[first].update(shape=[10**9, 10**9]))
    wrong("tensor", lambda h: h[first].update(dtype="F64"))
    wrong("missing", lambda h: h.pop(first))
    wrong("large", data=struct.pack("<Q", 2**40) + whole[8:])
    wrong("safetensors", data=whole[:8] + b"x" * (len(whole) - 8))
    path.write_bytes(whole)
    about = read_about(path)
    about["model"]["channels"] = 10**9
    write_tensors(path, model.tensors(), about)
    wrong("between", data=path.read_bytes())
    about = {**about, "model": {**about["model"], "channels": 1}}
    nan = {name: torch.full_like(t, float("nan")) if t.is_floating_point() else t
           for name, t in model.tensors().items()}  # fmt: skip
    write_tensors(path, nan, about)
    wrong("numbers", data=path.read_bytes())
    path.unlink()
    path.symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="link"):
        Model.load(tmp_path)
