"""``napari-dim compare`` from end to end, on pictures of two centres, at the smallest scale."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest

from napari_dim.cli import main
from napari_dim.compare import one_run
from napari_dim.compare.cells import Collected
from napari_dim.compare.feature_map import domain_accuracy, domain_silhouette, feature_map
from napari_dim.compare.figures import draw_overlays, median_slice, overlaid
from napari_dim.compare.layouts import FUNDUS
from napari_dim.compare.records import read_records
from napari_dim.compare.run_pictures import run_masks, shown_slices
from napari_dim.compare.table_metrics import table_scores
from napari_dim.compare.tables import ablation_table, divergence_table, main_table
from tests.compare import folders

WANTED = ["--scale", "smoke", "--count", "2", "--seeds", "0", "--device", "cpu"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folders.centres(tmp_path_factory.mktemp("data"))


def compared(data, out, *more):
    return main(["compare", str(data), "--out", str(out), *WANTED, *more])


def test_runs_tables_and_going_on(data, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    one = ["--systems", "dim", "--labelled", "north"]
    assert compared(data, out, *one) == 0
    path = out / "trainings" / "dim--north--seed0.json"
    record = json.loads(path.read_text())
    assert record["labelled"] == ["north-train-0", "north-train-1"]
    assert record["unlabelled"] == {"north": 2, "south": 4}
    assert record["settings"]["system"]["name"] == "dim"
    assert [look["step"] for look in record["curve"]] == [3, 6]
    scored = record["selected"]["last"]["images"]
    assert {site: len(images) for site, images in scored.items()} == {"north": 2, "south": 2}
    assert len(scored["south"]["south-test-1"][0]) == 4
    table = (out / "tables" / "table2.md").read_text()
    assert "| DiM | 2 |" in table
    assert "| SIFA | - | - | - | - | - | - |" in table  # no run yet
    assert "Weights: those after the last step" in table

    # Tables and figures are drawn once more at the end; not after each call between.
    report = sys.modules["napari_dim.cli.compare"].report
    monkeypatch.setattr(sys.modules["napari_dim.cli.compare"], "report", lambda *given: None)

    # The same again makes nothing; another row joins; another length is refused.
    before = path.read_bytes()
    assert compared(data, out, *one[:1], "dim,supervised", *one[2:]) == 0
    assert path.read_bytes() == before
    assert "1 run of 6 steps to make, 1 are there" in capsys.readouterr().err
    assert compared(data, out, *one, "--steps", "5") == 2
    assert "this run was made with steps = 6, now it is 5" in capsys.readouterr().err

    # Broken off after three steps, it ends as if it had not been.
    monkeypatch.setattr(one_run, "SAVE_EVERY", 0.0)
    save = one_run._save

    def and_break(*given):
        save(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(one_run, "_save", and_break)
    other = tmp_path / "other"
    assert compared(data, other, *one) == 1
    assert not (other / "trainings").exists()
    monkeypatch.setattr(one_run, "_save", save)
    assert compared(data, other, *one) == 0
    again = json.loads((other / "trainings" / path.name).read_text())
    for name in ("curve", "selected", "spec", "labelled"):
        assert again[name] == record[name]
    assert not (other / "unfinished" / path.stem).exists()

    # Tables alone, and what they are told.
    monkeypatch.setattr(sys.modules["napari_dim.cli.compare"], "report", report)
    assert main(["compare", "--tables", str(out), "--select", "best-on-test"]) == 0
    assert "optimistic" in capsys.readouterr().out
    rows = list(csv.DictReader((out / "tables" / "table2.csv").open()))
    cell = next(r for r in rows if r["row"] == "dim" and r["labelled"] == "north")
    best = record["selected"]["best-on-test"]["images"]
    means = [sum(i[0][0] for i in images.values()) / len(images) for images in best.values()]
    assert float(cell["mean"]) == pytest.approx(100 * sum(means) / 2, abs=0.01)
    assert main(["compare", "--tables", str(tmp_path / "nothing")]) == 2

    # The figures, from what the runs kept.
    names = {"figure1_tsne", "figure2_overlays", "figure4_curves"}
    kept = {path.name: path.stat().st_size for path in (out / "figures").iterdir()}
    assert set(kept) == {f"{n}.{kind}" for n in names for kind in ("png", "pdf")} | {
        "figure1_tsne.csv"
    }
    assert min(size for name, size in kept.items() if name.endswith("png")) > 5000
    # They show the slice of median Dice of DiM, as the record has it.
    runs = Collected(read_records(out), "last")
    slices = shown_slices(out)
    place = median_slice(runs, "dim", "north", "south", slices)
    values = {name: image[0][0] for name, image in scored["south"].items()}
    assert slices[place].site == "south"
    assert values[slices[place].name] == min(values.values())  # of two the lower
    masks = run_masks(out, record["spec"], "last")
    same = table_scores(masks[place][0], slices[place].reference[0])
    assert list(same) == pytest.approx(scored["south"][slices[place].name][0], abs=1e-4)
    (out / "pictures" / "test-slices.npz").unlink()
    assert "Figures 2 and 3 need" in draw_overlays(out, out / "figures", runs)


def test_what_is_asked_wrongly_is_said_before_any_work(data, tmp_path, capsys):
    out = tmp_path / "out"
    for more, why in (
        (["--systems", "unet"], "there is no system 'unet'"),
        (["--labelled", "west"], "there is no site 'west'"),
        (["--seeds", "a"], "'a' are no seeds"),
        (["--count", "9"], "has 4 training slices that show a structure, 9 were"),
    ):
        assert compared(data, out, *more) == 2
        assert why in capsys.readouterr().err
    assert not out.exists()
    assert main(["compare", "--out", str(out)]) == 2
    assert main(["compare", str(data), "--tables", str(out)]) == 2


def a_record(row, site, seed, dc):
    image = [[dc, dc - 0.1, 5.0, 2.0], [dc, dc - 0.1, 5.0, 2.0]]
    chosen = {"step": 6, "images": {"Domain1": {"a": image}, "Domain2": {"b": image}},
              "ours": {"Domain1": {"a": image}}}  # fmt: skip
    return {
        "spec": {"row": row, "site": site, "seed": seed, "scale": "paper", "steps": 30_000,
                 "size": 256, "count": 20},
        "structures": ["cup", "disc"], "sites": [*FUNDUS.sites], "layout": "fundus",
        "whole": True, "selected": {"last": chosen},
    }  # fmt: skip


def test_the_paper_s_number_stands_beside_the_measured_one():
    records = [
        a_record("dim", site, seed, 0.8 + 0.02 * seed) for site in FUNDUS.sites for seed in (0, 1)
    ]
    records.append(a_record("midss", "Domain1", 0, 0.7))
    runs = Collected(records, "last")
    text = main_table(runs).markdown
    assert "81.00 ± 1.41 [84.68] / 81.00 ± 1.41 [92.91]" in text
    assert "81.00 ± 1.41 [87.28]" in text
    midss = next(line for line in text.splitlines() if line.startswith("| MiDSS"))
    assert midss.startswith("| MiDSS | 20 | 70.00 [83.39] / 70.00 [92.96] | - | - | - | -")
    assert "BCP †" in text
    assert "| #4 `dim` | ✓ | ✓ | ✓ | 81.00 ± 1.41 [88.80] |" in ablation_table(runs).markdown
    five = divergence_table(runs).markdown
    assert "| baseline `midss` | Domain1 | 70.00 [83.38] / 70.00 [93.15]" in five
    assert "| Jeffrey `dim+jeffrey` | Domain4 | - | - | - | - |" in five
    own = Collected([{**record, "whole": False} for record in records], "last")
    assert "[84.68]" not in main_table(own).markdown


def test_domains_that_lie_apart_are_told_and_mixed_ones_are_not():
    random = np.random.default_rng(0)
    sites = np.array(["a", "b"] * 20)
    mixed = random.normal(size=(40, 6))
    apart = mixed + 8 * (sites == "b")[:, None]
    assert domain_accuracy(apart, sites) == 1.0
    assert domain_accuracy(mixed, sites) < 0.8
    assert domain_silhouette(apart, sites) > 0.4 > 0.1 > domain_silhouette(mixed, sites)
    assert (feature_map(apart) == feature_map(apart)).all()
    assert domain_accuracy(mixed, np.array(["a"] * 40)) is None


def test_overlays_have_the_first_structure_on_top():
    image = np.full((4, 4, 3), 100, dtype=np.uint8)
    disc = np.zeros((4, 4), dtype=bool)
    disc[1:] = True
    cup = np.zeros_like(disc)
    cup[2:] = True
    shown = overlaid(image, np.stack([cup, disc]))
    assert shown[0, 0].tolist() == [100, 100, 100]
    assert shown[1, 0].argmax() == 1  # green
    assert shown[2, 0].argmax() == 0  # red
