"""Tensors in safetensors files: checked before they are read, whole or not at all.

Nothing in such a file is ever run. Its header is small, its shapes are compared with what is
expected before any tensor is made, and what describes it is JSON in the header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path

LARGEST_HEADER = 4 * 2**20
"""Bytes; a network of a thousand tensors needs a tenth of a megabyte."""

_ABOUT = "napari_dim"
_TYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.uint8: "U8",
}


class Spec(NamedTuple):
    """Shape and type of a tensor."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> Spec:
        """Those of a tensor."""
        return cls(tuple(tensor.shape), tensor.dtype)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and what describes them, whole or not at all.

    Parameters
    ----------
    path
        The file.
    tensors
        By name; they may be on any device.
    about
        Plain values, kept in the header.

    Raises
    ------
    InputError
        If it can't be written.
    """
    from safetensors.torch import save

    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(on_cpu, {_ABOUT: json.dumps(about)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def read_about(path: Path) -> dict[str, Any]:
    """What describes the tensors; empty if the file says nothing.

    Raises
    ------
    InputError
        If it is no safetensors file, or a link, or its header is too large or no JSON.
    """
    header = _header(path)
    known = header.get("__metadata__")
    if not isinstance(known, dict) or _ABOUT not in known:
        return {}
    try:
        about = json.loads(known[_ABOUT])
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"its description can't be read: {error}", where=path) from error
    if not isinstance(about, dict):
        raise InputError("its description is not a table of names and values", where=path)
    return about


def read_tensors(path: Path, expected: Mapping[str, Spec]) -> dict[str, Tensor]:
    """Read the tensors that are expected, after all were found to be as expected.

    Raises
    ------
    InputError
        If the file is damaged, a tensor is missing or too many, or has another shape or type.
    """
    from safetensors import SafetensorError, safe_open

    header = _header(path)
    names = set(header) - {"__metadata__"}
    if names != set(expected):
        odd = sorted(names ^ set(expected))[0]
        raise InputError(
            f"the tensor {_short(odd)} is {'unknown' if odd in names else 'missing'}", where=path
        )
    for name, spec in expected.items():
        _check(path, name, header[name], spec)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            # A copy: the file may be replaced while the tensors are in use.
            return {name: file.get_tensor(name).clone() for name in expected}
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise InputError(f"the file is damaged: {error}", where=path) from error


def _header(path: Path) -> dict[str, Any]:
    if path.is_symlink():
        raise InputError("this is a link to another file", where=path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(length) if length <= min(LARGEST_HEADER, size - 8) else b""
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"the file can't be read: {reason}", where=path) from error
    if not text:
        raise InputError("the file is damaged: its header is too large or empty", where=path)
    try:
        header = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError("this is no safetensors file", where=path) from error
    if not isinstance(header, dict):
        raise InputError("this is no safetensors file", where=path)
    return header


def _check(path: Path, name: str, entry: Any, spec: Spec) -> None:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if shape != list(spec.shape) or any(isinstance(n, bool) for n in shape or ()):
        raise InputError(
            f"the tensor {_short(name)} is {_short(str(shape))}, not {list(spec.shape)}",
            where=path,
        )
    if entry.get("dtype") != _TYPES[spec.dtype]:
        raise InputError(
            f"the tensor {_short(name)} is {_short(str(entry.get('dtype')))}, "
            f"not {_TYPES[spec.dtype]}",
            where=path,
        )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
