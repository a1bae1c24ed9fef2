"""Run as a program of its own: decompress DICOM frames, with any decoder there is.

Standard input holds a JSON list of ``[file, [frame, ...], OUT.npy]``; the frames of each
file are left in OUT.npy, ``(frame, row, column[, channel])``. A file that can't be
decompressed ends the program, whichever way; those before it are done.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pydicom
from pydicom.pixels import iter_pixels


def main() -> None:
    """Do what standard input asks for."""
    for name, indices, out in json.load(sys.stdin):
        data = pydicom.dcmread(name, force=True)
        planes = np.stack(list(iter_pixels(data, indices=indices)))
        partial = out + ".part.npy"
        np.save(partial, planes)
        os.replace(partial, out)  # noqa: PTH105  No more imports than needed.


if __name__ == "__main__":
    main()
