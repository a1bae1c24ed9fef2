"""Damage files as disks, transfers and attackers do: bytes, words, pieces, and what they mean."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from random import Random

_HEADER = 600
"""Most of what a reader decides on stands in the first bytes."""

_INTEGERS = (0, 1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_FLOATS = (0.0, -1.0, 1e-30, 1e30, 3.4e38, float("nan"), float("inf"), float("-inf"))
_WORDS = (
    "NaN", "-1", "0", "1e999", "99999999999999999999", "-0.0", "null", "true", '""', "[]", "{}",
    "../../../../etc/passwd", "/dev/zero", "\\\\host\\share", "\x00", "\ufeff", "é", "\U0001f600",
    "'", '"', "[" * 5000, '{"a":' * 5000, "A" * 20000, "\n", "\r", "=", ",", ";", "%s%n",
    "1" * 5000,
)  # fmt: skip
_TEXT = (".csv", ".json", ".toml", ".txt", ".mhd")


def damage(name: str, data: bytes, rng: Random) -> bytes:
    """A damaged copy of a file, told by its name how it may be meant."""
    for _ in range(8):
        changed = _damage(name, data, rng)
        if changed != data:
            return changed
    return data + b"\0"


def _damage(name: str, data: bytes, rng: Random) -> bytes:
    if name.endswith(_TEXT) and rng.random() < 0.8:
        return _text(data, rng)
    if data[:2] == b"\x1f\x8b" and rng.random() < 0.7:
        # Behind the checksum: what a program with a fault writes, or someone with intent.
        try:
            return gzip.compress(_bytes(gzip.decompress(data), rng), 1, mtime=0)
        except (OSError, EOFError, zlib.error):
            pass
    if data[:8] == b"\x89PNG\r\n\x1a\n" and rng.random() < 0.6:
        return _png(data, rng)
    if name.endswith(".safetensors") and rng.random() < 0.5:
        return _safetensors(data, rng)
    return _bytes(data, rng)


def _bytes(data: bytes, rng: Random) -> bytes:
    change = rng.choice(_CHANGES)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        data = change(data, rng)
    return data


def _place(data: bytes, rng: Random) -> int:
    end = min(len(data), _HEADER) if rng.random() < 0.7 else len(data)
    return rng.randrange(max(1, end))


def _flip(data: bytes, rng: Random) -> bytes:
    out = bytearray(data or b"\0")
    out[_place(out, rng)] ^= 1 << rng.randrange(8)
    return bytes(out)


def _byte(data: bytes, rng: Random) -> bytes:
    out = bytearray(data or b"\0")
    out[_place(out, rng)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(out)


def _word(data: bytes, rng: Random) -> bytes:
    """A number that means something, at an even place."""
    order = rng.choice("<>")
    kind = rng.choice("hHiIqfd")
    if kind in "fd":
        value = rng.choice(_FLOATS)
        word = struct.pack(order + kind, value)
    else:
        size = struct.calcsize(order + kind)
        number = rng.choice((*_INTEGERS, -1, rng.getrandbits(8 * size)))
        word = (number % 2 ** (8 * size)).to_bytes(size, "little" if order == "<" else "big")
    at = _place(data, rng) & ~1
    return data[:at] + word + data[at + len(word) :]


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: _place(data, rng)]


def _grow(data: bytes, rng: Random) -> bytes:
    return data + rng.randbytes(rng.choice((1, 100, 5000)))


def _drop(data: bytes, rng: Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + rng.choice((1, 2, 4, 64, 1000)) :]


def _repeat(data: bytes, rng: Random) -> bytes:
    at, size = _place(data, rng), rng.choice((1, 4, 64, 1000))
    return data[: at + size] + data[at:]


def _blank(data: bytes, rng: Random) -> bytes:
    at, size = _place(data, rng), rng.choice((4, 64, 512, 4096))
    size = min(size, len(data) - at)
    return data[:at] + bytes([rng.choice((0, 255))]) * size + data[at + size :]


def _move(data: bytes, rng: Random) -> bytes:
    at, to, size = _place(data, rng), _place(data, rng), rng.choice((2, 4, 8, 64))
    return data[:to] + data[at : at + size] + data[to + size :]


_Change = Callable[[bytes, Random], bytes]
_CHANGES: tuple[_Change, ...] = (
    _flip, _flip, _byte, _word, _word, _word, _cut, _grow, _drop, _repeat, _blank, _move,
)  # fmt: skip


def _text(data: bytes, rng: Random) -> bytes:
    text = data.decode("utf-8", "replace")
    at = rng.randrange(max(1, len(text)))
    match rng.randrange(6):
        case 0:
            text = text[:at] + rng.choice(_WORDS) + text[at:]
        case 1:  # A value as a whole becomes another.
            end = at
            while end < len(text) and text[end] not in ",;:=\n\t]}":
                end += 1
            while at > 0 and text[at - 1] not in ",;:=\n\t[{":
                at -= 1
            text = text[:at] + rng.choice(_WORDS) + text[end:]
        case 2:
            lines = text.split("\n")
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            text = "\n".join(lines)
        case 3:
            lines = text.split("\n")
            del lines[rng.randrange(len(lines))]
            text = "\n".join(lines)
        case 4:
            text = text[:at]
        case _:
            return text.encode(rng.choice(("utf-16", "latin-1", "utf-32")), "replace")
    return text.encode("utf-8", "surrogatepass")


def _png(data: bytes, rng: Random) -> bytes:
    """Change one chunk and make its checksum right again."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    number = rng.randrange(len(chunks))
    kind, body = chunks[number]
    if kind == b"IDAT" and rng.random() < 0.5:
        try:
            body = zlib.compress(_bytes(zlib.decompress(body), rng), 1)
        except zlib.error:
            body = _bytes(body, rng)
    else:
        body = _bytes(body, rng)
    chunks[number] = (kind, body)
    if rng.random() < 0.1:
        chunks.insert(number, chunks[number])
    parts = [data[:8]]
    for kind, body in chunks:
        checksum = zlib.crc32(kind + body).to_bytes(4, "big")
        parts += [len(body).to_bytes(4, "big"), kind, body, checksum]
    return b"".join(parts)


def _safetensors(data: bytes, rng: Random) -> bytes:
    """Change the header's text, with its length made right again."""
    size = int.from_bytes(data[:8], "little")
    header = _text(data[8 : 8 + size], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]
