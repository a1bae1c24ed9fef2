"""Every example of the documents, run on its good path and on its bad one; the generated page."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import matplotlib
import nibabel as nib
import numpy as np
import pytest

import napari_dim
from napari_dim.cli import main
from napari_dim.cli.fit import settings_in
from napari_dim.engine.training.trainer import Trainer
from tests.cli.conftest import AFFINE, write_case

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("workspace/*.md"))]
PAGES.remove(DOCS / "cluster.md")  # tests/cluster runs what is on it
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", flags=re.MULTILINE | re.DOTALL)
SMALL = {"width": 4, "min_size": 32, "labelled_batch": 2, "unlabelled_batch": 2, "device": "cpu"}
ELSEWHERE = (
    "python3 -m venv", ".venv/bin/napari", "python -m tests.gates", "torchrun", "napari-dim study",
)  # fmt: skip
"""Lines that CI, the gates, a window or tests of their own (test_fit_ranks, test_study) run."""
LENGTH = re.compile(r'\b(budget|steps)=("\w+"|\d+)')


def blocks(kind: str) -> list[str]:
    found = [(page, *match) for page in PAGES
             for match in BLOCK.findall(page.read_text(encoding="utf-8"))]  # fmt: skip
    assert {name for _, name, _ in found} <= {"python", "sh", "toml", "csv"}
    return [text for _, name, text in found if name == kind]


def shortened(text: str) -> str:
    """An example whose trainings take a few steps of a tiny network."""
    return LENGTH.sub("steps=3, **SMALL", text)


def run(text: str) -> None:
    exec(compile(shortened(text), "example", "exec"), {"SMALL": SMALL})


@pytest.fixture
def there(tmp_path, monkeypatch) -> Path:
    """The files that examples name: the cohort is that of the documents."""
    (cohort,) = set(blocks("csv"))
    for seed, name in enumerate("abc"):
        write_case(tmp_path, name, seed, shape=(28, 24, 16))
    (tmp_path / "cohort.csv").write_text(cohort)
    write_case(tmp_path, "scan", 3)
    image, mask = (np.asarray(nib.load(tmp_path / f"a{end}.nii.gz").dataobj).T
                   for end in ("", "_mask"))  # fmt: skip
    np.save(tmp_path / "image.npy", image)
    np.save(tmp_path / "mask.npy", mask)
    np.save(tmp_path / "other.npy", image[::-1])
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trains(text: str) -> bool:
    return LENGTH.search(text) is not None


def test_examples_in_python_run(there):
    examples = blocks("python")
    assert sum(map(trains, examples)) >= 4
    for text in sorted(examples, key=lambda text: "load_model" in text):  # it takes up a run
        run(text)
    image, mask = nib.load("scan.nii.gz"), nib.load("mask.nii.gz")
    assert mask.shape == image.shape
    np.testing.assert_allclose(mask.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("text", blocks("python"))
def test_examples_in_python_hide_no_failure(there, monkeypatch, text):
    if trains(text):
        with monkeypatch.context() as broken:
            broken.setattr(Trainer, "learn", lambda self, progress: 1 / 0)
            with pytest.raises(RuntimeError, match="division by zero"):
                run(text)
    for path in (*there.glob("*.nii.gz"), *there.glob("*.npy")):
        path.write_bytes(b"damaged")
    with pytest.raises((napari_dim.InputError, ValueError, EOFError)):  # two are numpy's
        run(text)
    assert not (there / "mask.nii.gz").exists()


def test_examples_in_a_shell_run(there, capsys):
    for text in blocks("sh"):
        for damaged in (False, True):
            for line in text.splitlines():
                if line.startswith(ELSEWHERE):
                    continue
                program, command, *words = shlex.split(line, comments=True)
                assert program == "napari-dim", line
                if command == "compare":  # hours of work, which tests/compare does in small
                    assert main([command, *words]) == 2, line
                    assert "--help" not in capsys.readouterr().err  # no option is unknown
                    continue
                if "--budget" in words:
                    place = words.index("--budget")
                    words[place : place + 2] = ["--steps", "3", "--config", "small.json"]
                    words.append("--overwrite")
                if damaged:
                    for path in there.glob("?.nii.gz"):
                        path.write_bytes(b"damaged")
                assert main([command, *words]) == (2 if damaged else 0), line
            capsys.readouterr()
        for seed, name in enumerate("abc"):
            write_case(there, name, seed, shape=(28, 24, 16))


def test_examples_of_settings_are_taken(tmp_path):
    texts = blocks("toml")
    assert texts
    path = tmp_path / "mine.toml"
    for text in texts:
        path.write_text(text)
        napari_dim.Settings.make(**settings_in(path))
        path.write_text(text.replace("width", "widht"))
        with pytest.raises(napari_dim.InputError, match="did you mean width"):
            settings_in(path)


def test_the_notebook_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")  # a variable would not tell one that another test has loaded
    notebook = json.loads((DOCS / "python.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {"SMALL": SMALL}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells)
    for cell in cells:
        source = "".join(cell["source"])
        wrong = "bugdet" in source
        exec(compile(source if wrong else shortened(source), "cell", "exec"), names)
    said = capsys.readouterr().out
    assert "bugdet" in said
    assert "Dice" in said
    assert (tmp_path / "notebook" / "slice.png").stat().st_size > 1000


def test_the_page_of_settings_is_current():
    sys.path.insert(0, str(DOCS))
    try:
        import make_settings
    finally:
        sys.path.remove(str(DOCS))
    assert make_settings.PAGE.read_text(encoding="utf-8") == make_settings.page(), (
        "run python docs/make_settings.py"
    )


def test_the_columns_and_fields_are_those_of_a_run(there, capsys):
    """What the page on the command line lists is what is written."""
    model = napari_dim.fit("cohort.csv", run="run", steps=1, progress=False, **SMALL)
    napari_dim.predict_cohort(model, "cohort.csv", out="masks", progress=False)
    text = (DOCS / "command-line.md").read_text(encoding="utf-8")
    for path in ("run/run.json", "masks/predictions.json"):
        name = Path(path).name
        section = text.split(f"### {name}\n", 1)[1].split("\n#", 1)[0]
        rows = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
        listed = {field for row in rows for field in re.findall(r"`(\w+)`", row)}
        written = set(json.loads((there / path).read_text()))
        assert written <= listed
        assert listed - written <= {"start"}
    assert {path.name for path in (there / "run").iterdir()} <= set(
        re.findall(r"`([\w.]+)`", text.split("## What a run folder holds", 1)[1])
    )
    assert (there / "run" / "losses.csv").read_text().startswith("step,progress,seconds,")
