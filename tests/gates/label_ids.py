"""Label ids through every format: exact in the smallest unsigned type, or refused in one line."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io import read_mask, read_volume, write_mask
from napari_dim.io.dicom.seg_reader import read_dicom_seg
from napari_dim.io.export.surfaces import write_surfaces
from napari_dim.io.formats import WRITERS
from napari_dim.volume import Grid, Volume
from tests.dicoms import write_series

PROMISE = "Label ids come back exactly, in the smallest type that holds them, or are refused"
QUICK, FULL = 4, 200
LIMIT = 3600

SHAPE = (5, 12, 14)
MOST = {"png": 65535, "pngs": 65535, "tiff": 2**32 - 1}
"""The largest id that a format holds, where there is one."""


def run(count: int) -> str:
    """Write and read `count` sets of ids in each format; the first is {1, 4, 255, 300, 70000}."""
    exact = refused = 0
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # highdicom's opinions on names of patients
        folder = Path(name)
        rng = np.random.default_rng(0)
        data = rng.integers(0, 900, SHAPE[::-1]).astype(np.int16)
        write_series(folder / "series", data, np.diag([-0.8, -0.9, 2.5, 1.0]))
        scan = read_volume(folder / "series")
        flat = Volume(scan.array[:1], Grid.of_picture(*SHAPE[1:]), kind="picture")
        for number in range(count):
            ids = np.array([1, 4, 255, 300, 70000]) if number == 0 else _ids(rng)
            for form in WRITERS:
                if not form.write_mask:
                    continue
                volume = flat if form.key in ("png", "pngs") else scan
                mask = np.where(
                    rng.random(volume.grid.shape) < 0.5, 0, rng.choice(ids, volume.grid.shape)
                )
                path = folder / f"mask{number}{form.written[0]}"
                if ids.max() > MOST.get(form.key, 2**64):
                    _refused(path, mask, volume, form.key)
                    refused += 1
                    continue
                _exact(path, mask, volume, form.key)
                exact += 1
    kinds = len([form for form in WRITERS if form.write_mask])
    return f"{count} id sets in {kinds} formats: {exact} exact, {refused} refused in one line"


def _ids(rng: np.random.Generator) -> np.ndarray:
    """A few ids around the ends of the types."""
    edges = [255, 256, 257, 32767, 32768, 65535, 65536, 70000, 2**24 + 1, 2**31, 2**32 - 1]
    near = rng.choice(edges, int(rng.integers(0, 4)), replace=False)
    return np.unique([*rng.integers(1, 400, int(rng.integers(1, 5))), *near]).astype(np.int64)


def _exact(path: Path, mask: np.ndarray, volume: Volume, key: str) -> None:
    if key in ("stl", "stl-smooth"):
        # No ids in the file: one file for each, named after it.
        made = write_surfaces(path, mask, volume, smooth=key == "stl-smooth")
        present = [int(i) for i in np.unique(mask) if i]
        names = {p.stem.split("_class-")[-1] for p in made} if len(made) > 1 else set()
        assert len(made) == len(present)
        assert not names or names == {str(i) for i in present}, (names, present)
        return
    written = write_mask(path, mask, volume, form=key)
    if key == "csv":
        rows = [line.split(",") for line in written.read_text(encoding="utf-8").splitlines()[1:]]
        told = {int(row[0]): int(row[-1]) for row in rows if row[2] == "all"}
        ids, counts = np.unique(mask[mask > 0], return_counts=True)
        assert told == dict(zip(ids.tolist(), counts.tolist(), strict=True)), (told, ids)
        return
    if key == "dicom-seg":
        back = read_dicom_seg(written, volume).ids
    elif key == "tiff":
        import tifffile

        with tifffile.TiffFile(written) as file:
            back = np.stack([page.asarray() for page in file.pages])
    else:
        back = read_mask(written, volume)
    np.testing.assert_array_equal(back, mask)
    smallest = np.min_scalar_type(int(mask.max()))
    assert back.dtype == smallest, (key, back.dtype, smallest)


def _refused(path: Path, mask: np.ndarray, volume: Volume, key: str) -> None:
    path.unlink(missing_ok=True)
    text = ""
    try:
        write_mask(path, mask, volume, form=key)
    except InputError as error:
        text = str(error)
    if mask.max() <= MOST[key]:  # the largest id happens not to be drawn
        return
    assert text, f"{key} took id {mask.max()}"
    assert "\n" not in text
    assert not path.exists()
