"""MetaImage and NRRD: read in a child process, exactly, and never to this one's harm."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from napari_dim.errors import InputError
from napari_dim.io import list_parts, read_mask, read_volume
from napari_dim.io.itk import itk_reader
from tests.dicoms import write_series
from tests.io.test_dicom import AFFINE, check
from tests.io.test_nifti import ramp, save
from tests.test_volume import ORIENTATIONS, affine_of

WRITE = """
import sys, numpy as np, SimpleITK as sitk
for name in sys.argv[1:]:
    image = sitk.ReadImage(name)
    for suffix in ("nrrd", "mha", "mhd", "nhdr"):
        sitk.WriteImage(image, name.replace(".nii", "." + suffix), suffix == "nrrd")
"""
SPECIAL = """
import sys, numpy as np, SimpleITK as sitk
folder = sys.argv[1]
ramp = (np.arange(120) % 120).reshape(6, 5, 4).astype(np.int16)
one = sitk.GetImageFromArray(ramp)
sitk.WriteImage(sitk.JoinSeries([one, one + 1, one + 2]), folder + "/series.nrrd")
sitk.WriteImage(sitk.Compose([one, one + 5]), folder + "/vector.mha")
sitk.WriteImage(sitk.GetImageFromArray(ramp[0]), folder + "/flat.mha")
sitk.WriteImage(sitk.GetImageFromArray(ramp.astype(np.complex64)), folder + "/complex.nrrd")
broken = ramp.astype(np.float64); broken[0, 0, 0] = np.nan
sitk.WriteImage(sitk.GetImageFromArray(broken), folder + "/nan.nrrd")
"""


def run(code, *arguments):
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, timeout=120)


@pytest.fixture(scope="module")
def special(tmp_path_factory):
    folder = tmp_path_factory.mktemp("itk")
    run(SPECIAL, folder)
    return folder


@pytest.mark.usefixtures("one_child")
def test_the_same_place_and_voxels_as_nifti(tmp_path):
    names = []
    for number, (axes, signs) in enumerate(ORIENTATIONS[::16]):
        affine = affine_of(axes, signs, (0.7, 1.2, 3.5), (14, -9, 6))
        names.append(save(tmp_path / f"{number}.nii", ramp(), affine))
    run(WRITE, *names)
    for name, suffix in zip(names, ("nrrd", "mha", "mhd"), strict=True):
        wanted = read_volume(name)
        volume = read_volume(name.with_suffix(f".{suffix}"))
        np.testing.assert_array_equal(volume.array, wanted.array)
        assert volume.array.dtype == np.int16
        np.testing.assert_allclose(volume.grid.file_affine, wanted.grid.file_affine, atol=1e-5)
        assert volume.warnings == ()
    # A mask stored as NRRD is found on its image, and so is a pair.
    mask = read_mask(names[0].with_suffix(".nhdr"), read_volume(names[0]))
    np.testing.assert_array_equal(mask, read_volume(names[0]).array)


@pytest.mark.usefixtures("one_child")
def test_series_channels_and_flat_images(special):
    with pytest.raises(InputError, match=r"series of 3 volumes.*0 to 2"):
        read_volume(special / "series.nrrd")
    assert [part.key for part in list_parts(special / "series.nrrd")] == ["0", "1", "2"]
    volume = read_volume(special / "series.nrrd", part="2")
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), ramp_itk() + 2)
    for part, text in (("3", "there is no volume 3"), ("x", "no number")):
        with pytest.raises(InputError, match=text):
            read_volume(special / "series.nrrd", part=part)
    volume = read_volume(special / "vector.mha")
    np.testing.assert_array_equal(volume.grid.to_file(volume.array)[..., 1], ramp_itk() + 5)
    flat = read_volume(special / "flat.mha")
    assert flat.array.shape[0] == 1
    assert "does not say" in flat.warnings[0]
    assert "1 voxel is no finite number" in read_volume(special / "nan.nrrd").warnings[0]
    with pytest.raises(InputError, match="complex"):
        read_volume(special / "complex.nrrd")
    assert list_parts(special / "vector.mha") == ()


def ramp_itk():
    return (np.arange(120) % 120).reshape(6, 5, 4).T


@pytest.mark.usefixtures("one_child")
def test_a_file_without_a_space_is_told(special, tmp_path):
    text = (special / "nan.nrrd").read_bytes()
    start, voxels = text.split(b"\n\n", 1)
    lines = [line for line in start.split(b"\n") if not line.startswith(b"space")]
    (tmp_path / "a.nrrd").write_bytes(b"\n".join([*lines, b"spacings: 1 1 2"]) + b"\n\n" + voxels)
    assert "does not say how it lies" in read_volume(tmp_path / "a.nrrd").warnings[0]


def test_damaged_files_are_refused_in_one_line(special, tmp_path):
    good = (special / "vector.mha").read_bytes()
    for name, content in {
        "cut.mha": good[:-20], "text.mha": b"hello", "empty.nrrd": b"",
        "bomb.mha": good.replace(b"DimSize = 4 5 6", b"DimSize = 90000 90000 90000"),
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_volume(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


def test_a_crash_or_a_hang_of_the_child_is_one_error(special, tmp_path, monkeypatch):
    """The child is a real process that really dies, of a real signal."""
    child = tmp_path / "child.py"
    monkeypatch.setattr(itk_reader, "_CHILD", child)
    child.write_text("import os; os.abort()")
    with pytest.raises(InputError, match="gave up on this file"):
        read_volume(special / "vector.mha")
    child.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(itk_reader, "_START", 0.5)
    with pytest.raises(InputError, match="longer than"):
        read_volume(special / "vector.mha")


def test_simpleitk_never_enters_this_process(special):
    code = (
        "import sys; from pathlib import Path; from napari_dim.io import read_volume;"
        "read_volume(Path(sys.argv[1])); assert 'SimpleITK' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(special / "vector.mha")],
        check=True, timeout=120, env=dict(os.environ),
    )  # fmt: skip


def test_a_series_by_simpleitk_is_read_in_a_process_of_its_own(tmp_path):
    """The other tests of series share one, see `tests/one_child.py`."""
    folder = write_series(tmp_path / "x", ramp(), AFFINE)
    check(read_volume(folder, part="simpleitk"), ramp(), AFFINE)
    (tmp_path / "SimpleITK.py").write_text("raise SystemExit(3)")  # beside, and not taken
    check(read_volume(min(folder.iterdir()), part="simpleitk"), ramp(), AFFINE)
