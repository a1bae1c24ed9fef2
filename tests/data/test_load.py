from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_dim.data.cohort import read_cohort
from napari_dim.data.load import load_case, load_cases, load_reference, load_training
from napari_dim.errors import InputError
from napari_dim.states import SliceState

AFFINE = np.diag([1.0, 1, 3, 1])
HEADER = "image,labels,slices,site,split\n"


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    mask = np.ones((6, 7, 5), np.uint8)
    mask[..., 4] = 0
    for name, data in {
        "a": rng.integers(0, 99, (6, 7, 5)).astype(np.int16),
        "b": rng.integers(0, 99, (9, 4, 3)).astype(np.int16),
        "two": rng.integers(0, 99, (6, 7, 5, 2)).astype(np.int16),
        "m": mask,
    }.items():
        nib.Nifti1Image(data, AFFINE).to_filename(tmp_path / f"{name}.nii")
    nib.Nifti1Image(mask, AFFINE * 2).to_filename(tmp_path / "big.nii")
    grey = rng.integers(0, 2, (8, 9)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([grey, grey, 255 - grey])).save(tmp_path / "rgb.png")
    (tmp_path / "broken.nii").write_bytes((tmp_path / "a.nii").read_bytes()[:400])
    return tmp_path


def cohort(folder, rows):
    (folder / "cohort.csv").write_text(HEADER + rows)
    return read_cohort(folder / "cohort.csv")


def test_only_the_listed_slices_of_the_reference_are_kept(folder):
    (row,) = cohort(folder, "a.nii,m.nii,1;4,A,train\n").cases
    case = load_case(row)
    assert (case.name, case.site) == ("a", "A")
    assert case.states.tolist() == [SliceState.UNTOUCHED, 1, 0, 0, SliceState.PAINTED]
    # Slice 4 is confirmed background; slices 0, 2, 3 have a reference that must not be seen.
    assert case.mask.any(axis=(1, 2)).tolist() == [False, True, False, False, False]
    _, reference = load_reference(row)
    assert reference.any(axis=(1, 2)).tolist() == [True, True, True, True, False]


def test_unlabelled_cases_have_no_mask_even_if_a_reference_is_named(folder):
    rows = cohort(folder, "a.nii,m.nii,,A,train\nb.nii,,,B,train\n").cases
    for row in rows:
        case = load_case(row)
        assert case.mask is None
        assert case.labelled.size == 0


def test_all_slices(folder):
    (row,) = cohort(folder, "grey.png,grey.png,all,A,train\n").cases
    case = load_case(row)
    assert case.labelled.tolist() == [0]
    np.testing.assert_array_equal(case.mask, case.volume.array)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.nii,m.nii,5,A,train\n", "row 2: there is no slice 5 in a.nii: its 5 slices"),
        ("a.nii,big.nii,1,A,train\n", "big.nii: the mask's voxels are"),
        ("a.nii,,,A,train\n", "cohort.csv: no slice is labelled"),
        ("a.nii,m.nii,4,A,train\n", "slices hold background alone (a: slice 4)"),
        ("a.nii,m.nii,1,A,test\n", "no train case"),
        ("a.nii,m.nii,1,A,train\nb.nii,,,A,train\ntwo.nii,,,B,train\n",
         "row 4: two.nii is a volume of 2 channels, most others are a volume of 1 channel"),
        ("grey.png,grey.png,all,A,train\nb.nii,,,A,train\na.nii,,,A,train\n", "grey.png is a pict"),
        ("rgb.png,grey.png,all,A,train\ngrey.png,,,A,train\n",
         "row 3: grey.png is a picture of 1 channel, most others are a picture of 3 channels"),
        ("a.nii,m.nii,1,A,train\nbroken.nii,,,A,train\n", "broken.nii: the file is cut off"),
    ],
)  # fmt: skip
def test_faults_are_one_line(folder, rows, message):
    with pytest.raises(InputError) as caught:
        load_training(cohort(folder, rows))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_training_loads_the_training_cases_alone(folder):
    made = cohort(folder, "a.nii,m.nii,1,A,train\nb.nii,,,B,train\nbroken.nii,,,B,test\n")
    assert [case.name for case in load_training(made)] == ["a", "b"]
    with pytest.raises(InputError, match="broken"):
        load_cases(made, "test")


def test_a_reference_is_needed_for_evaluation(folder):
    (row,) = cohort(folder, "a.nii,,,A,test\n").cases
    with pytest.raises(InputError, match="row 2: there is no labels file"):
        load_reference(row)


def pictures(folder, *modes):
    """A cohort of one picture stored in several ways, with its mask."""
    y, x = np.mgrid[:20, :24]
    ids = ((y - 9) ** 2 + (x - 12) ** 2 < 40).astype(np.uint8)
    grey = 60 + 100 * ids
    stored = {
        "L": grey, "RGB": np.dstack([grey] * 3), "colour": np.dstack([grey, grey // 2, 255 - grey]),
        "RGBA": np.dstack([grey] * 3 + [np.full_like(grey, 255)]), "P": grey,
    }  # fmt: skip
    rows = []
    for number, mode in enumerate(modes):
        picture = Image.fromarray(stored[mode])
        (picture.convert("P") if mode == "P" else picture).save(folder / f"x{number}.png")
        Image.fromarray(ids).save(folder / f"m{number}.png")
        rows.append(f"x{number}.png,m{number}.png,all,s,train\n")
    (folder / "c.csv").write_text("image,labels,slices,site,split\n" + "".join(rows))
    return load_training(read_cohort(folder / "c.csv")), grey


@pytest.mark.parametrize("modes", [("L", "L", "RGB", "RGBA"), ("RGB", "RGBA", "L"), ("P", "L")])
def test_grey_stored_as_colour_is_grey_among_grey(tmp_path, modes):
    cases, grey = pictures(tmp_path, *modes)
    for case, mode in zip(cases, modes, strict=True):
        np.testing.assert_array_equal(case.volume.array, grey[None])
        told = any("read as grey" in text for text in case.volume.warnings)
        assert told == (mode != "L")


def test_colour_alone_stays_as_it_is(tmp_path):
    cases, _ = pictures(tmp_path, "RGB", "RGB")
    assert [case.volume.channels for case in cases] == [3, 3]
    assert not any(case.volume.warnings for case in cases)


def scan(folder, name, ids):
    nib.save(nib.Nifti1Image((ids * 9).astype(np.int16), np.diag([1, 1, 3, 1])), folder / name)
    nib.save(nib.Nifti1Image(ids, np.diag([1, 1, 3, 1])), folder / f"m_{name}")


def test_classes_that_no_labelled_slice_shows_are_told(tmp_path):
    ids = np.zeros((6, 6, 8), np.uint8)
    ids[1:3, 1:3, 2:5] = 1
    ids[4:5, 4:5, [3, 6, 7]] = 2
    scan(tmp_path, "a.nii", ids)
    text = "image,labels,slices,site,split\na.nii,m_a.nii,{},s,train\n"
    (tmp_path / "c.csv").write_text(text.format("2;4"))
    (case,) = load_training(read_cohort(tmp_path / "c.csv"))
    told = (
        "class 2 is in no labelled slice and is not learnt; its mask shows it in slices 3, 6 to 7"
    )
    assert case.volume.warnings == (told,)
    (tmp_path / "c.csv").write_text(text.format("2;3"))
    (case,) = load_training(read_cohort(tmp_path / "c.csv"))
    assert case.volume.warnings == ()
    (tmp_path / "c.csv").write_text(text.format("0"))
    with pytest.raises(
        InputError, match=r"background alone \(a: .*\)\. The mask of a shows .* slices 2 to 4, 6"
    ):
        load_training(read_cohort(tmp_path / "c.csv"))


def test_classes_taught_by_another_case_are_not_remarked_on(tmp_path):
    ids = np.zeros((6, 6, 8), np.uint8)
    ids[1:3, 1:3, 2:5] = 1
    ids[4:5, 4:5, 6] = 2
    for name in ("a.nii", "b.nii"):
        scan(tmp_path, name, ids)
    rows = "a.nii,m_a.nii,2,s,train\nb.nii,m_b.nii,6,s,train\n"
    (tmp_path / "c.csv").write_text("image,labels,slices,site,split\n" + rows)
    cases = load_training(read_cohort(tmp_path / "c.csv"))
    assert not any(case.volume.warnings for case in cases)
