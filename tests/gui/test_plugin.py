"""What napari sees of the plugin, before and after it is opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from qtpy.QtWidgets import QWidget

import napari_dim
from napari_dim.config import Settings, setting_field
from napari_dim.gui.controller import session_of
from napari_dim.gui.panels.workspace import Workspace
from napari_dim.gui.preferences import preferences
from napari_dim.gui.widgets.settings_form import ADVANCED, SettingsForm

MANIFEST = Path(napari_dim.__file__).with_name("napari.yaml")


def test_the_manifest_is_valid():
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", str(MANIFEST)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_discovery_imports_no_torch():
    code = (
        "import sys; from npe2 import PluginManager; pm = PluginManager.instance(); pm.discover();"
        "m = pm.get_manifest('napari-dim'); assert len(m.contributions.widgets) == 1;"
        "bad = {'torch', 'monai', 'nibabel', 'napari_dim.gui'} & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.shown
def test_the_workspace_opens_from_the_menu(viewer, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
    assert isinstance(widget, QWidget)
    assert session_of(viewer).viewer.layers is not None
    qtbot.waitUntil(dock.isVisible)


def test_the_tabs_of_a_viewer_share_its_session(viewer):
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace)
    tabs = (workspace.annotate, workspace.train, workspace.review, workspace.export)
    assert {tab.session for tab in tabs} == {session_of(viewer)}


@pytest.mark.shown
def test_empty_state_says_what_to_do(viewer, qtbot):
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace)
    welcome = workspace.annotate.welcome
    qtbot.waitUntil(welcome.isVisible)
    assert not workspace.guide.isVisible()
    import numpy as np

    viewer.add_image(np.zeros((4, 30, 30)))
    assert not welcome.isVisible()
    assert "New" in workspace.train.plan_text.text()
    workspace.annotate.new.click()
    assert viewer.layers.selection.active.data.shape == (4, 30, 30)
    assert viewer.layers.selection.active.mode == "paint"


def test_workspace_fits_a_small_screen(viewer):
    workspace = Workspace(viewer)
    viewer.window.add_dock_widget(workspace)
    assert workspace.minimumSizeHint().width() <= 420
    assert workspace.minimumSizeHint().height() <= 500


def test_form_gives_valid_settings_and_the_fields_help(qtbot):
    form = SettingsForm()
    qtbot.addWidget(form)
    assert Settings.make(**form.values()) == Settings()
    form.set_value("divergence", "pearson")
    form.set_value("seed", 11)
    changed = Settings.make(**form.values())
    assert (changed.system.divergence, changed.seed) == ("pearson", 11)
    for name in ADVANCED:
        assert setting_field(name).description in form._editors[name].toolTip()


def test_preferences_have_the_settings_defaults(viewer):
    chosen = preferences()
    assert chosen.budget == Settings().budget
    assert chosen.device == Settings().device
    assert chosen.runs.name == "runs"


def test_of_the_sample_the_labelled_scan_that_is_seen_is_worked_on(viewer, workspace):
    viewer.open_sample("napari-dim", "phantom")
    session = workspace.session
    assert session.image.name == "phantom00_A_image"
    assert session.image.visible
    assert session.labels.name == "phantom00_A_image (mask)"
    assert not workspace.strip.isHidden()
    assert "Slices painted or corrected: 5" in workspace.train.plan_text.text()


def test_the_header_names_the_device_as_people_do(workspace):
    dot, session = workspace.header.dot, workspace.session
    assert "idle · GPU or CPU" in dot.text()
    for name, title in (("cuda:0", "GPU 0"), ("mps", "GPU"), ("cpu", "CPU")):
        session.device = name
        session.say("")
        assert dot.text().endswith(f"idle · {title}")
