"""DICOM by SimpleITK, where it is asked for: the same voxels and place, or told, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.cli import main
from napari_dim.errors import InputError
from napari_dim.io import (
    format_rows,
    formats,
    list_parts,
    read_classes,
    read_mask,
    read_volume,
    write_mask,
)
from tests.dicoms import CANARY, uid, write_enhanced, write_series
from tests.io.test_dicom import AFFINE, check, right_handed
from tests.io.test_nifti import ramp
from tests.test_volume import ORIENTATIONS, affine_of

pytestmark = pytest.mark.usefixtures("one_child")


@pytest.mark.parametrize("number", range(0, 48, 7))
def test_the_same_volume_as_by_pydicom(tmp_path, number):
    axes, signs = ORIENTATIONS[number]
    tilt = ((0, 0, 0), (14, -9, 6), (35, 20, -40))[number % 3]
    affine = right_handed(affine_of(axes, signs, (0.7, 1.2, 3.5), tilt))
    folder = write_series(
        tmp_path / "x", ramp(), affine, seed=number, RescaleSlope="2", RescaleIntercept="-30",
        WindowCenter="40", WindowWidth="80", SeriesDescription=CANARY,
    )  # fmt: skip
    wanted, volume = read_volume(folder), read_volume(folder, part="simpleitk")
    np.testing.assert_array_equal(volume.array, wanted.array)
    np.testing.assert_allclose(volume.grid.file_affine, wanted.grid.file_affine, atol=1e-6)
    assert volume.grid.slice_axis == wanted.grid.slice_axis
    assert volume.warnings == ()
    kept = {**volume.header, "stored": wanted.header["stored"]}
    assert kept.pop("part") == "simpleitk"
    assert kept == wanted.header
    assert CANARY not in repr((volume.header, volume.warnings, volume.grid))


def test_a_segmentation_of_it_refers_to_its_slices(tmp_path):
    folder = write_series(tmp_path / "x", ramp(), AFFINE)
    volume = read_volume(folder, part="simpleitk")
    mask = (volume.array % 3 == 0).astype(np.uint8)
    path = write_mask(tmp_path / "m.dcm", mask, volume)
    np.testing.assert_array_equal(read_mask(path, read_volume(folder)), mask)
    assert [one.id for one in read_classes(path)] == [1]
    # Beside its series it is no image.
    path.rename(folder / "m.dcm")
    assert list_parts(folder, "simpleitk") == ()
    with pytest.raises(InputError, match="finds no DICOM image"):
        read_volume(folder / "m.dcm", part="simpleitk")


def test_series_are_chosen_as_elsewhere(tmp_path):
    folder = tmp_path / "x"
    write_series(folder / "one", ramp(), AFFINE, series=1, SeriesDescription="T1 axial")
    write_series(folder, ramp((4, 5, 3)) + 5, AFFINE, series=2, SeriesDescription="FLAIR")
    first, second = list_parts(folder, "simpleitk")
    assert (first.key, second.key) == ("simpleitk:1", "simpleitk:2")
    assert first.text == "T1 axial, CT 6 x 5 x 4"
    for name in ("2", "flair", uid(1, 2)):
        check(read_volume(folder, part=f"simpleitk:{name}"), ramp((4, 5, 3)) + 5, AFFINE)
    volume = read_volume(folder, part="SimpleITK")
    check(volume, ramp(), AFFINE)
    assert "largest of 2 series" in volume.warnings[0]
    for name in ("T2", "3", "0", "CT"):
        with pytest.raises(InputError, match=f"(none|2) of the 2 series fit '{name}'"):
            read_volume(folder, part=f"simpleitk:{name}")
    file = next((folder / "one").iterdir())  # a file brings its own series
    check(read_volume(file, part="simpleitk"), ramp(), AFFINE)


def test_what_simpleitk_would_misplace_is_refused_or_told(tmp_path):
    gap = write_series(tmp_path / "gap", ramp(), AFFINE, leave_out=(2,))
    with pytest.raises(InputError, match=r"beside where its header says.*by pydicom"):
        read_volume(gap, part="simpleitk")
    tilted = AFFINE.copy()
    tilted[:3, 2] += 0.4 * AFFINE[:3, 1]
    tilt = write_series(tmp_path / "tilt", ramp(), tilted)
    with pytest.raises(InputError, match="beside where its header says"):
        read_volume(tilt, part="simpleitk")
    alone = read_volume(next(tilt.iterdir()), part="simpleitk")
    assert alone.array.shape[0] == 1
    assert "alone" in alone.warnings[0]
    shift = [0, 0, 0.15, 0, 0, 0]
    uneven = write_series(tmp_path / "uneven", ramp(), AFFINE, shift=shift)
    assert "up to 0.04" in read_volume(uneven, part="simpleitk").warnings[0]
    frames = read_volume(write_enhanced(tmp_path / "many.dcm", ramp(), AFFINE), part="simpleitk")
    assert "order of the file" in frames.warnings[0]
    assert "instances" not in frames.header  # their order isn't known


def test_damage_and_other_folders_are_one_line(tmp_path):
    folder = write_series(tmp_path / "x", ramp(), AFFINE)
    (folder / "odd.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"odd")
    (folder / "notes.txt").write_text("no image")
    check(read_volume(folder, part="simpleitk"), ramp(), AFFINE)  # one bad file keeps none
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(InputError) as caught:
        read_volume(folder, part="simpleitk")
    assert "\n" not in str(caught.value)


def test_without_pydicom_simpleitk_reads(tmp_path, monkeypatch):
    folder = write_series(tmp_path / "x", ramp(), AFFINE)
    there = formats.find_spec
    monkeypatch.setattr(formats, "find_spec", lambda n: None if n == "pydicom" else there(n))
    check(read_volume(folder), ramp(), AFFINE)
    np.testing.assert_array_equal(read_mask(folder, read_volume(folder)), read_volume(folder).array)
    for room in (formats, format_rows):
        monkeypatch.setattr(room, "find_spec", lambda n: None)
    with pytest.raises(InputError, match=r"need the package pydicom.*napari-dim\[dicom\]"):
        read_volume(folder)


def test_the_command_line_asks_for_it(tmp_path, capsys):
    folder = write_series(tmp_path / "x", ramp(), AFFINE)
    assert main(["info", str(folder), "--series", "simpleitk"]) == 0
    assert "DICOM by SimpleITK" in capsys.readouterr().out
    assert main(["convert", str(folder), str(tmp_path / "x.nii"), "--part", "simpleitk:1"]) == 0
    check(read_volume(tmp_path / "x.nii"), ramp(), AFFINE)
