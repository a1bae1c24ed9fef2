from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_dim.data.cohort import read_cohort
from napari_dim.data.working_grid import WorkingGrid, normalised
from napari_dim.engine.evaluation.cohort_scores import METRICS, evaluate
from napari_dim.errors import InputError
from napari_dim.io import hash_file, prediction_name, read_mask, read_volume, write_mask

HEADER = "image,labels,slices,site,split\n"
AFFINE = np.diag([0.5, 0.5, 3, 1])


@pytest.fixture
def cohort(tmp_path):
    """Three test cases at two sites and one for training; class 2 is in the first alone."""
    rng = np.random.default_rng(0)
    rows = []
    for number, (site, split) in enumerate(
        [("A", "test"), ("A", "test"), ("B", "test"), ("A", "train")]
    ):
        image = rng.integers(0, 99, (10, 12, 6)).astype(np.int16)
        mask = np.zeros((10, 12, 6), np.uint8)
        mask[2:7, 3:9, 1:4] = 1
        if number == 0:
            mask[3:5, 4:6, 2] = 2
        nib.Nifti1Image(image, AFFINE).to_filename(tmp_path / f"c{number}.nii.gz")
        nib.Nifti1Image(mask, AFFINE).to_filename(tmp_path / f"m{number}.nii.gz")
        rows.append(f"c{number}.nii.gz,m{number}.nii.gz,,{site},{split}\n")
    (tmp_path / "cohort.csv").write_text(HEADER + "".join(rows))
    return read_cohort(tmp_path / "cohort.csv")


def predict(cohort, folder, change, split="test"):
    folder.mkdir(exist_ok=True)
    for number, row in enumerate(cohort.split(split)):
        volume = read_volume(row.image)
        mask = change(number, read_mask(row.labels, volume))
        write_mask(folder / prediction_name(row.image), mask, volume)
    return folder


def test_perfect_predictions(cohort, tmp_path):
    report = evaluate(cohort, predict(cohort, tmp_path / "p", lambda _, mask: mask))
    assert list(report) == ["cases", "by_site", "mean", "distance_unit", "merged"]
    assert report["distance_unit"] == "mm"
    assert [case["case"] for case in report["cases"]] == ["c0", "c1", "c2"]
    for case in report["cases"]:
        assert set(case) == {"case", "site", "split", "classes"}
        assert list(case["classes"]) == ["1", "2"]
        assert tuple(case["classes"]["1"]) == METRICS
        assert case["classes"]["1"] == dict(zip(METRICS, (1, 1, 0, 0), strict=True))
    # Class 2 is nowhere in the second and third case: right, but without distances.
    assert report["cases"][1]["classes"]["2"] == dict(zip(METRICS, (1, 1, None, None), strict=True))
    assert report["mean"]["classes"]["2"]["nulls"] == 2
    assert report["mean"]["nulls"] == 2
    assert report["by_site"]["B"]["classes"]["2"]["hd95_mm"] is None
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_oblong_pixels_reach_the_network_and_the_metrics(tmp_path):
    """Columns three times as far apart as rows: a network's pixel is square, distances in mm."""
    affine = np.diag([1.5, 0.5, 4.0, 1.0])
    mask = np.zeros((20, 60, 5), np.uint8)
    mask[6:12, 18:36, 1:4] = 1
    nib.Nifti1Image(mask.astype(np.int16) * 50, affine).to_filename(tmp_path / "a.nii")
    nib.Nifti1Image(mask, affine).to_filename(tmp_path / "m.nii")
    (tmp_path / "cohort.csv").write_text(HEADER + "a.nii,m.nii,,A,test\n")
    cohort = read_cohort(tmp_path / "cohort.csv")
    volume = read_volume(tmp_path / "a.nii")
    assert volume.spacing == (4.0, 0.5, 1.5)
    grid = WorkingGrid.fit([volume], min_size=16, max_size=64)
    rows, columns = grid.shape(volume)
    assert rows == columns  # 30 mm x 30 mm
    shape = normalised(volume, (rows, columns))[2, 0] > 0
    inside = np.argwhere(shape.numpy())
    assert np.ptp(inside[:, 0]) == pytest.approx(np.ptp(inside[:, 1]), abs=1.5)
    for axis, step in ((1, 0.5), (2, 1.5)):
        moved = predict(cohort, tmp_path / f"p{axis}", lambda _, m, a=axis: np.roll(m, 1, axis=a))
        scores = evaluate(cohort, moved)["cases"][0]["classes"]["1"]
        assert scores["hd95_mm"] == pytest.approx(step)


def test_means_are_those_of_the_cases(cohort, tmp_path):
    def change(number, mask):
        return np.roll(mask, number, axis=2) if number < 2 else mask * 0

    report = evaluate(cohort, predict(cohort, tmp_path / "p", change))
    dice = [case["classes"]["1"]["dice"] for case in report["cases"]]
    assert dice[0] == 1
    assert 0 < dice[1] < 1
    assert dice[2] == 0
    ones = report["mean"]["classes"]["1"]
    assert ones["dice"] == pytest.approx(np.mean(dice))
    assert (ones["cases"], ones["nulls"]) == (3, 1)
    # The case without a distance is left out of the mean, and counted.
    distances = [case["classes"]["1"]["hd95_mm"] for case in report["cases"]]
    assert distances[2] is None
    assert distances[1] == pytest.approx(0.5)
    assert ones["hd95_mm"] == pytest.approx(np.mean(distances[:2]))
    site = report["by_site"]["A"]
    assert site["classes"]["1"]["dice"] == pytest.approx(np.mean(dice[:2]))
    overall = np.mean([report["mean"]["classes"][c]["dice"] for c in ("1", "2")])
    assert report["mean"]["dice"] == pytest.approx(overall)
    assert set(report["by_site"]) == {"A", "B"}


def test_a_class_that_is_in_a_prediction_alone_counts_as_wrong(cohort, tmp_path):
    def change(number, mask):
        mask = mask.copy()
        if number == 2:
            mask[0, 0, 0] = 7
        return mask

    report = evaluate(cohort, predict(cohort, tmp_path / "p", change))
    assert [case["classes"]["7"]["dice"] for case in report["cases"]] == [1, 1, 0]


def test_merged_classes_count_as_one(cohort, tmp_path):
    folder = predict(cohort, tmp_path / "p", lambda _, mask: np.minimum(mask, 1))
    apart = evaluate(cohort, folder)
    assert apart["cases"][0]["classes"]["1"]["dice"] < 1
    merged = evaluate(cohort, folder, merges={1: 1, 2: 1})
    assert list(merged["mean"]["classes"]) == ["1"]
    assert merged["mean"]["dice"] == 1


def test_other_splits_and_progress(cohort, tmp_path):
    folder = predict(cohort, tmp_path / "p", lambda _, mask: mask, split="all")
    calls = []
    report = evaluate(cohort, folder, split="all", progress=lambda *done: calls.append(done))
    assert len(report["cases"]) == 4
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [case["split"] for case in evaluate(cohort, folder, split="train")["cases"]] == ["train"]


def test_pictures_are_measured_in_pixels(tmp_path):
    mask = np.zeros((20, 20), np.uint8)
    mask[5:10, 5:10] = 1
    Image.fromarray(mask * 90).save(tmp_path / "eye.jpg")
    Image.fromarray(mask).save(tmp_path / "m.png")
    Image.fromarray(np.roll(mask, 2, axis=1)).save(tmp_path / "eye_dim.png")
    (tmp_path / "cohort.csv").write_text(HEADER + "eye.jpg,m.png,,A,test\n")
    report = evaluate(read_cohort(tmp_path / "cohort.csv"), tmp_path)
    assert report["distance_unit"] == "pixel"
    assert report["mean"]["classes"]["1"]["hd95_mm"] == 2


def test_faults_are_one_line(cohort, tmp_path):
    folder = predict(cohort, tmp_path / "p", lambda _, mask: mask)
    (folder / "c1_dim.nii.gz").unlink()
    with pytest.raises(InputError, match=r"row 3: there is no prediction c1_dim\.nii\.gz"):
        evaluate(cohort, folder)
    wrong = nib.Nifti1Image(np.zeros((10, 12, 6), np.uint8), AFFINE * 1.5)
    wrong.to_filename(folder / "c1_dim.nii.gz")
    with pytest.raises(InputError, match=r"c1_dim\.nii\.gz: the mask's voxels are"):
        evaluate(cohort, folder)


def test_two_images_of_one_name_have_two_predictions(tmp_path):
    for site in "AB":
        (tmp_path / site).mkdir()
        nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), AFFINE).to_filename(
            tmp_path / site / "x.nii"
        )
    nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), AFFINE).to_filename(tmp_path / "A_x_dim.nii")
    rows = "A/x.nii,A/x.nii,,A,test\nB/x.nii,B/x.nii,,B,test\n"
    (tmp_path / "cohort.csv").write_text(HEADER + rows)
    with pytest.raises(InputError, match=r"no prediction B_x_dim\.nii\.gz"):
        evaluate(read_cohort(tmp_path / "cohort.csv"), tmp_path)


def test_merges_are_recorded_and_must_name_classes(cohort, tmp_path):
    folder = predict(cohort, tmp_path / "p", lambda _, mask: mask)
    report = evaluate(cohort, folder, merges={2: 1})
    assert report["merged"] == {"2": 1}
    assert list(report["mean"]["classes"]) == ["1"]
    assert evaluate(cohort, folder)["merged"] == {}
    told = r"^no mask holds class 9, which is to be merged\. The classes are 1, 2"
    with pytest.raises(InputError, match=told):
        evaluate(cohort, folder, merges={1: 1, 9: 1})


def record(folder, cases):
    """What predict writes beside the masks: (case, image, mask) of each."""
    told = [
        {"case": case, "image": image.name, "sha256": hash_file(image), "mask": mask}
        for case, image, mask in cases
    ]
    (folder / "predictions.json").write_text(json.dumps({"cases": told}))


def test_a_mask_of_another_image_of_the_same_name_is_refused(cohort, tmp_path):
    """Every patient has a T1.nii.gz: the image's hash says whose mask it is."""
    folder = predict(cohort, tmp_path / "p", lambda _, mask: mask)
    images = [row.image for row in cohort.split("test")]
    record(folder, [(f"c{n}", images[n], f"c{n}_dim.nii.gz") for n in (0, 1)]
           + [("c2", images[0], "c2_dim.nii.gz")])  # fmt: skip
    with pytest.raises(InputError, match=r"row 4: c2_dim.nii.gz was predicted from another c2.nii"):
        evaluate(cohort, folder)
    (folder / "predictions.json").unlink()
    assert evaluate(cohort, folder)["mean"]["dice"] == 1


def test_a_mask_that_was_predicted_under_another_name_is_found(cohort, tmp_path):
    folder = predict(cohort, tmp_path / "p", lambda _, mask: mask)
    images = [row.image for row in cohort.split("test")]
    (folder / "c2_dim.nii.gz").rename(folder / "T1_dim.nii.gz")
    record(folder, [("c0", images[0], "c0_dim.nii.gz"), ("c1", images[1], "c1_dim.nii.gz"),
                    ("T1", images[2], "T1_dim.nii.gz")])  # fmt: skip
    assert evaluate(cohort, folder)["mean"]["dice"] == 1


def test_a_folder_that_got_another_file_is_told(cohort, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    mask = np.zeros((20, 24), np.uint8)
    mask[3:9, 4:12] = 1
    for name in "ab":
        Image.fromarray(mask * 90).save(pictures / f"{name}.png")
    nib.Nifti1Image(np.stack([mask.T, mask.T], -1), np.eye(4)).to_filename(tmp_path / "m.nii.gz")
    (tmp_path / "cohort.csv").write_text(HEADER + "pictures,m.nii.gz,,A,test\n")
    (tmp_path / "p").mkdir()
    (tmp_path / "m.nii.gz").rename(tmp_path / "p" / "pictures_dim.nii.gz")
    (tmp_path / "m.nii.gz").write_bytes((tmp_path / "p" / "pictures_dim.nii.gz").read_bytes())
    record(tmp_path / "p", [("pictures", pictures, "pictures_dim.nii.gz")])
    (pictures / ".DS_Store").write_bytes(b"x")
    notes: list[str] = []
    read = read_cohort(tmp_path / "cohort.csv")
    assert evaluate(read, tmp_path / "p", note=notes.append)["mean"]["dice"] == 1
    assert any("not as it was when its mask was predicted" in note for note in notes)


def test_cases_to_train_on_without_labels_are_left_out_and_told(cohort, tmp_path):
    text = cohort.path.read_text().replace("m3.nii.gz", "")
    cohort.path.write_text(text)
    folder = predict(cohort, tmp_path / "p", lambda _, mask: mask)
    notes: list[str] = []
    report = evaluate(read_cohort(cohort.path), folder, split="all", note=notes.append)
    assert [case["case"] for case in report["cases"]] == ["c0", "c1", "c2"]
    assert "1 of 4 cases have no labels and are not compared: c3" in notes
    with pytest.raises(InputError, match=r"row 5: there is no labels file to compare with. Name"):
        evaluate(read_cohort(cohort.path), folder, split="train")
