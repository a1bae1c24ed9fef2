"""What a training needs is there before the click: in a process that has not imported it."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys, time
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer(show=False)
viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
needed = "napari_dim.engine.training.loop"
assert needed not in sys.modules and "torch" not in sys.modules
until = time.monotonic() + 200
while needed not in sys.modules and time.monotonic() < until:
    QApplication.processEvents()
    time.sleep(0.02)
import threading
[t.join() for t in threading.enumerate() if t.name == "import"]
assert "napari_dim.engine.training.trainer" in sys.modules
before = set(sys.modules)
import torch
torch.optim.AdamW([torch.zeros(1, requires_grad=True)], fused=True).step()
assert len(set(sys.modules) - before) < 20, "an optimiser still imports much"
viewer.close()
print("imported")
"""


@pytest.mark.slow
def test_the_engine_is_imported_once_the_workspace_is_open():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=300)
    assert "imported" in done.stdout, done.stdout + done.stderr
