"""Where a training may go; it needs no Dask."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Server:
    """Where a training goes.

    Attributes
    ----------
    address
        A scheduler's, or ``ssh://[USER@]HOST[:PORT]`` for one that listens on that host's own
        loopback.
    """

    address: str

    @property
    def name(self) -> str:
        """What people call it: its host, without the domain."""
        place = (self.address.strip().partition("://")[2] or self.address.strip()).rstrip("/")
        host, colon, port = place.rpartition(":")
        host = (host if colon and port.isdecimal() else place).rpartition("@")[2]
        first = host.partition(".")[0]
        return host if first.isdecimal() or host.startswith("[") else first
