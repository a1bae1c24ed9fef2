"""Stacks of pictures: pages of a TIFF, files of a folder."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dim.errors import InputError
from napari_dim.io import prediction_name, read_mask, read_volume, write_mask
from napari_dim.volume import Volume

RNG = np.random.default_rng(3)
STACK = RNG.integers(0, 60000, (5, 7, 9), dtype=np.uint16)


def test_grey_pages_are_slices(tmp_path):
    tifffile.imwrite(tmp_path / "s.tif", STACK)
    volume = read_volume(tmp_path / "s.tif")
    np.testing.assert_array_equal(volume.array, STACK)
    assert (volume.kind, volume.separate, volume.grid.unit) == ("volume", False, "pixel")
    mask = (STACK % 3).astype(np.uint8)
    assert prediction_name(tmp_path / "s.tif") == "s_dim.tif"
    for name in ("m.tif", "m.nii.gz"):
        path = write_mask(tmp_path / name, mask, volume)
        np.testing.assert_array_equal(read_mask(path, volume), mask)
    tifffile.imwrite(tmp_path / "one.tif", mask[0])
    tifffile.imwrite(tmp_path / "two.tif", mask[:2])
    with pytest.raises(InputError, match="one slice"):
        read_mask(tmp_path / "one.tif", volume)
    with pytest.raises(InputError, match="its image"):
        read_mask(tmp_path / "two.tif", volume)


def test_pages_that_go_round_in_a_circle_are_read_once(tmp_path):
    """The last page names itself, or the first, as the next."""
    for name, target in (("itself", 1), ("first", 0)):
        path = tmp_path / f"{name}.tif"
        pages = np.arange(2 * 6 * 5, dtype=np.uint8).reshape(2, 6, 5)
        tifffile.imwrite(path, pages, photometric="minisblack", metadata=None)
        with tifffile.TiffFile(path) as file:
            offsets = [page.offset for page in file.pages]
            last = file.pages[1]
        data = bytearray(path.read_bytes())
        end = offsets[1] + 2 + 12 * len(last.tags)
        assert data[end : end + 4] == bytes(4)
        data[end : end + 4] = struct.pack("<I", offsets[target])
        path.write_bytes(bytes(data))
        volume = read_volume(path)
        np.testing.assert_array_equal(np.asarray(volume.array), pages)


def test_imagej_says_how_large_a_voxel_is(tmp_path):
    tifffile.imwrite(tmp_path / "s.tif", STACK, imagej=True, resolution=(4.0, 2.0),
                     metadata={"spacing": 3.0, "unit": "um", "axes": "ZYX"})  # fmt: skip
    volume = read_volume(tmp_path / "s.tif")
    np.testing.assert_array_equal(volume.array, STACK)
    assert volume.grid.unit == "mm"
    np.testing.assert_allclose(volume.spacing, (3e-3, 0.5e-3, 0.25e-3))


def test_colour_pages_and_channels(tmp_path):
    colours = RNG.integers(0, 255, (5, 7, 9, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "c.tif", colours, photometric="rgb")
    volume = read_volume(tmp_path / "c.tif")
    np.testing.assert_array_equal(volume.array, colours)
    assert volume.separate
    channels = np.stack([STACK, STACK + 1], axis=1)
    tifffile.imwrite(tmp_path / "h.tif", channels, imagej=True, metadata={"axes": "ZCYX"})
    np.testing.assert_array_equal(read_volume(tmp_path / "h.tif").array[..., 1], STACK + 1)
    many = np.zeros((2, 3, 4, 7, 9), np.uint8)
    tifffile.imwrite(tmp_path / "t.tif", many, imagej=True, metadata={"axes": "TZCYX"})
    with pytest.raises(InputError, match="axes"):
        read_volume(tmp_path / "t.tif")


def test_a_folder_is_a_stack_by_name(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    sizes = {"p1.png": (7, 9), "p2.png": (5, 12), "p10.png": (7, 9)}
    for number, (name, size) in enumerate(sizes.items()):
        Image.fromarray(np.full(size, number + 1, np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("not looked at")
    volume = read_volume(folder)
    assert volume.array.shape == (3, 7, 12)
    assert volume.separate
    assert [int(plane[0, 0]) for plane in volume.array] == [1, 2, 3]
    assert volume.array[1, 6, 0] == 0
    assert "2 sizes" in volume.warnings[0]
    # Masks are found by their names, whatever their order.
    masks = tmp_path / "masks"
    masks.mkdir()
    for name, size in sizes.items():
        Image.fromarray(np.full(size, int(name[1:-4]), np.uint8)).save(masks / name)
    mask = read_mask(masks, volume)
    assert [int(plane[0, 0]) for plane in mask] == [1, 2, 10]
    assert mask[0, 0, 11] == 0
    (masks / "p2.png").unlink()
    with pytest.raises(InputError, match=r"2 masks for 3.*One picture has no mask: p2\.png\. Save"):
        read_mask(masks, volume)
    Image.fromarray(np.ones((7, 9), np.uint8)).save(masks / "p2.png")
    Image.fromarray(np.ones((7, 9), np.uint8)).save(masks / "p3.png")
    (folder / "p2.png").rename(tmp_path / "p2.png")
    assert read_mask(masks, read_volume(folder)).shape == (2, 7, 9)  # by name: others are left
    for name in ("p1", "p2", "p3", "p10"):
        (masks / f"{name}.png").rename(masks / f"m{name}.png")
    with pytest.raises(InputError, match=r"4 masks for 2.*under the picture's name"):
        read_mask(masks, read_volume(folder))


def test_grey_and_colour_together(tmp_path):
    Image.fromarray(np.full((4, 5), 9, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((4, 5, 3), 7, np.uint8)).save(tmp_path / "b.png")
    volume = read_volume(tmp_path)
    assert volume.array.shape == (2, 4, 5, 3)
    assert "read as colour" in volume.warnings[0]


@pytest.mark.parametrize("alpha", [False, True])
def test_sixteen_bit_colour_is_kept(tmp_path, alpha):
    values = RNG.integers(0, 65536, (6, 8, 4 if alpha else 3), dtype=np.uint16)
    png(tmp_path / "a.png", values)
    volume = read_volume(tmp_path / "a.png")
    np.testing.assert_array_equal(volume.array[0], values[..., :3])


def png(path, values):
    """A PNG written by the standard's own words: Pillow writes no such."""
    rows, columns, channels = values.shape
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", columns, rows, 16, 6 if channels == 4 else 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
                     + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))  # fmt: skip


def test_masks_of_a_folder_are_read_as_they_were_written(tmp_path):
    """Named as the pictures and as large, whatever way up a camera stored them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, shape, turn in (("x.jpg", (30, 40), 6), ("y.png", (24, 20), 1)):
        picture = Image.fromarray(rng.integers(0, 255, shape).astype(np.uint8))
        how = picture.getexif()
        how[0x0112] = turn
        picture.save(folder / name, exif=how)
    volume = read_volume(folder)
    assert volume.array.shape[:3] == (2, 40, 30)
    mask = np.zeros(volume.array.shape[:3], np.uint16)
    mask[0, 2, 3], mask[1, 20, 10] = 300, 1
    written = write_mask(tmp_path / "m_masks", mask, volume, form="pngs")
    assert sorted(path.name for path in written.iterdir()) == ["x.png", "y.png"]
    np.testing.assert_array_equal(read_mask(written, volume), mask)
    scan = Volume(volume.array, volume.grid, None, "volume")
    with pytest.raises(InputError, match="no pictures of their own"):
        write_mask(tmp_path / "n_masks", mask, scan, form="pngs")
