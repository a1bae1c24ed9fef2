from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path_factory, monkeypatch):
    """What the machine remembers of projects lies in a folder of this test."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setattr("napari_dim.project.local.user_folder", lambda: folder / "napari-dim")
    return folder / "napari-dim"
