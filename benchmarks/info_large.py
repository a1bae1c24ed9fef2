"""What `napari-dim info` of a large file takes: seconds and memory of the whole process.

``python benchmarks/info_large.py [--json]``. The files are sparse, or compress to next to
nothing: they take no place on the disk.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import tifffile

SHAPE = (1024, 1024, 1200)  # 2.4 GB of int16

META = (
    b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    b"Offset = 0 0 0\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nDimSize = 1024 1024 1200\n"
    b"ElementSpacing = 0.3 0.3 0.5\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
)
NRRD = (
    b"NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
    b"sizes: 1024 1024 1200\nspace directions: (0.3,0,0) (0,0.3,0) (0,0,0.5)\n"
    b"kinds: domain domain domain\nendian: little\nencoding: raw\nspace origin: (0,0,0)\n\n"
)


def header() -> bytes:
    """348 bytes of a NIfTI-1 header and the 4 after it."""
    made = nib.Nifti1Header()
    made.set_data_shape(SHAPE)
    made.set_data_dtype(np.int16)
    made.set_sform(np.diag([0.3, 0.3, 0.5, 1]), 1)
    made["vox_offset"], made["magic"] = 352, b"n+1"
    return bytes(made.binaryblock) + bytes(4)


def measure(path: Path) -> dict[str, float | str]:
    """Seconds and MB of one call in a process of its own."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "napari_dim.cli", "info", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - begun
    assert done.returncode == 0, done.stderr
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"file": path.name, "seconds": round(seconds, 2), "MB": round(peak)}


def main() -> None:
    """Print a row a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    size = int(np.prod(SHAPE)) * 2
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder) / "large.nii", Path(folder) / "large.nii.gz"
        with plain.open("wb") as file:
            file.write(header())
            file.truncate(352 + size)
        with gzip.open(packed, "wb", compresslevel=1) as stream:
            stream.write(header())
            for _ in range(size // 2**24):
                stream.write(bytes(2**24))
            stream.write(bytes(size % 2**24))
        others = [Path(folder) / f"large.{end}" for end in ("mha", "nrrd", "tif")]
        for path, text in zip(others, (META, NRRD), strict=False):
            with path.open("wb") as file:
                file.write(text)
                file.truncate(len(text) + size)
        tifffile.memmap(others[2], shape=SHAPE[::-1], dtype=np.int16, bigtiff=True)
        rows = [measure(one) for one in (plain, packed, *others)]
    if as_json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print(f"{row['file']:<14}{row['seconds']:>6} s{row['MB']:>6} MB")


if __name__ == "__main__":
    main()
