"""Frames that GDCM alone can decompress, by GDCM in a child process.

GDCM ends its process on damaged frames: never where people work. The other decoders of
pydicom are asked first, so that this is left for lossless JPEG.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dim.errors import InputError

if TYPE_CHECKING:
    from napari_dim.io.dicom.frames import Frame

UNSAFE = "gdcm"
_CHILD = Path(__file__).with_name("decode_child.py")
_START = 120.0
_BYTES_A_SECOND = 2e6


def decoders(data: Any) -> tuple[str, ...]:
    """The decoders for a data set that are safe in this process; ``("",)`` if it needs none."""
    from pydicom.pixels import get_decoder

    syntax = data.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return ("",)
    return tuple(name for name in get_decoder(syntax).available_plugins if name != UNSAFE)


def decode_apart(
    files: Sequence[tuple[Any, Sequence[tuple[int, Frame]]]], first: int, folder: Path
) -> None:
    """Decompress the wanted frames of `files`, numbered from `first`, into a folder.

    What the child doesn't manage is missing there; `planes_apart` tells.
    """
    job = [[str(Path(file).resolve()), [f.index for _, f in wanted], str(folder / f"{number}.npy")]
           for number, (file, wanted) in enumerate(files, first)]  # fmt: skip
    patience = _START + sum(Path(file).stat().st_size for file, _ in files) / _BYTES_A_SECOND
    try:
        subprocess.run(
            # -P: nothing beside the program may be taken for a package that pydicom imports.
            [sys.executable, "-P", str(_CHILD)], input=json.dumps(job).encode(),
            capture_output=True, timeout=patience, check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return
    except OSError as error:
        raise InputError(f"the decoder can't be started: {error.strerror}") from error


def planes_apart(folder: Path, number: int, file: Any) -> Iterator[np.ndarray]:
    """The frames of one file, as `decode_apart` left them.

    Raises
    ------
    InputError
        If it left none.
    """
    found = folder / f"{number}.npy"
    if not found.is_file():
        raise InputError(
            "the pixels can't be decompressed", where=file,
            hint="The file is probably damaged: copy it again",
        )  # fmt: skip
    planes = np.load(found, allow_pickle=False)
    found.unlink()
    yield from planes
