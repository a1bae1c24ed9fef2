from __future__ import annotations

import numpy as np
import pytest

from napari_dim.data.phantom import make_phantom
from napari_dim.errors import InputError
from napari_dim.io import read_mask, read_volume
from napari_dim.project import Project
from napari_dim.project.cohort import read_cohort
from napari_dim.project.fill import add_cohort, add_folder


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_phantom(tmp_path_factory.mktemp("phantom"))


def test_a_cohort_brings_its_labelled_slices_and_no_others(tmp_path, cohort):
    with Project.create(tmp_path / "p") as project:
        cases = add_cohort(project, cohort)
        rows = read_cohort(cohort).cases
        assert [case.name for case in cases] == [row.name for row in rows]
        assert project.sites == tuple(sorted({row.site for row in rows}))
        row = next(row for row in rows if row.slices and row.split == "train")
        found = project.recover(row.name)
        reference = read_mask(row.labels, read_volume(row.image))
        chosen = list(row.slices)
        np.testing.assert_array_equal(found.array[chosen], reference[chosen])
        assert set(np.flatnonzero(project.states(row.name))) == set(chosen)
        assert not found.array[[n for n in range(len(reference)) if n not in chosen]].any()
        assert {info.id for info in project.classes} == set(np.unique(found.array)) - {0}
        tests = [row.name for row in rows if row.split == "test"]
        assert tests
        assert all(project.layers(name) == () for name in tests)


def test_a_folder_brings_its_scans_and_not_its_masks(tmp_path, cohort):
    with Project.create(tmp_path / "p") as project:
        added = add_folder(project, read_cohort(cohort).cases[0].image.parent)
        images = {row.image.name for row in read_cohort(cohort).cases}
        assert {project.image_path(case.name).name for case in added} <= images
        with pytest.raises(InputError, match="no scan"):
            add_folder(project, tmp_path)
