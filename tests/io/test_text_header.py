"""MetaImage and NRRD: what their headers leave open, what is wrong with them, large ones."""

from __future__ import annotations

import zlib
from importlib import import_module

import nrrd
import numpy as np
import pytest

from napari_dim.errors import InputError
from napari_dim.io import glance, lay_mask, read_volume
from napari_dim.io.itk import itk_glance, itk_reader
from napari_dim.volume import Grid, Place
from tests.io.test_nifti import ramp

pytestmark = pytest.mark.usefixtures("one_child")
DATA = ramp()
PLACED = {"space": "left-posterior-superior", "space directions": np.diag([1.0, 2, 3])}
META = (
    b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    b"DimSize = 4 5 6\nElementType = MET_SHORT\nElementSpacing = 1 2 3\n"
)
WHERE = b"Offset = 7 8 9\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n"
LOCAL = b"ElementDataFile = LOCAL\n"
VOXELS = DATA.astype("<i2").tobytes(order="F")
PACKED = zlib.compress(VOXELS)
HURT = PACKED[:30] + b"\0" * 12 + PACKED[42:]


def meta(path, *, head=META, where=WHERE, voxels=VOXELS, more=b""):
    path.write_bytes(head + where + more + LOCAL + voxels)
    return path


def test_a_file_without_a_first_voxel_says_so(tmp_path):
    """NRRD without origin, MetaImage without Offset: 0 is taken, and told."""
    nrrd.write(str(tmp_path / "a.nrrd"), DATA, PLACED)
    volume = read_volume(tmp_path / "a.nrrd")
    assert volume.warnings == (
        "the file does not say where its first voxel lies; 0, 0, 0 mm is taken",
    )
    nrrd.write(str(tmp_path / "b.nrrd"), DATA, {**PLACED, "space origin": [0.0, 0, 0]})
    assert read_volume(tmp_path / "b.nrrd").warnings == ()
    turned = b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n"
    (told,) = read_volume(meta(tmp_path / "a.mha", where=turned)).warnings
    assert "first voxel" in told
    (told,) = read_volume(meta(tmp_path / "b.mha", where=b"Position = 7 8 9\n")).warnings
    assert "how its axes are turned" in told
    volume = read_volume(meta(tmp_path / "c.mha"))
    assert volume.warnings == ()
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), DATA)


def test_a_metaimage_without_any_place_is_taken_by_its_shape(tmp_path):
    volume = read_volume(meta(tmp_path / "a.mha", where=b""))
    assert "does not say how it lies" in volume.warnings[0]
    assert not volume.grid.placed
    elsewhere = np.diag([1.0, 2, 3, 1])
    elsewhere[:3, 3] = 50
    laid = lay_mask(tmp_path / "a.mha", Place(Grid(DATA.shape, elsewhere, 2), None, "volume"))
    assert any("taken voxel by voxel" in note for note in laid.notes)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.mha", META.replace(b"DimSize = 4 5 6\n", b"") + LOCAL + VOXELS, "not say its DimSize"),
        ("a.mha", META.replace(b"= 4 5 6", b"= 4 5") + LOCAL + VOXELS, "3 axes and 2 DimSize"),
        ("a.mha", META.replace(b"= 4 5 6", b"= 4 five 6") + LOCAL + VOXELS, "no numbers of voxels"),
        ("a.mha", META.replace(b"MET_SHORT", b"MET_HANS") + LOCAL + VOXELS, "its ElementType|Elem"),
        ("a.mha", META + VOXELS[:0], "not say its ElementDataFile"),
        ("a.mha", META + LOCAL + VOXELS[:-20], "220 of 240 bytes are there. Copy the file again"),
        ("a.mha", META + b"CompressedData = True\n" + LOCAL + zlib.compress(VOXELS)[:-9],
         "compressed voxels are damaged or cut off"),
        ("a.mha", META + b"CompressedData = True\nCompressedDataSize = %d\n" % len(HURT) + LOCAL
         + HURT, "compressed voxels are damaged or cut off"),
        ("a.mha", META + b"CompressedData = True\n" + LOCAL + zlib.compress(VOXELS[:-20]),
         "damaged or cut off"),
        ("a.mha", b"", "the file is empty"),
        ("a.mha", b"\x00\x01" * 40, "this is not a MetaImage file"),
        ("a.nrrd", b"NRRD0004\ntype: short\ndimension: 3\nencoding: raw\nendian: little\n\n"
         + VOXELS, "not say its sizes"),
        ("a.nrrd", b"NRRD0004\ntype: short\ndimension: 3\nsizes: 4 5 6\nencoding: hans\n"
         b"endian: little\n\n" + VOXELS, "encoded in a way"),
        ("a.nrrd", b"NRRD0004\ntype: short\ndimension: 3\nsizes: 4 5 6\nencoding: raw\n"
         b"endian: little\n\n" + VOXELS[:-2], "238 of 240 bytes"),
        ("a.nrrd", b"NRRD0004\ntype: short\ndimension: 3\nsizes: 4 5 6\nencoding: gzip\n"
         b"endian: little\n\n" + zlib.compress(VOXELS)[:-9], "compressed voxels are damaged"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words_of_the_format(tmp_path, name, content, told):
    """No words of ITK or Teem, which speak of their own code, or of a file that is there."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told) as caught:
        read_volume(tmp_path / name)
    said = str(caught.value)
    assert "\n" not in said
    for word in ("sitk", "_nrrd", "No such file", "Reason", "hans", "HANS"):
        assert word not in said.replace(str(tmp_path), "")


@pytest.mark.parametrize("way", ["raw.mha", "zlib.mha", "raw.mhd", "raw.nrrd", "gzip.nrrd"])
def test_a_large_file_is_looked_at_not_read(tmp_path, way, monkeypatch):
    rooms = import_module("napari_dim.io.glance")

    data = np.arange(20 * 30 * 40, dtype=np.int16).reshape(20, 30, 40)
    head = META.replace(b"4 5 6", b"20 30 40")
    voxels = data.astype("<i2").tobytes(order="F")
    path = tmp_path / way
    if way == "zlib.mha":
        meta(path, head=head, voxels=zlib.compress(voxels), more=b"CompressedData = True\n")
    elif way == "raw.mhd":
        (tmp_path / "v.raw").write_bytes(voxels)
        path.write_bytes(head + WHERE + b"ElementDataFile = v.raw\n")
    elif way == "raw.mha":
        meta(path, head=head, voxels=voxels)
    else:
        place = {**PLACED, "space origin": [1.0, 2, 3], "encoding": way.split(".")[0]}
        nrrd.write(str(path), data, place)
    whole = glance(path)
    assert whole.where == ""
    np.testing.assert_array_equal(np.sort(whole.sample, axis=None), data.ravel())
    monkeypatch.setattr(itk_glance, "LARGE", 1000)
    monkeypatch.setattr(itk_glance, "FIRST", 3200)
    monkeypatch.setattr(rooms, "_RUN", 200)
    monkeypatch.setattr(itk_reader, "read_apart", None)  # the way to all the voxels
    seen = glance(path)
    assert "% of its voxels" in seen.where
    assert seen.sample.nbytes in (3200, 6400)
    np.testing.assert_array_equal(seen.grid.file_affine, whole.grid.file_affine)
    told = (whole.stored, whole.channels, whole.kind, whole.warnings, whole.grid.slice_axis)
    assert (seen.stored, seen.channels, seen.kind, seen.warnings, seen.grid.slice_axis) == told
    assert whole.sample.min() <= seen.sample.min() < seen.sample.max() <= whole.sample.max()
    assert set(seen.sample.tolist()) <= set(data.ravel().tolist())
