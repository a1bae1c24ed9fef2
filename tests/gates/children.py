"""Real processes for the gates: forked, so that 200 of them don't import everything anew."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path


def fork(work: Callable[[], None]) -> int:
    """Run a function in a process of its own; returns its id. Waits in it are for `killed`."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def kill(child: int) -> None:
    """SIGKILL, and wait until it is gone; an error if it ended by itself."""
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the process ended by itself with {os.WEXITSTATUS(status)}"


def ended(child: int) -> int:
    """Wait for its end; returns the exit code."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def wait_for(path: Path, child: int, seconds: float = 60.0) -> None:
    """Wait until a child has made a file."""
    end = time.monotonic() + seconds
    while not path.exists():
        gone, _ = os.waitpid(child, os.WNOHANG)
        assert gone == 0, "the process ended before it began"
        assert time.monotonic() < end, "the process did not begin"
        time.sleep(0.005)


def offscreen(home: Path) -> None:
    """No window, and the user's data in a folder of the gate; before Qt and napari start."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    os.environ["XDG_DATA_HOME"] = str(home)
