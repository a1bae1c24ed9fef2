"""What goes on in one viewer: evented state without widgets."""

from __future__ import annotations

import os
import weakref
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_dim.engine.training.events import Failed, StepDone
from napari_dim.errors import InputError
from napari_dim.gui.background_task import Job, Task
from napari_dim.gui.layers.answer_layer import is_answer
from napari_dim.gui.layers.image_layers import (
    add_layer,
    current_slice,
    go_to_slice,
    new_labels,
)
from napari_dim.gui.layers.layer_classes import classes_of, set_classes
from napari_dim.gui.layers.machine_outlines import show_outline
from napari_dim.gui.layers.mask_layer import MaskLayer
from napari_dim.gui.layers.mask_place import fits, from_file, lay_onto, why_not
from napari_dim.gui.layers.solid_surfaces import Solid
from napari_dim.gui.logic.agreement import LiveScore
from napari_dim.gui.state.answer import Answer

if TYPE_CHECKING:
    from napari_dim.engine.inference.trained_model import Model


class Activity(Enum):
    """What the session is busy with."""

    IDLE = "idle"
    TRAINING = "training"
    STOPPING = "stopping"
    PREDICTING = "predicting"
    EXPORTING = "exporting"


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


class Session:
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
        Where the training runs or ran last.
    message
        What is going on or why nothing does, for the annotator.
    image, labels
        The scan that is worked on, and the layer of its mask.
    autosave
        What keeps every stroke on the disk; the controller gives it.
    outlined
        Whether the machine's slices are shown as outlines, a person's as areas.
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
    doubts
        Layers that show how unsure the model is, by the image layer they belong to.
    sites
        Scanner or centre of each scan, where the user has said.
    """

    changed = Signal()
    case_changed = Signal()
    slices_changed = Signal()
    stepped = Signal(StepDone)
    layers_changed = Signal()
    model_changed = Signal()
    predicted = Signal(object)
    case_wanted = Signal(object)

    def __init__(self, viewer: Any) -> None:
        self._viewer = weakref.ref(viewer)
        self.activity = Activity.IDLE
        self.message = ""
        self.device = ""
        self.note = ""
        self.share = 0.0
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
        self.suggestions: list[Suggested] = []
        self.fitted: object = None
        self.doubts: weakref.WeakKeyDictionary[Layer, Layer] = weakref.WeakKeyDictionary()
        self.sites: weakref.WeakKeyDictionary[Layer, str] = weakref.WeakKeyDictionary()
        self._pairs: weakref.WeakKeyDictionary[Layer, weakref.ref[Labels]] = (
            weakref.WeakKeyDictionary()
        )
        self._masks: weakref.WeakKeyDictionary[Layer, MaskLayer] = weakref.WeakKeyDictionary()
        self.task: Task | None = None
        self.training: Any = None
        self.autosave: Any = None
        self._panels = 0
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._on_removed)
        events.reordered.connect(self._on_layers)
        viewer.dims.events.point.connect(self._outline)
        self.slices_changed.connect(self._outline)
        self._told: weakref.WeakSet[Labels] = weakref.WeakSet()
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
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("the viewer is gone")
        return viewer

    @property
    def busy(self) -> bool:
        """Whether background work runs."""
        return self.activity is not Activity.IDLE

    def require_idle(self) -> None:
        """Refuse a second piece of background work.

        Raises
        ------
        InputError
            If one is going on.
        """
        if self.busy:
            raise InputError(
                "the last piece of work is still going on", hint="Wait for it, or stop it first"
            )

    def begin(self, title: str, job: Job, message: str, activity: Activity) -> None:
        """Start a piece of background work.

        Raises
        ------
        InputError
            If another one is going on.
        """
        self.require_idle()
        self.task = Task(title, job)
        self.say(message, activity, 0.0)
        self.task.start()

    def layers(self, kind: type[Image] | type[Labels]) -> list[Any]:
        """The open layers of a kind, topmost first."""
        return [
            layer
            for layer in reversed(self.viewer.layers)
            if isinstance(layer, kind) and not is_answer(layer) and self.is_scan(layer)
        ]

    def is_scan(self, layer: Layer) -> bool:
        """Whether a layer is not an image that we made, as that of uncertainty is."""
        return all(layer is not ours for ours in self.doubts.values())

    def show_case(self, image: Image | None, labels: Labels | None) -> None:
        """Work on this scan and these labels from now on."""
        if image is self.image and labels is self.labels:
            return
        if image is not None and labels is not None and not fits(labels, image):
            labels = self._laid(labels, image)
        self.image, self.labels = image, labels
        if image is not None and labels is not None and fits(labels, image):
            self.pair(image, labels)
        for layer in [layer for layer in self.viewer.layers if is_answer(layer)]:
            self.viewer.layers.remove(layer)  # it belongs to another scan
        self.case_changed.emit()
        self.slices_changed.emit()

    def _laid(self, labels: Labels, image: Layer) -> Labels | None:
        """The labels, laid onto the scan, which is told; None if they can't be."""
        from napari.utils.notifications import show_info, show_warning

        try:
            notes = lay_onto(labels, image)
        except InputError as error:
            show_warning(str(error))
            return None
        if notes:
            show_info("\n".join(f"{labels.name}: {note}" for note in notes))
        return labels

    def open_case(self, image: Layer) -> None:
        """Ask the window to work on another open scan."""
        if image is not self.image:
            self.case_wanted.emit(image)

    def pair(self, image: Layer, labels: Labels) -> None:
        """Remember that the mask of a scan is in a layer; what the machine said goes with it."""
        before = self.mask_of(image)
        self._pairs[image] = weakref.ref(labels)
        if before is not None and before.layer is not labels and before.answer.said.any():
            self.mask_in(labels).hear(before.answer)

    def labels_of(self, image: Layer) -> Labels | None:
        """The layer that a scan was labelled in last, if it is still open."""
        pair = self._pairs.get(image)
        labels = None if pair is None else pair()
        return labels if labels is not None and labels in self.viewer.layers else None

    def owner_of(self, labels: Layer) -> Layer | None:
        """The open scan that a layer was labelled for last, if it is known."""
        for image, pair in self._pairs.items():
            if pair() is labels and image in self.viewer.layers:
                return image
        return None

    def guess_labels(self, image: Layer) -> Labels | None:
        """Labels to work on with a scan: its own, else a fitting layer that is nobody's.

        Of several, one that lies on no other scan, then the one whose name begins most like
        the scan's. One that lies elsewhere is left alone, and told once.
        """
        own = self.labels_of(image)
        if own is not None:
            return own
        free = [
            layer
            for layer in self.layers(Labels)
            if self.owner_of(layer) in (None, image)
            and (fits(layer, image) or self._might_fit(layer, image))
        ]
        return max(free, key=lambda layer: _alike(layer.name, image.name), default=None)

    def _might_fit(self, labels: Labels, image: Layer) -> bool:
        """Whether labels that lie on no other open scan can be laid onto this one."""
        others = [other for other in self.layers(Image) if other is not image]
        if any(fits(labels, other) for other in others):
            return False
        reason = why_not(labels, image)
        if not reason:
            return True
        if from_file(labels) and labels not in self._told and all(
            why_not(labels, other) for other in others
        ):  # fmt: skip
            from napari.utils.notifications import show_warning

            self._told.add(labels)
            show_warning(f"{labels.name} is not taken as the labels of {image.name}: {reason}")
        return False

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
        return None if self.labels is None else self.mask_in(self.labels)

    @property
    def answer(self) -> Answer | None:
        """What the machine said of the scan that is worked on; None where it said nothing."""
        mask = self.mask
        return mask.answer if mask is not None and mask.answer.said.any() else None

    def mask_in(self, labels: Labels) -> MaskLayer:
        """The mask in a labels layer; from now on its strokes are acts that can be undone."""
        if labels not in self._masks:
            mask = MaskLayer(labels)
            mask.changed.connect(self._on_slices)
            mask.moved.connect(self._on_moved)
            self._masks[labels] = mask
        return self._masks[labels]

    def known_mask(self, labels: Layer) -> MaskLayer | None:
        """The mask in a labels layer, if it is one."""
        return self._masks.get(labels)

    def mask_of(self, image: Layer) -> MaskLayer | None:
        """The mask of an open scan, if its layer is open."""
        labels = self.labels if image is self.image else self.labels_of(image)
        if labels is None or labels not in self.viewer.layers or not fits(labels, image):
            return None
        return self.mask_in(labels)

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
        labels = self.guess_labels(image)
        if labels is not None and not fits(labels, image):
            labels = self._laid(labels, image)
        if labels is None:
            labels = new_labels(image)
            named = next(iter(self._masks), None)
            if named is not None:  # as in the scan that the model learnt from
                set_classes(labels, classes_of(named))
            labels.visible = image.visible
            add_layer(self.viewer, labels)
        self.pair(image, labels)
        if image is self.image:
            self.case_wanted.emit(image)
            if self.labels is not labels:
                self.show_case(self.image, labels)
        return self.mask_in(labels)

    @property
    def masks(self) -> list[tuple[Image, MaskLayer]]:
        """The open scans that have a mask, topmost first, with it."""
        found = ((image, self.mask_of(image)) for image in self.layers(Image))
        return [(image, mask) for image, mask in found if mask is not None]

    @property
    def scores(self) -> list[SliceScore]:
        """How right the machine was on slices of all open scans, scan by scan."""
        return [
            SliceScore(weakref.ref(image), score.labelled, score.number, score.dice)
            for image, mask in reversed(self.masks)
            for score in mask.scores
        ]

    def say(
        self, message: str, activity: Activity | None = None, share: float | None = None
    ) -> None:
        """Say what is going on, and perhaps change what the session is busy with."""
        self.message = message
        self.activity = activity or self.activity
        self.share = self.share if share is None else share
        if self.task is not None and share is not None:
            self.task.show(share)
        self.changed.emit()

    def fail(self, failed: Failed) -> None:
        """Tell the user once that something could not be done."""
        from napari.utils.notifications import show_error, show_warning

        text = f"{failed.problem}. {failed.hint}" if failed.hint else failed.problem
        if failed.details:
            import logging

            logging.getLogger("napari_dim").error("%s\n%s", failed.problem, failed.details)
        self.say(text, Activity.IDLE)
        if failed.stopped:
            return  # The user's own wish needs no alarm.
        (show_warning if failed.bad_input else show_error)(text)

    def panel_opened(self) -> None:
        """Count a panel that shows this session."""
        self._panels += 1

    def panel_closed(self) -> None:
        """When the last panel is gone, background work ends."""
        self._panels -= 1
        if self._panels <= 0:
            self.autosave.flush()
        if self._panels <= 0 and self.task is not None:
            self.task.abandon()
            self.task = self.training = None
            self.activity = Activity.IDLE

    def outline(self, wanted: bool) -> None:
        """Show the machine's slices as outlines, or as areas like a person's."""
        self.outlined = wanted
        self._outline()

    def _outline(self, event: Any = None) -> None:
        mask = self.mask
        if mask is not None and mask.layer in self.viewer.layers:
            number = current_slice(self.viewer, mask.layer)
            show_outline(mask, number, wanted=self.outlined)

    def _on_slices(self) -> None:
        self.slices_changed.emit()

    def _on_moved(self, numbers: frozenset[int], what: str) -> None:
        """Go where undo changed something, if it is not on the screen, and say what it was."""
        mask = self.mask
        if mask is None or mask.layer not in self.viewer.layers:
            return
        if numbers and current_slice(self.viewer, mask.layer) not in numbers:
            go_to_slice(self.viewer, mask.layer, min(numbers))
        self.say(what)

    def _on_inserted(self, event: Any) -> None:
        self._greet(event.value)
        self.layers_changed.emit()

    def _greet(self, layer: Layer) -> None:
        layer.events.name.connect(self._on_layers)

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        mask = self._masks.get(layer)
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
        owner = self.owner_of(layer)
        if owner is not None and self.image is owner:
            self.case_wanted.emit(owner)
        return f"“{layer.name}” is back"

    def _on_layers(self, event: Any = None) -> None:
        self.layers_changed.emit()


def _alike(a: str, b: str) -> int:
    """How many letters two names begin with alike."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((n for n, (x, y) in pairs if x != y), min(len(a), len(b)))


def spare_threads() -> int:
    """CPU threads for background work: one core stays free for the window."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cores = os.cpu_count() or 1
    return max(1, cores - 1)
