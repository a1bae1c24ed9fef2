from __future__ import annotations

from pathlib import Path

import pytest

from napari_dim.data.case_names import distinct_names


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (["a.nii.gz", "b.nii.gz"], ["a", "b"]),
        (["s1/T1w.nii.gz", "s2/T1w.nii.gz"], ["s1_T1w", "s2_T1w"]),
        (["s1/anat/T1w.nii", "s2/anat/T1w.nii", "s2/anat/x.nii"], ["s1_T1w", "s2_T1w", "x"]),
        (["s1/e1/i.png", "s1/e2/i.png", "s2/e1/i.png"], ["s1_e1_i", "s1_e2_i", "s2_e1_i"]),
        (["p/i.png", "p/q/i.png"], ["i", "q_i"]),
        (["one/A.nii", "two/a.nii"], ["one_A", "two_a"]),
        (["d/a.nii.gz", "d/a.png"], ["a.nii.gz", "a.png"]),
        (["x/T.nii", "y/T.nii", "z/x_T.nii"], ["x_x_T", "y_T", "z_x_T"]),
        (["p 1/CT", "p 2/CT"], ["p-1_CT", "p-2_CT"]),
    ],
)
def test_names_are_short_and_distinct(images, names):
    assert distinct_names([Path(image) for image in images]) == names


def test_parts_of_one_file():
    images = [Path("d/4d.nii.gz")] * 3
    assert distinct_names(images, ["0", "1", "simpleitk:2"]) == ["4d_0", "4d_1", "4d_simpleitk-2"]


def test_names_never_clash():
    images = [Path(f"{a}/{b}_{c}/{d}.nii") for a in "xy" for b in "xy" for c in "xy" for d in "xy"]
    images += [Path(f"{a}_{b}/{c}_{d}.nii") for a in "xy" for b in "xy" for c in "xy" for d in "xy"]
    names = distinct_names(images)
    assert len({name.lower() for name in names}) == len(images)
