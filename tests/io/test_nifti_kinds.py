"""Less usual NIfTI: series, colours, Analyze."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_dim.errors import InputError
from napari_dim.io import lay_mask, list_parts, read_mask, read_volume, write_mask
from tests.io.test_nifti import ramp, save


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_one_volume_of_a_series(tmp_path, suffix):
    data = ramp((4, 5, 6, 12))
    data += np.arange(12, dtype=np.int16) * 200
    path = save(tmp_path / f"a{suffix}", data)
    with pytest.raises(InputError, match=r"series of 12 volumes.*0 to 11"):
        read_volume(path)
    assert len(list_parts(path)) == 12
    for number in (0, 5, 11):
        volume = read_volume(path, part=str(number))
        np.testing.assert_array_equal(volume.grid.to_file(volume.array), data[..., number])
    for part in ("12", "-1", "last"):
        with pytest.raises(InputError, match="there is no volume"):
            read_volume(path, part=part)


def test_a_short_series_is_channels_or_one_volume(tmp_path):
    data = ramp((4, 5, 6, 3))
    path = save(tmp_path / "a.nii", data)
    assert [part.key for part in list_parts(path)] == ["all", "0", "1", "2"]
    assert read_volume(path).channels == read_volume(path, part="all").channels == 3
    assert read_volume(path, part="1").channels == 1
    assert list_parts(save(tmp_path / "b.nii", ramp())) == ()
    vectors = save(tmp_path / "c.nii", ramp((4, 5, 6, 1, 3)))
    assert read_volume(vectors).channels == 3


@pytest.mark.parametrize("names", ["RGB", "RGBA"])
def test_colours_are_channels(tmp_path, names):
    values = np.random.default_rng(0).integers(0, 256, (4, 5, 6, len(names)), dtype=np.uint8)
    kind = np.dtype([(name, "u1") for name in names])
    path = save(tmp_path / "a.nii.gz", values.view(kind)[..., 0])
    volume = read_volume(path)
    assert volume.array.dtype == np.uint8
    np.testing.assert_array_equal(volume.grid.to_file(volume.array), values[..., :3])
    assert list_parts(path) == ()
    mask = volume.array[..., 0] % 3
    np.testing.assert_array_equal(
        read_mask(write_mask(tmp_path / "m.nii", mask, volume), volume), mask
    )


def test_analyze_is_read_and_told(tmp_path):
    image = nib.AnalyzeImage(ramp(), np.diag([-1.0, 2.0, 3.0, 1.0]))
    image.to_filename(tmp_path / "a.hdr")
    for name in ("a.hdr", "a.img"):
        volume = read_volume(tmp_path / name)
        np.testing.assert_array_equal(volume.grid.to_file(volume.array), ramp())
        assert volume.grid.codes == "LAS"
        assert sorted(volume.spacing) == [1, 2, 3]
        assert "which side is left" in volume.warnings[0]
    raw = bytearray((tmp_path / "a.hdr").read_bytes())
    raw[252] = 1
    (tmp_path / "a.hdr").write_bytes(raw)
    with pytest.raises(InputError, match="turned"):
        read_volume(tmp_path / "a.hdr")


@pytest.mark.parametrize("odd", [np.nan, 0.0, np.inf])
def test_a_damaged_sform_beside_a_good_qform(tmp_path, odd):
    """Of an image and of its mask: the qform's place, told."""
    place = np.diag([1.0, 2, 3, 1])
    place[:3, 3] = (5, 6, 7)

    def spoilt(header):
        header.set_qform(place, 1)
        header["sform_code"] = 1
        for row in ("srow_x", "srow_y", "srow_z"):
            header[row] = odd

    data = ramp() % 3
    good = read_volume(save(tmp_path / "good.nii", data, place))
    path = save(tmp_path / "a.nii", data, place)
    raw = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(raw[:348]), check=False)
    spoilt(header)
    raw[:348] = header.binaryblock
    path.write_bytes(raw)
    volume = read_volume(path)
    np.testing.assert_allclose(volume.grid.file_affine, place, atol=1e-5)
    assert "the place is taken from the qform" in volume.warnings[0]
    laid = lay_mask(path, good)
    np.testing.assert_array_equal(good.grid.to_file(laid.ids), data)
    assert "the place is taken from the qform" in laid.notes[0]
