"""The window that the hands work in: fixtures of the tests of the window, and a hand."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QCoreApplication, Qt

from napari_dim.gui.commands import slice_commands as slices
from tests.gui.conftest import (  # noqa: F401
    engine_loaded,
    make_napari_viewer,
    manifests_read_once,
    nifti,
    no_window,
    notes,
    nothing_left,
    open_ball,
    tiny_image,
    viewer,
    windows_closed,
    workspace,
)
from tests.hands.hand import Hand


@pytest.fixture(autouse=True, scope="session")
def qt_dialogs():
    """Qt's own file dialogs: those of a desktop are in another process, out of reach."""
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)


@pytest.fixture
def shown():
    """Hands need the window on the screen."""
    return True


@pytest.fixture
def hand(viewer, workspace):  # noqa: F811
    """A person in front of the viewer with the workspace open."""
    return Hand(viewer)


@pytest.fixture
def session(viewer, workspace, hand):  # noqa: F811
    """The session of the ball with an empty mask, at slice 6."""
    viewer.add_image(tiny_image()[0], name="ball", scale=(3, 1, 1))
    hand.rest()
    hand.click(workspace.annotate.new)
    slices.go_to(workspace.session, 6)
    return workspace.session
