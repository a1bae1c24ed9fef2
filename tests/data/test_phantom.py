from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_dim.data.cohort import read_cohort
from napari_dim.data.load import load_reference, load_training
from napari_dim.data.phantom import CHAMBER, ORGAN, SCANNERS, make_case, make_phantom
from napari_dim.errors import InputError
from napari_dim.io import hash_file, read_mask, read_volume

SAMPLE = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_phantom(tmp_path_factory.mktemp("phantom"))


def test_the_cohort_covers_all_sites_and_labels_one_case(made):
    cohort = read_cohort(made)
    for split in ("train", "test"):
        assert {row.site for row in cohort.split(split)} == {"A", "B", "C", "D"}
    labelled = [row for row in cohort.cases if row.slices]
    assert [(row.site, row.split, len(row.slices)) for row in labelled] == [("A", "train", 6)]
    cases = load_training(cohort)
    assert set(np.unique(cases[0].mask)) == {0, ORGAN, CHAMBER}
    # One of the labelled slices shows background alone: the organ's end is learnt too.
    assert 0 in cases[0].mask[cases[0].labelled].max(axis=(1, 2))


def test_it_is_small(made):
    assert sum(path.stat().st_size for path in made.parent.iterdir()) < 5_000_000


def test_geometries_differ(made):
    volumes = [read_volume(row.image) for row in read_cohort(made).cases]
    affines = [volume.grid.file_affine[:3, :3] for volume in volumes]
    assert any(np.linalg.det(affine) < 0 for affine in affines)
    assert any(np.linalg.det(affine) > 0 for affine in affines)
    assert any((np.abs(affine) > 1e-3).sum() > 3 for affine in affines)
    assert {volume.grid.slice_axis for volume in volumes} == {0, 2}
    for volume in volumes:
        assert volume.spacing[0] > 2 * volume.spacing[1]
        assert not volume.warnings


def test_chambers_lie_inside_organs_and_cases_differ(made):
    masks = []
    for row in read_cohort(made).cases:
        volume, mask = load_reference(row)
        assert volume.array.dtype == np.int16
        assert (mask == ORGAN).sum() > 1000
        assert (mask == CHAMBER).sum() > 300
        slices = np.flatnonzero(mask.any(axis=(1, 2)))
        assert slices[0] > 0
        assert slices[-1] < len(mask) - 1
        # In plane, nothing but organ touches a chamber.
        chamber = mask == CHAMBER
        for axis in (1, 2):
            for step in (-1, 1):
                assert (np.roll(mask, step, axis)[chamber] != 0).all()
        masks.append(mask)
    same = [m for m in masks if m.shape == masks[0].shape]
    for other in same[1:]:
        both = ((masks[0] > 0) & (other > 0)).sum()
        assert 2 * both / ((masks[0] > 0).sum() + (other > 0).sum()) < 0.9


def test_a_threshold_does_not_find_the_organ(made):
    """Look-alikes have the same signal: intensity alone must not solve the task."""
    volume, mask = load_reference(read_cohort(made).cases[0])
    smooth = volume.array.astype(float)
    best = 0.0
    for low in np.percentile(smooth, np.arange(50, 100, 2)):
        found = smooth > low
        best = max(best, 2 * (found & (mask > 0)).sum() / (found.sum() + (mask > 0).sum()))
    assert best < 0.8


def test_the_same_seed_gives_the_same_case_and_another_does_not():
    scanner = SCANNERS[3]
    first, mask = make_case(scanner, np.random.default_rng([0, 6]))
    again, _ = make_case(scanner, np.random.default_rng([0, 6]))
    other, _ = make_case(scanner, np.random.default_rng([1, 6]))
    np.testing.assert_array_equal(first.array, again.array)
    np.testing.assert_array_equal(first.grid.file_affine, again.grid.file_affine)
    assert (first.array != other.array).any()
    assert mask.shape == first.array.shape


def test_the_files_in_the_repository_are_what_the_generator_makes(made):
    rows = read_cohort(SAMPLE / "cohort.csv").cases
    assert (SAMPLE / "cohort.csv").read_text() == made.read_text()
    for row in rows:
        ours, stored = read_volume(made.parent / row.image.name), read_volume(row.image)
        np.testing.assert_allclose(ours.grid.file_affine, stored.grid.file_affine, atol=1e-4)
        # Other platforms may round a voxel otherwise.
        assert np.mean(ours.array != stored.array) < 1e-3
        mask = read_mask(row.labels, stored)
        assert np.mean(read_mask(made.parent / row.labels.name, ours) != mask) < 1e-3


def test_a_folder_that_can_not_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="can't be made"):
        make_phantom(tmp_path / "file" / "folder")
    assert hash_file(tmp_path / "file")
