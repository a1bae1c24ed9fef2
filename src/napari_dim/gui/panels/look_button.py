"""How the scan and its mask are looked at: a menu in the header."""

from __future__ import annotations

from functools import partial

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QToolButton

from napari_dim.gui.commands import contrast_commands as contrast
from napari_dim.gui.commands.outline_commands import toggle_contours
from napari_dim.gui.keys import Action, do, key_of, show_differences, show_numbers
from napari_dim.gui.logic.contrast_windows import CT
from napari_dim.gui.session import Session
from napari_dim.gui.tools.ruler_tool import take_ruler
from napari_dim.gui.widgets.small_widgets import while_alive


class LookButton(QToolButton):
    """Offers the automatic window and those for CT, and masks as contours.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.setText("◐  ")
        self.setAccessibleName("how it is looked at")
        self.setToolTip(
            "How it is looked at: window and level, automatic or those for CT"
            f"{key_of(contrast.next_window)}, which Ctrl-drag over the scan sets by hand, too; "
            "masks as contours only; numbers, rulers, differences between masks"
        )
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_ = QMenu(self)
        self._add("Automatic", contrast.automatic)
        self.menu_.addSeparator()
        for window in CT:
            title = f"CT {window.name} ({window.level:g} / {window.width:g})"
            self._add(title, partial(contrast.use, window=window))
        self.menu_.addSeparator()
        self.contours = self._add("Contours only", toggle_contours)
        self.contours.setCheckable(True)
        self.menu_.addSeparator()
        self._add("Numbers and rulers…", show_numbers)
        self._add("Ruler", take_ruler)
        self._add("Differences between masks…", show_differences)
        self.setMenu(self.menu_)
        while_alive(self, session.drawing_changed, self._on_drawing)
        self._on_drawing()

    def _add(self, title: str, action: Action) -> QAction:
        """An entry that carries out an action; its key stands beside it."""
        key = key_of(action).strip(" []")
        entry = self.menu_.addAction(f"{title}\t{key}" if key else title)
        entry.triggered.connect(lambda _=False: do(self._session, action))
        return entry

    def _on_drawing(self) -> None:
        self.contours.setChecked(self._session.contours)
