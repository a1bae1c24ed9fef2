"""Masks must sit on their images in other people's programs: SimpleITK reads both.

In a child process: it can crash on a file that it doesn't like. NIfTI-2 it doesn't read.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from napari_dim.io import read_volume, write_mask
from tests.io.test_nifti import ramp, save
from tests.test_volume import ORIENTATIONS, affine_of

READ = """
import json, sys, SimpleITK as sitk
for name in sys.argv[1:]:
    image = sitk.ReadImage(name)
    array = sitk.GetArrayFromImage(image)
    print(json.dumps([image.GetSize(), image.GetSpacing(), image.GetOrigin(),
                      image.GetDirection(), str(array.dtype), array.ravel().tolist()]))
"""


def itk_reads(*paths):
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_exported_mask_sits_on_its_image(tmp_path):
    """48 orientations at three tilts, anisotropic, left-handed ones among them."""
    names, masks = [], []
    for number, (axes, signs) in enumerate(ORIENTATIONS):
        for tilt in ((0, 0, 0), (14, -9, 6), (35, 20, -40)):
            affine = affine_of(axes, signs, (0.7, 1.2, 3.5), tilt)
            name = f"{number}_{tilt[0]}"
            volume = read_volume(save(tmp_path / f"{name}.nii", ramp(), affine))
            mask = np.where(volume.array % 7 == 0, 300, volume.array % 5)
            # Of x.nii and x.nii.gz side by side ITK mixes header and voxels: other names.
            out = write_mask(tmp_path / f"{name}_mask.nii.gz", mask, volume)
            names += [volume.path, out]
            masks.append(volume.grid.to_file(mask))
    read = itk_reads(*names)
    assert len(read) == 2 * 48 * 3
    for image, out, mask in zip(read[::2], read[1::2], masks, strict=True):
        assert out[:4] == image[:4]
        assert out[4] == "uint16"
        np.testing.assert_array_equal(out[5], mask.ravel(order="F"))


@pytest.mark.parametrize("unit", ["meter", "micron"])
def test_other_units(tmp_path, unit):
    path = save(tmp_path / "a.nii", ramp(), change=lambda h: h.set_xyzt_units(unit))
    volume = read_volume(path)
    image, out = itk_reads(path, write_mask(tmp_path / "m.nii", volume.array % 4, volume))
    assert out[:4] == image[:4]
    np.testing.assert_allclose(sorted(image[1]), sorted(volume.spacing), rtol=1e-5)


def test_ids_of_all_sizes(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", ramp()))
    for ids, dtype in (((1, 4, 255), "uint8"), ((1, 4, 255, 300, 70000), "uint32")):
        mask = np.resize(np.array(ids), volume.grid.shape)
        (out,) = itk_reads(write_mask(tmp_path / "m.nii.gz", mask, volume))
        assert out[4] == dtype
        np.testing.assert_array_equal(out[5], volume.grid.to_file(mask).ravel(order="F"))
