"""Every orientation, obliquity, voxel type and byte order: read, and a mask written for it, and
both compared voxel by voxel with what SimpleITK makes of the same files in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from napari_dim.io import read_mask, read_volume, write_mask
from tests.test_volume import ORIENTATIONS, affine_of

PROMISE = "A volume and its mask lie where the source's grid and affine put them, exactly"
FULL, QUICK = 1440, 48
"""48 orientations x 3 obliquities x 5 voxel types x 2 byte orders; each orientation once."""
LIMIT = 900

_TILTS = ((0, 0, 0), (14, -9, 6), (35, 20, -40))
_TYPES = ("u1", "i2", "i4", "f4", "f8")
_ORDERS = ("<", ">")
_SHAPE, _SPACING = (4, 5, 3), (0.7, 1.2, 3.5)
_BATCH = 120
_READ = """
import json, sys, SimpleITK as sitk
for name in sys.stdin.read().split("\\n"):
    image = sitk.ReadImage(name)
    print(json.dumps([image.GetSize(), image.GetSpacing(), image.GetOrigin(),
                      image.GetDirection(), sitk.GetArrayFromImage(image).ravel().tolist()]))
"""


def run(count: int) -> str:
    """Read `count` combinations, each orientation in turn with each of the others."""
    others = list(product(_TILTS, _TYPES, _ORDERS))
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, count, _BATCH):
            cases = []
            for n in range(start, min(start + _BATCH, count)):
                turn = ORIENTATIONS[n % len(ORIENTATIONS)]
                cases.append(_make(Path(folder), n, turn, *others[(n + n // 48) % len(others)]))
            _compare(cases)
    return f"{count} of {count} files and their masks voxel-exact and in place"


def _make(folder: Path, n: int, turn: Any, tilt: Any, kind: str, order: str) -> tuple[Any, ...]:
    affine = affine_of(*turn, _SPACING, tilt)
    data = (np.arange(np.prod(_SHAPE)).reshape(_SHAPE) * (1.5 if kind[0] == "f" else 1)).astype(
        np.dtype(order + kind)
    )
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(data.dtype)
    image = nib.Nifti1Image(data, affine, header)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    path, out = folder / f"{n}.nii", folder / f"{n}_mask.nii.gz"
    image.to_filename(path)
    assert path.read_bytes()[:2] == (b"\x5c\x01" if order == "<" else b"\0\0"), path
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), data, str(path))
    mask = (np.arange(np.prod(_SHAPE)) % 7).reshape(_SHAPE).astype(np.uint8)
    ours = volume.grid.to_array(mask)
    write_mask(out, ours, volume)
    np.testing.assert_array_equal(read_mask(out, volume), ours, str(path))
    return path, out, data, mask, volume.grid.file_affine


def _compare(cases: list[tuple[Any, ...]]) -> None:
    """What SimpleITK reads of the images and of the masks."""
    names = [str(name) for path, out, *_ in cases for name in (path, out)]
    done = subprocess.run(
        [sys.executable, "-c", _READ], input="\n".join(names),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(names)
    for (path, _, data, mask, affine), image, out in zip(
        cases, lines[::2], lines[1::2], strict=True
    ):
        for told, values in ((image, data), (out, mask)):
            size, spacing, origin, direction, voxels = told
            theirs = np.eye(4)
            theirs[:3, :3] = np.reshape(direction, (3, 3)) * spacing
            theirs[:3, 3] = origin
            theirs = np.diag([-1.0, -1.0, 1.0, 1.0]) @ theirs
            assert tuple(size) == values.shape, path
            np.testing.assert_array_equal(np.reshape(voxels, size, order="F"), values, str(path))
            np.testing.assert_allclose(theirs, affine, atol=2e-5, err_msg=str(path))
