"""`napari-dim doctor`: the report, and that nothing it looks at can take it down."""

from __future__ import annotations

import json
import sys
from importlib import import_module

import pytest

from napari_dim import __version__
from napari_dim.cli import system
from napari_dim.cli.doctor import examine, report_lines
from napari_dim.io import format_rows

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's libraries")


def test_the_report_says_what_a_bug_report_needs(cli):
    shown = cli("doctor", "--json")
    assert shown.code == 0
    report = json.loads(shown.out)
    assert report["versions"]["napari-dim"] == __version__
    assert report["versions"]["torch"]
    cpu = report["devices"][-1]
    assert cpu["name"] == "cpu"
    assert 0 < cpu["free"] <= cpu["memory"]
    text = "\n".join(report_lines(report))
    for words in ("Python", "napari-dim", "torch", "cpu", "GiB free", "Window"):
        assert words in text


@linux
def test_a_machine_without_a_screen(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(system, "missing_qt_packages", list)
    assert system.check_window().reason == "there is no display"


@linux
def test_a_crash_in_qt_is_reported_and_survived(monkeypatch):
    """Qt aborts its process when it can't reach the screen it was told of."""
    monkeypatch.setenv("DISPLAY", ":4711")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setattr(system, "missing_qt_packages", list)
    report = examine()
    assert not report["window"]["works"]
    assert "Qt crashes" in report["window"]["reason"]
    assert any("No window" in text for text in report["advice"])


@linux
def test_missing_libraries_are_named_with_their_packages(monkeypatch):
    monkeypatch.setitem(system.QT_LIBRARIES, "libnot-there.so.7", "libnot-there7")
    assert "libnot-there7" in system.missing_qt_packages()
    window = system.check_window()
    assert "libnot-there7" in window.reason
    assert "apt-get install" in window.remedy


@linux
@pytest.mark.skipif(not system.has_display(), reason="needs a screen; tests/run.py gives one")
def test_the_window_is_found_where_there_is_one():
    window = system.check_window()
    assert window.works, window
    assert window.details["opengl"][0].isdigit()


def test_a_broken_torch_does_not_stop_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "napari_dim.engine.device", None)
    report = examine()
    assert any("torch can't be used" in text for text in report["advice"])
    assert report["versions"]["numpy"]


def test_a_binding_that_ends_napari_is_named(monkeypatch):
    module = import_module("napari_dim.cli.doctor")
    monkeypatch.setattr(module.sys, "version_info", (3, 11, 7))
    for version, told in (("6.12.0", True), ("6.11.0", False)):
        monkeypatch.setattr(module, "_version", lambda package, v=version: v)
        assert any("PySide6!=6.12.0" in line for line in examine()["advice"]) is told


def test_missing_readers_and_qt_are_named_without_a_screen(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    gone = {"pydicom", "highdicom", "zarr"}
    there = format_rows.find_spec
    monkeypatch.setattr(format_rows, "find_spec", lambda n: None if n in gone else there(n))
    monkeypatch.setattr(
        import_module("napari_dim.cli.doctor"),
        "_version",
        lambda name: None if name.startswith("Py") else "1",
    )
    advice = "\n".join(examine()["advice"])
    assert 'No Qt binding, so no window: pip install "napari[pyqt6]"' in advice
    assert 'DICOM can\'t be read: pip install "napari-dim[dicom]"' in advice
    assert 'OME-Zarr can\'t be read: pip install "napari-dim[large]"' in advice
    assert 'DICOM-SEG can\'t be written: pip install "napari-dim[dicom]"' in advice
    assert "NRRD" not in advice
