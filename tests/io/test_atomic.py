from __future__ import annotations

import os
import resource
import signal
import sys

import pytest

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path, write_text_atomically


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
