"""What goes on in one viewer: evented state without widgets."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_dim.engine.training.events import StepDone
from napari_dim.gui.layers.answer_layer import is_answer
from napari_dim.gui.layers.image_layers import (
    LEFT_AT,
    add_layer,
    current_slice,
    go_to_middle,
    go_to_slice,
    in_sight,
    new_labels,
)
from napari_dim.gui.layers.layer_classes import classes_of, set_classes
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.layers.mask_outlines import show_outline
from napari_dim.gui.layers.mask_place import fits
from napari_dim.gui.layers.open_scans import OpenScans
from napari_dim.gui.layers.ruler_layer import RulerLayer
from napari_dim.gui.layers.slice_numbers import number_like
from napari_dim.gui.layers.solid_surfaces import Solid
from napari_dim.gui.logic.agreement import LiveScore
from napari_dim.gui.preferences import preferences
from napari_dim.gui.state.answer import Answer
from napari_dim.gui.state.crosshair import Crosshair
from napari_dim.gui.state.held_range import HeldRange
from napari_dim.gui.state.rulers import Rulers
from napari_dim.gui.work import Work

if TYPE_CHECKING:
    from napari_dim.engine.inference.trained_model import Model


@dataclass(frozen=True)
class SliceScore:
    """How right the machine was on a slice that a person then corrected or checked.

    `scan` is its image layer, not kept alive; `labelled` is how many slices were labelled by
    then, `dice` the mean over the classes that either shows, in [0, 1].
    """

    scan: weakref.ref[Layer]
    labelled: int
    number: int
    dice: float


@dataclass(frozen=True)
class Suggested:
    """A slice of an open scan that should be labelled next, and why."""

    image: Layer
    number: int
    reason: str


class Session(Work):
    """State that the panels of one viewer share.

    Attributes
    ----------
    model, run
        The last trained model and the folder it is saved in.
    resumable
        The run folder of a training that broke off and can go on.
    history
        Losses of the training that runs or ran last.
    note
        What else is to be told while the training runs.
    device
        What the training runs on, or ran on last.
    server
        The server that the training runs on; empty for this computer.
    scans
        The open scans, and which layer holds the mask of which.
    image, labels
        The scan that is worked on, and the layer of its mask.
    autosave
        What keeps every stroke on the disk; the controller gives it.
    outlined
        Whether the machine's slices are shown as outlines, a person's as areas.
    contours
        Whether all slices are shown as contours only.
    suggestions
        Slices that should be labelled next, of all open scans.
    live
        What each preview told of the training that runs or ran last.
    pending
        A slice that joins the training as soon as the annotator leaves it.
    solid
        What was changed to show the scan in 3D; None while slices are shown.
    deleted
        The labels that a person deleted last; napari itself can't bring them back.
    joined
        Labelled slices of the scan that the last training learnt from in the end.
    fitted
        Corners of the scan that the camera was fitted to last.
    sites
        Scanner or centre of each scan, where the user has said.
    crosshair
        Where the linked views look; None while there are none.
    tool
        What is in the hand, if it is a tool that napari has not; `gui.tools`.
    growing
        What fills slices in the background; None while nothing does.
    held_range
        The range of intensity that the threshold brush keeps to.
    """

    case_changed = Signal()
    slices_changed = Signal()
    stepped = Signal(StepDone)
    layers_changed = Signal()
    model_changed = Signal()
    predicted = Signal(object)
    case_wanted = Signal(object)
    help_wanted = Signal()
    """The list of keys and of what the mouse does is to be shown, or hidden again."""
    drawing_changed = Signal()
    """Masks, or the machine's slices, are shown as contours, or as areas again."""
    tool_changed = Signal()
    """Another tool of ours is in the hand, or none any more."""
    measured = Signal()
    """Rulers or angles were added to a scan, or removed."""
    numbers_wanted = Signal()
    """The window of numbers and rulers is to be shown, or hidden again."""
    differences_wanted = Signal(int)
    """The next (1) or previous (-1) difference is to be shown, or the window of them (0)."""
    growing_changed = Signal()
    """Slices begin or cease to be filled in the background, or more is done."""
    clean_up_wanted = Signal()
    """The window that cleans up is to be shown, or hidden again."""

    views_wanted = Signal()
    """The linked views are to be shown, or hidden again."""
    views_changed = Signal()
    """They are shown, or hidden."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.scans = OpenScans(viewer)
        self.device = self.server = ""
        self.note = ""
        self.joined = 0
        self.pending: int | None = None
        self.solid: Solid | None = None
        self.deleted: Labels | None = None
        self.live: list[LiveScore] = []
        self.history: list[StepDone] = []
        self.model: Model | None = None
        self.run: Path | None = None
        self.resumable: Path | None = None
        self.image: Image | None = None
        self.labels: Labels | None = None
        self.outlined = True
        self.contours = preferences().contours
        self.suggestions: list[Suggested] = []
        self.fitted: object = None
        self.sites: weakref.WeakKeyDictionary[Layer, str] = weakref.WeakKeyDictionary()
        self.autosave: Any = None
        self.tool: Any = None
        self._rulers: weakref.WeakKeyDictionary[Layer, RulerLayer] = weakref.WeakKeyDictionary()
        self.growing: Any = None
        self.crosshair: Crosshair | None = None
        self.held_range = HeldRange()
        self._panels = 0
        self._tools: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._tool, self._brush_size, self._held = "pan_zoom", 0, False
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._on_removed)
        events.reordered.connect(self._on_layers)
        viewer.dims.events.point.connect(self._outline)
        viewer.dims.events.range.connect(self._number)
        self.slices_changed.connect(self._outline)
        self.scans.changed.connect(self._on_slices)
        self.scans.moved.connect(self._on_moved)
        for layer in viewer.layers:
            self._greet(layer)

    @property
    def viewer(self) -> Any:
        """The viewer.

        Raises
        ------
        RuntimeError
            If it is gone.
        """
        return self.scans.viewer

    def show_case(self, image: Image | None, labels: Labels | None) -> None:
        """Work on this scan and these labels from now on."""
        if image is self.image and labels is self.labels:
            return
        if image is not None and labels is not None and not fits(labels, image):
            mine = self.scans.can_be_of(labels, image)
            labels = self.scans.laid(labels, image) if mine else None
        self.lay_down()
        self._leave(image)
        self.image, self.labels = image, labels
        if labels is not None:
            self._hand_over(labels)
        if image is not None and labels is not None and fits(labels, image):
            self.scans.pair(image, labels)
        for layer in [layer for layer in self.viewer.layers if is_answer(layer)]:
            self.viewer.layers.remove(layer)  # it belongs to another scan
        away = image is not None and not in_sight(self.viewer, image)
        self._number()
        if not self._come_back() and image is not None and away:
            go_to_middle(self.viewer, image)
        self.case_changed.emit()
        self.slices_changed.emit()

    def lay_down(self) -> None:
        """Remember whether a tool of the mask is in the hand, for `take_up`."""
        active = self.viewer.layers.selection.active
        self._held = self.labels is not None and active is self.labels

    def take_up(self, layer: Layer) -> None:
        """Select a layer of a scan that is gone over to; a tool in the hand stays there."""
        held, self._held = self._held, False
        self.viewer.layers.selection.active = layer
        if held and isinstance(layer, Labels):
            layer.mode = self._tool

    def _hand_over(self, labels: Labels) -> None:
        """The brush of this mask is as large as that of the last one; its tool is followed."""
        if self._brush_size:
            labels.brush_size = self._brush_size
        if labels not in self._tools:
            self._tools.add(labels)
            labels.events.mode.connect(self._on_tool)
            labels.events.brush_size.connect(self._on_brush_size)

    def _on_tool(self, event: Any) -> None:
        """A person took another tool; napari itself lays one down as another layer is selected."""
        labels = self.labels
        shown = labels is not None and labels.visible
        if shown and labels is self.viewer.layers.selection.active:
            self._tool = str(event.mode)

    def _on_brush_size(self, event: Any) -> None:
        if self.labels is not None and event.source is self.labels:
            self._brush_size = int(self.labels.brush_size)

    def _leave(self, other: Layer | None) -> None:
        """Remember where a scan was left: the slider is the other one's from now on."""
        for layer in (self.image, self.labels):
            if layer is not None and layer in self.viewer.layers and self.image is not other:
                layer.metadata[LEFT_AT] = current_slice(self.viewer, layer)

    def _come_back(self) -> bool:
        """Go to the slice where a scan was left; returns whether it had been left."""
        found = False
        for layer in (self.image, self.labels):
            left = None if layer is None else layer.metadata.pop(LEFT_AT, None)
            if layer is not None and left is not None:
                go_to_slice(self.viewer, layer, left)
                found = True
        return found

    def open_case(self, image: Layer) -> None:
        """Ask the window to work on another open scan."""
        if image is not self.image:
            self.case_wanted.emit(image)

    def site_of(self, image: Layer) -> str:
        """What the user calls the scanner or centre of a scan; empty where nobody said."""
        return self.sites.get(image, "")

    def set_site(self, image: Layer, site: str) -> None:
        """Say from which scanner or centre a scan is; the project keeps it."""
        self.sites[image] = site.strip()
        case, project = self.autosave.case_of(image), self.autosave.project
        if case and project is not None and not project.read_only:
            project.update_case(case, site=site.strip())
        self.changed.emit()

    @property
    def suggested_here(self) -> list[Suggested]:
        """The suggestions of the scan that is worked on."""
        return [found for found in self.suggestions if found.image is self.image]

    @property
    def mask(self) -> MaskLayer | None:
        """The mask of the scan that is worked on."""
        return None if self.labels is None else self.scans.mask_in(self.labels)

    @property
    def answer(self) -> Answer | None:
        """What the machine said of the scan that is worked on; None where it said nothing."""
        mask = self.mask
        return mask.answer if mask is not None and mask.answer.said.any() else None

    def mask_of(self, image: Layer) -> MaskLayer | None:
        """The mask of an open scan, if its layer is open."""
        labels = self.labels if image is self.image else self.scans.labels_of(image)
        if labels is None or labels not in self.viewer.layers or not fits(labels, image):
            return None
        return self.scans.mask_in(labels)

    def mask_for(self, image: Layer) -> MaskLayer:
        """The mask of an open scan; an empty one is made where there is none.

        Raises
        ------
        InputError
            If the scan is of a kind that can't have one.
        """
        mask = self.mask_of(image)
        if mask is not None:
            return mask
        labels = self.scans.guess_labels(image)
        if labels is not None and not fits(labels, image):
            labels = self.scans.laid(labels, image)
        if labels is None:
            labels = new_labels(image)
            if (
                named := self.scans.any_labels
            ) is not None:  # as in the scan that the model learnt from
                set_classes(labels, classes_of(named))
            labels.visible = image.visible
            self.scans.pair(image, labels)  # before any other scan could take it for its own
            add_layer(self.viewer, labels)
        self.scans.pair(image, labels)
        if image is self.image:
            self.case_wanted.emit(image)
            if self.labels is not labels:
                self.show_case(self.image, labels)
        return self.scans.mask_in(labels)

    @property
    def masks(self) -> list[tuple[Image, MaskLayer]]:
        """The open scans that have a mask, topmost first, with it."""
        found = ((image, self.mask_of(image)) for image in self.scans.layers(Image))
        return [(image, mask) for image, mask in found if mask is not None]

    @property
    def scores(self) -> list[SliceScore]:
        """How right the machine was on slices of open scans, scan by scan.

        Of those whose masks one model made: that of the scan that is worked on.
        """
        maker = None if self.mask is None else self.mask.answer.maker
        return [
            SliceScore(weakref.ref(image), score.labelled, score.number, score.dice)
            for image, mask in reversed(self.masks)
            if mask is self.mask or mask.answer.maker == maker
            for score in mask.scores
        ]

    def rulers_of(self, image: Image) -> Rulers:
        """What was measured in an open scan; it is shown over it."""
        if image not in self._rulers:
            rulers = Rulers()
            rulers.changed.connect(self.measured.emit)
            self._rulers[image] = RulerLayer(self.viewer, image, rulers)
        return self._rulers[image].rulers

    @property
    def ruler_layers(self) -> dict[Layer, Layer]:
        """The layers that show what was measured, with the scan of each."""
        shown = ((one.layer, image) for image, one in self._rulers.items())
        return {layer: image for layer, image in shown if layer is not None}

    def panel_opened(self) -> None:
        """Count a panel that shows this session."""
        self._panels += 1

    def panel_closed(self) -> bool:
        """When the last panel is gone, background work ends; returns whether it was the last."""
        self._panels -= 1
        if self._panels > 0:
            return False
        try:
            self.autosave.flush()
        finally:  # whatever can't be written: nothing runs on behind a closed window
            if self.growing is not None:
                self.growing.end()
            self.end()
        return True

    def outline(self, wanted: bool) -> None:
        """Show the machine's slices as outlines, or as areas like a person's."""
        self.outlined = wanted
        self._outline()
        self.drawing_changed.emit()

    def show_contours(self, wanted: bool) -> None:
        """Show all slices as contours only, a person's too, or leave that to `outlined`."""
        self.contours = wanted
        self._outline()
        self.drawing_changed.emit()

    def _outline(self, event: Any = None) -> None:
        mask = self.mask
        if mask is not None and mask.layer in self.viewer.layers:
            number = current_slice(self.viewer, mask.layer)
            show_outline(mask, number, machines=self.outlined, all_=self.contours)

    def _number(self, event: Any = None) -> None:
        """Slices are counted as in the scan that is worked on."""
        number_like(self.viewer, self.image)

    def _on_slices(self) -> None:
        self.slices_changed.emit()

    def _on_moved(self, numbers: frozenset[int], what: str) -> None:
        """Go where undo changed something, and say what it was.

        Not from a slice that it changed, nor from one between two of them, as from that whose
        copies in its neighbours were taken back: what is to be done next is done there.
        """
        mask = self.mask
        if mask is None or mask.layer not in self.viewer.layers:
            return
        here = current_slice(self.viewer, mask.layer)
        if numbers and here not in numbers and not {here - 1, here + 1} <= numbers:
            nearest = min(sorted(numbers), key=lambda number: abs(number - here))
            go_to_slice(self.viewer, mask.layer, nearest)
        self.say(what)

    def _on_inserted(self, event: Any) -> None:
        self._greet(event.value)
        self.layers_changed.emit()

    def _greet(self, layer: Layer) -> None:
        layer.events.name.connect(self._on_layers)

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        mask = self.scans.known_mask(layer)
        if mask is not None and (mask.areas.any() or mask.states.any()):
            self.deleted = layer
        self.layers_changed.emit()

    def bring_back(self) -> str:
        """Put the labels back that were deleted last."""
        layer, self.deleted = self.deleted, None
        if layer is None:
            return ""
        if layer not in self.viewer.layers:
            self.viewer.add_layer(layer)
        owner = self.scans.owner_of(layer)
        if owner is not None and self.image is owner:
            self.case_wanted.emit(owner)
        return f"“{layer.name}” is back"

    def _on_layers(self, event: Any = None) -> None:
        self.layers_changed.emit()
