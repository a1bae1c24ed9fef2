"""A training on a server is one here, but for where: events, weights, labels, pause and stop."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dim.cluster.elsewhere.server import Server
from napari_dim.cluster.elsewhere.training_elsewhere import train_elsewhere
from napari_dim.cluster.versions import own_versions
from napari_dim.config import Settings
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training.checkpoint import Checkpoint, has_checkpoint
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import (
    Checkpointed,
    Failed,
    Finished,
    Preview,
    Recovered,
    Relabelled,
    Started,
    StepDone,
)
from napari_dim.engine.training.job import Job
from napari_dim.engine.training.loop import train
from tests.cases import case
from tests.cluster.lab import Lab, Relay, wait_until

SMALL = {
    "width": 4, "device": "cpu", "threads": 1, "budget": None, "steps": 6, "min_size": 16,
    "labelled_batch": 2, "unlabelled_batch": 2,
}  # fmt: skip


def job(run=None, seed=0, **changes):
    cases = [
        case(name="Doe, Jane", site="St Elsewhere", seed=seed),
        case((), seed=seed + 1, name="Roe", site="Mount Sinai"),
    ]
    return Job(
        cases,
        Settings.make(**{**SMALL, **changes}),
        run=run,
        preview_case=0,
        preview_every=math.inf,
    )


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    found = Lab(tmp_path_factory.mktemp("lab")).start()
    yield found
    found.close()


class Inside:
    """A scheduler and a worker with a GPU in threads of this process."""

    def __init__(self, cluster, cache):
        self.address, self._cache = cluster.scheduler_address, cache

    runs = Lab.runs

    @property
    def cache(self):
        return self._cache


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    from distributed import LocalCluster

    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        with LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tcp",
            dashboard_address="127.0.0.1:0", resources={"GPU": 1}, silence_logs=False,
        ) as cluster:  # fmt: skip
            yield Inside(cluster, cache)


def elsewhere(job, lab, control=None, said=None):
    server = lab if isinstance(lab, Server) else Server(lab.address)
    return train_elsewhere(job, control, server, (said if said is not None else []).append)


def kinds(events):
    return [type(e) for e in events if not isinstance(e, StepDone | Checkpointed)]


def test_the_same_events_weights_and_run_as_here(inside, tmp_path):
    same_as_here(inside, tmp_path)


@pytest.mark.slow
def test_the_same_in_processes_of_their_own(lab, tmp_path):
    same_as_here(lab, tmp_path)
    wait_until(lambda: not lab.trainings())


def same_as_here(lab, tmp_path):
    here = list(train(job(tmp_path / "here")))
    said = []
    there = list(elsewhere(job(tmp_path / "there"), lab, said=said))
    assert kinds(there) == kinds(here), there
    assert there[0] == here[0]
    for name, tensor in here[-1].model.tensors().items():
        assert torch.equal(tensor, there[-1].model.tensors()[name]), name
    masks = [[e.mask for e in events if isinstance(e, Preview)][-1] for events in (here, there)]
    assert np.array_equal(*masks)
    assert there[-1].run == tmp_path / "there"
    files = {path.name for path in (tmp_path / "here").iterdir()}
    assert {path.name for path in (tmp_path / "there").iterdir()} == files
    record = Model.load(tmp_path / "there").record
    assert record["cases"] == Model.load(tmp_path / "here").record["cases"]
    assert there[-1].model.record == record
    assert any("Sending the scans" in line for line in said)
    wait_until(lambda: not lab.runs)  # nothing of it is left there


@pytest.mark.slow
def test_previews_labels_pause_and_stop_reach_it(lab):
    control, seen, held, firsts = Control(), [], [], []
    for event in elsewhere(job(steps=10**6), lab, control):
        seen.append(event)
        if isinstance(event, Started):
            control.give_case(0, replace(case((0, 1, 2, 3)), site="St Elsewhere"))
            control.ask_preview(0, 5)
            control.pause()
            threading.Timer(2.0, lambda: (held.append(len(seen)), control.resume())).start()
        if isinstance(event, Preview):
            firsts.append(event.slices[0])
        if firsts and held:  # the masks may come before the pause
            control.stop()
    assert firsts[0] == 5
    assert held[0] < 40  # at most the steps until the pause was there
    (labelled,) = [event.labelled for event in seen if isinstance(event, Relabelled)]
    assert labelled == {"St Elsewhere": 4, "Mount Sinai": 0}
    assert isinstance(seen[-1], Finished)
    assert seen[-1].reason == "stopped"
    assert seen[-1].run is None
    wait_until(lambda: not lab.trainings())


@pytest.mark.slow
def test_scans_travel_once(lab):
    relay = Relay(lab.port)
    relay.keep = True
    one = job(seed=50)
    noise = np.random.default_rng(1).normal(size=(6, 700, 600)).astype(np.float32)
    small = one.cases[0].volume
    volume = replace(small, array=noise, grid=replace(small.grid, file_shape=(600, 700, 6)))
    sent = []
    mask = np.zeros(noise.shape, np.uint8)
    mask[:, 200:300, 200:300] = 1
    big = replace(one, cases=[replace(one.cases[0], volume=volume, mask=mask), one.cases[1]])
    for _ in range(2):
        relay.sent.clear()
        assert isinstance(list(elsewhere(big, Server(f"127.0.0.1:{relay.port}")))[-1], Finished)
        sent.append(len(relay.sent))
    relay.close()
    assert sent[0] > 0.8 * noise.nbytes
    assert sent[1] < 0.02 * noise.nbytes


@pytest.mark.slow
def test_nothing_that_names_a_patient_leaves(lab, tmp_path, monkeypatch):
    import dask

    relay = Relay(lab.port)
    relay.keep = True
    # As it is, to be read.
    monkeypatch.setattr("napari_dim.cluster.elsewhere.message_stream._LEVEL", 0)
    words = [f"CANARY{number}" for number in range(7)]
    cases = [
        replace(
            one, name=words[0], site=words[1],
            volume=replace(
                one.volume, path=tmp_path / words[2], header={"descrip": words[3]},
                warnings=(words[4],),
            ),
        )
        for one in (case(seed=71), case((), seed=72))
    ]  # fmt: skip
    one = Job(
        cases, job().settings, tmp_path / words[5], 0, provenance={"inputs": words[6]},
        notes=(words[6],),
    )  # fmt: skip
    control = Control()
    with dask.config.set({"distributed.comm.compression": None}):
        for event in elsewhere(one, Server(f"127.0.0.1:{relay.port}"), control):
            if isinstance(event, Started):
                control.give_case(0, case((0, 1, 2), name=words[0], site=words[1], seed=71))
    assert isinstance(event, Finished), event
    assert event.model.record["inputs"] == words[6]
    # On from its model, whose record names the cases.
    again = replace(one, run=None, start=event.model, cases=cases[:1])
    with dask.config.set({"distributed.comm.compression": None}):
        assert isinstance(list(elsewhere(again, Server(f"127.0.0.1:{relay.port}")))[-1], Finished)
    relay.close()
    assert b"site-1" in relay.sent  # it can be read
    assert b"learning_rate" in relay.sent
    found = [word for word in words if word.encode() in relay.sent]
    assert not found
    assert str(tmp_path).encode() not in relay.sent


def test_refusals_are_told_in_a_line(inside, monkeypatch):
    (only,) = elsewhere(job(), Server("tcp://10.1.2.3:8786"))
    assert only.bad_input
    assert "would not be encrypted" in only.problem
    (only,) = elsewhere(job(), Server("gpu1"))
    assert "no scheduler's address" in only.problem
    assert "ssh://HOST" in only.problem
    other = {**own_versions(), "napari-dim": "0.0.1"}
    monkeypatch.setattr("napari_dim.cluster.versions.own_versions", lambda: other)
    (only,) = elsewhere(job(), inside)
    assert "0.0.1 here" in only.problem
    assert only.bad_input


@pytest.mark.slow
def test_where_nobody_listens_or_no_gpu_is_there_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_dim.cluster.elsewhere.server_link.ANSWERS_WITHIN", 3.0)
    (only,) = elsewhere(job(), Server("127.0.0.1:9"))
    assert "no scheduler answers there" in only.problem
    lab = Lab(tmp_path, resources="").start()
    try:
        (only,) = elsewhere(job(), lab)
        assert '--resources "GPU=1"' in only.problem
    finally:
        lab.close()


@pytest.mark.slow
def test_a_busy_gpu_is_waited_for(lab):
    first, second, said = Control(), Control(), []
    busy = elsewhere(job(steps=10**6), lab, first)
    assert isinstance(next(busy), Started)
    waiting = elsewhere(job(), lab, second, said)
    threading.Timer(5.0, second.stop).start()
    (only,) = waiting
    assert only.stopped
    assert "Waiting for a free GPU on 127.0.0.1" in said
    events = elsewhere(job(), lab)
    threading.Timer(3.0, first.cancel).start()
    rest = list(busy)
    assert isinstance(rest[-1], Finished)
    assert isinstance(list(events)[-1], Finished)


@pytest.mark.slow
def test_left_alone_it_ends_at_once(lab):
    events = elsewhere(job(steps=10**6), lab)
    assert isinstance(next(events), Started)
    began = time.monotonic()
    events.close()
    assert time.monotonic() - began < 5
    wait_until(lambda: not lab.trainings())


@pytest.mark.slow
def test_a_training_process_that_is_killed_goes_on_from_its_checkpoint(lab, tmp_path):
    events = []
    for event in elsewhere(job(tmp_path / "run", steps=10**6), lab):
        events.append(event)
        if lab.runs and has_checkpoint(lab.runs[-1]):
            for one in lab.trainings():
                one.kill()
    last = events[-1]
    assert isinstance(last, Failed)
    assert last.run == tmp_path / "run"
    goes_on(lab, last.run)


def goes_on(lab, run):
    """Go on from a checkpoint of this computer, there; gives its step and those in the table."""
    resume = Checkpoint.load(run)
    assert resume.step > 0
    more = replace(job(run, steps=resume.step + 5), resume=resume)
    again = list(elsewhere(more, lab))
    assert isinstance(again[-1], Finished), again[-1]
    assert again[-1].steps == resume.step + 5
    assert f"Going on from step {resume.step:,}" in again[0].notes
    assert not has_checkpoint(run)
    rows = (run / "losses.csv").read_text().splitlines()[1:]
    return resume.step, [int(row.split(",")[0]) for row in rows]


@pytest.mark.slow
def test_a_stopped_training_goes_on_with_its_table_of_losses(lab, tmp_path):
    control, run = Control(), tmp_path / "run"
    seen = stopped_after(elsewhere(job(run, steps=10**6), lab, control), control, lambda: 30)
    assert seen[-1].run == run
    step, steps = goes_on(lab, run)
    assert steps == sorted(set(steps))
    assert steps[0] < step < steps[-1] == step + 5


def stopped_after(events, control, steps, then=lambda event: None):
    """All events of a training that is stopped once it is so far, and what was said of its way."""
    seen = []
    for event in events:
        seen.append(event)
        then(event)
        if isinstance(event, StepDone) and event.step >= steps():
            control.stop()
    return seen


@pytest.mark.slow
def test_a_killed_worker_comes_back_and_the_training_goes_on(tmp_path):
    lab = Lab(tmp_path).start()
    control, at = Control(), []

    def kill(event):
        if not at and lab.runs and has_checkpoint(lab.runs[0]) and isinstance(event, StepDone):
            at.append(Checkpoint.load(lab.runs[0]).step)
            control.give_case(0, case((0, 1, 2, 3)))
            lab.kill_worker()

    try:
        events = elsewhere(job(tmp_path / "run", steps=10**6), lab, control)
        seen = stopped_after(events, control, lambda: at[0] + 300 if at else 10**7, kill)
    finally:
        lab.close()
    told = [event for event in seen if isinstance(event, Recovered)]
    assert [event.problem for event in told] == ["The worker on 127.0.0.1 ended"]
    assert "goes on from its last checkpoint" in told[0].remedy
    after = [e.step for e in seen[seen.index(told[0]) :] if isinstance(e, StepDone)]
    assert at[0] < after[0] < at[0] + 200  # not anew
    assert isinstance(seen[-1], Finished)
    assert seen[-1].run == tmp_path / "run"
    assert seen[-1].model.record["cases"][0]["name"] == "Doe, Jane"
    assert kinds(seen).count(Started) == 1


@pytest.mark.slow
def test_a_scheduler_that_is_started_again_is_found_again(tmp_path):
    lab = Lab(tmp_path).start()
    control, at, said = Control(), [], []

    def restart():
        lab.stop_scheduler()
        lab.stop_worker()
        lab.start()

    def kill(event):
        if not at and lab.runs and has_checkpoint(lab.runs[0]) and isinstance(event, StepDone):
            at.append(Checkpoint.load(lab.runs[0]).step)
            threading.Thread(target=restart).start()

    try:
        events = elsewhere(job(tmp_path / "run", steps=10**6), lab, control, said)
        seen = stopped_after(events, control, lambda: at[0] + 300 if at else 10**7, kill)
    finally:
        lab.close()
    assert isinstance(seen[-1], Finished), seen[-1]
    told = [event.problem for event in seen if isinstance(event, Recovered)]
    assert told[0] == "127.0.0.1 can't be reached"
    assert "The worker on 127.0.0.1 ended" in told
    assert any("could not be reached for" in text for text in told)
    assert "127.0.0.1 can't be reached; trying again" in said


@pytest.mark.slow
def test_a_network_that_is_cut_for_half_a_minute_costs_no_step(lab):
    relay = Relay(lab.port)
    control, cut = Control(), []

    def cut_it(event):
        if not cut and isinstance(event, StepDone) and event.step > 20:
            cut.append(event.step)
            relay.cut()
            threading.Timer(30.0, relay.mend).start()

    events = elsewhere(job(steps=10**6), Server(f"127.0.0.1:{relay.port}"), control)
    seen = stopped_after(events, control, lambda: cut[0] + 400 if cut else 10**7, cut_it)
    relay.close()
    assert isinstance(seen[-1], Finished), seen[-1]
    told = [event.problem for event in seen if isinstance(event, Recovered)]
    assert told[0] == "127.0.0.1 can't be reached"
    assert told[1].startswith("127.0.0.1 could not be reached for")
    assert len(told) == 2
    steps = [event.step for event in seen if isinstance(event, StepDone)]
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_the_end_that_nobody_heard_is_told_later(tmp_path):
    lab = Lab(tmp_path).start()
    relay = Relay(lab.port)
    seen = []
    try:
        for event in elsewhere(job(tmp_path / "run", steps=60), Server(f"127.0.0.1:{relay.port}")):
            seen.append(event)
            if isinstance(event, Started):
                relay.cut()
                wait_until(lambda: (lab.runs[0] / "ended.npz").exists())
                lab.kill_worker()
                threading.Timer(25.0, relay.mend).start()
    finally:
        relay.close()
        lab.close()
    assert isinstance(seen[-1], Finished), seen[-1]
    assert seen[-1].steps == 60
    assert seen[-1].run == tmp_path / "run"
    assert [len(e.slices) for e in seen if isinstance(e, Preview)] == [6]


@pytest.mark.slow
def test_stop_and_cancel_end_where_nobody_answers(lab, monkeypatch):
    monkeypatch.setattr("napari_dim.cluster.elsewhere.training_elsewhere.STOP_WITHIN", 4.0)
    monkeypatch.setattr("napari_dim.cluster.elsewhere.training_elsewhere.ANSWER", 3.0)
    for end, limit in (("stop", 12.0), ("cancel", 8.0)):
        relay, control, began = Relay(lab.port), Control(), []
        for event in elsewhere(job(steps=10**6), Server(f"127.0.0.1:{relay.port}"), control):
            if isinstance(event, StepDone) and not began:
                relay.cut()
                began.append(time.monotonic())
                getattr(control, end)()
        assert isinstance(event, Failed)
        assert "could not be reached" in event.problem
        assert time.monotonic() - began[0] < limit
        for one in lab.trainings():
            one.kill()
        relay.close()
        wait_until(lambda: not lab.trainings())
