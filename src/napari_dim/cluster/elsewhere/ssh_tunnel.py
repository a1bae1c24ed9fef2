"""A scheduler that listens on a server's own loopback, reached by the user's own ``ssh``."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress

from napari_dim.errors import InputError

OPEN_WITHIN = 20.0
"""Seconds in which ``ssh`` must be through."""
_HOST = re.compile(r"(?!-)[\w.@:\[\]-]+")


class SshTunnel:
    """A port of this machine that leads to one of a server's loopback, until it is closed.

    Parameters
    ----------
    host
        ``HOST`` or ``USER@HOST``, as ``ssh`` knows it.
    port
        The scheduler's port there.

    Attributes
    ----------
    port
        The port here.

    Raises
    ------
    InputError
        If there is no ``ssh``, or it does not get through; its cause is an `OSError` then.
    """

    def __init__(self, host: str, port: int) -> None:
        where = f"ssh://{host}"
        if not _HOST.fullmatch(host):
            raise InputError("this is no host", where=where, hint="Write ssh://USER@HOST")
        program = shutil.which("ssh")
        if program is None:
            raise InputError("there is no ssh on this computer", where=where,
                             hint="Install OpenSSH's client, or use tls://")  # fmt: skip
        self.port = _free_port()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        options = (
            "BatchMode=yes", "ExitOnForwardFailure=yes", "ServerAliveInterval=15",
            "ServerAliveCountMax=2", "ConnectTimeout=15",
        )  # fmt: skip
        self._process = subprocess.Popen(
            [program, "-N", "-L", f"127.0.0.1:{self.port}:127.0.0.1:{port}",
             *(part for option in options for part in ("-o", option)), host],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._said,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip
        try:
            self._wait(host)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._said.close()

    def _wait(self, host: str) -> None:
        end = time.monotonic() + OPEN_WITHIN
        while time.monotonic() < end:
            if self._process.poll() is not None:
                self._said.seek(0)
                lines = self._said.read()[-2000:].decode("utf-8", "replace").split("\n")
                reason = next((line.strip() for line in reversed(lines) if line.strip()), "")
                raise InputError(
                    f"ssh does not get through: {reason}", where=f"ssh://{host}",
                    hint=f"Try it once by hand: ssh {host}",
                ) from ConnectionError(reason)  # fmt: skip
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                return
            time.sleep(0.1)
        raise InputError("ssh does not get through in time", where=f"ssh://{host}",
                         hint=f"Try it once by hand: ssh {host}") from TimeoutError()  # fmt: skip


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
