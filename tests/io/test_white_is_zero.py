"""TIFFs that store white as zero: the same picture, whoever decodes it."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dim.errors import InputError
from napari_dim.io import lay_mask, read_volume, write_image

GREY = np.random.default_rng(2).integers(0, 256, (24, 20)).astype(np.uint8)


def written(path, values, **how):
    tifffile.imwrite(path, values, **how)
    return path


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_one_picture_stored_both_ways_has_one_set_of_values(tmp_path, dtype):
    values = GREY.astype(dtype)
    info = np.iinfo(dtype)
    opposite = (info.max + info.min - values.astype(int)).astype(dtype)
    usual = read_volume(written(tmp_path / "a.tif", values, photometric="minisblack"))
    same = read_volume(written(tmp_path / "b.tif", opposite, photometric="miniswhite"))
    np.testing.assert_array_equal(same.array, usual.array)
    assert any("WhiteIsZero" in text for text in same.warnings)
    assert not any("WhiteIsZero" in text for text in usual.warnings)
    write_image(tmp_path / "c.png" if dtype == "u1" else tmp_path / "c.tif", same)
    back = read_volume(tmp_path / "c.png" if dtype == "u1" else tmp_path / "c.tif")
    np.testing.assert_array_equal(back.array, usual.array)


def test_what_pillow_decodes_is_the_same(tmp_path):
    """LZW, which tifffile leaves to Pillow where imagecodecs is missing; it turns 8 bits itself."""
    for name, tag in (("a", 1), ("b", 0)):
        values = GREY if tag else 255 - GREY
        path = tmp_path / f"{name}.tif"
        Image.fromarray(values).save(path, compression="tiff_lzw")
        data = bytearray(path.read_bytes())
        entry = data.find(b"\x06\x01\x03\x00\x01\x00\x00\x00")
        assert entry > 0
        data[entry + 8] = tag
        path.write_bytes(data)
        np.testing.assert_array_equal(read_volume(path).array[0], GREY)
        # Class numbers are numbers, whatever they look like.
        np.testing.assert_array_equal(lay_mask(path, read_volume(path)).ids[0], values)


def test_a_stack_of_pages(tmp_path):
    stack = np.stack([GREY, GREY // 2])
    path = written(tmp_path / "s.tif", 255 - stack, photometric="miniswhite")
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, stack)
    assert any("WhiteIsZero" in text for text in volume.warnings)


@pytest.mark.parametrize("compression", ["raw", "group4"])
def test_a_mask_of_one_bit_is_its_white_pixels(tmp_path, compression):
    drawn = GREY > 128
    Image.fromarray(GREY).save(tmp_path / "image.png")
    path = tmp_path / "mask.tif"
    if compression == "raw":
        tifffile.imwrite(path, ~drawn, photometric="miniswhite", software="a scanner")
    else:
        Image.fromarray(drawn).save(path, compression="group4")
    laid = lay_mask(path, read_volume(tmp_path / "image.png"))
    np.testing.assert_array_equal(laid.ids[0], drawn)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_an_array_of_booleans_keeps_its_ones(tmp_path, compression):
    """tifffile and scikit-image say WhiteIsZero of it, and mean nothing by it."""
    drawn = np.stack([GREY > 200, GREY > 240])
    Image.fromarray(GREY).save(tmp_path / "image.png")
    written(tmp_path / "stack.tif", np.stack([GREY, GREY]))
    for path, like, ids in (
        (written(tmp_path / "one.tif", drawn[0], compression=compression), "image.png", drawn[:1]),
        (written(tmp_path / "two.tif", drawn, compression=compression), "stack.tif", drawn),
    ):
        with tifffile.TiffFile(path) as file:
            assert file.pages[0].photometric == tifffile.PHOTOMETRIC.MINISWHITE
        laid = lay_mask(path, read_volume(tmp_path / like))
        np.testing.assert_array_equal(laid.ids, ids)
        assert any("written from an array" in note for note in laid.notes)
        np.testing.assert_array_equal(read_volume(path).array, ids)


def test_libtiff_writes_nothing_to_the_terminal(tmp_path, capfd):
    Image.fromarray(GREY).save(tmp_path / "a.tif", compression="tiff_lzw")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "b.tif").write_bytes(data[:8] + bytes(40) + data[48:])  # codes that can't be
    with pytest.raises(InputError):
        read_volume(tmp_path / "b.tif")
    assert capfd.readouterr() == ("", "")
