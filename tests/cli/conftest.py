"""A tiny cohort, and the command line called as a function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_dim.cli import main

SHAPE = (28, 24, 6)
AFFINE = np.array(
    [[1.2, 0.1, 0.0, -10.0], [-0.1, 1.2, 0.3, 4.0], [0.0, -0.1, 3.0, 7.0], [0, 0, 0, 1.0]]
)


@dataclass
class Result:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on standard error."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, f"not one line: {lines}"
        return lines[0]


@pytest.fixture
def cli(capsys):
    """Run a command in this process."""

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


def write_case(folder: Path, name: str, seed: int, shape=SHAPE, affine=AFFINE) -> None:
    """A bright ellipsoid with a brighter core on noise, and its mask."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    distance = np.sqrt(((grid - random.uniform(-0.1, 0.1, (3, 1, 1, 1))) ** 2).sum(0))
    mask = (distance < 0.7).astype(np.uint8) + (distance < 0.35)
    image = 100 + 80 * mask + random.normal(0, 12, shape)
    for suffix, data in (("", image.astype(np.int16)), ("_mask", mask)):
        nib.save(nib.Nifti1Image(data, affine), folder / f"{name}{suffix}.nii.gz")


def write_cohort(folder: Path) -> Path:
    """Two training cases, one of them with two labelled slices, and one test case."""
    for seed, name in enumerate(("one", "two", "three")):
        write_case(folder, name, seed)
    path = folder / "cohort.csv"
    path.write_text(
        "image,labels,slices,site,split\n"
        "one.nii.gz,one_mask.nii.gz,2;3,north,train\n"
        "two.nii.gz,,,south,train\n"
        "three.nii.gz,three_mask.nii.gz,,south,test\n"
    )
    return path


@pytest.fixture
def cohort(tmp_path) -> Path:
    """The cohort in a folder of its own."""
    folder = tmp_path / "data"
    folder.mkdir()
    return write_cohort(folder)


@pytest.fixture
def small(tmp_path) -> Path:
    """Settings of a training that takes a blink a step."""
    path = tmp_path / "small.toml"
    path.write_text(
        "width = 4\nmin_size = 32\nlabelled_batch = 2\nunlabelled_batch = 2\ncontext = 1\n"
    )
    return path
