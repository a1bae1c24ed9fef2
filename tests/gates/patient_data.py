"""Marks in every place of the input where a patient, a person or a computer may be named; none
of them may be found in what napari-dim writes or says.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.gates.canaries import (
    Canaries,
    found_in,
    write_dicom_cohort,
    write_nifti_cohort,
    write_picture_cohort,
)

PROMISE = """Outputs, logs, runs, project files and the pictures of the demo hold no DICOM tags, no
    free text of a header, no source paths, user or computer names"""
FULL, QUICK = 80, 40
_WHOLE = 80
"""With fewer marks than these the parts that take long are left out."""

_SCANS = ("a.nii.gz", "p.png", "series")
_KINDS, _FEWER = "NIfTI, DICOM, pictures, tables, paths, names", "NIfTI, tables, paths, names"
_SMALL = """
threads = 1
width = 4
min_size = 32
labelled_batch = 2
unlabelled_batch = 1
"""


def run(count: int) -> str:
    """Put at least `count` marks into files, use them in all ways, search all that came of it."""
    canaries = Canaries()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        given, out = root / "given", root / "out"
        given.mkdir()
        out.mkdir()
        home = root / canaries.mark("home folder")
        home.mkdir()
        _be_somebody(home, canaries)
        whole = count >= _WHOLE
        cohorts = [write_nifti_cohort(given, canaries)]
        if whole:
            cohorts.append(write_picture_cohort(given, canaries))
            cohorts.append(write_dicom_cohort(given, canaries))
        somewhere = found_in(root, canaries.places)
        unseen = set(canaries.places) - set(somewhere) - {os.environ["USER"]}
        assert not unseen, f"the search misses {[canaries.places[m] for m in unseen]}"
        assert len(canaries.places) >= count, f"only {len(canaries.places)} marks"
        for number, cohort in enumerate(cohorts):
            _commands(cohort, out / f"commands{number}", ("text", "json") if whole else ("json",))
        if whole:
            _demo(out / "demo")
        scans = [cohort.with_name(name) for cohort, name in zip(cohorts, _SCANS, strict=False)]
        _project(scans, out / "project")
        _window(scans, out / "window")
        files = sum(path.is_file() for path in out.rglob("*"))
        found = found_in(out, [*canaries.places, *_computer()])
        # What only this user's account holds may say where scans lie, and nothing else.
        paths = {os.environ["USER"], home.name, *(p for c in cohorts for p in c.parts)}
        text = [mark for mark in canaries.places if mark not in paths]
        found.update(found_in(home, text))
    lines = [f"{canaries.places.get(m, m)}: in {', '.join(sorted(w))}" for m, w in found.items()]
    assert not found, f"{len(found)} marks were found\n" + "\n".join(lines)
    return (
        f"{len(canaries.places)} canaries in {_KINDS if whole else _FEWER}: "
        f"0 found in {files} files of outputs, logs, projects and screenshots"
    )


def _be_somebody(home: Path, canaries: Canaries) -> None:
    """Give this process a user with a name and a home of his own."""
    user = canaries.mark("user name")
    for name in ("USER", "LOGNAME", "USERNAME"):
        os.environ[name] = user
    os.environ["HOME"] = os.environ["USERPROFILE"] = str(home)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        os.environ[name] = str(home / name.lower())


def _computer() -> list[str]:
    """Names of this computer that are told from ordinary words."""
    return [name for name in {platform.node()} if len(name) > 6 and name != "localhost"]


@contextlib.contextmanager
def _said(path: Path) -> Iterator[None]:
    """Keep what is said meanwhile, on whatever way, in a file."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            yield
    finally:
        logging.getLogger().removeHandler(handler)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(stream.getvalue())


def _command(said: Path, *arguments: object) -> None:
    from napari_dim.cli import main

    with _said(said):
        code = main([str(argument) for argument in arguments])
    assert code == 0, f"{arguments[0]} ended with {code}: {said.read_text()[-800:]}"


def _commands(cohort: Path, out: Path, kinds: tuple[str, ...]) -> None:
    """Train, predict and evaluate at the command line, as text and as JSON."""
    out.mkdir()
    config = out / "small.toml"
    config.write_text(_SMALL)
    tested = "split,patient" in cohort.read_text() or ",test" in cohort.read_text()
    for kind in kinds:
        run, masks = out / f"run_{kind}", out / f"masks_{kind}"
        more = ["--json"] if kind == "json" else []
        usual = ("--steps", 3, "--device", "cpu", "--config", config)
        _command(out / f"fit_{kind}.txt", "fit", cohort, "--out", run, *usual, *more)
        said = out / f"predict_{kind}.txt"
        _command(said, "predict", run, cohort, "--split", "all", "--out", masks, *more)
    if tested:
        scores = out / "scores.json"
        _command(out / "evaluate.txt", "evaluate", cohort, masks, "--json", scores)


def _demo(out: Path) -> None:
    """The demo with its picture; a second of training will do."""
    said = out.parent / "demo.txt"
    _command(said, "demo", "--headless", "--out", out, "--budget", "1s")


def _project(scans: list[Path], out: Path) -> None:
    """A project of scans that lie elsewhere, with strokes."""
    import numpy as np

    from napari_dim.project import Project
    from napari_dim.project.model import Note

    with Project.create(out, name="study") as project:
        names = [project.add_case(scan, site="north").name for scan in scans]
        array = np.zeros((5, 28, 24), np.uint8)
        project.begin(names[0], "labels", array, Note(name="labels"))
        project.put(names[0], "labels", {2: array[2] + 1}, {"slice": 2})
    with Project.open(out) as project:
        assert project.recover(names[0]) is not None


def _window(scans: list[Path], out: Path) -> None:
    """Scans in a real window: label, train, export, and pictures of it all."""
    with _said(out / "said.txt"):
        import napari

        viewer = napari.Viewer()
        try:
            _, workspace = viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
            for scan in scans:
                if scan.suffix != ".png":  # a picture has but one slice to label
                    _one_scan(viewer, workspace, scan, out / scan.name.split(".")[0])
        finally:
            viewer.close()


def _one_scan(viewer: Any, workspace: Any, source: Path, out: Path) -> None:
    from napari.layers import Layer

    from napari_dim.gui.hooks.reader_writer import get_reader

    out.mkdir(parents=True)
    read = get_reader(str(source))
    assert read is not None
    (image,) = (viewer.add_layer(Layer.create(*data)) for data in read(str(source)))
    annotate, train = workspace.annotate, workspace.train
    annotate.image.pick(image)
    annotate.new.click()
    labels = workspace.session.labels
    labels.data[1, 8:16, 8:16] = 1
    labels.data[3, 8:16, 8:16] = 1
    labels.refresh()
    workspace.session.mask.look()
    train.runs.path = out / "runs"
    train.set_budget(2)
    for name, value in {"max_size": 64, "width": 4, "device": "cpu"}.items():
        if name in train.form.values():
            train.form.set_value(name, value)
    train.button.click()
    _wait(workspace.session)
    assert workspace.session.answer is not None, workspace.session.message
    assert workspace.export.export(out / "mask.nii.gz")
    for number in range(workspace.tabs.count()):
        workspace.tabs.setCurrentIndex(number)
        _process(0.2)
        viewer.screenshot(str(out / f"tab{number}.png"), canvas_only=False, flash=False)
    (out / "shown.txt").write_text("\n".join(_texts(viewer)))


def _wait(session: Any) -> None:
    for _ in range(1200):
        _process(0.05)
        if not session.busy:
            return
    raise AssertionError("the training did not end")


def _process(seconds: float) -> None:
    import time

    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def _texts(viewer: Any) -> Iterator[str]:
    """All that is written in the window of napari-dim and would be seen in a picture of it."""
    from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit

    window = viewer.window._qt_window
    yield window.windowTitle()
    yield from (layer.name for layer in viewer.layers)
    for widget in window.findChildren(QLabel):
        yield widget.text()
    for field in window.findChildren(QLineEdit):
        if field.isVisible():
            yield field.text()
    for box in window.findChildren(QComboBox):
        yield from (box.itemText(number) for number in range(box.count()))


if __name__ == "__main__":
    print(run(int(sys.argv[1])))
