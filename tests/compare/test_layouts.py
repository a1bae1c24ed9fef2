"""Folders are recognised, read by exact rules, and refused with the path that was expected."""

from __future__ import annotations

import pickle
from multiprocessing.reduction import ForkingPickler

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from napari_dim.compare.benchmark import TEST, TRAIN, mapped
from napari_dim.compare.layouts import FUNDUS, PROSTATE, read_benchmark
from napari_dim.compare.protocol import (
    labelled_whole,
    labellings,
    longest_side,
    scored_slices,
)
from napari_dim.compare.table_rows import GROUPS, Row, rows_of
from napari_dim.data.working_grid import WorkingGrid, normalised
from napari_dim.errors import InputError
from napari_dim.options import OPTIONS
from tests.compare import folders


def test_fundus_as_published(tmp_path):
    root = folders.fundus(tmp_path)
    found = read_benchmark(tmp_path, "smoke")
    assert found.layout == "fundus"
    assert [len(found.of(TRAIN, site)) for site in found.sites] == [3, 3, 3, 3]
    assert not found.whole
    assert "Domain1 holds 3 training images, 50 were published" in found.notes[0]
    assert (sum(FUNDUS.sites.values()), FUNDUS.tests) == (789, 271)
    assert (found.count, found.steps, found.regions) == (20, 30_000, ((2,), (1, 2)))
    item = found.of(TEST, "Domain2")[0]
    # Background 255, rim 128, cup 0; each at its own place.
    mask = np.asarray(Image.open(root / "Domain2/test/ROIs/mask/g0000.png").resize((48, 48), 0))
    assert (item.mask[0] == np.select([mask == 0, mask == 128], [2, 1])).all()
    assert item.volume.array.shape == (1, 48, 48, 3)
    # The published scale: v / 127.5 - 1, whatever the picture holds.
    seen = normalised(item.volume, (48, 48))[0].float()
    wanted = torch.tensor(item.volume.array[0]).movedim(-1, 0) / 127.5 - 1
    assert torch.allclose(seen, wanted, atol=1e-3)


def test_the_others_as_published(tmp_path):
    folders.prostate(tmp_path / "p")
    found = read_benchmark(tmp_path / "p" / "ProstateSlice", "smoke")
    assert (found.layout, found.count, found.steps) == ("prostate-slices", 40, 60_000)
    assert found.sites == ("RUNMC", "BMC", "I2CVB", "UCL", "BIDMC", "HK")
    assert (sum(PROSTATE.sites.values()), PROSTATE.tests) == (1510, 357)
    item = found.items[0]
    assert item.mask[0, 24, 24] == 1
    assert item.mask[0, 0, 0] == 0
    assert item.volume.channels == 1

    folders.mnms(tmp_path)
    found = read_benchmark(tmp_path, "smoke")
    assert found.layout == "mnms"
    corner, middle = found.items[0].mask[0, 0, 0], found.items[0].mask[0, 24, 24]
    assert (corner, middle) == (3, 1)  # blue: RV; red: LV

    found = read_benchmark(folders.saml(tmp_path / "nifti"), "smoke")
    assert found.layout == "prostate-nifti"
    assert [len(found.of(TEST, site)) for site in found.sites] == [1] * 6
    assert all(item.mask.any((1, 2)).all() and len(item.mask) == 2 for item in found.items)
    assert found.items[0].volume.array.dtype == np.uint8


def test_mismatches_name_the_path_expected(tmp_path):
    root = folders.fundus(tmp_path)

    def refused() -> str:
        with pytest.raises(InputError) as caught:
            read_benchmark(tmp_path, "smoke")
        return str(caught.value)

    mask = root / "Domain2/train/ROIs/mask/g0001.png"
    kept = mask.read_bytes()
    mask.rename(mask.with_name("other.png"))
    assert f"{root / 'Domain2/train/ROIs/image/other.png'}: this image" in refused()
    mask.with_name("other.png").unlink()
    assert f"{mask}: this mask of an image is missing" in refused()

    mask.write_bytes(kept)
    values = np.array(Image.open(mask))
    values[:5, :20] = 77
    Image.fromarray(values).save(mask)
    assert "100 of its 1600 pixels hold other values than 0, 128, 255, most often 77" in refused()
    values[:5, :20], values[0, 0] = 255, 250  # re-saved masks hold a few
    Image.fromarray(values).save(mask)
    read_benchmark(tmp_path, "smoke")
    Image.fromarray(values[:-1]).save(mask)
    assert "the mask is 40 x 39, its image 40 x 40" in refused()

    mask.write_bytes(kept)
    (root / "Domain3").rename(root / "Elsewhere")
    assert f"{root / 'Domain3/train/ROIs/image'}: this folder was expected" in refused()
    with pytest.raises(InputError, match=r"Domain1/train/ROIs/image \(Fundus\)"):
        read_benchmark(root / "Elsewhere", "smoke")


def test_who_is_labelled(tmp_path):
    found = read_benchmark(folders.centres(tmp_path), "smoke")
    assert "all are scored as one" in found.notes[0]
    assert [s.ids for s in found.structures] == [(1,)]
    north, south = labellings(found, "each", 3, None)
    assert north.names(found) == ["north-train-0", "north-train-1", "north-train-2"]
    cases = south.cases(found)
    assert sum(case.labelled.size for case in cases) == 3
    assert sum(case.unlabelled.size for case in cases) == 5  # no test image, each other once
    assert {case.site for case in cases} == {""}  # no method is told the domains
    assert all(case.mask is None for case in cases if case.unlabelled.size)
    whole = labelled_whole(found, "north").cases(found)
    assert [c.name for c in whole if c.unlabelled.size] == [f"south-train-{n}" for n in range(4)]
    drawn = {tuple(labellings(found, "north", 2, seed)[0].names(found)) for seed in range(9)}
    assert len(drawn) > 1
    assert labellings(found, "north", 2, 5) == labellings(found, "north", 2, 5)
    with pytest.raises(InputError, match="north has 4 training slices that show"):
        labellings(found, "north", 5, None)
    with pytest.raises(InputError, match="The sites are north, south"):
        labellings(found, "west", 1, None)


def test_a_volume_labelled_in_part_is_learnt_from_as_a_whole(tmp_path):
    found = read_benchmark(folders.saml(tmp_path, cases=6), "smoke")
    [labelling] = labellings(found, "BMC", 3, None)
    cases = labelling.cases(found)
    assert sum(case.labelled.size for case in cases) == 3
    assert sum(case.guessed.size for case in cases) == 6 * 5 * 2 - 3
    assert len(scored_slices(found)) == 6


def test_volumes_of_any_size_stay_on_the_benchmark_s_grid(tmp_path):
    """A training fits a grid to its cases, in which a volume labelled in part is two."""
    lines = ["image,labels,slices,site,split"]
    for number, side in enumerate((60, 71, 83, 97, 110, 124)):
        mask = np.zeros((side, side - 7, 4), dtype=np.uint8)
        mask[20:40, 20:40] = 1
        for kind, data in (("", mask.astype(np.float32)), ("_mask", mask)):
            affine = np.diag([1 + number / 10, 1 + number / 10, 5, 1])
            nib.save(nib.Nifti1Image(data, affine), tmp_path / f"v{number}{kind}.nii.gz")
        split = "test" if number == 2 else "train"
        lines.append(f"v{number}.nii.gz,v{number}_mask.nii.gz,,s{number % 3},{split}")
    (tmp_path / "cohort.csv").write_text("\n".join(lines))
    found = read_benchmark(tmp_path, "smoke")
    assert {s.name for s in found.structures} == {"class 1"}
    assert len({item.volume.array.shape for item in found.items}) > 3
    for labelling in labellings(found, "each", 2, None):
        cases = labelling.cases(found)
        largest = longest_side(cases, found.size)
        grid = WorkingGrid.fit([c.volume for c in cases], min_size=16, max_size=largest)
        for item in found.items:
            assert grid.shape(item.volume) == item.volume.array.shape[1:3]
            assert item.volume.array.shape[:3] == item.mask.shape


def test_arrays_go_to_other_processes_by_name(tmp_path):
    found = read_benchmark(folders.centres(tmp_path / "data"), "smoke")
    (tmp_path / "arrays").mkdir()
    sent = bytes(ForkingPickler.dumps(mapped(found, tmp_path / "arrays")))
    back = pickle.loads(sent)
    assert len(sent) < found.items[0].volume.array.nbytes * 4
    for a, b in zip(found.items, back.items, strict=True):
        assert isinstance(b.volume.array, np.memmap)
        assert (a.volume.array == b.volume.array).all()
        assert (a.mask == b.mask).all()
    assert back.fingerprint == found.fingerprint


def test_rows():
    assert {row.system for row in rows_of("all")} == set(OPTIONS)
    assert len(rows_of("all,ablation,dim")) == len(GROUPS["all"]) + 2
    assert Row.named("dim+no-sam").changes == {"sharpness": 0.0}
    assert Row.named("supervised+strong").title == "U-Net + strong view"
    for name, why in (("unet", "there is no system 'unet'"), ("dim+x", "no change 'x'"),
                      ("cps+jeffrey", "cps has no divergence")):  # fmt: skip
        with pytest.raises(InputError, match=why):
            rows_of(name)
