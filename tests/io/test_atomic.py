from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from napari_dim.errors import InputError
from napari_dim.io.atomic import ABANDONED, atomic_path, sweep, write_text_atomically


def test_the_file_appears_only_at_the_end(tmp_path):
    target = tmp_path / "mask.nii.gz"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "a.json"
    target.write_text("old")

    def write_half():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(InputError, match="can't be written: No such file") as caught:
        write_text_atomically(tmp_path / "none" / "a.json", "{}")
    assert "\n" not in str(caught.value)


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(InputError), atomic_path(target):
        pass
    assert target.read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0,
                    reason="root may write to any folder")  # fmt: skip
def test_a_read_only_folder_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            write_text_atomically(tmp_path / "a.json", "{}")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a file size limit")
def test_a_disk_that_is_full_leaves_the_old_file(tmp_path):
    """A limit on the size of files fails in the middle of a write, as a full disk does."""
    target = tmp_path / "a.txt"
    target.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(InputError, match="has space left"):
            write_text_atomically(target, "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_disk_that_gives_back_something_else_is_found_out(tmp_path, monkeypatch):
    target = tmp_path / "a.txt"
    target.write_text("old")
    sync = os.fsync

    def lie(handle: int) -> None:
        sync(handle)
        os.pwrite(handle, b"?", 3)

    monkeypatch.setattr(os, "fsync", lie)
    with pytest.raises(InputError, match="something else than was written"):
        write_text_atomically(target, "new text")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_dead_process_left_is_swept_and_a_living_ones_is_not(tmp_path):
    code = """
import os, sys
from pathlib import Path
from napari_dim.io.atomic import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("half", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.txt")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline() == "half\n"
        assert sweep(tmp_path) == []
        other.kill()
    (left,) = tmp_path.iterdir()
    elsewhere = tmp_path / ".dim-00000000-1-00000000.b.txt"
    elsewhere.write_text("half")
    mine = tmp_path / ".dim-notes"
    mine.write_text("a file of the user's")
    write_text_atomically(tmp_path / "c.txt", "whole")
    assert not left.exists()
    assert elsewhere.exists()
    os.utime(elsewhere, (0, time.time() - ABANDONED - 9))
    assert sweep(tmp_path) == [elsewhere]
    assert mine.exists()
