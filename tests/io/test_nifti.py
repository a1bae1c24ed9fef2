from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dim.errors import InputError
from napari_dim.io import hash_file, prediction_name, read_mask, read_volume, write_mask
from napari_dim.io.format_rows import How
from napari_dim.io.nifti import nifti_reader
from napari_dim.io.nifti.nifti_reader import read_nifti
from napari_dim.volume import Grid, Volume
from tests.test_volume import ORIENTATIONS, affine_of

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "nifti"
CANARY = "CANARY-JANE-DOE"


def save(path, data, affine=None, *, version=1, change=None, codes=(1, 1)):
    """Write a NIfTI file with nibabel: a writer that is not ours."""
    affine = np.diag([1.0, 1.0, 3.0, 1.0]) if affine is None else affine
    cls = nib.Nifti2Image if version == 2 else nib.Nifti1Image
    image = cls(data, affine, dtype=data.dtype)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    image.header.set_xyzt_units("mm")
    if change is not None:
        change(image.header)
    image.to_filename(path)
    return path


def one_line(error):
    assert "\n" not in str(error)
    return 1


def ramp(shape=(4, 5, 6), dtype=np.int16):
    return (np.arange(np.prod(shape)) % 120).reshape(shape).astype(dtype)


DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


@pytest.mark.parametrize("tilt", [(0, 0, 0), (12, -17, 8)])
def test_every_orientation_reads_as_nibabel_reads_it_and_comes_back(tmp_path, tilt):
    for number, (axes, signs) in enumerate(ORIENTATIONS):
        dtype = np.dtype(DTYPES[number % len(DTYPES)])
        affine = affine_of(axes, signs, (0.8, 1.1, 2.5), tilt).astype(np.float32)
        path = save(tmp_path / "a.nii", ramp(dtype=dtype), affine)
        volume = read_volume(path)
        reference = nib.load(path)
        np.testing.assert_array_equal(
            volume.grid.to_file(volume.array), np.asanyarray(reference.dataobj)
        )
        np.testing.assert_array_equal(volume.grid.file_affine, reference.affine)
        assert volume.array.dtype == (np.float32 if dtype.kind == "f" else dtype)
        mask = (volume.array > 60).astype(int)
        out = nib.load(write_mask(tmp_path / "m.nii", mask, volume))
        np.testing.assert_array_equal(out.affine, reference.affine)
        np.testing.assert_array_equal(out.get_qform(), reference.get_qform())
        np.testing.assert_array_equal(np.asanyarray(out.dataobj), volume.grid.to_file(mask))
        np.testing.assert_array_equal(read_mask(tmp_path / "m.nii", volume), mask)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_versions_byte_orders_and_compression(tmp_path, version, order, suffix):
    cls = (nib.Nifti1Image, nib.Nifti2Image)[version - 1]
    header = cls.header_class(endianness=order)
    header.set_data_dtype(np.dtype(order + "i2"))
    image = cls(ramp(), np.diag([2.0, 2, 5, 1]), header)
    image.to_filename(tmp_path / f"a{suffix}")
    volume = read_volume(tmp_path / f"a{suffix}")
    assert volume.array.dtype == np.int16
    assert volume.array.dtype.isnative
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), ramp())
    out = nib.load(write_mask(tmp_path / f"m{suffix}", volume.array * 0, volume))
    assert type(out) is cls


def test_a_pair_is_read_by_either_name(tmp_path):
    nib.Nifti1Pair(ramp(), np.eye(4)).to_filename(tmp_path / "a.hdr")
    for name in ("a.hdr", "a.img"):
        volume = read_volume(tmp_path / name)
        np.testing.assert_array_equal(volume.grid.to_file(volume.array), ramp())
    (tmp_path / "a.img").unlink()
    with pytest.raises(InputError, match=r"other half a\.img is missing"):
        read_volume(tmp_path / "a.hdr")


def test_scaled_values_become_float32(tmp_path):
    path = save(tmp_path / "a.nii", ramp(), change=lambda h: None)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([0.5, -3.0], "<f4").tobytes()
    path.write_bytes(raw)
    volume = read_volume(path)
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.grid.to_file(volume.array), ramp() * 0.5 - 3)
    np.testing.assert_allclose(volume.grid.to_file(volume.array), nib.load(path).get_fdata())


def test_slices_run_along_the_asked_axis(tmp_path):
    path = save(tmp_path / "a.nii", ramp(), np.diag([1.0, 1, 1, 1]))
    assert [read_volume(path, slice_axis=axis).array.shape[0] for axis in range(3)] == [4, 5, 6]
    assert read_volume(path).array.shape[0] == 6


def test_a_flat_image_has_one_slice_and_stays_flat(tmp_path):
    path = save(tmp_path / "a.nii", ramp((7, 9)), np.diag([3.0, 2, 1, 1]))
    volume = read_volume(path)
    assert volume.array.shape == (1, 9, 7)
    out = nib.load(write_mask(tmp_path / "m.nii", (volume.array > 3) * 1, volume))
    assert out.shape == (7, 9)


def test_up_to_eight_volumes_are_channels(tmp_path):
    data = ramp((4, 5, 6, 3))
    volume = read_volume(save(tmp_path / "a.nii", data))
    assert volume.channels == 3
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), data)
    mask = (volume.array[..., 0] > 4) * 2
    assert nib.load(write_mask(tmp_path / "m.nii", mask, volume)).shape == (4, 5, 6)
    assert read_volume(save(tmp_path / "b.nii", ramp((4, 5, 6, 1, 1)))).channels == 1


def test_values_that_are_no_numbers_are_replaced_and_reported(tmp_path):
    data = ramp(dtype=np.float32)
    data[0, 0, 0], data[1, 1, 1], data[2, 2, 2] = np.nan, np.inf, -np.inf
    data -= 10
    volume = read_volume(save(tmp_path / "a.nii", data))
    assert np.isfinite(volume.array).all()
    assert volume.array.min() == np.nanmin(data[np.isfinite(data)])
    assert any("3 voxels" in warning for warning in volume.warnings)
    nothing = read_volume(save(tmp_path / "b.nii", np.full((2, 2, 2), np.nan, np.float32)))
    assert not nothing.array.any()


def test_values_are_the_same_however_many_are_read_at_a_time(tmp_path, monkeypatch):
    data = ramp().astype(np.float32)
    data[1, 2, 3], data[3, 4, 5] = np.nan, np.inf
    ids = ramp(dtype=np.uint16)
    ids[0, 0, 0], ids[3, 4, 5] = 300, 70
    for suffix in (".nii", ".nii.gz"):
        image = save(tmp_path / f"a{suffix}", data)
        mask = save(tmp_path / f"m{suffix}", ids)
        whole = read_volume(image)
        labels = read_mask(mask, whole)
        monkeypatch.setattr(nifti_reader, "_BLOCK", 7)
        again = read_volume(image)
        np.testing.assert_array_equal(again.array, whole.array)
        assert again.warnings == whole.warnings
        np.testing.assert_array_equal(read_mask(mask, whole), labels)
        assert labels.dtype == np.uint16
        np.testing.assert_array_equal(whole.grid.to_file(labels), ids)
        monkeypatch.undo()


def test_float64_beyond_float32_is_replaced(tmp_path):
    data = ramp(dtype=np.float64)
    data[0, 0, 0] = 1e300
    assert np.isfinite(read_volume(save(tmp_path / "a.nii", data)).array).all()


def test_a_file_without_a_place_warns_and_its_mask_gets_both_codes(tmp_path):
    path = save(tmp_path / "a.nii", ramp(), codes=(0, 0))
    volume = read_volume(path)
    assert any("how it lies" in warning for warning in volume.warnings)
    out = nib.load(write_mask(tmp_path / "m.nii", volume.array * 0, volume))
    assert out.header["sform_code"] > 0
    assert out.header["qform_code"] > 0
    np.testing.assert_allclose(out.affine, nib.load(path).affine)


@pytest.mark.parametrize("codes", [(1, 1), (4, 1), (2, 0), (0, 3)])
def test_codes_are_the_sources(tmp_path, codes):
    path = save(tmp_path / "a.nii", ramp(), affine_of((0, 1, 2), (-1, 1, 1), tilt=(3, 4, 5)))
    raw = bytearray(path.read_bytes())
    raw[252:256] = np.array([codes[1], codes[0]], "<i2").tobytes()
    path.write_bytes(raw)
    volume = read_volume(path)
    header = nib.load(write_mask(tmp_path / "m.nii", volume.array * 0, volume)).header
    wanted = (codes[0] or codes[1], codes[1] or codes[0])
    assert (header["sform_code"], header["qform_code"]) == wanted


def test_a_different_qform_is_kept_bit_for_bit(tmp_path):
    """Some programs believe the qform, some the sform: mask and image must agree for both."""
    path = save(tmp_path / "a.nii", ramp())
    image = nib.load(path)
    image.set_qform(affine_of((0, 1, 2), (1, 1, 1), (1, 1, 3), (20, 0, 0)), 1)
    image.set_sform(affine_of((0, 1, 2), (1, 1, 1), (1, 1, 3), (0, 0, 9)), 4)
    image.to_filename(tmp_path / "b.nii")
    source = nib.load(tmp_path / "b.nii").header
    volume = read_volume(tmp_path / "b.nii")
    header = nib.load(write_mask(tmp_path / "m.nii", volume.array * 0, volume)).header
    for name in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "srow_x", "srow_y", "srow_z"):
        np.testing.assert_array_equal(header[name], source[name])
    np.testing.assert_array_equal(header["pixdim"][:4], source["pixdim"][:4])


def test_a_broken_sform_falls_back_to_the_qform(tmp_path):
    path = save(tmp_path / "a.nii", ramp(), affine_of((0, 1, 2), (1, 1, 1), (1, 1, 3)))
    wanted = read_volume(path).grid.file_affine
    raw = bytearray(path.read_bytes())
    raw[280:328] = bytes(48)
    path.write_bytes(raw)
    volume = read_volume(path)
    np.testing.assert_allclose(volume.grid.file_affine, wanted, atol=1e-5)
    assert any("sform" in warning for warning in volume.warnings)
    out = nib.load(write_mask(tmp_path / "m.nii", volume.array * 0, volume))
    np.testing.assert_allclose(out.affine, wanted, atol=1e-5)


def test_shear_warns_and_is_kept(tmp_path):
    affine = np.diag([1.0, 1, 2, 1])
    affine[0, 1] = 0.3
    image = nib.Nifti1Image(ramp(), affine)
    image.to_filename(tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert any("right angles" in warning for warning in volume.warnings)
    out = nib.load(write_mask(tmp_path / "m.nii", volume.array * 0, volume))
    np.testing.assert_array_equal(out.affine, nib.load(tmp_path / "a.nii").affine)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 0.001)])
def test_other_units_are_mm_here_and_their_own_in_the_export(tmp_path, unit, factor):
    affine = np.diag([0.5, 0.5, 2, 1])
    path = save(tmp_path / "a.nii", ramp(), affine, change=lambda h: h.set_xyzt_units(unit))
    volume = read_volume(path)
    assert volume.spacing == pytest.approx((2 * factor, 0.5 * factor, 0.5 * factor))
    out = nib.load(write_mask(tmp_path / "m.nii", volume.array * 0, volume))
    assert out.header.get_xyzt_units()[0] == unit
    np.testing.assert_array_equal(out.affine, affine)


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        ((0,), "u1"), ((1, 4, 255), "u1"), ((1, 256), "u2"), ((1, 4, 255, 300, 65535), "u2"),
        ((1, 4, 255, 300, 70000), "u4"), ((2**32 - 1,), "u4"), ((2**32,), "u8"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stored", [np.int64, np.uint64])
def test_ids_are_exact_in_the_smallest_type(tmp_path, ids, dtype, stored):
    volume = read_volume(save(tmp_path / "a.nii", ramp()))
    mask = np.zeros(volume.grid.shape, dtype=stored)
    mask.flat[: len(ids)] = ids
    path = write_mask(tmp_path / "m.nii.gz", mask, volume)
    np.testing.assert_array_equal(read_mask(path, volume), mask)
    out = nib.load(path)
    assert out.get_data_dtype() == np.dtype(dtype)
    np.testing.assert_array_equal(np.asanyarray(out.dataobj), volume.grid.to_file(mask))
    raw = gzip.decompress(path.read_bytes())
    np.testing.assert_array_equal(np.frombuffer(raw[112:120], "<f4"), (1.0, 0.0))


@given(st.sets(st.integers(0, 2**40), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_any_set_of_ids_survives(tmp_path_factory, ids):
    folder = tmp_path_factory.mktemp("ids")
    grid = Grid((3, 4, 5), affine_of((2, 0, 1), (-1, 1, -1)).astype(np.float32), 1)
    volume = Volume(np.zeros(grid.shape, np.uint8), grid)
    mask = np.resize(np.array(sorted(ids), dtype=np.int64), grid.shape)
    np.testing.assert_array_equal(
        read_mask(write_mask(folder / "m.nii", mask, volume), volume), mask
    )


def test_the_same_mask_gives_the_same_bytes(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", ramp()))
    first = hash_file(write_mask(tmp_path / "m.nii.gz", volume.array % 3, volume))
    time.sleep(1.1)
    assert hash_file(write_mask(tmp_path / "other.nii.gz", volume.array % 3, volume)) == first


def test_an_unknown_code_is_not_copied(tmp_path):
    path = save(tmp_path / "a.nii", ramp())
    patch(path, 252, [3841, 3841], "<i2")
    volume = read_volume(path)
    header = nib.load(write_mask(tmp_path / "m.nii", volume.array * 0, volume)).header
    assert (header["sform_code"], header["qform_code"]) == (1, 1)


@pytest.mark.parametrize("version", [1, 2])
def test_no_text_of_the_source_gets_out(tmp_path, version):
    def mark(header):
        header["descrip"] = f"{CANARY}-1"
        header["aux_file"] = f"{CANARY}-2"
        header["intent_name"] = CANARY
        header.extensions.append(nib.nifti1.Nifti1Extension(6, f"{CANARY}-4".encode()))
        if version == 1:
            header["db_name"] = CANARY

    path = save(tmp_path / f"{CANARY}.nii", ramp(), version=version, change=mark)
    assert path.read_bytes().count(CANARY.encode()) >= 4
    volume = read_volume(path)
    assert CANARY not in str(dict(volume.header))
    for name in ("m.nii", "m.nii.gz"):
        raw = write_mask(tmp_path / name, volume.array % 2, volume).read_bytes()
        raw = raw + (gzip.decompress(raw) if name.endswith("gz") else b"")
        assert CANARY.encode()[:8] not in raw


def test_long_axes_are_written_as_nifti_2(tmp_path):
    grid = Grid((40000, 2, 2), np.eye(4), 2)
    volume = Volume(np.zeros(grid.shape, np.uint8), grid)
    mask = np.ones(grid.shape, np.uint8)
    path = write_mask(tmp_path / "m.nii", mask, volume)
    assert isinstance(nib.load(path), nib.Nifti2Image)
    np.testing.assert_array_equal(read_mask(path, volume), mask)


def test_masks_stored_as_floats_or_scaled_are_read_as_ids(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", ramp()))
    ids = ramp() % 5
    path = save(tmp_path / "m.nii", ids.astype(np.float32))
    mask = read_mask(path, volume)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(volume.grid.to_file(mask), ids)
    # nibabel rescales floats that are stored as integers: 0..4 become multiples of 4 / 65535.
    image = nib.Nifti1Image(ids.astype(np.float64), np.diag([1.0, 1, 3, 1]))
    image.header.set_data_dtype(np.int16)
    image.to_filename(tmp_path / "s.nii")
    assert nib.load(tmp_path / "s.nii").dataobj.slope != 1
    np.testing.assert_array_equal(volume.grid.to_file(read_mask(tmp_path / "s.nii", volume)), ids)


@pytest.mark.parametrize(
    ("data", "affine", "text"),
    [
        (ramp(), np.diag([1.0, 1, 3.5, 1]), "voxels are 3.5 mm head-feet, its image's 3 mm"),
        (ramp(), np.diag([-1.0, 1, 3, 1]), r"3 mm to the left\): 90 of its .* lie outside"),
        (ramp(dtype=np.float32) / 2, None, "whole class numbers, this one holds 0.5"),
        (ramp() - 1, None, "negative"),
        (np.full((4, 5, 6), np.nan, np.float32), None, "NaN, which is no class number"),
        (ramp((4, 5, 6, 2)), None, "one volume"),
    ],
)
def test_masks_that_do_not_fit_are_refused_in_one_line(tmp_path, data, affine, text):
    volume = read_volume(save(tmp_path / "a.nii", ramp()))
    with pytest.raises(InputError, match=text) as caught:
        read_mask(save(tmp_path / "mask.nii", data, affine), volume)
    assert "mask.nii" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_masks_are_not_written(tmp_path):
    volume = read_volume(save(tmp_path / "a.nii", ramp()))
    before = set(tmp_path.iterdir())
    for mask, name in (
        (volume.array[1:], "m.nii"), (volume.array * 0 - 1, "m.nii"),
        (volume.array + 0.5, "m.nii"), (volume.array, "m.png"), (volume.array, "m.mha"),
    ):  # fmt: skip
        with pytest.raises(InputError):
            write_mask(tmp_path / name, mask, volume)
    assert set(tmp_path.iterdir()) == before


def patch(path, at, values, dtype):
    raw = bytearray(path.read_bytes())
    new = np.array(values, dtype).tobytes()
    raw[at : at + len(new)] = new
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("at", "values", "dtype", "text"),
    [
        (0, 1234, "<i4", "not a NIfTI"),
        (344, list(b"\0\0\0\0"), "u1", "not a NIfTI"),
        (344, list(b"ni1\0"), "u1", "another kind"),
        (40, 0, "<i2", "0 axes"),
        (40, 9, "<i2", "9 axes"),
        (42, 0, "<i2", "empty image"),
        (42, -4, "<i2", "empty image"),
        (42, [32767, 32767, 32767], "<i2", "GiB"),
        (42, [400, 400, 400], "<i2", "cut off"),
        (40, [4, 4, 5, 3, 2], "<i2", None),
        (40, [5, 2, 2, 5, 2, 3], "<i2", "5 axes"),
        (40, [4, 2, 5, 1, 12], "<i2", "series of 12"),
        (70, 32, "<i2", "complex"),
        (70, 128, "<i2", "cut off"),
        (70, 2304, "<i2", "cut off"),
        (70, 1536, "<i2", "128-bit"),
        (70, 77, "<i2", "no known voxel type"),
        (108, np.nan, "<f4", "at byte nan"),
        (108, 1e30, "<f4", "at byte"),
        (108, 1e6, "<f4", "cut off"),
        (112, [2.0, np.nan], "<f4", "intercept"),
        (280, [np.nan] * 12, "<f4", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_broken_headers(tmp_path, at, values, dtype, text, packed):
    path = save(tmp_path / "a.nii", ramp())
    patch(path, at, values, dtype)
    if packed:
        path = path.with_suffix(".nii.gz")
        path.write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    if text is None:
        read_volume(path)
        return
    # Deflate could hold what a plain file of this size can't: it is then found when reading.
    with pytest.raises(InputError, match=text) as caught:
        read_volume(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_a_compressed_file_that_can_not_hold_what_it_declares_is_refused_unread(tmp_path):
    path = save(tmp_path / "a.nii", ramp())
    patch(path, 42, [1500, 1500, 1500], "<i2")
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(gzip.compress(path.read_bytes()))
    start = time.perf_counter()
    with pytest.raises(InputError, match="can't hold"):
        read_volume(bomb)
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("keep", [0, 3, 100, 300, 400, 450])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_cut_off_files(tmp_path, keep, suffix):
    path = save(tmp_path / f"a{suffix}", np.random.default_rng(0).integers(0, 99, (9, 9, 9), "i2"))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError):
        read_volume(path)


def test_a_damaged_stream_fails_its_checksum(tmp_path):
    path = save(tmp_path / "a.nii.gz", ramp())
    raw = bytearray(path.read_bytes())
    raw[-8:-4] = b"\1\2\3\4"
    path.write_bytes(raw)
    with pytest.raises(InputError, match="damaged"):
        read_volume(path)


def test_random_damage_is_never_another_exception(tmp_path):
    """800 copies with up to eight bytes changed, mostly in the header."""
    rng = np.random.default_rng(1)
    plain = save(tmp_path / "a.nii", ramp()).read_bytes()
    packed = gzip.compress(plain, mtime=0)
    good = bad = 0
    for number in range(800):
        raw = bytearray(packed if number % 4 == 0 else plain)
        for _ in range(rng.integers(1, 9)):
            raw[rng.integers(0, min(len(raw), 400))] = rng.integers(0, 256)
        path = tmp_path / ("m.nii.gz" if number % 4 == 0 else "m.nii")
        path.write_bytes(raw)
        try:
            volume = read_volume(path)
            assert np.isfinite(volume.array).all()
            if number % 16 == 0:
                write_mask(tmp_path / "out.nii", np.zeros(volume.grid.shape, np.uint8), volume)
            good += 1
        except InputError as error:
            bad += one_line(error)
    assert good > 100
    assert bad > 100


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of odd NIfTI files is not here")
def test_every_file_of_the_corpus_is_read_or_refused():
    files = [path for path in sorted(CORPUS.rglob("*")) if path.is_file()]
    assert len(files) > 20
    read = 0
    for path in files:
        try:
            volume = read_nifti(path, How())
            assert np.isfinite(volume.array).all()
            read += 1
        except InputError as error:
            one_line(error)
    assert read >= 15


def test_missing_files_folders_and_unknown_kinds(tmp_path):
    (tmp_path / "folder.nii").mkdir()
    (tmp_path / "a.txt").write_text("hello")
    for name, text in (
        ("none.nii", "no such file"), ("folder.nii", "folder"), ("a.txt", "kind of file"),
        ("x" * 300 + ".nii", "no such file"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=text):
            read_volume(tmp_path / name)
    with pytest.raises(InputError, match="can't be read"):
        hash_file(tmp_path / "none")


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 0)() == 0,
                    reason="root may read any file")  # fmt: skip
def test_a_file_without_permission_is_one_line(tmp_path):
    path = save(tmp_path / "a.nii", ramp())
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        read_volume(path)


def test_prediction_names():
    assert prediction_name(Path("x/case1.nii.gz")) == "case1_dim.nii.gz"
    assert prediction_name(Path("eye.v2.jpg")) == "eye.v2_dim.png"
    with pytest.raises(InputError):
        prediction_name(Path("a.docx"))
