"""Odd images and labels through fit, predict and evaluate: each command works, or says in one
line why not, and writes nothing then.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from napari_dim.cli import main
from napari_dim.io import prediction_name, read_mask, read_volume

PROMISE = """NaN, infinity, constant images, one slice, less than a patch, 4D, RGB, background only,
    gaps in ids, mismatched shapes: training, prediction and export work, or refuse in one line"""
FULL, QUICK = 25, 8

_SHAPE = (24, 20, 6)
_AFFINE = np.array([[-1, 0.1, 0, 5], [0.1, 1, 0.2, -4], [0, -0.2, 3, 7], [0, 0, 0, 1.0]])
_SMALL = """
threads = 1
width = 4
min_size = 32
labelled_batch = 2
unlabelled_batch = 1
"""

Row = tuple[str, str, str, str]
"""Image, labels, slices, split."""


@dataclass(frozen=True)
class Odd:
    """A cohort with something odd about it.

    Attributes
    ----------
    name
        What is odd.
    write
        Writes its files into a folder and gives the rows of its table.
    refused
        Words of the line in which a command refuses it; "" if it is to work.
    ids
        Ids that its masks may hold.
    """

    name: str
    write: Callable[[Path], list[Row]]
    refused: str = ""
    ids: frozenset[int] = field(default=frozenset({1, 2}))


def run(count: int) -> str:
    """Take the first `count` odd cohorts through all commands."""
    worked, refused = [], []
    for odd in list(_all())[:count]:
        with tempfile.TemporaryDirectory() as folder:
            line = _through(odd, Path(folder))
        print(f"{odd.name}: {line or 'works'}", file=sys.stderr)
        if odd.refused:
            assert odd.refused in line, f"{odd.name}: {line or 'not refused'}"
        else:
            assert not line, f"{odd.name}: {line}"
        (refused if line else worked).append(odd.name)
    return (
        f"{len(worked) + len(refused)} cases through fit, predict and evaluate: {len(worked)} work "
        f"({', '.join(worked)}), {len(refused)} are refused in one line ({', '.join(refused)})"
    )


def _through(odd: Odd, folder: Path) -> str:
    """The line of the command that refused, or "" if all worked and what they wrote is sound."""
    data, out = folder / "data", folder / "masks"
    data.mkdir()
    rows = odd.write(data)
    table = "\n".join(",".join((*row[:3], "here", row[3])) for row in rows)
    cohort = data / "cohort.csv"
    cohort.write_text(f"image,labels,slices,site,split\n{table}\n")
    (folder / "small.toml").write_text(_SMALL)
    fit = ("fit", cohort, "--out", folder / "run", "--steps", 3, "--device", "cpu")
    line = _command(*fit, "--config", folder / "small.toml")
    if line:
        assert not (folder / "run").exists(), f"{odd.name}: refused, and a run was begun"
        return line
    for name, weights in load_file(folder / "run" / "weights.safetensors").items():
        assert np.isfinite(weights).all(), f"{odd.name}: {name} is not finite"
    line = _command("predict", folder / "run", cohort, "--split", "all", "--out", out)
    if line:
        assert not out.exists(), f"{odd.name}: refused, and a folder was made"
        return line
    _check_masks(odd, data, out, rows)
    if any(row[1] and row[3] == "test" for row in rows):
        line = _command("evaluate", cohort, out, "--json", folder / "scores.json")
        if not line:
            json.loads((folder / "scores.json").read_text(), parse_constant=_no_constant)
    return line


def _check_masks(odd: Odd, data: Path, out: Path, rows: list[Row]) -> None:
    """Every image has its mask, in its own place, of ids that were taught."""
    for image, *_ in rows:
        mask = out / prediction_name(data / image)
        volume = read_volume(data / image)
        ids = set(np.unique(read_mask(mask, volume)).tolist())
        assert ids <= odd.ids | {0}, f"{odd.name}: {mask.name} holds {ids}"
        if mask.suffix == ".gz":
            theirs, ours = nib.load(data / image), nib.load(mask)
            assert ours.shape[:3] == (*theirs.shape, 1, 1)[:3], f"{odd.name}: {ours.shape}"
            assert np.array_equal(ours.affine, theirs.affine), f"{odd.name}: {ours.affine}"
    summary = (out / "predictions.json").read_text()
    json.loads(summary, parse_constant=_no_constant)


def _no_constant(text: str) -> None:
    raise AssertionError(f"{text} in a JSON file")


def _command(*arguments: object) -> str:
    """Run a command in this process: "" if it works, else its one line."""
    said, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
        code = main([str(argument) for argument in arguments])
    if code == 0:
        return ""
    lines = complaint.getvalue().strip().splitlines()
    assert code == 2, f"{arguments[0]} ended with {code}: {lines[-3:]}"
    assert len(lines) == 1, f"{arguments[0]} said {len(lines)} lines: {lines}"
    return lines[0]


def _scan(seed: int = 0, shape: tuple[int, int, int] = _SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """A ball with a core in noise, and its mask; in a file's axis order."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    mask = (radius < 0.75).astype(np.uint8) + (radius < 0.4)
    image = 100 + 80 * mask + rng.normal(0, 10, shape)
    return image.astype(np.float32), mask.astype(np.uint8)


def _save(path: Path, data: np.ndarray, affine: np.ndarray = _AFFINE) -> str:
    nib.save(nib.Nifti1Image(data, affine), path)
    return path.name


def _usual(
    folder: Path,
    image: Callable[[np.ndarray], np.ndarray] = lambda a: a,
    mask: Callable[[np.ndarray], np.ndarray] = lambda m: m,
    slices: str = "2;3",
) -> list[Row]:
    """One labelled scan, one without labels, one to test on; the first one changed."""
    rows = []
    for number, (name, split) in enumerate((("a", "train"), ("b", "train"), ("c", "test"))):
        scan, labels = _scan(number)
        changed = number == 0
        one = _save(folder / f"{name}.nii.gz", image(scan) if changed else scan)
        two = _save(folder / f"{name}_mask.nii.gz", mask(labels) if changed else labels)
        labelled = split == "train" and changed
        rows.append((one, two if labelled or split == "test" else "", slices * labelled, split))
    return rows


def _all() -> Iterator[Odd]:
    """Every odd cohort; the first sixteen are those of the promise."""

    def with_image(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], list[Row]]:
        return lambda folder: _usual(folder, image=change)

    def with_mask(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], list[Row]]:
        return lambda folder: _usual(folder, mask=change)

    def put(where: tuple[object, ...], value: float) -> Callable[[np.ndarray], np.ndarray]:
        def change(scan: np.ndarray) -> np.ndarray:
            scan[where] = value
            return scan

        return change

    yield Odd("NaN voxels", with_image(put((slice(3), slice(3)), np.nan)))
    yield Odd("infinite voxels", with_image(put((0, 0), np.inf)))
    yield Odd("nothing but NaN", with_image(lambda a: np.full_like(a, np.nan)))
    yield Odd("constant", with_image(np.ones_like))
    yield Odd("one slice", lambda f: _shaped(f, (24, 20, 1), "0"))
    yield Odd("smaller than a patch", lambda f: _shaped(f, (7, 5, 3), "1"))
    yield Odd("4D, two channels", lambda f: _channels(f, 2))
    yield Odd("4D, twelve volumes", lambda f: _channels(f, 12), "12 volumes")
    yield Odd("RGB pictures", _pictures)
    yield Odd("RGB voxels", _rgb_voxels, "3 channels")
    yield Odd("background only", with_mask(np.zeros_like), "background")
    yield Odd("gaps in ids", with_mask(_renumber(4, 255)), ids=frozenset({4, 255}))
    ids = frozenset({300, 70000})
    yield Odd("ids above 65535", with_mask(_renumber(300, 70000, np.int32)), ids=ids)
    yield Odd("cropped mask", with_mask(lambda m: m[:-1]))
    yield Odd("mask of larger voxels", _coarse, "its image")
    yield Odd("mask elsewhere", _elsewhere, "its image")
    yield Odd("channels that differ", _mixed_channels, "channel")
    yield Odd("no background", with_mask(lambda m: np.where(m == 0, 1, m).astype(np.uint8)))
    yield Odd("one labelled voxel", with_mask(_one_voxel), ids=frozenset({1}))
    yield Odd("huge values", with_image(lambda a: a * np.float32(1e30)))
    yield Odd("a line of voxels", lambda f: _shaped(f, (40, 1, 1), "0"))
    yield Odd("a picture of one pixel", _one_pixel, ids=frozenset({1}))
    yield Odd("a slice that is not there", lambda f: _usual(f, slices="2;99"), "no slice 99")
    yield Odd("probabilities as mask", with_mask(lambda m: m * np.float32(0.3)), "whole")
    yield Odd("negative ids", with_mask(lambda m: m.astype(np.int16) - 1), "negative")


def _renumber(shell: int, core: int, dtype: type = np.uint8) -> Callable[[np.ndarray], np.ndarray]:
    return lambda mask: np.choose(mask, (0, shell, core)).astype(dtype)


def _one_voxel(mask: np.ndarray) -> np.ndarray:
    only = np.zeros_like(mask)
    only[12, 10, 3] = 1
    return only


def _shaped(folder: Path, shape: tuple[int, int, int], slices: str) -> list[Row]:
    rows = []
    for number, split in enumerate(("train", "train", "test")):
        scan, mask = _scan(number, shape)
        mask[shape[0] // 2, shape[1] // 2, shape[2] // 2] = 1
        names = _save(folder / f"{number}.nii", scan), _save(folder / f"{number}_mask.nii", mask)
        rows.append((*names, slices if number == 0 else "", split))
    rows[1] = (rows[1][0], "", "", "train")
    return rows


def _channels(folder: Path, count: int) -> list[Row]:
    rows = _usual(folder)
    for image, *_ in rows:
        scan, _ = _scan()
        stacked = np.stack([scan * (1 + number) for number in range(count)], -1)
        _save(folder / image, stacked)
    return rows


def _mixed_channels(folder: Path) -> list[Row]:
    rows = _usual(folder)
    scan, _ = _scan()
    _save(folder / rows[1][0], np.stack([scan, scan], -1))
    return rows


def _elsewhere(folder: Path) -> list[Row]:
    rows = _usual(folder)
    moved = _AFFINE.copy()
    moved[0, 3] += 40
    _save(folder / rows[0][1], _scan()[1], moved)
    return rows


def _coarse(folder: Path) -> list[Row]:
    rows = _usual(folder)
    _save(folder / rows[0][1], _scan()[1][::2], _AFFINE @ np.diag([2.0, 1, 1, 1]))
    return rows


def _pictures(folder: Path) -> list[Row]:
    rows: list[Row] = []
    for number, split in enumerate(("train", "train", "test")):
        scan, mask = _scan(number)
        plane = np.clip(scan[..., 3], 0, 255).astype(np.uint8)
        Image.fromarray(np.stack([plane, plane // 2, plane], -1)).save(folder / f"{number}.png")
        Image.fromarray(mask[..., 3]).save(folder / f"{number}_mask.png")
        labels = f"{number}_mask.png" if number != 1 else ""
        rows.append((f"{number}.png", labels, "all" if number == 0 else "", split))
    return rows


def _one_pixel(folder: Path) -> list[Row]:
    rows: list[Row] = []
    for number, split in enumerate(("train", "test")):
        Image.fromarray(np.full((1, 1), 200, np.uint8)).save(folder / f"{number}.png")
        Image.fromarray(np.full((1, 1), 1, np.uint8)).save(folder / f"{number}_mask.png")
        rows.append((f"{number}.png", f"{number}_mask.png", "all" * (number == 0), split))
    return rows


def _rgb_voxels(folder: Path) -> list[Row]:
    rows = _usual(folder)
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    _save(folder / rows[0][0], np.zeros(_SHAPE, kind))
    return rows
