"""Files as other programs and downloads leave them: the right values, or words that help."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import nibabel as nib
import numpy as np
import pydicom
import pytest
import tifffile
import zarr
from PIL import Image

from napari_dim.errors import InputError
from napari_dim.io import lay_mask, read_volume
from tests.dicoms import base, write, write_series

IDS = np.zeros((8, 8), np.uint8)
IDS[2:4, 2:6], IDS[5:7, 1:4], IDS[7, 7] = 1, 2, 3
SCAN = np.arange(5 * 6 * 4, dtype=np.int16).reshape(5, 6, 4)
PLACE = np.array([[2.0, 0, 0, 10], [0, 2, 0, -10], [0, 0, 3, -18], [0, 0, 0, 1]])
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def refusal(path, function=read_volume):
    with pytest.raises(InputError) as caught:
        function(path)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)
    return str(caught.value)


# What is no image at all.


@pytest.mark.parametrize("name", ["a.nii.gz", "a.png", "a.tif", "a.nrrd", "a.mha", "a.dcm", "a"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (LFS, "pointer of Git LFS is here, not the file itself. Fetch it first: git lfs pull"),
        (b"/annex/objects/MD5E-s12--d41d.nii.gz\n", "git annex get"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>Sign in", "this is a web page"),
        (b"PK\x03\x04" + bytes(40), "this is a ZIP archive. Unpack it first"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_no_image_is_told_whatever_it_is_called(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    assert told in refusal(tmp_path / name)


def test_links_and_folders_of_pointers_say_what_to_fetch(tmp_path):
    (tmp_path / "a.nii.gz").symlink_to("../.git/annex/objects/aa/bb/a.nii.gz")
    assert "what it leads to is not there. Fetch it first: git annex" in refusal(
        tmp_path / "a.nii.gz"
    )
    (tmp_path / "b.nii.gz").symlink_to("gone.nii.gz")
    assert refusal(tmp_path / "b.nii.gz").endswith("what it leads to is not there")
    (tmp_path / "ct").mkdir()
    for number in range(3):
        (tmp_path / "ct" / f"{number}.dcm").write_bytes(LFS)
    assert "0.dcm in it can't be read: only the pointer" in refusal(tmp_path / "ct")


def test_a_second_download_says_how_to_call_it(tmp_path):
    for name in ("a.nii (1).gz", "a.nii(12).gz"):
        (tmp_path / name).write_bytes(b"x")
        assert "so that its name ends in .nii.gz" in refusal(tmp_path / name)


def test_an_archive_in_the_clothes_of_a_scan(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.nii.gz", "w") as file:
        file.writestr("a.nii", "x")
    assert "ZIP" in refusal(tmp_path / "a.nii.gz")


@pytest.mark.parametrize(
    ("marker", "bits", "told"), [(0xC0, 12, "a JPEG of 12 bits a value"), (0xC3, 8, "a lossless")]
)
def test_jpegs_that_pillow_does_not_read_are_named(tmp_path, marker, bits, told):
    made = io.BytesIO()
    Image.fromarray(IDS * 60).save(made, "JPEG")
    data = bytearray(made.getvalue())
    start = data.find(b"\xff\xc0")
    data[start + 1], data[start + 4] = marker, bits
    (tmp_path / "a.jpg").write_bytes(data)
    assert told in refusal(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(made.getvalue()[:-60])
    assert "damaged or cut off. Copy it again" in refusal(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").write_bytes(bytes(range(200)))
    assert "damaged, or of another kind than its name says" in refusal(tmp_path / "c.jpg")


# Masks that are pictures.


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(IDS * 60).save(tmp_path / "image.png")
    return read_volume(tmp_path / "image.png")


def low_png(path, ids, depth):
    """A grey PNG of a few bits a pixel, as pypng, MATLAB and others write it."""
    rows = b""
    for row in ids:
        bits = "".join(f"{int(value):0{depth}b}" for value in row)
        rows += b"\0" + bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], depth, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )  # fmt: skip
    return path


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_masks_of_few_bits_hold_the_numbers_that_are_stored(tmp_path, picture, depth):
    ids = np.minimum(IDS, 2**depth - 1)
    laid = lay_mask(low_png(tmp_path / "m.png", ids, depth), picture)
    np.testing.assert_array_equal(laid.ids[0], ids)


@pytest.mark.parametrize("magic", ["P5", "P2"])
@pytest.mark.parametrize("most", [3, 255, 4095])
def test_pnm_masks_hold_the_numbers_that_are_stored(tmp_path, picture, magic, most):
    wide = IDS.astype(">u2" if most > 255 else "u1")
    body = wide.tobytes() if magic == "P5" else " ".join(map(str, wide.ravel())).encode()
    (tmp_path / "m.pgm").write_bytes(f"{magic}\n# made\n8 8\n{most}\n".encode() + body)
    np.testing.assert_array_equal(lay_mask(tmp_path / "m.pgm", picture).ids[0], IDS)


def test_a_pgm_of_twelve_bits_keeps_its_values(tmp_path):
    values = (np.arange(64).reshape(8, 8) * 65).astype(">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5 8 8 4095\n" + values.tobytes())
    np.testing.assert_array_equal(read_volume(tmp_path / "a.pgm").array[0], values)
    colours = np.repeat(values[..., None] % 1024, 3, 2)
    (tmp_path / "a.ppm").write_bytes(b"P6 8 8 1023\n" + colours.astype(">u2").tobytes())
    assert "read with 8" in read_volume(tmp_path / "a.ppm").warnings[0]


@pytest.mark.parametrize("suffix", [".j2k", ".jp2"])
def test_jpeg_2000_holds_the_numbers_that_are_stored(tmp_path, suffix):
    encode = pytest.importorskip("openjpeg.utils").encode_array
    kind = int(suffix == ".jp2")
    ids = np.kron(IDS, np.ones((16, 16), np.uint8))
    path = tmp_path / f"m{suffix}"
    path.write_bytes(bytes(encode(ids, bits_stored=2, codec_format=kind)))
    np.testing.assert_array_equal(lay_mask(path, read_volume(path)).ids[0], ids)
    deep = (np.arange(128 * 128).reshape(128, 128) % 4096).astype(np.uint16)
    path.write_bytes(bytes(encode(deep, bits_stored=12, codec_format=kind)))
    np.testing.assert_array_equal(read_volume(path).array[0], deep)


@pytest.mark.parametrize("form", ["png", "tif"])
@pytest.mark.parametrize(
    ("palette", "wanted", "told"),
    [
        ([0, 255], [0, 1], "the places in it (0, 1) are taken"),
        ([255, 0], [255, 0], "they (0, 255) are taken"),
        ([0, 1], [0, 1], ""),
    ],
)
def test_palettes_of_greys_are_told_and_may_be_in_no_order(
    tmp_path, picture, form, palette, wanted, told
):
    places = (IDS > 0).astype(np.uint8)
    table = np.zeros((256, 3), np.uint8)
    table[:2] = np.array(palette)[:, None]
    if form == "png":
        made = Image.fromarray(places)
        made.putpalette(table.tobytes())
        made.save(tmp_path / "m.png")
    else:
        wide = (table.astype(np.uint16) * 257).T
        tifffile.imwrite(tmp_path / "m.tif", places, photometric="palette", colormap=wide)
    laid = lay_mask(tmp_path / f"m.{form}", picture)
    np.testing.assert_array_equal(laid.ids[0], np.array(wanted)[places])
    assert told in " ".join(laid.notes)
    assert bool(laid.notes) is bool(told)


@pytest.mark.parametrize("grey", [0, 255])
def test_a_mask_in_the_transparency_is_refused_by_that_name(tmp_path, picture, grey):
    pixels = np.full((8, 8, 4), grey, np.uint8)
    pixels[..., 3] = 255 * (IDS > 0)
    Image.fromarray(pixels).save(tmp_path / "m.png")
    told = refusal(tmp_path / "m.png", lambda path: lay_mask(path, picture))
    assert "the mask is in the transparency of its picture alone" in told
    pixels[..., :3] = IDS[..., None]
    Image.fromarray(pixels).save(tmp_path / "m.png")
    laid = lay_mask(tmp_path / "m.png", picture)
    np.testing.assert_array_equal(laid.ids[0], IDS)
    assert laid.notes == ("the transparency of the mask is left out",)


# Microscopes.

UUIDS = [f"urn:uuid:00000000-0000-0000-0000-00000000000{n}" for n in range(2)]


def ome_text(own):
    planes = "".join(
        f'<TiffData FirstZ="{2 * n}" FirstC="0" FirstT="0" IFD="0" PlaneCount="2">'
        f'<UUID FileName="f{n}.ome.tif">{uuid}</UUID></TiffData>'
        for n, uuid in enumerate(UUIDS)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME '
        f'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{UUIDS[own]}">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="8" '
        'SizeY="8" SizeZ="4" SizeC="1" SizeT="1" PhysicalSizeX="0.5" PhysicalSizeY="0.5" '
        'PhysicalSizeZ="2" PhysicalSizeXUnit="mm" PhysicalSizeYUnit="mm" PhysicalSizeZUnit="mm">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
    )


def test_an_ome_tiff_in_several_files_is_whole_or_refused(tmp_path):
    for own in range(2):
        with tifffile.TiffWriter(tmp_path / f"f{own}.ome.tif") as file:
            for page in range(2):
                text = ome_text(own) if page == 0 else None
                plane = IDS + np.uint8(10 * (2 * own + page))
                file.write(plane, description=text, metadata=None, photometric="minisblack")
    array = read_volume(tmp_path / "f0.ome.tif").array
    np.testing.assert_array_equal(array, [IDS + 10 * n for n in range(4)])
    (tmp_path / "f1.ome.tif").unlink()
    told = refusal(tmp_path / "f0.ome.tif")
    assert "2 of the 4 pages of this OME-TIFF are in files that are missing (f1.ome.tif)" in told


def test_one_of_a_set_of_ome_tiffs_is_told(tmp_path):
    tifffile.imwrite(
        tmp_path / "f0.ome.tif", IDS, description=ome_text(0), metadata=None,
        photometric="minisblack",
    )  # fmt: skip
    volume = read_volume(tmp_path / "f0.ome.tif")
    assert volume.array.shape == (1, 8, 8)
    assert "one of 2 of an OME-TIFF; its own picture is read" in volume.warnings[0]
    assert "one of 2" not in " ".join(read_volume(tmp_path).warnings)


def test_what_bioformats2raw_wrote_is_its_one_image(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    group.create_group("OME")
    for number in range(2):
        image = group.create_group(str(number))
        image.create_array("0", data=SCAN.T)
        axes = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]
        scale = {"type": "scale", "scale": [3, 2, 2]}
        levels = [{"path": "0", "coordinateTransformations": [scale]}]
        image.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]
        if number == 0:
            volume = read_volume(tmp_path / "a.zarr")
            np.testing.assert_array_equal(np.asarray(volume.array), SCAN.T)
            assert volume.spacing == (3, 2, 2)
    assert "Open one of what it holds: 0, 1" in refusal(tmp_path / "a.zarr")


# NIfTI headers that nibabel alone refuses.


def patched(path, at, form, *values):
    image = nib.Nifti1Image(SCAN, PLACE)
    image.set_sform(PLACE, 0)
    image.set_qform(PLACE, 1)
    nib.save(image, path)
    data = bytearray(path.read_bytes())
    data[at : at + struct.calcsize(form)] = struct.pack(form, *values)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("sign", [0.0, 1.0, 0.5])
def test_a_first_pixdim_of_no_sign_is_plus(tmp_path, sign):
    volume = read_volume(patched(tmp_path / "a.nii", 76, "<f", sign))
    np.testing.assert_allclose(volume.grid.file_affine, PLACE)


def test_a_quaternion_that_rounding_made_longer_is_a_turn(tmp_path):
    straight = PLACE @ np.diag([-1.0, 1, -1, 1])  # half a turn about the second axis
    volume = read_volume(patched(tmp_path / "a.nii", 256, "<fff", 0.0, 1.000003, 0.0))
    np.testing.assert_allclose(volume.grid.file_affine[:3, :3], straight[:3, :3], atol=1e-6)
    told = refusal(patched(tmp_path / "a.nii", 256, "<fff", 0.0, 1.1, 0.0))
    assert "sizes or turns are no numbers that make sense" in told


def test_negative_sizes_have_no_sign(tmp_path):
    volume = read_volume(patched(tmp_path / "a.nii", 80, "<f", -2.0))
    np.testing.assert_allclose(volume.grid.file_affine, PLACE)


def test_a_size_of_nothing_says_what_to_save(tmp_path):
    told = refusal(patched(tmp_path / "a.nii", 88, "<f", 0.0))
    assert "Save it again with sizes of its voxels" in told


def test_a_colour_image_is_no_mask(tmp_path):
    nib.save(nib.Nifti1Image(SCAN, PLACE), tmp_path / "a.nii")
    like = read_volume(tmp_path / "a.nii")
    colours = np.zeros(SCAN.shape, [(name, "u1") for name in "RGB"])
    nib.save(nib.Nifti1Image(colours, PLACE), tmp_path / "m.nii")
    told = refusal(tmp_path / "m.nii", lambda path: lay_mask(path, like))
    assert "the mask is a colour image" in told


# DICOM.

SERIES = np.random.default_rng(0).integers(0, 1000, (8, 7, 5)).astype(np.int16)
HALF = np.diag([0.5, 0.5, 3.25, 1.0])


def rewritten(folder, change):
    """A series whose decimal numbers are changed as bytes, which pydicom would not write."""
    for file in write_series(folder, SERIES, HALF).iterdir():
        data = file.read_bytes()
        for tag in (b"\x28\x00\x30\x00DS", b"\x18\x00\x50\x00DS", b"\x20\x00\x32\x00DS"):
            at = data.find(tag)
            size = int.from_bytes(data[at + 6 : at + 8], "little")
            data = data[:at] + change(tag, data[at + 8 : at + 8 + size]) + data[at + 8 + size :]
        file.write_bytes(data)
    return folder


def spaced(tag, value, old, new):
    wide = value.replace(old, new)
    return tag + len(wide).to_bytes(2, "little") + wide


@pytest.mark.parametrize(
    "change",
    [
        lambda tag, value: spaced(tag, value, b".", b","),
        lambda tag, value: spaced(tag, value, b"\\", b","),
        lambda tag, value: tag[:4] + b"UT\0\0" + len(value).to_bytes(4, "little") + value,
    ],
    ids=["decimal commas", "commas between", "as text"],
)
def test_numbers_as_programs_of_other_languages_write_them(tmp_path, change):
    volume = read_volume(rewritten(tmp_path / "s", change))
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), SERIES)
    np.testing.assert_allclose(volume.grid.file_affine, HALF, atol=1e-6)


def test_what_systems_leave_beside_a_series_is_no_part_of_it(tmp_path):
    folder = write_series(tmp_path / "s", SERIES, HALF)
    for file in list(folder.iterdir()):
        (folder / f"._{file.name}").write_bytes(b"\x00\x05\x16\x07" + bytes(200))
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "Thumbs.db").write_bytes(b"x")
    volume = read_volume(folder)
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), SERIES)
    assert volume.warnings == ()


def test_contours_say_how_to_make_a_mask_of_them(tmp_path):
    data = base(np.zeros((2, 2), np.uint8), Modality="RTSTRUCT")
    del data.PixelData
    write(data, tmp_path / "a.dcm", 9)
    assert "Make a mask of them first, as 3D Slicer" in refusal(tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("regions", "spacing"),
    [
        ([(0.02, 0.03, 3)], (0.3, 0.2)),
        ([(0.02, 0.03, 3), (0.5, 0.1, 4)], (0.3, 0.2)),  # a Doppler curve beside
        ([(0.02, -0.03, 3), (0.05, 0.05, 3)], None),
        ([(0.0, 0.0, 3)], None),
        ([], None),
    ],
)
def test_ultrasound_states_the_size_of_a_pixel_by_regions(tmp_path, regions, spacing):
    frames = np.random.default_rng(0).integers(0, 255, (2, 10, 12, 3), dtype=np.uint8)
    data = base(frames, Modality="US", NumberOfFrames=2, PlanarConfiguration=0)
    data.Rows, data.Columns, data.SamplesPerPixel = 10, 12, 3
    data.PhotometricInterpretation = "RGB"
    made = []
    for across, down, unit in regions:
        one = pydicom.Dataset()
        one.PhysicalUnitsXDirection = one.PhysicalUnitsYDirection = unit
        one.PhysicalDeltaX, one.PhysicalDeltaY = across, down
        made.append(one)
    data.SequenceOfUltrasoundRegions = made
    volume = read_volume(write(data, tmp_path / "a.dcm", 9))
    np.testing.assert_array_equal(volume.array, frames)
    assert volume.grid.unit == ("mm" if spacing else "pixel")
    np.testing.assert_allclose(volume.spacing[1:], spacing or (1, 1))


def test_pixels_of_twelve_bit_jpeg_say_what_undoes_them():
    from pydicom.data import get_testdata_file

    told = refusal(get_testdata_file("JPEG-lossy.dcm", download=False))
    assert "they are JPEG of 12 bits a value" in told
    assert "Install pylibjpeg-libjpeg" in told
