"""The package as a whole: light imports, one version, a README that tells the truth."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import napari_dim
from napari_dim.cli.system import QT_LIBRARIES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEAVY = (
    "torch", "monai", "napari", "qtpy", "scipy", "nibabel", "skimage", "matplotlib", "numpy",
    "pydantic", "rich", "tqdm", "typer",
)  # fmt: skip

_REPORT = (
    "import json, sys; sys.argv = ['napari-dim', *{arguments!r}]\n{body}\n"
    "print(json.dumps([m for m in {heavy!r} if m in sys.modules]), file=sys.stderr)"
)


def heavy_after(body: str, arguments: tuple[str, ...] = ()) -> list[str]:
    """Which heavy packages a fresh process has imported after `body`."""
    code = _REPORT.format(arguments=list(arguments), body=body, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stderr.strip().splitlines()[-1])


def test_importing_the_package_imports_nothing_heavy():
    assert heavy_after("import napari_dim; dir(napari_dim)") == []
    assert heavy_after("from napari_dim import InputError, TrainingError") == []


def test_the_lazy_names_are_there_and_others_are_not():
    from napari_dim import api, config, errors

    homes = {"Settings": config, "InputError": errors, "TrainingError": errors}
    assert set(napari_dim.__all__) <= set(dir(napari_dim))
    for name in napari_dim.__all__:
        assert getattr(napari_dim, name) is getattr(homes.get(name, api), name)
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        napari_dim.train  # noqa: B018


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("fit", "--help")])
def test_help_imports_nothing_heavy(arguments):
    usual = {"numpy", "pydantic", "rich", "typer"}
    assert set(heavy_after("from napari_dim.cli import main; main()", arguments)) <= usual


def test_info_imports_no_torch(tmp_path):
    body = "from napari_dim.cli import main; main()"
    assert not {"torch", "napari"} & set(heavy_after(body, ("info", str(tmp_path / "absent.nii"))))


def test_importing_the_core_imports_no_window():
    rooms = "engine.training.loop engine.inference.predictor engine.evaluation.cohort_scores"
    modules = (*rooms.split(), "data.load", "io", "cli")
    body = "\n".join(f"import napari_dim.{name}" for name in modules)
    assert not {"napari", "qtpy"} & set(heavy_after(body))


def test_versions_agree():
    assert version("napari-dim") == napari_dim.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d[^\]]*)\]", changes, flags=re.MULTILINE)
    assert not released or released[0] == napari_dim.__version__


def test_ci_runs_the_test_command_of_the_readme():
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    demo, tests = commands
    assert demo.endswith("napari-dim demo")
    pattern = re.search(r"grep -m 1 '([^']+)' README.md", (ROOT / ".ci" / "run").read_text())
    assert pattern is not None
    assert [line for line in README.splitlines() if re.search(pattern[1], line)] == [tests]
    for command in commands:
        # One pip call: a second one could exchange the torch of the first.
        assert command.count("pip install") == 1
        assert "torch==2.13.0" in command


def test_what_the_readme_links_to_exists():
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_map_of_the_code_is_complete():
    tree = README.split("src/napari_dim/\n", 1)[1].split("```")[0]
    named = set(re.findall(r"^  (\S+?)/? ", tree, flags=re.MULTILINE))
    package = ROOT / "src" / "napari_dim"
    there = {
        path.name
        for path in package.iterdir()
        if not path.name.startswith(("_", "py.typed"))
        and (path.is_file() or any(path.glob("*.py")))
    }
    assert named == there


def test_extras_of_the_readme_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in re.findall(r'"\.\[(\w+)\]"', README):
        assert extra in project["optional-dependencies"]
    assert not any("pyqt" in name.lower() or "pyside" in name.lower()
                   for name in project["dependencies"])  # fmt: skip


def test_every_library_has_a_debian_package():
    assert all(re.fullmatch(r"lib[\w.+-]+\.so\.\d+", name) for name in QT_LIBRARIES)
    assert all(re.fullmatch(r"lib[a-z0-9.+-]+", package) for package in QT_LIBRARIES.values())
