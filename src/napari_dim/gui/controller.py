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
from napari_dim.gui.jobs.background_task import Job, Task
from napari_dim.gui.layers.annotation import Annotation
from napari_dim.gui.layers.mask_place import fits, from_file, lay_onto, why_not
from napari_dim.gui.layers.predicted_layer import PredictionLayer
from napari_dim.gui.layers.undo_order import UndoOrder
from napari_dim.gui.logic.agreement import LiveScore
from napari_dim.gui.storage.autosave import Autosave

if TYPE_CHECKING:
    from napari_dim.engine.inference.trained_model import Model
    from napari_dim.gui.jobs.training_job import Training
    from napari_dim.gui.layers.solid_view import Solid


class Activity(Enum):
    """What the session is busy with."""

    IDLE = "idle"
    TRAINING = "training"
    STOPPING = "stopping"
    PREDICTING = "predicting"
    EXPORTING = "exporting"


@dataclass(frozen=True)
class SliceScore:
    """How right the machine was on a slice that a person then confirmed.

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
    predictions
        Layers that the machine filled, by the image layer they belong to.
    history
        Losses of the training that runs or ran last.
    note
        What else is to be told while the training runs.
    device
        Where the training runs or ran last.
    message
        What is going on or why nothing does, for the annotator.
    image, labels
        The scan that is worked on, and the layer it is labelled in.
    scores
        How right the machine was on slices that were confirmed afterwards.
    autosave
        What keeps every stroke on the disk.
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
        self.predictions: weakref.WeakKeyDictionary[Layer, PredictionLayer] = (
            weakref.WeakKeyDictionary()
        )
        self.image: Image | None = None
        self.labels: Labels | None = None
        self.scores: list[SliceScore] = []
        self.suggestions: list[Suggested] = []
        self.sites: weakref.WeakKeyDictionary[Layer, str] = weakref.WeakKeyDictionary()
        self._pairs: weakref.WeakKeyDictionary[Layer, weakref.ref[Labels]] = (
            weakref.WeakKeyDictionary()
        )
        self._annotations: weakref.WeakKeyDictionary[Layer, Annotation] = (
            weakref.WeakKeyDictionary()
        )
        self.task: Task | None = None
        self.training: Training | None = None
        self._panels = 0
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._on_removed)
        events.reordered.connect(self._on_layers)
        self._undo = UndoOrder(self)
        self._told: weakref.WeakSet[Labels] = weakref.WeakSet()
        for layer in viewer.layers:
            self._greet(layer)
        self.autosave = Autosave(self)

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
        return [layer for layer in reversed(self.viewer.layers) if isinstance(layer, kind)]

    def show_case(self, image: Image | None, labels: Labels | None) -> None:
        """Work on this scan and these labels from now on."""
        if image is self.image and labels is self.labels:
            return
        if image is not None and labels is not None and not fits(labels, image):
            labels = self._laid(labels, image)
        self.image, self.labels = image, labels
        if image is not None and labels is not None and fits(labels, image):
            self.pair(image, labels)
        self.case_changed.emit()
        self.slices_changed.emit()

    def _laid(self, labels: Labels, image: Image) -> Labels | None:
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
        """Remember that a scan is labelled in a layer."""
        self._pairs[image] = weakref.ref(labels)

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
            if not self.is_prediction(layer)
            and self.owner_of(layer) in (None, image)
            and (fits(layer, image) or self._might_fit(layer, image))
        ]
        return max(free, key=lambda layer: _alike(layer.name, image.name), default=None)

    def _might_fit(self, labels: Labels, image: Image) -> bool:
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
    def annotation(self) -> Annotation | None:
        """What is known of the slices of the labels that are worked on."""
        return None if self.labels is None else self.annotation_of(self.labels)

    def annotation_of(self, labels: Labels) -> Annotation:
        """What is known of the slices of a labels layer."""
        if labels not in self._annotations:
            annotation = Annotation(labels)
            annotation.changed.connect(self._on_slices)
            self._annotations[labels] = annotation
        return self._annotations[labels]

    @property
    def prediction(self) -> PredictionLayer | None:
        """The prediction of the scan that is worked on, if there is one."""
        return None if self.image is None else self.prediction_of(self.image)

    def prediction_of(self, image: Layer) -> PredictionLayer | None:
        """The prediction layer of an image, if it is still open."""
        prediction = self.predictions.get(image)
        return prediction if prediction and prediction.layer in self.viewer.layers else None

    def is_prediction(self, layer: Layer) -> bool:
        """Whether the machine writes into a layer."""
        return any(prediction.layer is layer for prediction in self.predictions.values())

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

    def _on_slices(self) -> None:
        self.slices_changed.emit()

    def _on_inserted(self, event: Any) -> None:
        self._greet(event.value)
        self.layers_changed.emit()

    def _greet(self, layer: Layer) -> None:
        layer.events.name.connect(self._on_layers)
        if isinstance(layer, Labels):
            self._undo.watch(layer)

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        known = self._annotations.get(layer)
        if known is not None and not self.is_prediction(layer) and known.areas.any():
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


_SESSIONS: weakref.WeakKeyDictionary[Any, Session] = weakref.WeakKeyDictionary()


def session_of(viewer: Any) -> Session:
    """The session of a viewer, made when first asked for."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # napari hands plugins a proxy.
    if viewer not in _SESSIONS:
        _SESSIONS[viewer] = Session(viewer)
    return _SESSIONS[viewer]


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
