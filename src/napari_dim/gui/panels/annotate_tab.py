"""The Annotate tab: the scan, its classes, and what is known of each slice."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from napari.layers import Image, Labels, Layer
from qtpy.QtWidgets import (
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_dim.errors import InputError
from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.commands.class_commands import take_background, take_brush
from napari_dim.gui.commands.clean_up_commands import show_clean_up
from napari_dim.gui.commands.scan_shown import show_alone
from napari_dim.gui.jobs.growing_job import carry_on, fill_between, grow_from_seeds
from napari_dim.gui.keys import TOOLS, button_for, told
from napari_dim.gui.layers.class_steps import one_step
from napari_dim.gui.layers.image_layers import add_layer, new_labels
from napari_dim.gui.layers.layer_classes import ClassInfo, set_classes
from napari_dim.gui.layers.napari_compat import fit_camera
from napari_dim.gui.layers.searched_classes import class_added, complete, searched_in
from napari_dim.gui.logic.mask_contents import words
from napari_dim.gui.logic.time_words import class_words
from napari_dim.gui.panels.growing_bar import GrowingBar
from napari_dim.gui.panels.range_limits import RangeLimits
from napari_dim.gui.panels.slice_axis import SliceAxisBox
from napari_dim.gui.panels.welcome import Welcome
from napari_dim.gui.session import Session
from napari_dim.gui.widgets.class_table import ClassTable
from napari_dim.gui.widgets.fixed_lines import FixedLines
from napari_dim.gui.widgets.slice_strip import MISSING, WORDS
from napari_dim.gui.widgets.small_widgets import LayerPicker, captioned, while_alive
from napari_dim.gui.work import Activity
from napari_dim.states import SliceState
from napari_dim.words import count as counted

NO_LABELS = "none yet: press New"


class AnnotateTab(QWidget):
    """Choose a scan, paint, and say what counts.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.welcome = Welcome(session)
        self.image = LayerPicker(session, Image)
        self._scans: set[Layer] = set()
        self.image.setToolTip("The scan to segment")
        self.image.activated.connect(self._on_chosen)
        self.plane = SliceAxisBox(session)
        self.labels = LayerPicker(session, Labels, self._can_be_painted, NO_LABELS)
        self.labels.setToolTip(
            "The one mask of this scan: what you paint and what the machine finds. "
            "What it shows is what is trained on and exported"
        )
        self.new = QPushButton("New")
        self.new.setToolTip(
            "Make an empty mask for this scan and start painting; a scan has one mask"
        )
        self.new.clicked.connect(self._on_new)
        self.classes = ClassTable(self._step)
        self.classes.picked.connect(self._on_class)
        self.classes.relabelled.connect(self._on_relabelled)
        self.classes.added.connect(self._on_added)
        self.classes.edited.connect(self._say_slice)
        self.classes.followed.connect(self._on_brush)
        self.searched = QPushButton()
        self.searched.setToolTip(
            "Say that the new class is nowhere in the slices labelled before it, except where it "
            "is painted. Until then they teach nothing of where it is not"
        )
        self.searched.clicked.connect(self._on_searched)

        self.confirm = button_for(
            session,
            "Confirm slice",
            slices.confirm,
            "This slice is labelled as it is; where nothing is painted, all of it is background, "
            "which teaches the model too",
        )
        self.partial = button_for(
            session,
            "Partial",
            slices.set_partial,
            "Only the painted pixels of this slice count: good for a large slice of which you "
            "label a part",
        )
        self.untouched = button_for(
            session, "Undo mark", slices.set_untouched, "Take back “confirmed” or “partial”"
        )
        self.background = button_for(
            session,
            "Background brush",
            take_background,
            "Paint what is certainly background in a partial slice; it is not part of the mask. "
            "Click a class to paint that again",
        )
        self.background.setCheckable(True)
        self.background.clicked.connect(lambda _=False: self._on_brush())
        self.fill = button_for(
            session,
            "Fill between",
            fill_between,
            "Fill the slices between labelled ones from their shapes and the image, the machine's "
            "included. Your own slices are left alone; confirm the filled ones after a look",
        )
        self.seeds = button_for(
            session,
            "Grow seeds",
            grow_from_seeds,
            "Fill all slices between and around labelled ones and slices of strokes of every "
            "class, background included; confirm them after a look",
        )
        self.carry = button_for(
            session,
            "Carry on",
            carry_on,
            "Carry the mask of this slice on into its neighbours, as long as the image bears it "
            "out; it says how far it went, and why no further",
        )
        self.copy = button_for(
            session,
            "Copy nearest",
            slices.copy_nearest,
            "Copy the labels of the nearest painted slice onto this one",
        )
        self.tools = {
            kind: button_for(session, kind.name, take, kind.tip) for kind, take in TOOLS.items()
        }
        for button in self.tools.values():
            button.setCheckable(True)
            # A tool that can't be taken leaves its button as it was.
            button.clicked.connect(lambda _=False: self._on_tool())
        self.limits = RangeLimits(session)
        self.clean_up = button_for(
            session,
            "Clean up…",
            show_clean_up,
            "Islands, holes, borders, margins, copies, class by class, in this slice or all; it "
            "says what would change before it does",
        )
        self.filled = button_for(
            session,
            "Confirm all filled",
            slices.confirm_filled,
            "All slices that were filled or copied are right as they are",
        )
        self.before = button_for(
            session,
            "◀ labelled",
            partial(slices.step_labelled, direction=-1),
            "Previous labelled slice",
        )
        self.after = button_for(
            session, "labelled ▶", partial(slices.step_labelled, direction=1), "Next labelled slice"
        )
        self.suggest = button_for(
            session,
            "★ Next",
            slices.next_suggested,
            "Go to the slice whose labels should help most",
        )
        self.growing = GrowingBar(session)
        self.state = FixedLines(3)

        labels = QHBoxLayout()
        labels.addWidget(self.labels, 1)
        labels.addWidget(self.new)
        self._box = QWidget()
        column = QVBoxLayout(self._box)
        column.setContentsMargins(0, 0, 0, 0)
        form = QFormLayout()
        scan = QHBoxLayout()
        scan.addWidget(self.image, 1)
        scan.addWidget(self.plane)
        captioned(form, "scan", scan)
        captioned(form, "mask", labels)
        column.addLayout(form)
        column.addWidget(self.classes)
        column.addWidget(self.state)
        grid = QGridLayout()
        for place, button in enumerate(
            (
                self.confirm, self.partial, self.untouched,
                self.copy, self.fill, self.background, self.carry, self.seeds,
            )
        ):  # fmt: skip
            grid.addWidget(button, place // 3, place % 3)
        column.addLayout(grid)
        tools = QGridLayout()
        for place, button in enumerate(self.tools.values()):
            tools.addWidget(button, place // 3, place % 3)
        column.addLayout(tools)
        steps = QHBoxLayout()
        for button in (self.before, self.suggest, self.after, self.clean_up):
            steps.addWidget(button)
        column.addLayout(steps)
        # What comes and goes stands below what does not, which so never moves under the mouse.
        column.addWidget(self.growing)
        column.addWidget(self.limits)
        column.addWidget(self.filled)
        column.addWidget(self.searched)
        column.addStretch(1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(6, 6, 6, 6)
        whole.addWidget(self.welcome)
        whole.addWidget(self._box)
        whole.addStretch(1)

        self.image.picked.connect(self._on_image)
        self.labels.picked.connect(self._on_labels)
        while_alive(self, session.case_wanted, self._on_wanted)
        while_alive(self, session.layers_changed, self._on_layers)
        while_alive(self, session.slices_changed, self._say_slice)
        while_alive(self, session.tool_changed, self._on_tool)
        while_alive(self, session.viewer.dims.events.point, self._on_slice)
        self._on_layers()

    def _can_be_painted(self, layer: Labels) -> bool:
        image = self.image.layer
        return image is None or self.session.scans.can_be_of(layer, image)

    def _on_layers(self) -> None:
        there = self.image.layer is not None
        self.welcome.setVisible(not there)
        self._box.setVisible(there)
        scans = self.session.scans.layers(Image)
        new, self._scans = set(scans) != self._scans, set(scans)
        if there and new and not self.image.layer.visible and self.labels.layer is None:
            # Several scans opened at once, some hidden: work on the one that is seen.
            seen = next((scan for scan in scans if scan.visible), None)
            if seen is not None:
                self.image.pick(seen)
                fit_camera(self.session.viewer, seen)
        if there and self.labels.layer is None:
            self._on_image()
        else:
            self._on_labels()

    def _on_image(self, layer: Layer | None = None) -> None:
        """Work on the chosen scan, with the labels that belong to it."""
        image = self.image.layer
        self.labels.blockSignals(True)
        self.labels.refresh()
        self.labels.pick(None if image is None else self.session.scans.guess_labels(image))
        self.labels.blockSignals(False)
        self._on_labels()

    def _on_labels(self, layer: Layer | None = None) -> None:
        image, labels = self.image.layer, self.labels.layer
        if labels is not self.classes.layer:
            self.classes.show_layer(labels)
        if labels is not self.session.labels or image is not self.session.image:
            self.session.show_case(image, labels)
        self._say_slice()

    def _on_wanted(self, image: Layer) -> None:
        self.image.pick(image)
        show_alone(self.session, image)

    def _on_chosen(self, index: int) -> None:
        """A person chose another scan: don't let the last one lie over it."""
        if self.image.layer is not None:
            show_alone(self.session, self.image.layer)

    def _on_new(self) -> None:
        if self.image.layer is None:
            return
        with told(self.session):
            if why := self.session.autosave.refusal(self.image.layer):
                raise InputError(why)
            project = self.session.autosave.project
            inside = project is not None and self.session.autosave.case_of(self.image.layer)
            named = project.classes if project is not None and inside else ()
            largest = max((info.id for info in named), default=255)
            layer = new_labels(self.image.layer, largest=max(largest, 255))
            if named:
                set_classes(layer, [ClassInfo(i.id, i.name, i.colour) for i in named])
            self._paint_in(add_layer(self.session.viewer, layer))

    def _paint_in(self, layer: Labels) -> None:
        self.labels.pick(layer)
        take_brush(self.session, layer, layer.selected_label)

    def _step(self, title: str) -> AbstractContextManager[None]:
        mask = self.session.mask
        return nullcontext() if mask is None else one_step(mask, title)

    def _on_relabelled(self, old: int, new: int) -> None:
        mask = self.session.mask
        if mask is None:
            return
        with told(self.session):  # a layer may be there to be looked at alone
            mask.relabel(
                f"class {old} becomes {new}" if new else f"class {old} is erased", {old: new}
            )

    def _on_class(self, class_id: int) -> None:
        layer = self.labels.layer
        if layer is not None:
            take_brush(self.session, layer, class_id)

    def _on_brush(self) -> None:
        """Show on the button whether background is painted."""
        mask = self.session.mask
        brush = None if mask is None else mask.brush
        taken = mask is not None and brush is not None and mask.layer.selected_label == brush
        self.background.setChecked(taken)

    def _on_added(self, before: set[int]) -> None:
        """Slices labelled before a class came were not searched for it."""
        mask = self.session.mask
        if mask is None:
            return
        count = class_added(mask.layer, mask.labelled, before)
        if text := class_words(count, training=self.session.activity is Activity.TRAINING):
            self.session.say(text)
        self._say_slice()

    def _on_searched(self) -> None:
        mask = self.session.mask
        if mask is not None:
            with one_step(mask, "complete for all classes"):
                complete(mask.layer)
            self.session.say("All labelled slices are complete for all classes")
            self.session.slices_changed.emit()

    def _on_tool(self) -> None:
        """Show on the buttons which tool of ours is in the hand."""
        for kind, button in self.tools.items():
            button.setChecked(type(self.session.tool) is kind)

    def _on_slice(self, event: Any = None) -> None:
        self._say_slice()

    def _say_slice(self) -> None:
        mask = self.session.mask
        self.new.setEnabled(mask is None)
        for button in (
            self.confirm, self.partial, self.untouched, self.background,
            self.filled, self.before, self.after, self.suggest, self.clean_up,
            *self.tools.values(),
        ):  # fmt: skip
            button.setEnabled(mask is not None)
        for button in (self.fill, self.copy, self.carry, self.seeds):
            button.setEnabled(mask is not None and slices.neighbours(self.session))
        self.searched.setVisible(False)
        self.filled.setVisible(False)
        if mask is None:
            self.state.say("Press New, then paint the structure in a few slices.")
            return
        number = slices.current(self.session)
        states = mask.states
        searched = searched_in(mask.layer)
        self.searched.setVisible(bool(searched))
        complete_ones = "is complete" if len(searched) == 1 else "are complete"
        self.searched.setText(f"{counted(len(searched), 'older slice')} {complete_ones}, too")
        if number >= len(states):
            return
        self.classes.follow()
        self.classes.notice(mask.planes[number])
        filled = {n for n, state in enumerate(states) if state == SliceState.FILLED}
        self.filled.setVisible(bool(filled - mask.missing))
        known = MISSING if number in mask.missing else WORDS[SliceState(int(states[number]))]
        if number in mask.left and number not in mask.missing:
            known = "emptied by you, and left so by the machine until you press Take newest"
        self.state.say(f"Slice {number}: {known}. {words(states, mask.missing)}.")
