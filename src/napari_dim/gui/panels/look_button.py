"""Window and level of the scan: a menu in the header."""

from __future__ import annotations

from functools import partial

from qtpy.QtWidgets import QMenu, QToolButton

from napari_dim.gui.commands import contrast_commands as contrast
from napari_dim.gui.keys import do, key_of
from napari_dim.gui.logic.contrast_windows import CT
from napari_dim.gui.session import Session


class LookButton(QToolButton):
    """Offers the automatic window and those for CT.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setText("◐  ")
        self.setAccessibleName("window and level")
        self.setToolTip(
            "Window and level of the scan: automatic, or those for CT"
            f"{key_of(contrast.next_window)}. Ctrl-drag over the scan sets them by hand"
        )
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_ = QMenu(self)
        automatic = self.menu_.addAction("Automatic")
        automatic.triggered.connect(lambda _=False: do(session, contrast.automatic))
        self.menu_.addSeparator()
        for window in CT:
            title = f"CT {window.name} ({window.level:g} / {window.width:g})"
            act = partial(contrast.use, window=window)
            self.menu_.addAction(title).triggered.connect(lambda _=False, act=act: do(session, act))
        self.setMenu(self.menu_)
