"""Messages as one row of bytes, one way of two: sent in pieces, each kept until it has arrived.

A piece that is sent twice is taken once, so a connection may break anywhere and go on.
"""

from __future__ import annotations

import pickle
import threading
import zlib
from typing import Any

_LEVEL = 1  # masks shrink to a hundredth at any level, voxels no further at a higher one
_HEAD = 8  # bytes that tell the length of a message
_SAMPLE = 2**16  # bytes from the middle that tell whether packing is worth its time


class Outbox:
    """What is to be sent.

    Attributes
    ----------
    start
        Bytes that the other end has.
    """

    def __init__(self) -> None:
        self.start = 0
        self._lock = threading.Lock()
        self._kept = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes that the other end has not acknowledged."""
        return len(self._kept)

    @property
    def end(self) -> int:
        """Bytes so far."""
        return self.start + len(self._kept)

    def put(self, message: Any) -> None:
        """Add a message; anything that can be pickled."""
        data = _packed(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))
        with self._lock:
            self._kept += len(data).to_bytes(_HEAD, "big") + data

    def acknowledge(self, end: int) -> None:
        """Let go of what has arrived."""
        with self._lock:
            arrived = max(0, min(end - self.start, len(self._kept)))
            del self._kept[:arrived]
            self.start += arrived

    def piece(self, most: int) -> tuple[int, bytes]:
        """Where the next piece begins, and its bytes."""
        with self._lock:
            return self.start, bytes(self._kept[:most])


class Inbox:
    """What arrives.

    Attributes
    ----------
    end
        Bytes that have arrived.
    """

    def __init__(self) -> None:
        self.end = 0
        self._lock = threading.Lock()
        self._rest = bytearray()

    def take(self, start: int, data: bytes) -> list[Any]:
        """The messages that a piece completes.

        Raises
        ------
        ValueError
            If bytes before the piece are missing.
        """
        with self._lock:
            if start > self.end:
                raise ValueError(f"{start - self.end} bytes are missing")
            new = data[self.end - start :]
            self.end += len(new)
            self._rest += new
            found = []
            while len(self._rest) >= _HEAD:
                length = int.from_bytes(self._rest[:_HEAD], "big")
                if len(self._rest) < _HEAD + length:
                    break
                found.append(pickle.loads(zlib.decompress(self._rest[_HEAD : _HEAD + length])))
                del self._rest[: _HEAD + length]
            return found


def _packed(data: bytes) -> bytes:
    """Packed, or as they are where they hardly shrink, as weights do."""
    middle = max(0, len(data) - _SAMPLE) // 2
    sample = data[middle : middle + _SAMPLE]
    shrinks = len(zlib.compress(sample, _LEVEL)) < 0.85 * len(sample)
    return zlib.compress(data, _LEVEL if shrinks else 0)
