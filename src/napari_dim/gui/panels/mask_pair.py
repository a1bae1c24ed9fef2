"""Chooses two masks of the scan that is worked on: its own, the machine's, a layer's, a file's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QFormLayout, QWidget

from napari_dim.errors import InputError
from napari_dim.gui.keys import told
from napari_dim.gui.layers.compared_masks import (
    Compared,
    answer_compared,
    file_compared,
    layer_compared,
    mask_compared,
)
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.narrow_box import NarrowBox
from napari_dim.gui.widgets.small_widgets import while_alive

MASK, ANSWER, FILE = "the mask of this scan", "the machine's newest answer", "a file…"


class MaskPair(QWidget):
    """Two boxes, A and B.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    chosen = Signal()
    """Others are chosen, or what was chosen is gone."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._files: list[Compared] = []
        self._offered: list[tuple[str, Any]] = []
        self._chosen: list[Any] = [None, None]
        self.a, self.b = self.boxes = NarrowBox(), NarrowBox()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        for box, which in zip(self.boxes, "AB", strict=True):
            box.setToolTip(f"Mask {which}: of this scan, the machine's, another layer's, a file's")
            box.activated.connect(lambda _=0, box=box: self._on_box(box))
            form.addRow(which, box)
        for signal in (session.layers_changed, session.predicted, session.slices_changed):
            while_alive(self, signal, self.refresh)

    def start(self) -> None:
        """Begin anew, with another scan."""
        self._files, self._offered, self._chosen = [], [], [None, None]
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Offer what there is by now; what is chosen stays if it is still there."""
        if not self.isVisible():
            return
        session = self.session
        offered: list[tuple[str, Any]] = []
        if session.mask is not None:
            offered.append((MASK, MASK))
            if session.answer is not None:
                offered.append((ANSWER, ANSWER))
        offered += [
            (layer.name, layer)
            for layer in session.scans.layers(Labels)
            if layer is not session.labels and session.scans.owner_of(layer) is None
        ]
        offered += [(one.title, one) for one in self._files]
        offered.append((FILE, FILE))
        if [(t, id(w)) for t, w in offered] == [(t, id(w)) for t, w in self._offered]:
            return
        self._offered = offered
        for box in self.boxes:
            box.clear()
            box.addItems([title for title, _ in offered])
        if not self._choose_again():
            self._take()

    def choose(self, box: QComboBox, path: Path) -> None:
        """Choose the mask in a file.

        Raises
        ------
        InputError
            If it can't be read, or doesn't lie on the scan; all stays as it was.
        """
        if self.session.image is None:
            raise InputError("no scan is open")
        made = file_compared(path, self.session.image)
        self._files = [one for one in self._files if one.title != made.title] + [made]
        self.refresh()
        box.setCurrentIndex(next(n for n, (_, w) in enumerate(self._offered) if w is made))
        self._take()

    def compared(self) -> tuple[Compared, Compared]:
        """The two masks.

        Raises
        ------
        InputError
            If there are no two, or one of them doesn't lie on the scan.
        """
        if len(self._offered) < 3:  # a file, and perhaps one more
            raise InputError(
                "there are no two masks yet",
                hint="Choose a file for B, open a reader's mask as labels, or train",
            )
        one, other = self._chosen
        if one is other:
            raise InputError("A and B are the same", hint="Choose two masks")
        return self._made(one), self._made(other)

    def _made(self, what: Any) -> Compared:
        mask, image = self.session.mask, self.session.image
        if isinstance(what, Compared):
            return what
        if what is None or what is FILE or image is None:
            raise InputError("there are no two masks yet", hint="Choose A and B")
        if isinstance(what, Labels):
            return layer_compared(what, image)
        if mask is None:
            raise InputError("the scan has no mask yet", hint="Press New and paint some slices")
        return answer_compared(mask) if what is ANSWER else mask_compared(mask)

    def _choose_again(self) -> bool:
        """Show in the boxes what is chosen; whether both are still there.

        What is not becomes the first that can be compared, in box B the second.
        """
        whats = [what for _, what in self._offered]
        there = True
        for place, box in enumerate(self.boxes):
            at = next((n for n, what in enumerate(whats) if what is self._chosen[place]), -1)
            there &= at >= 0
            box.setCurrentIndex(at if at >= 0 else min(place, max(len(whats) - 2, 0)))
        return there

    def _take(self) -> None:
        self._chosen = [self._what(box) for box in self.boxes]
        self.chosen.emit()

    def _on_box(self, box: QComboBox) -> None:
        if self._what(box) is not FILE:
            self._take()
            return
        path, _ = QFileDialog.getOpenFileName(self, "A mask of this scan")
        with told(self.session):
            if path:
                self.choose(box, Path(path))
                return
        self._choose_again()

    def _what(self, box: QComboBox) -> Any:
        at = box.currentIndex()
        return self._offered[at][1] if 0 <= at < len(self._offered) else None
