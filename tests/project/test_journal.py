"""The journal's files: torn, damaged, compacted, linked, on a disk that refuses."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from napari_dim.errors import InputError
from napari_dim.project import journal, store
from napari_dim.project.journal import Head
from napari_dim.project.store import Store
from napari_dim.project.writer import Writer

SHAPE = (5, 8, 6)


@pytest.fixture
def kept(tmp_path):
    """A store with a layer in which slice n holds n + 1, all of it as single strokes."""
    kept = Store(tmp_path, "cases/a/labels")
    kept.begin(np.zeros(SHAPE, np.uint8), {"name": "mine", "slice": 0})
    for number in range(SHAPE[0]):
        kept.append({number: plane(number + 1)}, {"slice": number})
    kept.close()
    return kept


def plane(value, dtype=np.uint8):
    return np.full(SHAPE[1:], value, dtype)


def values(kept) -> list[int]:
    return [int(p.flat[0]) for p in kept.read().array()]


def newest(kept):
    return kept.path / f"{kept.generations()[0]:06d}.journal"


def test_the_last_record_of_a_slice_counts(kept):
    kept.append({2: plane(9)}, {"slice": 2})
    found = kept.read()
    assert values(kept) == [1, 2, 9, 4, 5]
    assert found.note == {"name": "mine", "slice": 2}
    assert (found.whole, found.damaged) == (True, 0)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_type_comes_back_exactly(tmp_path, dtype, order):
    kept = Store(tmp_path, "x")
    kind = np.dtype(order + dtype)
    array = np.zeros(SHAPE, kind)
    array[1, 2, 3], array[4, 0, 0] = np.iinfo(kind).max, np.iinfo(kind).min
    kept.begin(array, {})
    kept.append({3: np.full(SHAPE[1:], 7, kind)}, {})
    array[3] = 7
    np.testing.assert_array_equal(kept.read().array(), array)
    assert kept.read().array().dtype == kind.newbyteorder("=")


def test_a_torn_tail_costs_the_last_stroke_alone_wherever_it_is_cut(kept):
    whole = newest(kept).read_bytes()
    with newest(kept).open("rb") as file:
        ends = [o + 16 + len(p) for o, _, p in journal._records(file)]
    strokes = ends[2::2]  # a stroke is a slice and a note
    for cut in range(ends[1], len(whole)):
        newest(kept).write_bytes(whole[:cut])
        done = sum(end <= cut for end in strokes)
        assert values(kept) == [n + 1 if n < done else 0 for n in range(5)], cut


def test_a_torn_tail_is_not_appended_to(kept):
    newest(kept).write_bytes(newest(kept).read_bytes()[:-3])
    kept.append({0: plane(8)}, {})
    assert values(kept) == [8, 2, 3, 4, 5]
    assert kept.read().damaged == 0
    assert kept.generations() == [2, 1]


def test_a_damaged_spot_costs_one_record(kept):
    data = bytearray(newest(kept).read_bytes())
    with newest(kept).open("rb") as file:
        third = [o for o, kind, _ in journal._records(file) if kind == journal.PLANE][2]
    data[third + 20] ^= 0xFF
    newest(kept).write_bytes(data)
    assert values(kept) == [1, 2, 0, 4, 5]
    assert kept.read().damaged == 1


def test_any_flipped_byte_costs_one_slice_at_most(kept):
    kept.compact()
    data = newest(kept).read_bytes()
    for place in range(len(data)):
        spoilt = bytearray(data)
        spoilt[place] ^= 0x55
        newest(kept).write_bytes(spoilt)
        assert values(kept) == [1, 2, 3, 4, 5], place  # the generation before fills the gap


def test_compaction_keeps_two_generations(kept, monkeypatch):
    monkeypatch.setattr(store, "COMPACT_AT", 2_000)
    noise = np.random.default_rng(1)
    for turn in range(200):
        last = noise.integers(0, 9, SHAPE[1:], dtype=np.uint8)
        kept.append({turn % 5: last}, {"slice": turn % 5})
    generations = kept.generations()
    assert len(generations) == 2
    assert generations[0] > 5
    assert newest(kept).stat().st_size < 10_000
    np.testing.assert_array_equal(kept.read().array()[199 % 5], last)
    assert kept.read().note["name"] == "mine"


def test_a_new_shape_is_a_new_generation_that_is_there_whole_or_not_at_all(kept, monkeypatch):
    def no_space(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(InputError, match="No space left"):
            kept.begin(np.ones((2, 3, 4), np.uint16), {})
    assert values(kept) == [1, 2, 3, 4, 5]
    kept.begin(np.full((2, 3, 4), 300, np.uint16), {})
    assert kept.read().array().shape == (2, 3, 4)
    assert int(kept.read().array().min()) == 300


def test_a_file_that_is_linked_elsewhere_is_not_appended_to(kept, tmp_path):
    os.link(newest(kept), tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    kept.append({0: plane(8)}, {})
    assert (tmp_path / "elsewhere").read_bytes() == before
    assert values(kept) == [8, 2, 3, 4, 5]


def test_a_slice_that_does_not_belong_is_left_out(kept):
    kept.append({99: plane(1), 1: np.ones((3, 3), np.uint8)}, {})
    assert values(kept) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "head",
    [
        {"version": 2, "shape": [5, 8, 6], "dtype": "|u1", "planes": 0},
        {"version": 1, "shape": [5], "dtype": "|u1", "planes": 0},
        {"version": 1, "shape": [5, 0, 6], "dtype": "|u1", "planes": 0},
        {"version": 1, "shape": [10**9, 10**9], "dtype": "<u8", "planes": 0},
        {"version": 1, "shape": [5, 8, 6], "dtype": "|O8", "planes": 0},
        {"version": 1, "shape": [5, 8, 6], "dtype": "<f4", "planes": 0},
        {"version": 1, "shape": None, "dtype": "|u1", "planes": 0},
        [],
    ],
)
def test_a_header_that_can_not_be_used_is_refused(head, kept):
    import json

    assert Head.parse(json.dumps(head).encode()) is None
    newest(kept).write_bytes(journal.frame(journal.HEAD, json.dumps(head).encode()))
    with pytest.raises(InputError, match="beyond repair"):
        kept.read()


def test_a_disk_that_refuses_is_told_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_dim.project.writer.RETRY", 0.02)
    kept = Store(tmp_path, "x")
    writer = Writer()
    writer.put(kept, whole=np.zeros(SHAPE, np.uint8), note={"name": "mine"})
    assert writer.wait()
    sync, broken = os.fsync, [True]

    def fsync(handle: int) -> None:
        if broken[0]:
            raise OSError(errno.EIO, "Input/output error")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    ticket = writer.put(kept, {1: plane(1)})
    assert not writer.wait(ticket, timeout=0.3)
    assert writer.acknowledged < ticket
    assert not writer.saved
    assert "Input/output error" in writer.fault.problem
    writer.put(kept, {1: plane(5), 2: plane(6)})  # painted meanwhile
    broken[0] = False
    assert writer.wait(timeout=5)
    assert writer.fault is None
    assert writer.close()
    assert values(kept) == [0, 5, 6, 0, 0]
    assert kept.read().damaged == 0


def test_a_closed_writer_takes_nothing(tmp_path):
    writer = Writer()
    assert writer.close()
    with pytest.raises(InputError, match="closed"):
        writer.put(Store(tmp_path, "x"), {0: plane(1)})
