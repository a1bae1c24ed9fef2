"""Sound files for the gate of corrupt files: those that the packages ship, and some made here.

They are the same on every machine, but for the times and random names that runs and projects
write down, and so are the mutants. Files from elsewhere make seeds of their own, see
`from_elsewhere`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np

from napari_dim.volume import Volume
from tests.cases import case, ellipsoid

_LARGEST = 200_000
"""Real files larger than this many bytes only slow the gate down."""


@dataclass(frozen=True)
class Seed:
    """A sound thing to open.

    Attributes
    ----------
    name
        What it is.
    files
        Its files, by their path in a folder of their own.
    damaged
        Those of them that are damaged, one at a time.
    open
        Opens what lies in the folder that it is given.
    """

    name: str
    files: dict[str, bytes]
    damaged: tuple[str, ...]
    open: Callable[[Path], None]


def seeds() -> list[Seed]:
    """The seeds that are opened in this process, in a fixed order."""
    return [
        *images(), *dicom(), *zarr(), *masks(), *cohorts(), *settings(), *runs(), *projects(),
    ]  # fmt: skip


def from_elsewhere(folder: Path) -> list[Seed]:
    """Every small file of a folder that is of a known format, each alone, in a fixed order.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    from napari_dim.io.formats import known_format

    found = [
        Seed(
            f"elsewhere {path.relative_to(folder).as_posix()}", {path.name: path.read_bytes()},
            (path.name,), _image_and_voxels(path.name),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.stat().st_size < _LARGEST and known_format(path) is not None
    ]  # fmt: skip
    if not found:
        raise FileNotFoundError(f"{folder} holds no small file of a known format")
    return found


def apart() -> list[Seed]:
    """Those that are opened in a process of their own, which takes its time to start."""
    if find_spec("SimpleITK") is None:
        return []
    volume, _ = ellipsoid((3, 12, 10))
    made = _written(volume, "one.nrrd")
    import SimpleITK as sitk  # noqa: N813 - its own habit

    image = sitk.GetImageFromArray(_voxels())
    with TemporaryDirectory() as folder:
        for name in ("packed.mha", "pair.mhd"):
            sitk.WriteImage(image, str(Path(folder) / name), name == "packed.mha")
        files = _files(Path(folder))
    return [
        _one("one.nrrd", made["one.nrrd"]),
        _one("packed.mha", files.pop("packed.mha")),
        Seed("image pair.mhd", files, ("pair.mhd",), _image("pair.mhd")),
    ]


def _image(name: str) -> Callable[[Path], None]:
    """Open as `napari-dim info` does: read, then say what it is."""

    def open_(folder: Path) -> None:
        from napari_dim.cli.info import describe
        from napari_dim.io import Glance, read_volume

        describe(Glance.at(read_volume(folder / name)))

    return open_


def _one(name: str, data: bytes, what: str = "image") -> Seed:
    return Seed(f"{what} {name}", {name: data}, (name,), _image(name))


def images() -> Iterator[Seed]:
    """NIfTI of all kinds, and pictures."""
    ships = Path(nib.__file__).parent / "tests" / "data"
    for name in ("anatomical.nii", "functional.nii", "example_nifti2.nii.gz", "example4d.nii.gz"):
        if (ships / name).is_file() and (ships / name).stat().st_size < _LARGEST:
            yield _one(name, (ships / name).read_bytes(), "shipped")
    yield from _made_nifti()
    yield from _made_pictures()


def _made_nifti() -> Iterator[Seed]:
    voxels = _voxels()
    affine = np.array([[-1, 0.1, 0, 5], [0.1, 1, 0.2, -4], [0, -0.2, 3, 7], [0, 0, 0, 1.0]])
    for cls, name in ((nib.Nifti1Image, "one.nii"), (nib.Nifti2Image, "two.nii.gz")):
        yield _one(name, _nifti(cls(voxels, affine), name))
    scaled = nib.Nifti1Image(voxels.astype(np.float32) * 0.37, affine)
    scaled.header.set_slope_inter(0.5, -3)
    yield _one("scaled.nii", _nifti(scaled, "scaled.nii"))
    channels = np.stack([voxels, voxels + 1], -1)
    yield _one("channels.nii", _nifti(nib.Nifti1Image(channels, affine), "channels.nii"))
    pair = nib.Nifti1Pair(voxels, affine)
    maps = nib.Nifti1Pair.make_file_map({"header": io.BytesIO(), "image": io.BytesIO()})
    pair.to_file_map(maps)
    files = {
        "pair.hdr": maps["header"].fileobj.getvalue(),
        "pair.img": maps["image"].fileobj.getvalue(),
    }
    yield Seed("image pair", files, ("pair.hdr", "pair.img"), _image("pair.hdr"))


def _made_pictures() -> Iterator[Seed]:
    import tifffile
    from PIL import Image

    plane = _voxels()[:, :, 2]
    colours = np.stack([plane, plane // 2, 255 - plane], -1).astype(np.uint8)
    pictures = {
        "grey.png": Image.fromarray(plane.astype(np.uint8)),
        "deep.png": Image.fromarray(plane.astype(np.uint16) * 200),
        "colour.png": Image.fromarray(colours),
        "palette.png": Image.fromarray(colours).quantize(8),
        "colour.jpg": Image.fromarray(colours),
    }
    for name, picture in pictures.items():
        stream = io.BytesIO()
        picture.save(stream, format="JPEG" if name.endswith("jpg") else "PNG")
        yield _one(name, stream.getvalue())
    for name, options in {
        "plain.tif": {},
        "tiled.tif": {"tile": (16, 16)},
        "packed.tif": {"compression": "zlib"},
        "colour.tif": {"photometric": "rgb"},
    }.items():
        stream = io.BytesIO()
        data = colours if "colour" in name else plane.astype(np.uint16)
        tifffile.imwrite(stream, data, **options)
        yield _one(name, stream.getvalue())
    stream = io.BytesIO()
    Image.fromarray(plane.astype(np.uint8)).save(stream, format="TIFF", compression="tiff_lzw")
    yield _one("lzw.tif", stream.getvalue())


def dicom() -> Iterator[Seed]:
    """Series, multi-frame files and segmentations; those that pydicom ships, as well."""
    if find_spec("pydicom") is None:
        return
    import pydicom

    from napari_dim.io import read_mask, read_volume, write_mask
    from tests.dicoms import write_enhanced, write_series

    ships = Path(pydicom.__file__).parent / "data" / "test_files"
    small = [path for path in sorted(ships.glob("*.dcm")) if path.stat().st_size < _LARGEST // 4]
    for path in small[::3]:
        yield _one(path.name, path.read_bytes(), "shipped")
    affine = np.diag([-1.0, -1.0, 3.0, 1.0])
    with TemporaryDirectory() as place:
        folder = Path(place)
        write_series(folder / "series", _voxels()[:, :, :3], affine)
        files = _files(folder)
        yield Seed("image DICOM series", files, tuple(files), _image("series"))
        path = write_enhanced(folder / "many.dcm", _voxels()[:, :, :3], affine)
        yield _one("many.dcm", path.read_bytes())
        if find_spec("highdicom") is None:
            return
        volume = read_volume(folder / "series")
        mask = (volume.array > 128).astype(np.uint8)
        written = _the_same_every_time(write_mask(folder / "mask.dcm", mask, volume))

    def open_(folder: Path) -> None:
        read_mask(folder / "mask.dcm", volume)

    yield Seed("mask DICOM-SEG", {"mask.dcm": written}, ("mask.dcm",), open_)


def _the_same_every_time(path: Path) -> bytes:
    """A DICOM file without the numbers that are drawn, and the times, when it is written."""
    import pydicom

    data = pydicom.dcmread(path)
    drawn: dict[str, str] = {}
    fixed = {"DA": "20260101", "TM": "120000", "DT": "20260101120000"}

    def settle(_: pydicom.Dataset, element: pydicom.DataElement) -> None:
        if element.VR == "UI" and str(element.value).startswith("1.2.826.0.1.3680043.10.511."):
            element.value = drawn.setdefault(str(element.value), f"2.25.{1000 + len(drawn)}")
        elif element.VR in fixed and element.value:
            element.value = fixed[element.VR]

    data.walk(settle)
    data.file_meta.walk(settle)
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def zarr() -> Iterator[Seed]:
    """A group of OME-Zarr, each of its files damaged in turn."""
    if find_spec("zarr") is None:
        return
    volume, _ = ellipsoid((3, 12, 10))
    files = _written(volume, "one.zarr")
    yield Seed("image one.zarr", files, tuple(files), _image_and_voxels("one.zarr"))


def projects() -> Iterator[Seed]:
    """A project with strokes, each of its files damaged in turn."""
    from napari_dim.project import Project
    from napari_dim.project.model import Note, ProjectClass

    _, mask = ellipsoid((4, 20, 16))
    classes = [ProjectClass(id=1, name="shell", colour="#e69f00")]
    with TemporaryDirectory() as place:
        folder = Path(place) / "project"
        with Project.create(folder, classes=classes) as project:
            project.add_case(name="one", site="north")
            project.begin("one", "labels", mask, Note(name="labels", states="0101"))
            for number in range(3):
                project.put("one", "labels", {number: mask[number] + 1}, {"slice": number})
        files = _files(folder)

    def open_(folder: Path) -> None:
        with Project.open(folder, recover=True) as project:
            for case in project.cases:
                for layer in project.layers(case.name):
                    project.recover(case.name, layer)
                    project.states(case.name, layer)

    for name in files:
        if files[name]:
            yield Seed(f"project {Path(name).name}", files, (name,), open_)


def _written(volume: Volume, name: str) -> dict[str, bytes]:
    """The files that an image becomes."""
    from napari_dim.io import write_image

    with TemporaryDirectory() as folder:
        write_image(Path(folder) / name, volume)
        return _files(Path(folder))


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _image_and_voxels(name: str) -> Callable[[Path], None]:
    """As `_image`, for volumes whose voxels are read when they are needed."""

    def open_(folder: Path) -> None:
        from napari_dim.io import read_volume

        np.asarray(read_volume(folder / name).array)

    return open_


def masks() -> Iterator[Seed]:
    """Masks, on the image that they were made for."""
    volume, mask = ellipsoid((5, 24, 20))
    affine = volume.grid.file_affine
    for name, dtype in (("mask.nii.gz", np.uint8), ("mask.nii", np.uint16)):
        values = volume.grid.to_file(mask).astype(dtype)

        def open_(folder: Path, name: str = name) -> None:
            from napari_dim.io import read_mask

            read_mask(folder / name, volume)

        data = _nifti(nib.Nifti1Image(values, affine), name)
        yield Seed(f"mask {name}", {name: data}, (name,), open_)
    from PIL import Image

    from napari_dim.volume import Grid, Volume

    stream = io.BytesIO()
    Image.fromarray(mask[2]).save(stream, format="PNG")
    picture = Volume(mask[2:3], Grid.of_picture(*mask.shape[1:]), kind="picture")

    def open_picture(folder: Path) -> None:
        from napari_dim.io import read_mask

        read_mask(folder / "mask.png", picture)

    yield Seed("mask mask.png", {"mask.png": stream.getvalue()}, ("mask.png",), open_picture)


def cohorts() -> Iterator[Seed]:
    """A cohort with its files; the table is damaged, or one of the files that it names."""
    files = {}
    for name, seed in (("a", 0), ("b", 1)):
        volume, mask = ellipsoid((4, 20, 16), seed=seed)
        for suffix, array in (("", volume.array), ("_mask", mask)):
            image = nib.Nifti1Image(volume.grid.to_file(array), volume.grid.file_affine)
            files[f"{name}{suffix}.nii.gz"] = _nifti(image, ".nii.gz")
    for delimiter in (",", ";", "\t"):
        slices = '"1;2"' if delimiter == ";" else "1;2"
        rows = [
            ["image", "labels", "slices", "site", "split", "note"],
            ["a.nii.gz", "a_mask.nii.gz", slices, "north", "train", "x"],
            ["b.nii.gz", "", "", "south", "train", ""],
        ]
        table = "\n".join(delimiter.join(row) for row in rows) + "\n"
        whole = {**files, "cohort.csv": table.encode()}
        yield Seed(f"cohort {delimiter!r}", whole, ("cohort.csv",), _open_cohort)
    yield Seed("cohort files", whole, tuple(files), _open_cohort)


def _open_cohort(folder: Path) -> None:
    from napari_dim.data.cohort import read_cohort
    from napari_dim.data.load import load_training

    load_training(read_cohort(folder / "cohort.csv"))


def settings() -> Iterator[Seed]:
    """Files of settings."""
    from napari_dim.config import Settings

    values = Settings.make(steps=3, regions=((1, 2), (2,))).model_dump(mode="json")
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]
    texts = {"settings.json": json.dumps(values, indent=2), "settings.toml": "\n".join(lines)}
    for name, text in texts.items():

        def open_(folder: Path, name: str = name) -> None:
            Settings.from_file(folder / name)

        yield Seed(f"settings {name}", {name: text.encode()}, (name,), open_)


def runs() -> Iterator[Seed]:
    """A run folder, each of its files damaged in turn."""
    files = small_run()

    def open_(folder: Path) -> None:
        from napari_dim.engine.inference.trained_model import Model

        Model.load(folder)

    read = tuple(n for n in files if n.endswith((".json", ".safetensors")))
    for name in read:
        yield Seed(f"run {name}", files, (name,), open_)


@cache
def small_run() -> dict[str, bytes]:
    """The files of a run folder: two steps of a tiny network."""
    from napari_dim.config import Settings
    from napari_dim.engine.training.events import Finished
    from napari_dim.engine.training.loop import Job, train

    small = {
        "threads": 1,
        "width": 4,
        "min_size": 32,
        "labelled_batch": 2,
        "unlabelled_batch": 1,
        "context": 0,
    }
    with TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        job = Job([case()], Settings.make(steps=2, budget=None, device="cpu", **small), run=run)
        *_, last = train(job)
        assert isinstance(last, Finished), last
        return _files(run)


def _voxels() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (16, 20, 5)).astype(np.int16)


def _nifti(image: nib.spatialimages.SpatialImage, name: str) -> bytes:
    import gzip

    data = image.to_bytes()
    return gzip.compress(data, mtime=0) if name.endswith(".gz") else data
