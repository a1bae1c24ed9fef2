"""What a new user sees first: how to begin, and how the work goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_dim.gui.hooks.file_opening import open_files, open_folder
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.small_widgets import large_button, note

HOW = (
    ("Annotate", "paint the structure in a few slices, spread over the whole scan"),
    ("Train", "press Start; masks for all other slices appear while you go on"),
    ("Review", "correct the slices marked ★, accept them, train again"),
    ("Export", "save the mask in exactly the place of the scan"),
)


class Welcome(QWidget):
    """Shown while no scan is open.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.text = note(
            "<b>No scan is open.</b><br>Drop a scan (NIfTI, DICOM folder, NRRD, MHA) or a "
            "picture on the window, or:"
        )
        self.open = large_button("Open a scan…")
        self.open.setToolTip("Scans or pictures from your disk")
        self.open.clicked.connect(self._on_open)
        self.folder = QPushButton("Open a folder…")
        self.folder.setToolTip(
            "A DICOM series that lies in a folder of its own, or a folder of pictures"
        )
        self.folder.clicked.connect(self._on_folder)
        self.sample = QPushButton("Try it on a phantom")
        self.sample.setToolTip(
            "A made-up scan without labels, to learn how it goes; also in "
            "File ▸ Open Sample ▸ napari-dim"
        )
        self.sample.clicked.connect(self._on_sample)
        self.labelled = QPushButton("Phantom with some labels")
        self.labelled.setToolTip("Four made-up scans, five slices labelled: go straight to Train")
        self.labelled.clicked.connect(self._on_labelled)
        steps = "<br>".join(f"{n}. <b>{tab}</b>: {what}" for n, (tab, what) in enumerate(HOW, 1))
        how = note(
            f"<b>How it goes</b><p>{steps}</p>Everything stays on "
            "this computer. The line above the tabs always says what to do next, and every "
            "button what it does when the mouse rests on it."
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        how.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
        for widget in (self.text, self.open, self.folder, self.sample, self.labelled, how):
            column.addWidget(widget)

    def _on_open(self) -> None:
        self._do(lambda viewer: open_files(viewer, self.window()))

    def _on_folder(self) -> None:
        self._do(lambda viewer: open_folder(viewer, self.window()))

    def _on_sample(self) -> None:
        self._do(lambda viewer: viewer.open_sample("napari-dim", "phantom-unlabelled"))

    def _on_labelled(self) -> None:
        self._do(lambda viewer: viewer.open_sample("napari-dim", "phantom"))

    def _do(self, what: Callable[[Any], object]) -> None:
        """Open something; whatever goes wrong is told, not raised into the toolkit."""
        from napari.utils.notifications import show_warning

        try:
            what(self._session.viewer)
        except Exception as error:  # a reader of any plugin may raise anything
            show_warning(" ".join(str(error).split()) or type(error).__name__)
