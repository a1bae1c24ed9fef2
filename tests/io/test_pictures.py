from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dim.errors import InputError
from napari_dim.io import LabelClass, lay_mask, read_mask, read_volume, write_mask
from napari_dim.io.pictures import picture_pixels
from tests.io.test_nifti import one_line

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (7, 9), dtype=np.uint8)
RGB = RNG.integers(0, 256, (7, 9, 3), dtype=np.uint8)


def png(path, pixels, mode=None):
    Image.fromarray(pixels, mode).save(path)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
@pytest.mark.parametrize(
    "pixels", [GREY, RGB, GREY.astype(np.uint16) * 257], ids=["L", "RGB", "16"]
)
def test_pixels_are_read_as_stored(tmp_path, suffix, pixels):
    volume = read_volume(png(tmp_path / f"a{suffix}", pixels))
    assert volume.kind == "picture"
    assert volume.grid.unit == "pixel"
    assert volume.array.dtype == pixels.dtype
    np.testing.assert_array_equal(volume.array[0], pixels)


def test_jpeg(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.JPG", quality=95)
    Image.fromarray(GREY).save(tmp_path / "g.jpeg")
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "c.jpg")
    assert read_volume(tmp_path / "a.JPG").array.shape == (1, 7, 9, 3)
    assert read_volume(tmp_path / "g.jpeg").array.shape == (1, 7, 9)
    assert read_volume(tmp_path / "c.jpg").channels == 3


def test_transparency_is_dropped_and_reported(tmp_path):
    rgba = np.dstack([RGB, GREY])
    for name in ("a.png", "a.tif"):
        volume = read_volume(png(tmp_path / name, rgba))
        np.testing.assert_array_equal(volume.array[0], RGB)
        assert any("transparency" in warning for warning in volume.warnings)
    volume = read_volume(png(tmp_path / "la.png", np.dstack([GREY, GREY])))
    np.testing.assert_array_equal(volume.array[0], GREY)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_palette_is_colour_in_an_image_and_ids_in_a_mask(tmp_path, suffix):
    ids = RNG.integers(0, 4, (7, 9), dtype=np.uint8)
    picture = Image.fromarray(ids)
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.save(tmp_path / f"a{suffix}")
    volume = read_volume(tmp_path / f"a{suffix}")
    colors = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]])
    np.testing.assert_array_equal(volume.array[0], colors[ids])
    np.testing.assert_array_equal(read_mask(tmp_path / f"a{suffix}", volume)[0], ids)


def test_odd_tiffs(tmp_path):
    floats = RNG.normal(size=(7, 9)).astype(np.float32)
    floats[0, 0] = np.nan
    tifffile.imwrite(tmp_path / "f.tif", floats)
    volume = read_volume(tmp_path / "f.tif")
    assert volume.array.dtype == np.float32
    assert volume.array[0, 0, 0] == np.nanmin(floats)
    assert volume.warnings
    planes = np.moveaxis(RGB, -1, 0)
    tifffile.imwrite(tmp_path / "p.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_volume(tmp_path / "p.tif").array[0], RGB)
    Image.fromarray(RGB).save(tmp_path / "z.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_volume(tmp_path / "z.tif").array[0], RGB)
    tifffile.imwrite(tmp_path / "b.tif", GREY.astype(">u2"), byteorder=">")
    np.testing.assert_array_equal(read_volume(tmp_path / "b.tif").array[0], GREY)
    tifffile.imwrite(tmp_path / "c.tif", floats.astype(np.complex64))
    with pytest.raises(InputError, match="can't be used"):
        read_volume(tmp_path / "c.tif")


@pytest.mark.parametrize(
    ("ids", "mode"), [((0, 1, 2), "P"), ((4, 255), "P"), ((1, 300, 65535), "I;16")]
)
def test_masks_are_ids_in_the_smallest_png(tmp_path, ids, mode):
    volume = read_volume(png(tmp_path / "a.png", RGB))
    mask = np.zeros((1, 7, 9), np.int32)
    mask.flat[: len(ids)] = ids
    path = write_mask(tmp_path / "m.png", mask, volume)
    with Image.open(path) as picture:
        assert picture.mode.startswith(mode)
        np.testing.assert_array_equal(np.asarray(picture), mask[0])
    np.testing.assert_array_equal(read_mask(path, volume), mask)


def test_a_coloured_mask_still_holds_ids(tmp_path):
    volume = read_volume(png(tmp_path / "a.png", GREY))
    mask = (volume.array % 3).astype(np.uint8)
    classes = (LabelClass(1, "a", "#FF0000"), LabelClass(2, "b", "#008000"))
    path = write_mask(tmp_path / "m.png", mask, volume, classes=classes)
    np.testing.assert_array_equal(read_mask(path, volume), mask)
    with Image.open(path) as picture:
        shown = np.asarray(picture.convert("RGB"))
    assert (shown[mask[0] == 1] == (255, 0, 0)).all()
    assert (shown[mask[0] == 2] == (0, 128, 0)).all()


def test_masks_that_do_not_fit(tmp_path):
    volume = read_volume(png(tmp_path / "a.png", GREY))
    Image.fromarray(GREY).save(tmp_path / "m.jpg")
    cases = {
        "JPEG changes": tmp_path / "m.jpg",
        "colour picture": png(tmp_path / "rgb.png", RGB),
        r"the mask is \(6, 9\)": png(tmp_path / "small.png", GREY[1:]),
    }
    for text, path in cases.items():
        with pytest.raises(InputError, match=text):
            read_mask(path, volume)
    grey = png(tmp_path / "g3.png", np.dstack([GREY] * 3))
    np.testing.assert_array_equal(read_mask(grey, volume)[0], GREY)
    with pytest.raises(InputError, match="up to 65535, the mask has 70000"):
        write_mask(tmp_path / "x.png", np.full((1, 7, 9), 70000), volume)
    assert not (tmp_path / "x.png").exists()


def test_the_mask_of_a_picture_in_a_format_of_volumes(tmp_path):
    volume = read_volume(png(tmp_path / "a.png", GREY))
    path = write_mask(tmp_path / "m.nii.gz", GREY[None], volume)
    laid = lay_mask(path, volume)
    np.testing.assert_array_equal(laid.ids, GREY[None])
    assert "voxel by voxel" in laid.notes[0]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_damage_is_never_another_exception(tmp_path, name):
    rng = np.random.default_rng(3)
    whole = (png(tmp_path / name, RGB)).read_bytes()
    refused = 0
    for number in range(300):
        raw = bytearray(whole)
        if number % 3 == 0:
            raw = raw[: rng.integers(0, len(raw))]
        for _ in range(rng.integers(1, 6)):
            if raw:
                raw[rng.integers(0, min(len(raw), 200))] = rng.integers(0, 256)
        (tmp_path / name).write_bytes(raw)
        try:
            assert read_volume(tmp_path / name).array.size
        except InputError as error:
            refused += one_line(error)
    assert refused > 50


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    raw = bytearray(png(tmp_path / "a.png", GREY).read_bytes())
    raw[16:24] = struct.pack(">2I", 30000, 30000)
    raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
    (tmp_path / "a.png").write_bytes(raw)
    with pytest.raises(InputError, match="too large"):
        read_volume(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "I;16"])
def test_pixels_are_the_same_in_bands(tmp_path, monkeypatch, mode):
    pixels = {"RGB": RGB, "I;16": GREY.astype(np.uint16) * 257}.get(mode, GREY)
    file = png(tmp_path / "a.png", pixels)
    if mode == "P":
        Image.fromarray(RGB).quantize(8).save(file)
    whole = read_volume(file).array
    monkeypatch.setattr(picture_pixels, "_BAND", 20)
    np.testing.assert_array_equal(read_volume(file).array, whole)


@pytest.mark.parametrize("compression", ["zlib", "lzma"])
def test_a_strip_that_unpacks_to_more_than_it_declares(tmp_path, compression):
    sound = tmp_path / "sound.tif"
    tifffile.imwrite(sound, GREY, compression=compression)
    np.testing.assert_array_equal(read_volume(sound).array[0], GREY)
    tifffile.imwrite(sound, np.zeros((700, 900), np.uint8), compression=compression)
    data = sound.read_bytes()
    with tifffile.TiffFile(sound) as file:
        places = [
            (file.pages.first.tags[code].valueoffset, file.pages.first.tags[code].dtype)
            for code in (256, 257, 278)
        ]
    for (at, kind), size in zip(places, (9, 7, 7), strict=True):
        number = size.to_bytes(2 if kind == 3 else 4, "little")
        data = data[:at] + number + data[at + len(number) :]
    bomb = tmp_path / "bomb.tif"
    bomb.write_bytes(data)
    with pytest.raises(InputError, match="unpacks to more") as error:
        read_volume(bomb)
    one_line(error)
