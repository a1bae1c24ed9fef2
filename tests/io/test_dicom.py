"""DICOM: every series made here comes from a volume whose every voxel's place is known."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from napari_dim.errors import InputError
from napari_dim.io import list_parts, read_classes, read_mask, read_volume, write_mask
from napari_dim.io.dicom.series_reader import find_instances
from napari_dim.io.formats import known_format
from tests.dicoms import CANARY, base, uid, write, write_enhanced, write_series
from tests.io.test_nifti import ramp
from tests.test_volume import ORIENTATIONS, affine_of

AFFINE = affine_of((0, 1, 2), (-1, -1, 1), (0.7, 1.2, 3.5))
READ_SERIES = """
import json, sys, SimpleITK as sitk
for folder in sys.argv[1:]:
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder)
    image = sitk.ReadImage(names)
    print(json.dumps([image.GetSize(), image.GetSpacing(), image.GetOrigin(),
                      image.GetDirection(), sitk.GetArrayFromImage(image).ravel().tolist()]))
"""


def right_handed(affine):
    """A stack of planes has its normal on the right: turn round the slices of others."""
    if np.linalg.det((np.diag([-1, -1, 1, 1]) @ affine)[:3, :3]) > 0:
        return affine
    turned = affine.copy()
    turned[:, 2] *= -1
    return turned


def check(volume, data, affine):
    """Voxels and places are those of `data` (column, row, slice)."""
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), data)
    np.testing.assert_allclose(volume.grid.file_affine, affine, atol=1e-6)


def test_a_series_in_every_orientation_lies_where_simpleitk_puts_it(tmp_path):
    """48 orientations, at three tilts in turn, file names shuffled."""
    folders, volumes = [], []
    for number, (axes, signs) in enumerate(ORIENTATIONS):
        tilt = ((0, 0, 0), (14, -9, 6), (35, 20, -40))[number % 3]
        affine = right_handed(affine_of(axes, signs, (0.7, 1.2, 3.5), tilt))
        folder = tmp_path / f"{number}_{tilt[0]}"
        write_series(folder, ramp(), affine, seed=number)
        volume = read_volume(folder)
        check(volume, ramp(), affine)
        assert volume.warnings == ()
        folders.append(folder)
        volumes.append(volume)
    chosen = range(0, len(folders), 5)  # SimpleITK sorts by position too, and has no opinion else
    done = subprocess.run(
        [sys.executable, "-c", READ_SERIES, *(str(folders[n]) for n in chosen)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    for number, line in zip(chosen, done.stdout.splitlines(), strict=True):
        size, spacing, origin, direction, values = json.loads(line)
        grid = volumes[number].grid
        affine = np.eye(4)
        affine[:3, :3] = np.reshape(direction, (3, 3)) * spacing
        affine[:3, 3] = origin
        assert tuple(size) == grid.file_shape
        np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ affine, grid.file_affine, atol=1e-5)
        np.testing.assert_array_equal(volumes[number].grid.to_file(volumes[number].array),
                                      np.reshape(values, size, order="F"))  # fmt: skip


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_enhanced_multi_frame(tmp_path, axes):
    affine = right_handed(affine_of(axes, (1, -1, 1), (0.7, 1.2, 3.5), (14, -9, 6)))
    volume = read_volume(write_enhanced(tmp_path / "a.dcm", ramp(), affine))
    check(volume, ramp() * 2 - 1000, affine)
    assert volume.array.dtype == np.int16
    assert len({index for _, index in volume.header["instances"]}) == 6


def test_gantry_tilt_is_kept(tmp_path):
    tilted = AFFINE.copy()
    tilted[1, 2] += 3.5 * np.tan(np.radians(15))
    volume = read_volume(write_series(tmp_path / "s", ramp(), tilted))
    check(volume, ramp(), tilted)
    assert any("15.0 degrees" in warning for warning in volume.warnings)
    # An export keeps it too: the mask lies on the scan again.
    mask = volume.array % 3
    path = write_mask(tmp_path / "m.nii.gz", mask, volume)
    np.testing.assert_array_equal(read_mask(path, volume), mask)


def test_missing_slices_keep_their_place(tmp_path):
    volume = read_volume(write_series(tmp_path / "s", ramp() + 7, AFFINE, leave_out=(2, 3)))
    data = ramp() + 7
    data[:, :, 2:4] = 7
    check(volume, data, AFFINE)
    assert "2 slices are missing (2, 3)" in volume.warnings[0]
    assert [uid == "" for uid, _ in volume.header["instances"]] == [0, 0, 1, 1, 0, 0]


def test_doubled_slices_are_told(tmp_path):
    volume = read_volume(write_series(tmp_path / "s", ramp(), AFFINE, double=(1, 4)))
    check(volume, ramp(), AFFINE)
    assert "2 slices are at a place" in volume.warnings[0]
    # The very same file twice is only a copy.
    folder = write_series(tmp_path / "t", ramp(), AFFINE)
    first = min(folder.iterdir())
    (folder / "copy").write_bytes(first.read_bytes())
    volume = read_volume(folder)
    check(volume, ramp(), AFFINE)
    assert "1 slice is stored twice" in volume.warnings[0]


def test_varying_spacing_is_told_or_refused(tmp_path):
    volume = read_volume(
        write_series(tmp_path / "a", ramp(), AFFINE, shift=[0, 0.1, 0, -0.1, 0, 0])
    )
    assert "spacing of the slices varies" in volume.warnings[0]
    folder = write_series(tmp_path / "b", ramp(), AFFINE, shift=[0, 1.1, 0.3, 1.5, 0.2, 4.5])
    with pytest.raises(InputError, match=r"slices lie 2\.2 to 7\.8 mm apart"):
        read_volume(folder)
    # A slice of it can still be looked at.
    alone = read_volume(min(folder.iterdir()))
    assert alone.array.shape[0] == 1
    assert "slice is alone" in alone.warnings[0]


def test_rescale_and_window(tmp_path):
    how = {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": [40, 500],
           "WindowWidth": [401, 2000]}  # fmt: skip
    volume = read_volume(write_series(tmp_path / "a", ramp(), AFFINE, **how))
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), ramp() - 1024)
    assert volume.array.dtype == np.int16
    assert volume.header["window"] == (-160.5, 239.5)
    slopes = {"RescaleSlope": lambda k: f"{0.5 + k}", "RescaleIntercept": "0.25"}
    volume = read_volume(write_series(tmp_path / "b", ramp(), AFFINE, **slopes))
    wanted = ramp() * (0.5 + np.arange(6)) + 0.25
    np.testing.assert_allclose(volume.grid.to_file(volume.array), wanted, rtol=1e-6)
    assert volume.array.dtype == np.float32


def test_overlay_bits_are_no_part_of_a_value(tmp_path):
    pixels = (ramp().astype(np.uint16) | 0x4000).astype(np.uint16)
    how = {"BitsStored": 12, "HighBit": 11}
    volume = read_volume(write_series(tmp_path / "a", pixels, AFFINE, **how))
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), ramp())


def test_a_modality_table_is_applied(tmp_path):
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    item = Dataset()
    item.add_new(0x00283002, "US", [120, 0, 16])
    item.add_new(0x00283006, "US", [3 * n for n in range(120)])
    item.ModalityLUTType = "US"
    table = {"ModalityLUTSequence": Sequence([item])}
    volume = read_volume(write_series(tmp_path / "a", ramp().astype(np.uint16), AFFINE, **table))
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), 3 * ramp())


def test_several_series_in_one_folder(tmp_path):
    write_series(tmp_path / "x", ramp(), AFFINE, series=1, SeriesDescription="T1 axial")
    write_series(tmp_path / "x", ramp((4, 5, 3)) + 5, AFFINE, series=2, seed=1,
                 SeriesDescription="FLAIR")  # fmt: skip
    (tmp_path / "x" / "notes.txt").write_text("no image")
    first, second = list_parts(tmp_path / "x")
    assert (first.key, second.key) == ("1", "2")
    assert "T1 axial" in first.text
    assert "3 x 5 x 4" in second.text
    volume = read_volume(tmp_path / "x")
    check(volume, ramp(), AFFINE)
    assert "largest of 2 images" in volume.warnings[0]
    for name in ("2", "flair", uid(1, 2)):
        check(read_volume(tmp_path / "x", part=name), ramp((4, 5, 3)) + 5, AFFINE)
    with pytest.raises(InputError, match="none of the 2 images fit 'T2'"):
        read_volume(tmp_path / "x", part="T2")
    # A file brings its own series.
    name = find_instances(tmp_path / "x", {uid(3, 2, 0)})[0]
    check(read_volume(name), ramp((4, 5, 3)) + 5, AFFINE)


def test_echoes_of_one_place_are_taken_apart(tmp_path):
    folder = tmp_path / "x"
    write_series(folder, ramp(), AFFINE, EchoTime="10")
    for file in sorted(folder.iterdir()):
        file.rename(file.with_name("first_" + file.name))
    write_series(folder, ramp() + 1, AFFINE, series=1, seed=3, EchoTime="80")
    for number, file in enumerate(sorted(folder.glob("IM*"))):
        import pydicom

        write(pydicom.dcmread(file), file, 77, number)
    assert ["echo time" in part.text for part in list_parts(folder)] == [True, True]
    check(read_volume(folder, part="echo time 80"), ramp() + 1, AFFINE)


def test_no_patient_text_is_kept(tmp_path):
    folder = write_series(tmp_path / "x", ramp(), AFFINE, SeriesDescription=CANARY)
    write_series(tmp_path / "x", ramp((4, 5, 3)), AFFINE, series=2, SeriesDescription=CANARY)
    volume = read_volume(folder)
    assert CANARY not in repr((volume.header, volume.warnings, volume.grid))
    assert volume.header["series"] == uid(1, 1)
    assert volume.header["instances"][0][0].startswith(uid(3, 1))
    path = write_mask(tmp_path / "m.nii", volume.array % 2, volume)
    assert CANARY.encode() not in path.read_bytes()
    found = find_instances(folder, {name for name, _ in volume.header["instances"]})
    assert len(found) == 6
    with pytest.raises(InputError, match="no longer there"):
        find_instances(folder, {"1.2.3"})


def test_colours_are_pictures(tmp_path):
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    data = base(pixels[..., 0], SamplesPerPixel=3, PhotometricInterpretation="RGB",
                PlanarConfiguration=0, Modality="OT")  # fmt: skip
    data.PixelData = pixels.tobytes()
    volume = read_volume(write(data, tmp_path / "a.dcm", 1))
    assert volume.kind == "picture"
    np.testing.assert_array_equal(volume.array[0], pixels)


def test_what_holds_no_image_is_refused_in_one_line(tmp_path):
    folder = write_series(tmp_path / "x", ramp(), AFFINE)
    good = min(folder.iterdir()).read_bytes()
    cases = {
        "cut.dcm": (good[: len(good) // 2], "no image|no pixels|less than"),
        "short.dcm": (good[:-10], "are cut off: 30 of 40 bytes"),
        "text.dcm": (b"hello", "not a DICOM file"),
        "empty.dcm": (b"", "the file is empty"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            read_volume(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
    for modality, message in (("RTSTRUCT", "contours"), ("SR", "report")):
        data = base(ramp()[0], Modality=modality)
        with pytest.raises(InputError, match=message):
            read_volume(write(data, tmp_path / f"{modality}.dcm", 5))
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no images"):
        read_volume(tmp_path / "none")


@pytest.mark.parametrize("vr", [b"\0S", b"XX", b"SQ", b"UN"])
def test_a_damaged_type_anywhere_in_the_header_is_read_or_one_line(tmp_path, vr):
    """pydicom takes a value apart when it is first asked for, and raises anything then."""
    folders = (
        write_series(tmp_path / "x", ramp((4, 5, 1)), AFFINE),
        write_enhanced(tmp_path / "many" / "a.dcm", ramp((4, 5, 2)), AFFINE).parent,
    )
    like = read_volume(folders[0])
    for good in [min(folder.iterdir()) for folder in folders]:
        data = good.read_bytes()
        place = tmp_path / "bad" / "bad.dcm"
        place.parent.mkdir(exist_ok=True)
        types = [one.start() for one in re.finditer(rb"(?<=\0)[A-Z]{2}(?=[\0-\x40]\0)", data)]
        assert len(types) > 20
        for at in types:
            place.write_bytes(data[:at] + vr + data[at + 2 :])
            for ask in (read_volume, read_classes, lambda path: read_mask(path, like)):
                with suppress(InputError):
                    ask(place)
            with suppress(InputError):
                list_parts(place.parent)


def test_names_say_nothing_and_content_does(tmp_path):
    folder = write_series(tmp_path / "a" / "deep", ramp(), AFFINE)
    found = known_format(tmp_path / "a")
    assert found is not None
    assert found.name == "DICOM"
    assert known_format(min(folder.iterdir())) is found
    check(read_volume(tmp_path / "a"), ramp(), AFFINE)
    assert read_volume(tmp_path / "a", slice_axis=0).array.shape[0] == 4


def lossless_jpeg(folder):
    """A real lossless JPEG of pydicom's own, which GDCM alone decompresses."""
    from pydicom.data import get_testdata_file

    name = get_testdata_file("SC_rgb_jpeg_gdcm.dcm", download=False)
    assert name is not None
    path = folder / "lossless.dcm"
    path.write_bytes(Path(name).read_bytes())
    return path


def test_lossless_jpeg_is_decompressed_in_a_process_of_its_own(tmp_path):
    volume = read_volume(lossless_jpeg(tmp_path))
    assert volume.array.max() > volume.array.min()
    assert volume.array.shape == (1, 100, 100, 3)


def test_a_decoder_that_dies_is_one_line(tmp_path, monkeypatch):
    from napari_dim.io.dicom import decode_apart

    child = tmp_path / "dies.py"
    child.write_text("import os; os.abort()")
    monkeypatch.setattr(decode_apart, "_CHILD", child)
    with pytest.raises(InputError, match="can't be decompressed"):
        read_volume(lossless_jpeg(tmp_path))
