"""A real viewer, a tiny phantom, and the check that nothing outlives its test."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from napari.qt.threading import WorkerBase
from npe2 import PluginManifest
from qtpy.QtCore import QEvent

from napari_dim.gui.controller import _SESSIONS
from napari_dim.gui.panels.workspace import Workspace
from napari_dim.gui.session import Session
from tests.one_window import check_window, one_window, put_away, wants_its_own

TINY = {"max_size": 64, "width": 8, "context": 0, "seed": 1}


def tiny_image(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A ball in noise, 12 x 48 x 40, and its mask."""
    z, y, x = np.mgrid[:12, :48, :40]
    mask = ((z - 6) / 5) ** 2 + ((y - 24) / 12) ** 2 + ((x - 20) / 10) ** 2 < 1
    noise = np.random.default_rng(seed).normal(0, 20, mask.shape)
    return (100 + 200 * mask + noise).astype(np.int16), mask.astype(np.uint8)


@pytest.fixture
def nifti(tmp_path) -> Path:
    """The tiny image as an oblique, left-handed NIfTI file; slices along the last axis."""
    image, _ = tiny_image()
    turn = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, :3] = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    ) @ np.diag([-0.8, 0.9, 3.0])
    affine[:3, 3] = (31.5, -12.25, 104.0)
    path = tmp_path / "scan.nii.gz"
    made = nib.Nifti1Image(np.transpose(image, (2, 1, 0)), affine)
    made.set_sform(affine, 1)
    made.set_qform(affine, 1)
    nib.save(made, path)
    return path


@pytest.fixture
def shown(request):
    """Whether the window is on the screen: to draw it takes as long as all the rest."""
    return request.node.get_closest_marker("shown") is not None


@pytest.fixture
def viewer(request, qtbot, monkeypatch, tmp_path, engine_loaded, shown):
    """A viewer as new, with the plugin's own preferences in a folder of this test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if wants_its_own(request):
        yield request.getfixturevalue("make_napari_viewer")(show=shown)
        return
    window = one_window(shown=shown)
    yield window.viewer
    request.node.funcargs.clear()  # they keep alive what is to go now
    window.clear()


@pytest.fixture
def no_window():
    """The window that tests share is closed."""
    put_away()


@pytest.fixture
def make_napari_viewer(no_window, make_napari_viewer):
    """napari's own fixture; no other window is open meanwhile."""
    return make_napari_viewer


@pytest.fixture
def workspace(viewer, tmp_path):
    """The workspace, docked, with settings that train in a second."""
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace, name="Workspace", area="right")
    panel = workspace.train
    for name, value in {**TINY, "device": "cpu"}.items():
        if name in panel.form.values():
            panel.form.set_value(name, value)
    panel.set_budget(1)
    panel.runs.path = tmp_path / "runs"
    return workspace


@pytest.fixture
def panel(workspace):
    """Its Train tab."""
    return workspace.train


@pytest.fixture
def open_ball(viewer):
    """Open the tiny image with labels in three slices; returns (image, labels, reference)."""

    def open_it():
        image, mask = tiny_image()
        layer = viewer.add_image(image, name="ball", scale=(3, 1, 1))
        some = np.zeros_like(mask)
        some[[3, 6, 9]] = mask[[3, 6, 9]]
        labels = viewer.add_labels(some, name="mine", scale=(3, 1, 1))
        return layer, labels, mask

    return open_it


@pytest.fixture
def notes(monkeypatch):
    """The texts of the notifications that the test caused."""
    from napari.utils.notifications import notification_manager

    seen: list[str] = []

    def keep(notification) -> None:
        if not notification.message.startswith("napari now opens scans"):  # once a user
            seen.append(notification.message)

    notification_manager.notification_ready.connect(keep)
    yield seen
    notification_manager.notification_ready.disconnect(keep)


@pytest.fixture(scope="session")
def engine_loaded():
    """Import the engine before any window waits for it: on a busy machine that takes long."""
    import napari_dim.engine.training.loop  # noqa: F401

    gc.collect()
    gc.freeze()  # every test collects what it left; what is imported need not be looked through


@pytest.fixture(scope="session", autouse=True)
def windows_closed():
    """The window that tests share is closed in the end."""
    yield
    put_away()


@pytest.fixture(scope="session", autouse=True)
def manifests_read_once():
    """Each viewer looks for the plugins installed, and reads their manifests; once is enough."""
    found = list(PluginManifest.discover())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", lambda paths=(): iter(found))
        yield


@pytest.fixture(autouse=True)
def nothing_left(request):
    """No thread, panel or busy session survives its test; tests of logic need no window."""
    windowed = "qapp" in request.fixturenames
    qapp = request.getfixturevalue("qapp") if windowed else None
    yield
    if qapp is None:
        return
    deadline = time.monotonic() + 10
    while WorkerBase._worker_set and time.monotonic() < deadline:
        qapp.processEvents()
        time.sleep(0.01)
    assert not WorkerBase._worker_set
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert not [session for session in _SESSIONS.values() if session.task is not None]
    ours = [w for w in qapp.allWidgets() if type(w).__module__.startswith("napari_dim.")]
    assert not ours, f"widgets outlived their test: {ours}"
    if "viewer" in request.fixturenames and not wants_its_own(request):
        check_window(request)
    gc.freeze()  # what is left now was loaded for good: the next test need not look through it


def wait_idle(qtbot, session: Session, seconds: float = 120) -> None:
    """Run the event loop until background work ended."""
    qtbot.waitUntil(lambda: not session.busy, timeout=int(1000 * seconds))
