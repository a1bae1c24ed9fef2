"""OME-Zarr of both versions: opened without loading, written back in place."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from napari_dim.config import Settings
from napari_dim.data.case import Case
from napari_dim.engine.inference.out_of_core import predict_into
from napari_dim.engine.inference.predictor import predict
from napari_dim.engine.training.loop import Job, train
from napari_dim.errors import InputError
from napari_dim.io import (
    LabelClass,
    format_of,
    lay_mask,
    read_mask,
    read_volume,
    write_image,
    write_mask,
)
from napari_dim.io.zarr.lazy_array import LazyArray
from napari_dim.io.zarr.zarr_reader import classes_of
from napari_dim.io.zarr.zarr_writer import DEEP, stored_axes, zarr_mask
from napari_dim.states import SliceState
from napari_dim.volume import Grid, Volume
from tests.cases import ellipsoid
from tests.io.test_nifti import save
from tests.test_volume import ORIENTATIONS, affine_of

CLASSES = (LabelClass(1, "left atrium", "#FF8000"), LabelClass(300, "wall", "#0040C0"))


def store(path, array, axes="zyx", version=2, scale=None, translation=None, unit="micrometer",
          chunks=None):  # fmt: skip
    """An OME-Zarr as other programs write them, with zarr alone."""
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    made = group.create_array("full", shape=array.shape, dtype=array.dtype,
                              chunks=chunks or tuple(min(4, n) for n in array.shape))  # fmt: skip
    made[...] = array
    steps = [{"type": "scale", "scale": scale or [1.0] * array.ndim}]
    if translation:
        steps.append({"type": "translation", "translation": translation})
    kinds = {"t": "time", "c": "channel"}
    listed = [
        {"name": a, "type": kinds.get(a, "space"), **({} if a in kinds else {"unit": unit})}
        for a in axes
    ]
    image = {"axes": listed, "datasets": [{"path": "full", "coordinateTransformations": steps}]}
    if version == 2:
        group.attrs["multiscales"] = [{"version": "0.4", **image}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    return path


RAMP = np.arange(10 * 7 * 6, dtype=np.uint16).reshape(10, 7, 6)


@pytest.mark.parametrize("version", [2, 3])
def test_it_is_opened_in_its_place_without_loading(tmp_path, version):
    path = store(tmp_path / "a.zarr", RAMP, version=version, scale=[2000.0, 500.0, 250.0],
                 translation=[1000.0, 30.0, 20.0])  # fmt: skip
    assert format_of(path).name == "OME-Zarr"
    volume = read_volume(path)
    assert isinstance(volume.array, LazyArray)
    assert not volume.array._slabs
    assert volume.spacing == pytest.approx((2.0, 0.5, 0.25))
    assert volume.grid.unit == "mm"
    # z to the head, y to the back, x to the left.
    np.testing.assert_allclose(volume.grid.affine @ (1, 2, 3, 1), (-0.77, -1.03, 3.0, 1))
    assert volume.array.dtype == np.uint16
    np.testing.assert_array_equal(volume.array, RAMP)


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_slices_along_any_axis(tmp_path, slice_axis):
    path = store(tmp_path / "a.zarr", RAMP, scale=[3000.0, 2000.0, 1000.0])
    volume = read_volume(path, slice_axis=slice_axis)
    x_y_z = np.transpose(RAMP, (2, 1, 0))
    np.testing.assert_array_equal(np.asarray(volume.array), volume.grid.to_array(x_y_z))
    assert volume.grid.shape[0] == x_y_z.shape[slice_axis]
    for number in (0, 3, len(volume.array) - 1):
        np.testing.assert_array_equal(volume.array[number], volume.grid.to_array(x_y_z)[number])


def test_channels_time_and_plain_arrays(tmp_path):
    stack = np.stack([RAMP, RAMP + 1])[None]
    path = store(tmp_path / "c.zarr", stack, axes="tczyx")
    volume = read_volume(path)
    assert volume.channels == 2
    np.testing.assert_array_equal(np.asarray(volume.array), np.moveaxis(stack[0], 0, -1))
    series = np.stack([RAMP] * 3)
    series *= np.arange(3, dtype=np.uint16)[:, None, None, None]
    path = store(tmp_path / "t.zarr", series, axes="tzyx")
    with pytest.raises(InputError, match="the image has 3 times"):
        read_volume(path)
    np.testing.assert_array_equal(np.asarray(read_volume(path, part="2").array), 2 * RAMP)
    zarr.save_array(str(tmp_path / "plain"), RAMP.astype(">f8"))
    plain = read_volume(tmp_path / "plain")
    assert plain.grid.unit == "pixel"
    assert plain.array.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(plain.array), RAMP)
    path = store(tmp_path / "flat.zarr", RAMP[0], axes="yx", scale=[500.0, 250.0])
    assert read_volume(path).array.shape == (1, 7, 6)


def test_a_lazy_array_is_indexed_like_numpy(tmp_path):
    path = store(tmp_path / "a.zarr", RAMP, chunks=(4, 3, 6))
    lazy = read_volume(path).array
    for key in (
        0, -1, 5, slice(None), slice(2, 9), slice(None, None, 3), slice(8, 2, -2), [1, 1, 9],
        (slice(None), slice(None, None, 2), slice(1, 4)), (3, 2), (3, 2, 1), (Ellipsis, 0),
        (slice(1, 5), 3), slice(4, 4), np.array([7, 2]), RAMP[:, 0, 0] > 100,
    ):  # fmt: skip
        np.testing.assert_array_equal(lazy[key], RAMP[key], err_msg=str(key))
    with pytest.raises(IndexError):
        lazy[0, 0, 0, 0]
    with pytest.raises(IndexError):
        lazy[10]
    assert (len(lazy), lazy.ndim, lazy.size, lazy.nbytes) == (10, 3, RAMP.size, RAMP.nbytes)
    np.testing.assert_array_equal(np.stack(list(lazy)), RAMP)
    lazy[0][:] = 0  # what is given is the caller's own
    np.testing.assert_array_equal(lazy[0], RAMP[0])


def test_slabs_that_are_kept_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_dim.io.zarr.lazy_array.HELD", 3 * RAMP[0].nbytes)
    lazy = read_volume(store(tmp_path / "a.zarr", RAMP)).array
    np.testing.assert_array_equal(np.asarray(lazy), RAMP)
    assert lazy.depth == 3
    assert sum(slab.nbytes for slab in lazy._slabs.values()) <= 3 * RAMP[0].nbytes


@pytest.mark.parametrize("version", [2, 3])
def test_labels_go_back_into_the_group(tmp_path, version):
    path = store(tmp_path / "a.zarr", RAMP, version=version, scale=[2000.0, 500.0, 250.0],
                 translation=[1000.0, 30.0, 20.0])  # fmt: skip
    volume = read_volume(path)
    mask = np.where(RAMP % 5 == 0, 300, RAMP % 2)
    for name in ("dim", "other", "dim"):  # the same name again: it is replaced
        out = write_mask(path / "labels" / name, mask, volume, classes=CLASSES, form="zarr")
    back = read_mask(out, volume)
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, mask)
    assert classes_of(out) == list(CLASSES)
    group = zarr.open_group(str(path), mode="r")
    attributes = dict(group["labels"].attrs)
    names = attributes["labels"] if version == 2 else attributes["ome"]["labels"]
    assert names == ["dim", "other"]
    np.testing.assert_array_equal(group["labels/dim/0"][...], mask)
    assert sorted(p.name for p in (path / "labels").iterdir() if p.is_dir()) == ["dim", "other"]
    np.testing.assert_array_equal(np.asarray(read_volume(path).array), RAMP)
    seen = read_volume(out)
    assert seen.grid.matches(volume.grid)


def test_blocks_of_any_size_in_any_orientation(tmp_path):
    rng = np.random.default_rng(0)
    for number, (axes, signs) in enumerate(ORIENTATIONS[::4]):
        affine = affine_of(axes, signs, (0.7, 1.2, 3.5))
        grid = Grid((21, 20, 19), affine, number % 3)
        mask = rng.integers(0, 4, grid.shape).astype(np.uint8)
        volume = Volume(np.zeros(grid.shape, np.uint8), grid)
        with zarr_mask(tmp_path / f"{number}.zarr", volume, mask.dtype) as out:
            for start, end in ((0, 5), (5, 17), (17, len(mask))):
                out[start:end] = mask[start:end]
            np.testing.assert_array_equal(out[3:9], mask[3:9])
            out[3:9] = 1 + mask[3:9]
        mask[3:9] += 1
        seen = read_volume(tmp_path / f"{number}.zarr")
        # Every voxel at its place in the patient.
        index = np.argwhere(mask == 2)
        places = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
        found = np.argwhere(np.asarray(seen.array) == 2)
        there = found @ seen.grid.affine[:3, :3].T + seen.grid.affine[:3, 3]
        assert {tuple(p) for p in np.round(places, 3) + 0.0} == {
            tuple(p) for p in np.round(there, 3) + 0.0
        }
    assert DEEP < 19


def test_images_keep_values_type_and_place(tmp_path):
    affine = affine_of((0, 1, 2), (-1, -1, 1), (0.7, 1.2, 3.5))
    grid = Grid((6, 7, 10), affine, 2)
    for dtype in ("uint8", "int16", "float32"):
        volume = Volume(RAMP.astype(dtype), grid)
        again = read_volume(write_image(tmp_path / f"{dtype}.ome.zarr", volume))
        assert again.array.dtype == dtype
        np.testing.assert_array_equal(np.asarray(again.array), RAMP.astype(dtype))
        assert again.grid.matches(grid)
    colours = Volume(np.stack([RAMP, RAMP * 2], -1), grid)
    again = read_volume(write_image(tmp_path / "c.zarr", colours))
    np.testing.assert_array_equal(np.asarray(again.array), colours.array)


def test_what_cannot_be_done_is_said_in_one_line(tmp_path):
    tilted = affine_of((0, 1, 2), (1, 1, 1), tilt=(9, 0, 0))
    oblique = read_volume(save(tmp_path / "a.nii", RAMP.astype(np.int16), tilted))
    mask = np.ones(oblique.grid.shape, int)
    with pytest.raises(InputError, match="oblique"):
        write_mask(tmp_path / "m.zarr", mask, oblique)
    straight = Grid((6, 7, 10), np.diag([-1.0, -1, 1, 1]), 2)
    volume = Volume(RAMP, straight)
    (tmp_path / "taken.zarr").mkdir()
    (tmp_path / "taken.zarr" / "thesis.doc").write_text("x")
    with pytest.raises(InputError, match="something else"):
        write_mask(tmp_path / "taken.zarr", RAMP > 1, volume)
    with pytest.raises(InputError, match="can't be written"):
        write_mask(tmp_path / "nowhere" / "m.zarr", RAMP > 1, volume)
    with pytest.raises(RuntimeError), zarr_mask(tmp_path / "half.zarr", volume, np.uint8) as out:  # noqa: PT012
        out[0:4] = RAMP[0:4] > 1
        raise RuntimeError
    left = sorted(p.name for p in tmp_path.iterdir())
    assert left == ["a.nii", "taken.zarr"]
    for name, array, axes, text in (
        ("text", np.array(["a"] * 8).reshape(2, 2, 2), "zyx", "can't be used"),
        ("noxy", RAMP, "abc", "x and y are needed"),
        ("many", np.zeros((9, 2, 2, 2), np.uint8), "czyx", "9 steps"),
    ):
        path = store(tmp_path / f"{name}.zarr", array, axes=axes)
        with pytest.raises(InputError, match=text) as caught:
            read_volume(path)
        assert "\n" not in str(caught.value)
    zarr.open_group(str(tmp_path / "group.zarr"), mode="w")
    with pytest.raises(InputError, match="no OME-Zarr image"):
        read_volume(tmp_path / "group.zarr")
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / ".zgroup").write_text("{")
    with pytest.raises(InputError):
        read_volume(tmp_path / "broken.zarr")
    small = store(tmp_path / "small.zarr", RAMP[:9], unit="millimeter")
    laid = lay_mask(small, volume)
    np.testing.assert_array_equal(laid.ids[:9], RAMP[:9])
    assert not laid.ids[9:].any()
    assert "the mask covers" in laid.notes[-1]
    moved = store(tmp_path / "moved.zarr", RAMP, unit="millimeter", translation=[9.0, 0, 0])
    with pytest.raises(InputError, match=r"9 mm off its image"):
        read_mask(moved, volume)


def test_stored_axes_of_a_turned_grid():
    grid = Grid((6, 7, 10), affine_of((2, 0, 1), (1, 1, 1)), 2)
    axes, _ = stored_axes(grid)
    assert sorted(axes) == [0, 1, 2]


def test_info_tells_of_a_store_without_reading_it(tmp_path, capsys):
    from napari_dim.cli import main

    path = store(tmp_path / "a.zarr", RAMP, scale=[2000.0, 500.0, 250.0])
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert "10 of 7 x 6" in said
    assert "0 to 419 in 9 of its slices" in said


def test_a_store_is_learnt_from_and_segmented_without_being_loaded(tmp_path, monkeypatch):
    """What `benchmarks/large.py` does with a volume larger than memory, with a small one."""
    volume, mask = ellipsoid((60, 40, 32))
    path = tmp_path / "a.zarr"
    write_image(path, volume)
    lazy = read_volume(path)
    asked: list[int] = []
    read = LazyArray.__getitem__

    def counted(self, key):
        found = read(self, key)
        asked.append(np.size(found))
        return found

    lazy.__dict__["intensities"] = volume.intensities  # of a volume this small: of every voxel

    monkeypatch.setattr(LazyArray, "__getitem__", counted)
    monkeypatch.setattr(LazyArray, "__array__", lambda *args, **kwargs: pytest.fail("loaded whole"))
    states = np.zeros(60, np.uint8)
    states[[20, 40]] = SliceState.PAINTED
    settings = Settings.make(
        width=4, device="cpu", threads=1, budget=None, steps=12, min_size=16, labelled_batch=2,
        least_weight=0.0, slice_memory=0.05,
    )  # fmt: skip
    started, *_, last = train(Job([Case(lazy, mask, states)], settings))
    assert "don't fit" in started.notes[0]
    target = path / "labels" / "dim"
    with zarr_mask(target, lazy, np.uint8, [LabelClass(1, "shell"), LabelClass(2, "core")]) as out:
        predict_into(out, last.model, lazy, device="cpu")
    assert asked
    assert max(asked) < 60 * 40 * 32 / 2
    monkeypatch.undo()
    in_memory = predict(last.model, volume, device="cpu").mask
    assert in_memory.any()
    np.testing.assert_array_equal(read_mask(target, lazy), in_memory)
