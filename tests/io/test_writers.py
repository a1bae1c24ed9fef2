"""Masks and images in every format, read back by programs that are not ours where there are any."""

from __future__ import annotations

import csv

import nibabel as nib
import nrrd
import numpy as np
import pytest
import tifffile

from napari_dim.errors import InputError
from napari_dim.io import LabelClass, read_volume, write_image, write_mask
from napari_dim.io.export.size_tables import sizes_of
from napari_dim.io.export.surfaces import enclosed, read_stl, surface, write_surfaces
from napari_dim.io.formats import WRITERS, mask_format, mask_keys
from napari_dim.io.itk.seg_nrrd import segments_of
from napari_dim.volume import Grid, Volume
from tests.io.test_nifti import ramp, save
from tests.io.test_simpleitk import itk_reads
from tests.test_volume import ORIENTATIONS, affine_of

IDS = (1, 4, 255, 300, 70000)
CLASSES = (LabelClass(1, "left atrium", "#FF8000"), LabelClass(4, "its wall", "#0040C0"))


def ball(spacing=(2.0, 1.0, 0.5), radius=12.0, tilt=(10, -20, 30)):
    """An oblique volume and a mask with a ball of class 1 and a smaller one of class 4."""
    affine = affine_of((1, 0, 2), (1, -1, 1), (0.9, 0.8, 2.5), tilt)
    grid = Grid((60, 50, 24), affine, 2)
    centre = grid.affine @ (*(np.array(grid.shape) - 1) / 2, 1)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), -1)
    places = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    away = np.linalg.norm(places - centre[:3], axis=-1)
    mask = (away < radius).astype(np.uint8)
    mask[away < radius / 2] = 4
    return Volume(np.zeros(grid.shape, np.int16), grid), mask, centre[:3]


def test_a_nrrd_sits_on_its_image_in_every_orientation(tmp_path):
    names, masks = [], []
    for number, (axes, signs) in enumerate(ORIENTATIONS):
        tilt = ((0, 0, 0), (14, -9, 6), (35, 20, -40))[number % 3]
        affine = affine_of(axes, signs, (0.7, 1.2, 3.5), tilt)
        volume = read_volume(save(tmp_path / f"{number}.nii", ramp(), affine))
        mask = np.where(volume.array % 7 == 0, 300, volume.array % 5)
        names += [volume.path, write_mask(tmp_path / f"{number}_mask.nrrd", mask, volume)]
        masks.append(volume.grid.to_file(mask))
    read = itk_reads(*names)
    for image, out, mask in zip(read[::2], read[1::2], masks, strict=True):
        assert out[0] == image[0]
        for place in (1, 2, 3):
            np.testing.assert_allclose(out[place], image[place], atol=1e-5)
        assert out[4] == "uint16"
        np.testing.assert_array_equal(out[5], mask.ravel(order="F"))


def test_a_nrrd_names_its_classes(tmp_path):
    volume, mask, _ = ball()
    path = write_mask(tmp_path / "m.seg.nrrd", mask, volume, classes=CLASSES)
    assert segments_of(path) == list(CLASSES)
    data, header = nrrd.read(str(path))
    np.testing.assert_array_equal(volume.grid.to_array(data), mask)
    assert header["space"] == "left-posterior-superior"
    (tmp_path / "bad.nrrd").write_text("not at all\n")
    with pytest.raises(InputError, match="not a usable NRRD"):
        segments_of(tmp_path / "bad.nrrd")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_images_keep_values_type_and_place(tmp_path, suffix):
    affine = affine_of((2, 0, 1), (-1, 1, 1), (0.7, 1.2, 3.5), (14, -9, 6))
    grid = Grid((4, 5, 6), affine, 2)
    for dtype in ("int16", "uint8", "float32", "uint16"):
        volume = Volume(grid.to_array(ramp(dtype=np.dtype(dtype))), grid)
        path = write_image(tmp_path / f"{dtype}{suffix}", volume)
        if suffix == ".nrrd":
            data, _ = nrrd.read(str(path))
        else:
            data = np.asanyarray(nib.load(path).dataobj)
            np.testing.assert_allclose(nib.load(path).affine, affine, atol=1e-6)
        assert data.dtype.name == dtype
        np.testing.assert_array_equal(data, ramp(dtype=np.dtype(dtype)))


def test_channels_come_back_from_nifti(tmp_path):
    grid = Grid((4, 5, 6), np.diag([-1.0, -1.0, 3.0, 1.0]), 2)
    stack = np.stack([ramp(), 2 * ramp()], -1)
    volume = Volume(grid.to_array(stack), grid)
    again = read_volume(write_image(tmp_path / "a.nii.gz", volume))
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.grid.matches(grid)


def test_a_tiff_has_a_page_a_slice_its_colours_and_the_size_of_a_pixel(tmp_path):
    volume, mask, _ = ball()
    path = write_mask(tmp_path / "m.tif", mask, volume, classes=CLASSES)
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == len(mask)
        page = file.pages[12]
        np.testing.assert_array_equal(page.asarray(), mask[12])
        assert page.photometric == tifffile.PHOTOMETRIC.PALETTE
        assert tuple(page.colormap[:, 4] >> 8) == (0, 0x40, 0xC0)
        across, down = (page.tags[name].value for name in ("XResolution", "YResolution"))
        assert 10 * across[1] / across[0] == pytest.approx(volume.spacing[2], rel=1e-4)
        assert 10 * down[1] / down[0] == pytest.approx(volume.spacing[1], rel=1e-4)
    large = np.resize(np.array(IDS), volume.grid.shape)
    path = write_mask(tmp_path / "large.tif", large, volume)
    read = np.stack([page.asarray() for page in tifffile.TiffFile(path).pages])
    assert read.dtype == np.uint32
    np.testing.assert_array_equal(read, large)


@pytest.mark.parametrize("smooth", [False, True])
def test_a_surface_lies_where_its_class_lies(smooth):
    volume, mask, centre = ball()
    inside = mask > 0
    points, triangles = surface(inside, volume.grid.affine, smooth=smooth)
    centre_lps = centre * (-1, -1, 1)
    np.testing.assert_allclose(points.mean(0), centre_lps, atol=0.3)
    away = np.linalg.norm(points - centre_lps, axis=1)
    assert abs(away.mean() - 12) < 0.5
    voxels = inside.sum() * abs(np.linalg.det(volume.grid.affine[:3, :3]))
    assert enclosed(points, triangles) == pytest.approx(voxels, rel=0.03)
    # Closed: every edge belongs to two triangles.
    edges = np.sort(np.concatenate([triangles[:, p] for p in ([0, 1], [1, 2], [2, 0])]), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 2).all()


def test_smoothing_takes_the_stairs_away():
    volume, mask, centre = ball()
    affine = volume.grid.affine
    rough, flat = (
        np.linalg.norm(surface(mask > 0, affine, smooth=s)[0] - centre * (-1, -1, 1), axis=1)
        for s in (False, True)
    )
    assert flat.std() < 0.7 * rough.std()


def test_a_class_at_the_border_has_a_closed_surface():
    inside = np.ones((2, 3, 4), bool)
    points, triangles = surface(inside, np.eye(4))
    assert points.min(0).tolist() == [-2.5, -3.5, -0.5] or enclosed(points, triangles) > 0
    assert enclosed(points, triangles) == pytest.approx(24, rel=0.2)


def test_stl_files_hold_a_class_each(tmp_path):
    volume, mask, centre = ball()
    paths = write_surfaces(tmp_path / "heart.stl", mask, volume, CLASSES)
    assert [path.name for path in paths] == ["heart_left-atrium.stl", "heart_its-wall.stl"]
    for path, class_id in zip(paths, (1, 4), strict=True):
        corners = read_stl(path).astype(float)
        inside = float(
            np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
        )
        voxels = (mask == class_id).sum() * abs(np.linalg.det(volume.grid.affine[:3, :3]))
        assert inside == pytest.approx(voxels, rel=0.06)
        np.testing.assert_allclose(corners.mean((0, 1)), centre * (-1, -1, 1), atol=0.5)
    one = write_surfaces(tmp_path / "one.stl", mask == 4, volume)
    assert [path.name for path in one] == ["one.stl"]
    same = [LabelClass(1, "A"), LabelClass(4, "a")]
    assert (
        len({p.name.lower() for p in write_surfaces(tmp_path / "s.stl", mask, volume, same)}) == 2
    )
    with pytest.raises(InputError, match="empty"):
        write_mask(tmp_path / "none.stl", np.zeros_like(mask), volume)
    picture = Volume(np.zeros((1, 4, 5), np.uint8), Grid.of_picture(4, 5), kind="picture")
    with pytest.raises(InputError, match="no surface"):
        write_mask(tmp_path / "p.stl", np.ones((1, 4, 5), int), picture)
    (tmp_path / "cut.stl").write_bytes(paths[0].read_bytes()[:-1])
    with pytest.raises(InputError, match="not a whole"):
        read_stl(tmp_path / "cut.stl")


def test_volumes_and_areas(tmp_path):
    volume, mask, _ = ball()
    path = write_mask(tmp_path / "sizes.csv", mask, volume, classes=CLASSES)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    voxel = 0.9 * 0.8 * 2.5
    for class_id, name in ((1, "left atrium"), (4, "its wall")):
        (whole,) = [row for row in rows if row["id"] == str(class_id) and row["slice"] == "all"]
        assert whole["class"] == name
        assert float(whole["volume_ml"]) == pytest.approx(
            (mask == class_id).sum() * voxel / 1000, rel=1e-4
        )
        areas = {int(r["slice"]): float(r["area_mm2"]) for r in rows
                 if r["id"] == str(class_id) and r["slice"] != "all"}  # fmt: skip
        for number, area in areas.items():
            assert area == pytest.approx((mask[number] == class_id).sum() * 0.72, rel=1e-4)
        assert set(areas) == set(np.flatnonzero((mask == class_id).any((1, 2))))
    ball_ml = sum(s.volume for s in sizes_of(mask, volume))
    assert ball_ml == pytest.approx(4 / 3 * np.pi * 12**3 / 1000, rel=0.02)


def test_a_class_that_is_nowhere_and_a_picture(tmp_path):
    picture = Volume(np.zeros((1, 4, 5), np.uint8), Grid.of_picture(4, 5), kind="picture")
    mask = np.zeros((1, 4, 5), np.uint8)
    mask[0, 1, 2:4] = 2
    text = write_mask(
        tmp_path / "a.csv", mask, picture, classes=[LabelClass(3, "disc, left")]
    ).read_text(encoding="utf-8")
    assert text.splitlines() == [
        "id,class,slice,area_px,volume_ml,voxels",
        "2,class 2,all,,,2",
        "2,class 2,0,2,,2",
        '3,"disc, left",all,,,0',
    ]


def test_what_a_format_cannot_hold_is_refused_in_one_line(tmp_path):
    volume, mask, _ = ball()
    large = mask.astype(np.uint64)
    large[0, 0, 0] = 2**33
    flat = Volume(np.zeros((1, 4, 5), np.uint8), Grid.of_picture(4, 5), kind="picture")
    cases = [
        ("m.png", mask, volume, "one slice"),
        ("m.png", np.full((1, 4, 5), 70000), flat, "up to 65535"),
        ("m.tif", large, volume, "up to 4294967295"),
        ("m.xyz", mask, volume, "are written as"),
        ("m.nii", mask[1:], volume, "its image"),
    ]
    for name, array, on, text in cases:
        with pytest.raises(InputError, match=text) as caught:
            write_mask(tmp_path / name, array, on)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="images are written as"):
        write_image(tmp_path / "m.stl", volume)
    with pytest.raises(InputError, match="no colour"):
        write_mask(tmp_path / "m.tif", mask, volume, classes=[LabelClass(1, "a", "#12")])
    assert list(tmp_path.iterdir()) == []


def test_every_format_is_found_by_its_key_and_its_suffixes(tmp_path):
    assert len(set(mask_keys())) == len(mask_keys())
    for form in WRITERS:
        if form.write_mask:
            assert mask_format(tmp_path / "a", form.key) is form
            for suffix in form.written:
                assert suffix in mask_format(f"/a/B{suffix.upper()}").written
    with pytest.raises(InputError, match="can't be written as docx"):
        mask_format(tmp_path / "a.nii", "docx")


def test_pictures_as_images(tmp_path):
    rng = np.random.default_rng(0)
    for name, dtype, shape in (
        ("g.png", "uint8", (1, 7, 9)),
        ("h.png", "uint16", (1, 7, 9)),
        ("c.png", "uint8", (1, 7, 9, 3)),
        ("f.tif", "float32", (1, 7, 9)),
        ("c.tif", "uint8", (1, 7, 9, 3)),
    ):
        array = rng.integers(0, 250, shape).astype(dtype)
        picture = Volume(array, Grid.of_picture(7, 9), kind="picture")
        again = read_volume(write_image(tmp_path / name, picture))
        assert again.array.dtype.name == dtype
        np.testing.assert_array_equal(again.array, array)
    with pytest.raises(InputError, match="uint8 or uint16"):
        write_image(
            tmp_path / "x.png", Volume(np.zeros((1, 7, 9), np.float32), Grid.of_picture(7, 9))
        )
