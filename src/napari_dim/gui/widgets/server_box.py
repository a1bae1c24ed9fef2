"""Where to train: this computer, or a server whose address is typed or was used before."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QComboBox

from napari_dim.gui.widgets.narrow_box import NarrowBox

HERE = "this computer"


class ServerBox(NarrowBox):
    """Addresses to choose from, and a line to type another into.

    Parameters
    ----------
    address
        The one to begin with; empty for this computer.
    used
        Those used last.
    """

    def __init__(self, address: str, used: Sequence[str]) -> None:
        super().__init__()
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.addItems(list(dict.fromkeys((HERE, *used))))
        self.setCurrentText(address or HERE)
        # Scrolling the panel must not take a training elsewhere.
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setToolTip(
            "Train on a server's graphics card: type its Dask scheduler's address, "
            "tls://HOST:8786, or ssh://HOST. Voxels, geometry and labels are sent there; "
            "names, headers and paths are not"
        )

    @property
    def address(self) -> str:
        """The server's; empty for this computer."""
        text = self.currentText().strip()
        return "" if text in ("", HERE) else text

    def used(self, address: str) -> None:
        """Offer an address from now on."""
        if self.findText(address, Qt.MatchFlag.MatchExactly) < 0:
            text = self.currentText()
            self.insertItem(1, address)
            self.setCurrentText(text)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """Turn only while it has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()
