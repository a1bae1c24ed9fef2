"""What goes between a training and its server arrives whole, once, and without names."""

from __future__ import annotations

import os
import pickle
import random
import time

import numpy as np
import pytest

from napari_dim.cluster.elsewhere.message_stream import Inbox, Outbox
from napari_dim.cluster.elsewhere.scan_store import BLOCK, MappedVoxels, ScanStore, blocks, hash_of
from napari_dim.cluster.elsewhere.sent_cases import Names, SentLabels, SentScan
from napari_dim.cluster.elsewhere.server import Server
from napari_dim.data.case import labelled_case
from napari_dim.errors import InputError
from napari_dim.states import SliceState
from tests.cases import case, ellipsoid


def test_messages_arrive_once_and_in_order_over_a_connection_that_breaks():
    rng = random.Random(3)
    outbox, inbox = Outbox(), Inbox()
    sent = [(number, rng.randbytes(rng.randrange(3000))) for number in range(60)]
    waiting, found = list(sent), []
    while waiting or outbox.waiting:
        for _ in range(rng.randrange(4)):
            if waiting:
                outbox.put(waiting.pop(0))
        start, data = outbox.piece(rng.randrange(1, 900))
        if rng.random() < 0.8:  # else it is lost on its way
            found += inbox.take(start, data)
            if rng.random() < 0.8:  # else the answer is
                outbox.acknowledge(inbox.end)
    assert found == sent
    assert outbox.start == inbox.end
    with pytest.raises(ValueError, match="missing"):
        inbox.take(inbox.end + 1, b"x")


def stored(store, array):
    digest = hash_of(array)
    store.expect(digest, array.dtype.str, array.shape)
    for block in blocks(array):
        store.take(digest, block)
    return digest


def test_scans_are_kept_under_their_hash_and_go_to_a_child_as_a_name(tmp_path):
    store = ScanStore(tmp_path / "scans")
    array = np.random.default_rng(0).normal(size=(5, 300, 900)).astype(np.float32)
    assert array[0].nbytes * 5 < BLOCK
    turned = array[:, ::-1]  # laid out otherwise, and the same hash as its copy
    assert hash_of(turned) == hash_of(turned.copy()) != hash_of(array)
    digest = stored(store, turned)
    assert store.has(digest)
    found = store.opened(digest)
    assert isinstance(found, MappedVoxels)
    assert np.array_equal(found, turned)
    data = pickle.dumps(found, protocol=5)
    assert len(data) < 500
    assert np.array_equal(pickle.loads(data), turned)
    part = pickle.loads(pickle.dumps(found[1:2, :4], protocol=5))
    assert np.array_equal(part, turned[1:2, :4])
    if os.name != "nt":
        assert (tmp_path / "scans").stat().st_mode & 0o077 == 0


def test_a_damaged_scan_is_not_kept(tmp_path):
    store = ScanStore(tmp_path)
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    digest = hash_of(array)
    store.expect(digest, array.dtype.str, array.shape)
    with pytest.raises(InputError, match="damaged"):
        store.take(digest, array + 1)
    assert not store.has(digest)
    store.expect(digest, array.dtype.str, array.shape)
    store.take(digest, array[:1])
    store.close()
    assert not list(tmp_path.iterdir())


def test_what_was_used_last_stays(tmp_path):
    store = ScanStore(tmp_path)
    old, used, new = (
        stored(store, np.full((1, 64, 64), number, np.float32)) for number in range(3)
    )
    for age, digest in ((5000, used), (4000, old), (3000, new)):
        os.utime(tmp_path / f"{digest}.npy", times=(time.time() - age,) * 2)
    assert store.has(used)
    store.sweep(most=40_000)
    assert [store.has(digest) for digest in (old, used, new)] == [False, True, True]
    os.utime(tmp_path / f"{new}.npy", times=(0, 0))
    store.sweep(unused=60.0)
    assert not store.has(new)


def test_labels_alone_go_and_the_case_is_the_same_to_a_training(tmp_path):
    volume, mask = ellipsoid()
    states = np.zeros(len(mask), np.uint8)
    states[[1, 3, 4]] = SliceState.PAINTED, SliceState.PARTIAL, SliceState.MACHINE
    mask[0] = 7  # of an unlabelled slice: stays here
    one = labelled_case(volume, mask, states, site="A", name="Doe", searched={1: [1]})
    sent = SentLabels.of(one, "scan-1", "site-1")
    assert len(sent.planes) == 2
    again = sent.case(volume)
    for numbers in (one.labelled, one.guessed):
        assert np.array_equal(again.mask[one.labelled], one.mask[one.labelled]), numbers
    assert np.array_equal(again.painted, one.painted)
    assert np.array_equal(again.guessed, one.guessed)
    assert again.searched == {1: (1,)}
    assert (again.name, again.site) == ("scan-1", "site-1")
    assert SentLabels.of(case(()), "", "").case(volume).labelled.size == 0
    store = ScanStore(tmp_path)
    scan = SentScan.of(volume)
    stored(store, volume.array)
    back = scan.volume(store)
    assert back.grid.matches(volume.grid)
    assert back.spacing == volume.spacing
    assert (back.path, dict(back.header), back.warnings) == (None, {}, ())


def test_names_come_back_and_words_that_look_like_them_stay():
    names = Names([case(site="B", name="Doe"), case(site="", name="Roe"), case(site="A", name="x")])
    assert [names.site(site) for site in ("A", "B", "")] == ["site-1", "site-2", ""]
    said = {"site-2": 3, "notes": ["scan-1: too large", "scan-12, 1 scan"], "": ("scan-2",)}
    assert names.back(said) == {
        "B": 3, "notes": ["Doe: too large", "scan-12, 1 scan"], "": ("Roe",)
    }  # fmt: skip


def test_a_server_is_called_by_its_host():
    names = {
        "tls://gpu1:8786": "gpu1", "ssh://anna@gpu1.lab.org": "gpu1", "tcp://[::1]:8786": "[::1]",
        "gpu1:8786": "gpu1", "ssh://gpu1:9000/": "gpu1", "127.0.0.1:1": "127.0.0.1",
    }  # fmt: skip
    assert {address: Server(address).name for address in names} == names
