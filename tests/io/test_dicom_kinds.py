"""Series that hold several images of one place, mosaics, copies, bits and polarity."""

from __future__ import annotations

import gzip
import shutil
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from napari_dim.errors import InputError
from napari_dim.io import list_parts, read_mask, read_volume, write_image
from napari_dim.io.dicom import headers
from tests.dicoms import base, text, uid, write, write_enhanced, write_series
from tests.io.test_dicom import AFFINE, check
from tests.io.test_nifti import ramp

pytestmark = pytest.mark.usefixtures("one_child")


def write_images(folder: Path, count: int, *, start: int = 0, **tags) -> Path:
    """`count` images at each place in one series, the n-th `ramp() + n`.

    Tags are values, or functions of image and slice. Instances go round the images first.
    """
    for number in range(start, start + count):
        own = {
            name: (lambda k, n=number, value=value: value(n, k)) if callable(value) else value
            for name, value in tags.items()
        }
        own.setdefault("InstanceNumber", lambda k, n=number: 1000 * k + n + 1)
        made = write_series(folder / "next", ramp() + number, AFFINE, seed=number, **own)
        for file in sorted(made.iterdir()):
            data = pydicom.dcmread(file)
            write(data, folder / f"{number}_{file.name}", number, int(data.InstanceNumber))
        shutil.rmtree(made)
    return folder


def images(folder: Path) -> list[tuple[str, np.ndarray]]:
    """What is listed, and what is read of each."""
    found = []
    for part in list_parts(folder):
        volume = read_volume(folder, part=part.key)
        np.testing.assert_allclose(volume.grid.file_affine, AFFINE, atol=1e-6)
        found.append((part.text, volume.grid.to_file(volume.array)))
    return found


def expect(folder: Path, labels: list[str]) -> None:
    """The images are `ramp() + n`, in order, and say what tells them apart."""
    found = images(folder)
    assert [label for _, label in zip(found, labels, strict=True)]
    for number, ((said, data), label) in enumerate(zip(found, labels, strict=True)):
        assert said.endswith(label), said
        np.testing.assert_array_equal(data, ramp() + number)


def test_a_cine_whose_trigger_times_drift_from_slice_to_slice(tmp_path):
    folder = write_images(tmp_path, 5, TriggerTime=lambda n, k: f"{40 * n + 0.7 * k:.1f}",
                          InstanceNumber=lambda n, k: 97 * k + 31 * n % 5)  # fmt: skip
    expect(folder, [f"trigger time {40 * n} to {40 * n + 3.5:g}" for n in range(5)])


def test_a_cine_that_lacks_a_slice_keeps_its_phases(tmp_path):
    folder = write_images(tmp_path, 3, TriggerTime=lambda n, k: f"{50 * n + 0.5 * k:.1f}")
    gone = next(f for f in sorted(folder.iterdir()) if pydicom.dcmread(f).InstanceNumber == 2002)
    gone.unlink()
    found = [(read_volume(folder, part=p.key), n) for n, p in enumerate(list_parts(folder))]
    assert len(found) == 3
    for volume, number in found:
        wanted = ramp() + number
        if number == 1:
            wanted[:, :, 2] = wanted[:, :, [0, 1, 3, 4, 5]].min()
            assert any("1 slice is missing (2)" in text for text in volume.warnings)
        check(volume, wanted, AFFINE)
        assert any("1 of all slices of the 3 images" in text for text in volume.warnings)


def test_numbers_are_compared_and_sorted_as_numbers(tmp_path):
    """Echoes at 4.6, 9.2, 13.8 and 100 ms, rounded by one program and not by the other."""
    echo = (4.6, 9.2, 13.8, 100.0)
    folder = write_images(
        tmp_path, 4, EchoTime=lambda n, k: f"{echo[n] + (4e-4 if k % 2 else 0):.4f}"
    )
    expect(folder, [f"echo time {one:g}" for one in echo])


def test_frames_of_one_place_that_nothing_tells_apart_are_numbered_by_instance(tmp_path):
    for number in (2, 0, 1):
        data = base(np.ascontiguousarray((ramp((4, 5, 1)) + number)[:, :, 0].T),
                    InstanceNumber=number + 9)  # fmt: skip
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [1, 1], 3
        write(data, tmp_path / f"{number}.dcm", number)
    parts = list_parts(tmp_path)
    assert [p.text.rsplit(", ", 1)[1] for p in parts] == [f"image {n} of 3" for n in (1, 2, 3)]
    for number, part in enumerate(parts):
        volume = read_volume(tmp_path, part=part.key)
        np.testing.assert_array_equal(volume.grid.to_file(volume.array), ramp((4, 5, 1)) + number)
    # The same, over a whole volume.
    folder = write_images(tmp_path / "volume", 3)
    expect(folder, [f"image {n} of 3" for n in (1, 2, 3)])


def test_diffusion_with_two_b_values_and_directions_interleaved(tmp_path):
    turns = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0.6, 0.8))
    folder = write_images(
        tmp_path, 4,
        DiffusionBValue=lambda n, k: float(1000 * (n > 0)),
        DiffusionGradientOrientation=lambda n, k: list(map(float, turns[n])),
        InstanceNumber=lambda n, k: 4 * k + (n + k) % 4,
    )  # fmt: skip
    found = images(folder)
    assert [said.split(", ")[2] for said, _ in found] == ["b value 0"] + 3 * ["b value 1000"]
    np.testing.assert_array_equal(found[0][1], ramp())
    sums = sorted(int(data.sum() - ramp().sum()) // ramp().size for _, data in found)
    assert sums == [0, 1, 2, 3]
    assert all(np.ptp(data - ramp()) == 0 for _, data in found)


@pytest.mark.parametrize(
    ("tag", "creator", "vr", "value"),
    [
        (0x0019100C, "SIEMENS MR HEADER", "IS", lambda b: str(b)),
        (0x00431039, "GEMS_PARM_01", "IS", lambda b: [str(b + (10**9 if b else 0)), "0", "0"]),
        (0x20011003, "Philips Imaging DD 001", "FL", lambda b: float(b)),
        (0x0019100C, "", "UN", lambda b: f"{b} ".encode()),  # by an anonymiser
        (0x20011003, "Philips Imaging DD 001", "UN", lambda b: struct.pack("<f", b)),
    ],
    ids=["siemens", "ge", "philips", "unknown", "philips unknown"],
)
def test_b_values_in_the_tags_of_makers(tmp_path, tag, creator, vr, value):
    """Interleaved, and numbered against their order: 0, 50 and 800 in three volumes."""
    made = (800, 0, 50)
    folder = write_images(tmp_path, 3, InstanceNumber=lambda n, k: 3 * k + n)
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        if creator:
            data.add_new(tag & 0xFFFF0000 | tag >> 8 & 0xFF, "LO", creator)
        data.add_new(tag, vr, value(made[int(file.name.split("_")[0])]))
        data.save_as(file)
    found = images(folder)
    assert [said.split(", ")[2] for said, _ in found] == [f"b value {b}" for b in (0, 50, 800)]
    for (_, data), number in zip(found, (1, 2, 0), strict=True):
        np.testing.assert_array_equal(data, ramp() + number)


def test_another_makers_tag_is_no_b_value(tmp_path):
    folder = write_images(tmp_path, 2)
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        data.add_new(0x00190010, "LO", "SOMEBODY ELSE")
        data.add_new(0x0019100C, "IS", file.name.split("_")[0])
        data.save_as(file)
    expect(folder, ["image 1 of 2", "image 2 of 2"])


def test_dual_echo_dixon_by_image_type(tmp_path):
    """Opposed and in phase have an echo each, water and fat share one."""
    kinds, echoes = ("FAT", "IN_PHASE", "OPP_PHASE", "WATER"), ("2.4", "2.4", "1.2", "2.4")
    folder = write_images(
        tmp_path, 4, ImageType=lambda n, k: ["DERIVED", "PRIMARY", "DIXON", kinds[n]],
        EchoTime=lambda n, k: echoes[n],
    )  # fmt: skip
    expect(folder, [f"image type DERIVED/PRIMARY/DIXON/{kind}" for kind in kinds])


def test_flow_in_four_dimensions(tmp_path):
    """Magnitude and three directions of velocity, three times, times drifting."""
    folder = write_images(
        tmp_path, 12,
        ImageType=lambda n, k: ["ORIGINAL", "PRIMARY", "P" if n >= 3 else "M"],
        TriggerTime=lambda n, k: f"{30 * (n % 3) + 0.4 * k:.2f}",
    )  # fmt: skip
    found = images(folder)
    assert len(found) == 12
    offsets = [int(data[0, 0, 0] - ramp()[0, 0, 0]) for _, data in found]
    assert offsets[:3] == [0, 1, 2]
    # Phase: the three directions of each time, in the order of their instances.
    assert offsets[3:] == [3, 6, 9, 4, 7, 10, 5, 8, 11]
    assert all(np.ptp(data - ramp()) == 0 for _, data in found)
    assert "trigger time 30 to 32, image 2 of 3" in found[7][0]


def test_two_stacks_of_one_enhanced_file(tmp_path):
    path = write_enhanced(tmp_path / "a.dcm", ramp((4, 5, 8)), AFFINE)
    data = pydicom.dcmread(path)
    for group in data.PerFrameFunctionalGroupsSequence:
        along = float(group.PlanePositionSequence[0].ImagePositionPatient[2])
        upper = along > 11 + 3.5 * 3.5
        content = Dataset()
        content.StackID = "upper" if upper else "lower"
        group.FrameContentSequence = Sequence([content])
        if upper:  # far above the other
            group.PlanePositionSequence[0].ImagePositionPatient[2] = along + 100
    data.save_as(path)
    lower, upper = (read_volume(path, part=part.key) for part in list_parts(path))
    wanted = ramp((4, 5, 8)) * 2 - 1000
    np.testing.assert_array_equal(lower.grid.to_file(lower.array), wanted[..., :4])
    np.testing.assert_array_equal(upper.grid.to_file(upper.array), wanted[..., 4:])
    assert upper.grid.file_affine[2, 3] == pytest.approx(lower.grid.file_affine[2, 3] + 114)
    assert "upper" not in repr((upper.warnings, list_parts(path)))  # whatever was typed there


def test_two_stacks_side_by_side_in_one_series(tmp_path):
    """Sagittal knees, say: the same planes, another corner, and no tag."""
    write_series(tmp_path / "x", ramp(), AFFINE, InstanceNumber=1)
    other = AFFINE.copy()
    other[0, 3] += 60
    made = write_series(tmp_path / "next", ramp() + 1, other, seed=3, InstanceNumber=2)
    for number, file in enumerate(sorted(made.iterdir())):
        write(pydicom.dcmread(file), tmp_path / "x" / f"other{number}", 55, number)
    one, two = (read_volume(tmp_path / "x", part=p.key) for p in list_parts(tmp_path / "x"))
    check(one, ramp(), AFFINE)
    check(two, ramp() + 1, other)


@pytest.mark.parametrize(
    ("heights", "spans"),
    [
        ([*np.arange(6) * 2.5, *(12.5 + 5 * np.arange(1, 7))], ((6, 2.5), (6, 5.0))),
        ([*np.arange(8) * 2.5, *(17.75 + 7.5 * np.arange(4))], ((8, 2.5), (4, 7.5))),
        ([*np.arange(4) * 1.0, *(3 + 3 * np.arange(1, 5)), *(15 + np.arange(1, 6))],
         ((4, 1.0), (4, 3.0), (5, 1.0))),
    ],
)  # fmt: skip
def test_two_spacings_in_one_series_are_told_and_come_in_parts(tmp_path, heights, spans):
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    shift = np.array(heights) - np.arange(len(heights))
    data = ramp((4, 5, len(heights)))
    folder = write_series(tmp_path, data, affine, shift=shift)
    parts = list_parts(folder)
    assert len(parts) == len(spans)
    first = 0
    for part, (count, spacing) in zip(parts, spans, strict=True):
        volume = read_volume(folder, part=part.key)
        assert volume.grid.spacing[0] == pytest.approx(spacing)
        np.testing.assert_array_equal(
            volume.grid.to_file(volume.array), data[:, :, first : first + count]
        )
        assert volume.grid.file_affine[2, 3] == pytest.approx(heights[first])
        first += count
    (told,) = [text for text in read_volume(folder).warnings if "lie" in text]
    for _, spacing in spans:
        assert f"{spacing:g} mm apart from" in told
    assert f"from 0 to {heights[spans[0][0] - 1]:g} mm" in told


def test_one_uid_for_all_slices_is_no_copy(tmp_path):
    folder = write_series(tmp_path / "x", ramp(), AFFINE)
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        data.save_as(file)
    volume = read_volume(folder)
    check(volume, ramp(), AFFINE)
    assert any("share a UID" in text for text in volume.warnings)
    check(read_volume(min(folder.iterdir())), ramp(), AFFINE)
    # A radiograph has no place: its pixels tell two exposures from a copy.
    for number, offset in enumerate((0, 1, 1)):
        data = base(ramp((4, 5, 1))[:, :, 0].T + np.int16(offset), Modality="CR")
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.4"
        (tmp_path / "cr").mkdir(exist_ok=True)
        data.save_as(tmp_path / "cr" / f"{number}.dcm", enforce_file_format=True)
    volume = read_volume(tmp_path / "cr")
    assert volume.array.shape[0] == 2
    assert any("1 slice is stored twice" in text for text in volume.warnings)


def test_a_copy_under_a_new_uid_is_a_copy(tmp_path):
    folder = write_series(tmp_path / "x", ramp(), AFFINE)
    for number, file in enumerate(sorted(folder.iterdir())[:2]):
        write(pydicom.dcmread(file), folder / f"sent_again{number}", 88, number)
    volume = read_volume(folder)
    check(volume, ramp(), AFFINE)
    assert any("2 slices are stored twice" in text for text in volume.warnings)


def test_a_file_that_is_asked_for_is_read_where_another_shows_its_place(tmp_path):
    """One more image of the first place, later than the series: of the folder it is left out."""
    folder = write_series(tmp_path / "x", ramp(), AFFINE)
    extra = write_series(tmp_path / "y", ramp()[..., :1] + 7, AFFINE, InstanceNumber=99)
    (made,) = extra.iterdir()
    more = write(pydicom.dcmread(made), folder / "zz", 77)
    check(read_volume(folder), ramp(), AFFINE)
    volume = read_volume(more)
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), ramp()[..., :1] + 7)
    assert any("this one is read alone" in text for text in volume.warnings)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
def test_group_two_without_a_preamble(tmp_path, syntax):
    folder = write_series(tmp_path / "x", ramp(), AFFINE)
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        data.file_meta.TransferSyntaxUID = syntax
        data.preamble = None
        data.save_as(file, enforce_file_format=False, implicit_vr=syntax.endswith(".2"),
                     little_endian=True)  # fmt: skip
        assert file.read_bytes()[:4] == b"\x02\0\0\0"
    for path in (folder, min(folder.iterdir())):
        for reader in ("", "simpleitk"):
            check(read_volume(path, part=reader), ramp(), AFFINE)


def nibabels_mosaic(folder: Path, name: str = "siemens_dwi_0.dcm.gz") -> Path:
    import nibabel.nicom

    source = Path(nibabel.nicom.__file__).parent / "tests" / "data" / name
    path = folder / name.removesuffix(".gz")
    folder.mkdir(exist_ok=True)
    path.write_bytes(gzip.decompress(source.read_bytes()))
    return path


def test_a_siemens_mosaic_is_the_volume_that_nibabel_makes_of_it(tmp_path):
    from nibabel.nicom.dicomwrappers import wrapper_from_data

    path = nibabels_mosaic(tmp_path / "x")
    theirs = wrapper_from_data(pydicom.dcmread(path))
    volume = read_volume(path)
    ours = volume.grid.to_file(volume.array)
    # Theirs is LPS with rows first; ours RAS with columns first.
    np.testing.assert_array_equal(ours, np.swapaxes(theirs.get_data(), 0, 1))
    wanted = np.diag([-1, -1, 1, 1]) @ theirs.affine[:, [1, 0, 2, 3]]
    np.testing.assert_allclose(volume.grid.file_affine, wanted, atol=1e-4)
    assert ours.shape == (128, 128, 48)
    assert any("mosaic" in text for text in volume.warnings)
    # Two of them are two images, told apart by what says so.
    nibabels_mosaic(tmp_path / "x", "siemens_dwi_1000.dcm.gz")
    assert sum("48 x 128 x 128" in part.text for part in list_parts(tmp_path / "x")) == 2


def test_a_mosaic_that_cant_be_unfolded_is_refused_by_that_name(tmp_path):
    kind = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    folder = write_series(tmp_path / "x", ramp((8, 8, 2)), AFFINE, ImageType=kind)
    for path in (folder, min(folder.iterdir())):
        with pytest.raises(InputError, match=r"mosaic.*dcm2niix") as caught:
            read_volume(path)
        assert "\n" not in str(caught.value)
    path = nibabels_mosaic(tmp_path / "y")
    data = pydicom.dcmread(path)
    del data[0x0029, 0x1010]  # as anonymisers do
    data.save_as(path)
    with pytest.raises(InputError, match="mosaic"):
        read_volume(path)


@pytest.mark.parametrize(
    ("stored", "high", "signed"),
    [(12, 15, False), (12, 11, False), (10, 13, False), (12, 15, True)],
)
def test_stored_bits_and_the_high_bit_say_which_count(tmp_path, stored, high, signed):
    wanted = ramp() - (60 if signed else 0)
    shift = high + 1 - stored
    pixels = (wanted.astype(np.int32) << shift) & 0xFFFF
    noise = np.random.default_rng(0).integers(0, 2**16, pixels.shape)
    counting = ((1 << stored) - 1) << shift
    pixels = (pixels & counting | (noise & ~counting & 0xFFFF)).astype(np.uint16)
    if signed:
        pixels = pixels.view(np.int16)
    folder = write_series(tmp_path / "x", pixels, AFFINE, BitsStored=stored, HighBit=high)
    check(read_volume(folder), wanted, AFFINE)
    if shift:  # SimpleITK takes the lowest bits, whatever the header says
        with pytest.raises(InputError, match=r"does not read right.*by pydicom"):
            read_volume(folder, part="simpleitk")
    else:
        check(read_volume(folder, part="simpleitk"), wanted, AFFINE)


OPPOSITE = {"PhotometricInterpretation": "MONOCHROME1"}
CT12 = {"BitsStored": 12, "HighBit": 11}


@pytest.mark.parametrize("reader", ["", "simpleitk"])
@pytest.mark.parametrize(
    ("stored", "signed", "slope", "inter"),
    [(16, False, None, None), (12, False, 2, -30), (10, False, 1, 0), (12, True, 1, -7),
     (16, True, None, None)],
)  # fmt: skip
def test_one_picture_stored_both_ways_has_one_set_of_values(
    tmp_path, reader, stored, signed, slope, inter
):
    scale = {} if slope is None else {"RescaleSlope": slope, "RescaleIntercept": inter}
    low, high = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if signed else (0, 2**stored - 1)
    dtype = np.int16 if signed else np.uint16
    bright = ramp().astype(dtype)
    dark = (low + high - bright.astype(int)).astype(dtype)
    how = {"BitsStored": stored, "HighBit": stored - 1, **scale,
           "WindowCenter": 60, "WindowWidth": 41}  # fmt: skip
    turned = (slope or 1) * (low + high) + 2 * (inter or 0)
    one = write_series(tmp_path / "one", bright, AFFINE, **how)
    other = write_series(tmp_path / "other", dark, AFFINE,
                         **{**how, **OPPOSITE, "WindowCenter": turned - 60 + 1})  # fmt: skip
    if reader and signed and stored < 16:
        with pytest.raises(InputError, match="by pydicom"):
            read_volume(other, part=reader)
        return
    usual, same = read_volume(one, part=reader), read_volume(other, part=reader)
    wanted = ramp() * (slope or 1) + (inter or 0)
    np.testing.assert_array_equal(usual.grid.to_file(usual.array), wanted)
    np.testing.assert_array_equal(same.array, usual.array)
    assert same.header["window"] == pytest.approx(usual.header["window"])
    assert any("MONOCHROME1" in text for text in same.warnings)
    assert not any("MONOCHROME1" in text for text in usual.warnings)
    # What is written of it has the picture's own sense.
    write_image(tmp_path / "x.nii.gz", same)
    np.testing.assert_array_equal(read_volume(tmp_path / "x.nii.gz").array, usual.array)


@pytest.mark.parametrize("reader", ["", "simpleitk"])
def test_slices_stored_both_ways_in_one_series(tmp_path, reader):
    folder = write_series(tmp_path / "x", ramp().astype(np.uint16), AFFINE, **CT12)
    for file in sorted(folder.iterdir())[1::2]:
        data = pydicom.dcmread(file)
        data.PixelData = (4095 - data.pixel_array).astype(np.uint16).tobytes()
        data.PhotometricInterpretation = "MONOCHROME1"
        data.save_as(file)
    volume = read_volume(folder, part=reader)
    check(volume, ramp(), AFFINE)
    assert any("MONOCHROME1" in text for text in volume.warnings)


def test_compressed_dark_on_bright(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (80, 64)).astype(np.uint8)
    ways = (("a", pixels, "MONOCHROME2"), ("b", 255 - pixels, "MONOCHROME1"))
    for name, values, photometric in ways:
        for syntax in ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"):  # RLE, JPEG 2000
            data = base(values, PhotometricInterpretation=photometric)
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid(4, ord(name))
            data.compress(syntax)
            data.save_as(tmp_path / f"{name}{syntax[-2:]}.dcm", enforce_file_format=True)
    for file in sorted(tmp_path.glob("*.dcm")):
        for reader in ("", "simpleitk"):
            np.testing.assert_array_equal(read_volume(file, part=reader).array[0], pixels)


def test_a_modality_table_of_dark_on_bright(tmp_path):
    item = Dataset()
    item.add_new(0x00283002, "US", [256, 0, 16])
    item.add_new(0x00283006, "US", [3 * n for n in range(256)])
    item.ModalityLUTType = "US"
    table = {"ModalityLUTSequence": Sequence([item])}
    bright = ramp().astype(np.uint8)
    one = write_series(tmp_path / "a", bright, AFFINE, **table)
    other = write_series(tmp_path / "b", 255 - bright, AFFINE, **table, **OPPOSITE)
    np.testing.assert_array_equal(read_volume(one).array, read_volume(other).array)


HU = {"RescaleSlope": 1, "RescaleIntercept": -1024}


@pytest.mark.parametrize(
    ("stored", "padding", "tags", "wanted"),
    [
        # CT: far below air; the same where it needs bits that are not stored.
        (np.int16, -2000, HU, "lowest"),
        (np.uint16, 63536, {**HU, **CT12}, "lowest"),
        # A range, above all that was measured.
        (np.uint16, 4000, {"PixelPaddingRangeLimit": 4095}, "lowest"),
        # Low is bright: turned round it would be the brightest.
        (np.uint16, 0, {**OPPOSITE, **CT12}, "lowest"),
        (np.int16, -2000, {**OPPOSITE, **HU}, "lowest"),
        # Below all others already, and zero of pixels with a sign: as nibabel and others see it.
        (np.uint16, 0, {"Modality": "MR"}, "kept"),
        (np.uint16, 0, HU, "kept"),
        (np.int16, 0, {"Modality": "MR"}, "kept"),
    ],
)
@pytest.mark.parametrize("reader", ["", "simpleitk"])
def test_padding_is_no_tissue(tmp_path, reader, stored, padding, tags, wanted):
    pixels = ramp().astype(int) + 7
    if padding == 0 and stored == np.int16:
        pixels -= 40  # zero is a measurement among others
    scale = tags.get("RescaleIntercept", 0)
    real = pixels + scale
    if "PhotometricInterpretation" in tags:
        both = -1 if stored == np.int16 else 2 ** tags.get("BitsStored", 16) - 1
        pixels = both - pixels
    pixels[0, :, 2:] = padding + (np.arange(4) if "PixelPaddingRangeLimit" in tags else 0)
    folder = write_series(tmp_path / "x", pixels.astype(stored), AFFINE,
                          PixelPaddingValue=padding, **tags)  # fmt: skip
    beyond = padding > 4095
    if reader and beyond:
        with pytest.raises(InputError, match=r"padding needs more bits.*by pydicom"):
            read_volume(folder, part=reader)
        return
    volume = read_volume(folder, part=reader)
    rest = real.copy()
    rest[0, :, 2:] = real.max()
    real[0, :, 2:] = rest.min() if wanted == "lowest" else padding + scale
    check(volume, real, AFFINE)
    told = [text for text in volume.warnings if "padding" in text]
    assert len(told) == (wanted == "lowest")
    if told:
        assert f"{5 * 4} voxels are padding" in told[0]
        assert f"given {rest.min():g}, the lowest value" in told[0]


def test_labels_of_a_series_keep_a_background_that_is_called_padding(tmp_path):
    image = read_volume(write_series(tmp_path / "x", ramp(), AFFINE))
    labels = (ramp() % 3 == 0).astype(np.uint16)
    made = write_series(tmp_path / "m", labels, AFFINE, PixelPaddingValue=0)
    np.testing.assert_array_equal(image.grid.to_file(read_mask(made, image)), labels)


def test_what_lists_a_folder_also_reads_it(tmp_path, monkeypatch):
    folder = write_images(tmp_path, 2, EchoTime=lambda n, k: f"{10 + n}")
    parsed = []
    real = headers.frames_in
    monkeypatch.setattr(headers, "frames_in", lambda p, d: parsed.append(p) or real(p, d))
    for part in list_parts(folder):
        read_volume(folder, part=part.key)
    read_volume(min(folder.iterdir()))
    assert sorted(parsed) == sorted(folder.iterdir())
    # A file that changed is read again.
    file = min(folder.iterdir())
    data = pydicom.dcmread(file)
    data.ImagePositionPatient = text([float(x) + 500 for x in data.ImagePositionPatient])
    data.save_as(file)
    with pytest.raises(InputError):
        read_volume(folder, part=read_part_of(folder, file))


def read_part_of(folder: Path, file: Path) -> str:
    """The key of the image whose series no longer makes a volume."""
    for part in list_parts(folder):
        try:
            read_volume(folder, part=part.key)
        except InputError:
            return part.key
    raise AssertionError(f"{file} was not read again")


def test_words_of_a_decoder_quote_no_header(tmp_path):
    """What pydicom says of pixels names the value of the header that it can't use."""
    folder = write_series(tmp_path / "ct", np.zeros((8, 8, 3), np.int16), np.eye(4))
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.PhotometricInterpretation = "HANSMEIER"
        data.save_as(path)
    with pytest.raises(InputError, match="pixels can't be read") as caught:
        read_volume(folder)
    assert "HANSMEIER" not in str(caught.value)
