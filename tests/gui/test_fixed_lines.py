"""Text in a place of a fixed height: whole lines, and all of it in the tip; no viewer needed."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_dim.gui.widgets.fixed_lines import FixedLines

TEXT = (
    "Accepted slice 14. Next: slice 22: the model is unsure here, 6 slices from the nearest "
    "labelled one"
)


@pytest.mark.parametrize("size", [10, 15])
def test_it_never_needs_more_lines_than_it_has(qtbot, size):
    label = FixedLines(2)
    qtbot.addWidget(label)
    font = label.font()
    font.setPointSize(size)
    label.setFont(font)
    label.say(TEXT)
    label.show()
    wrap = int(Qt.TextFlag.TextWordWrap)
    for width in range(120, 700, 7):
        label.resize(width, label.sizeHint().height())
        shown = label.text()
        # The style may leave the text some pixels less than the label is wide.
        room = label.fontMetrics().boundingRect(0, 0, width - 6, 0, wrap, shown)
        assert room.height() <= label.height(), width
        assert label.whole == TEXT
        assert label.toolTip() == ("" if shown == TEXT else TEXT)
