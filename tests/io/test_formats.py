"""The table of formats: every name in it leads somewhere, and masks find their image."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dim.errors import InputError
from napari_dim.io import hash_file, read_volume, write_mask
from napari_dim.io.format_rows import Reader, function_of
from napari_dim.io.formats import READERS, WRITERS, format_of, known_format, mask_format
from napari_dim.io.geometry import lay
from napari_dim.io.hashing import hash_ahead
from napari_dim.volume import Grid, Place, Volume, file_stem
from tests.dicoms import write_series
from tests.io.test_dicom import AFFINE
from tests.io.test_nifti import ramp, save
from tests.test_volume import ORIENTATIONS, affine_of


def test_every_function_of_the_table_is_there():
    for one in READERS:
        for function in (one.read, one.parts, one.classes, one.read_mask, one.holds):
            assert not function or callable(function_of(function))
        assert all(suffix == suffix.lower() for suffix in one.suffixes)
    for two in WRITERS:
        for function in (two.write, two.write_mask, two.source):
            assert not function or callable(function_of(function))
        assert all(suffix == suffix.lower() for suffix in two.written)


def test_names_lead_to_formats(tmp_path):
    assert format_of(tmp_path / "A.NII.GZ").name == "NIfTI"
    assert format_of(tmp_path / "a.TIFF").kind == "picture"
    assert mask_format(tmp_path / "a.nii.gz").name == "NIfTI"
    assert known_format(tmp_path / "a.docx") is None
    for path, text in ((tmp_path / "a.docx", "this kind"), (tmp_path / "none", "no such file"),
                       (tmp_path, "holds no images")):  # fmt: skip
        with pytest.raises(InputError, match=text):
            format_of(path)
    with pytest.raises(InputError, match=r"written as \.nii"):
        mask_format(tmp_path / "a.jpg")


def test_a_missing_package_is_named(tmp_path):
    odd = Reader("Odd", (".odd",), "volume", read="odd:read", needs="no_such_thing", extra="odd")
    with pytest.raises(InputError, match=r"no_such_thing.*napari-dim\[odd\]"):
        odd.call(odd.read, tmp_path / "a.odd")


def test_numbers_are_no_suffix():
    assert file_stem("1.2.840.113") == "1.2.840.113"
    assert file_stem("scan.v2.nii.gz") == "scan.v2"
    assert file_stem("a.dcm") == "a"


def test_a_folder_has_a_hash_of_all_in_it(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    first = hash_file(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert hash_file(tmp_path) != first
    (tmp_path / "b").rename(tmp_path / "a")
    assert hash_file(tmp_path) == first


def test_what_is_unchanged_is_read_once_for_its_hash(tmp_path, monkeypatch):
    passes = []
    digest = hashlib.file_digest

    def counted(file, name):
        passes.append(file.name)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    path = tmp_path / "a"
    path.write_bytes(b"1" * 1000)
    hash_ahead(path)
    assert hash_file(path) == hashlib.sha256(b"1" * 1000).hexdigest()
    hash_file(tmp_path)
    assert len(passes) == 1
    path.write_bytes(b"2" * 1000)
    os.utime(path, ns=(1, 1))
    assert hash_file(path) == hashlib.sha256(b"2" * 1000).hexdigest()
    hash_ahead(tmp_path / "none")
    with pytest.raises(InputError, match="can't be read"):
        hash_file(tmp_path / "none")


def test_a_writer_says_what_it_refuses_before_the_work(tmp_path):
    stack = Place(Grid((5, 6, 3), np.eye(4), 2))
    picture = Place(Grid.of_picture(5, 6), kind="picture")
    oblique = Place(Grid((5, 6, 3), affine_of((0, 1, 2), (1, 1, 1), tilt=(9, 5, 0)), 2))
    for name, form, place, text in (
        ("a.png", "", stack, "a PNG holds one slice, the mask has 3"),
        ("a.stl", "", picture, "no surface"),
        ("a", "pngs", stack, "no pictures of their own"),
        ("a.dcm", "dicom-seg", stack, "did not come from DICOM"),
        ("a.zarr", "", oblique, "no place for an oblique orientation"),
    ):
        writer = mask_format(tmp_path / name, form)
        with pytest.raises(InputError, match=text):
            writer.check(tmp_path / name, place)
        with pytest.raises(InputError, match=text):
            write_mask(tmp_path / name, np.zeros(place.grid.shape, np.uint8), place, form=form)
    for one in WRITERS:
        if not one.flat and one.key not in ("dicom-seg", "pngs"):
            one.check(tmp_path / "a", stack)


def test_a_mask_stored_in_any_order_lands_on_its_image(tmp_path):
    """The same voxels with axes exchanged and reversed in all 48 ways."""
    image = read_volume(save(tmp_path / "a.nii", ramp(), affine_of((0, 1, 2), (1, 1, 1))))
    wanted = image.grid.to_array(ramp().astype(np.uint8))
    for axes, signs in ORIENTATIONS:
        data = np.transpose(ramp().astype(np.uint8), axes)
        change = np.zeros((4, 4))
        change[3, 3] = 1
        for new, (old, sign) in enumerate(zip(axes, signs, strict=True)):
            change[old, new] = sign
            change[old, 3] = data.shape[new] - 1 if sign < 0 else 0
        data = np.flip(data, [axis for axis in range(3) if signs[axis] < 0])
        grid = Grid(data.shape, image.grid.file_affine @ change, 0)
        np.testing.assert_array_equal(
            lay(Volume(grid.to_array(data), grid), image.grid).ids, wanted
        )


def test_a_mask_elsewhere_is_refused(tmp_path):
    image = read_volume(save(tmp_path / "a.nii", ramp()))
    shifted = image.grid.file_affine.copy()
    shifted[0, 3] += 0.5
    grid = Grid(image.grid.file_shape, shifted, image.grid.slice_axis)
    with pytest.raises(InputError, match=r"0\.5 mm off its image"):
        lay(Volume(image.array, grid), image.grid)


@pytest.mark.parametrize("kind", ["series", "pictures"])
def test_a_folder_is_hashed_while_it_is_read(tmp_path, kind, monkeypatch):
    """One recipe; each file is opened once for its pixels and its hash together."""
    folder = tmp_path / "x"
    if kind == "series":
        write_series(folder, ramp(), AFFINE)
    else:
        folder.mkdir()
        for number in range(3):
            Image.fromarray(np.full((4, 5), number, np.uint8)).save(folder / f"{number}.png")
            tifffile.imwrite(folder / f"{number}.tif", np.full((4, 5), number, np.uint8))
    whole = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        whole.update(f"{file.name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    read_volume(folder)
    monkeypatch.setattr(hashlib, "file_digest", None)  # the second pass
    assert hash_file(folder) == whole.hexdigest()
