"""Every change of every labels layer goes to the project, or to a recovery folder.

Layers of scans that belong to the open project are kept in it. All others, and all of them
while no project is open or it is somebody else's, are kept in a recovery folder of this
user, made when the first stroke needs it: a project like any other, offered again by
`recovery`.
"""

from __future__ import annotations

import logging
import shutil
import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_dim.errors import InputError
from napari_dim.gui.layers.change_detector import LayerWatch, can_watch
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.layers.mask_layer import STATES
from napari_dim.gui.layers.napari_compat import was_changed
from napari_dim.gui.storage.layer_notes import case_of, note_of
from napari_dim.gui.storage.scan_looks import ScanLooks
from napari_dim.gui.storage.waker import Waker
from napari_dim.gui.storage.written_scans import written_alone
from napari_dim.project import Note, Project
from napari_dim.project.local import recovery_folder
from napari_dim.states import OPEN, SliceState

if TYPE_CHECKING:
    from napari_dim.gui.session import Session

EVERY = 150
"""Milliseconds between two looks at the layers."""
LOOK = 0.004
"""Seconds that one look may take."""
NOTE_EVERY = 0.6
"""Seconds between two looks at the states of slices and other notes."""
VIEW_EVERY = 2.0
"""Seconds after which a change of `VIEW` alone is worth writing."""
VIEW = {"slice", "in_hand", "brush_size"}
"""Notes that say where somebody is and what is in the hand, not what was done."""
TRY_AGAIN = 10.0
"""Seconds after which a recovery folder that could not be made is tried again."""


@dataclass
class _Kept:
    """One layer, and where it is kept: nowhere yet, while `project` is None."""

    watch: LayerWatch
    project: Project | None = None
    case: str = ""
    name: str = ""
    note: dict[str, Any] = field(default_factory=dict)
    noted: float = 0.0


@dataclass
class _Open:
    """The projects that are written to; closed at the end of Python, if not before.

    `alone` are the cases and layers that are kept in the recovery folder and nowhere else.
    """

    projects: list[Project] = field(default_factory=list)
    recovery: Project | None = None
    alone: set[tuple[str, str]] = field(default_factory=set)

    def close(self) -> None:
        """Write what waits; a recovery folder that nobody needs is removed."""
        while self.projects:
            self.projects.pop().close()
        measured = self.recovery is not None and any(c.rulers for c in self.recovery.cases)
        if self.recovery is not None and not self.alone and not measured:
            shutil.rmtree(self.recovery.folder, ignore_errors=True)
        self.recovery = None


class Autosave:
    """Keeps the labels layers of a session.

    Parameters
    ----------
    session
        Whose layers; not kept alive.

    Attributes
    ----------
    project
        The project that the user opened, or None.
    looks
        Keeps how each scan is looked at.
    """

    changed = Signal()
    """What `text` says has changed."""

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self.project: Project | None = None
        self._open = _Open()
        self._layers: weakref.WeakKeyDictionary[Labels, _Kept] = weakref.WeakKeyDictionary()
        # Layers that were taken away: one that comes back is kept where it was.
        self._closed: weakref.WeakKeyDictionary[Labels, _Kept] = weakref.WeakKeyDictionary()
        self._cases: weakref.WeakKeyDictionary[Layer, tuple[Project, str]] = (
            weakref.WeakKeyDictionary()
        )
        self._text = self._told = ""
        self._refused = -TRY_AGAIN
        self._looking = Waker(self._tick, EVERY, again=True)
        self._finalizer = weakref.finalize(self, self._open.close)
        session.layers_changed.connect(self._on_layers)
        session.slices_changed.connect(self._wake)
        session.case_changed.connect(self._on_case)
        self.looks = ScanLooks(session)
        self.changed.connect(self.looks.wake)  # the recovery folder may have a new case
        self._on_layers()

    @property
    def text(self) -> str:
        """Whether all is on the disk: "", "saving…", "saved", or why not."""
        return self._text

    @property
    def fault(self) -> InputError | None:
        """Why strokes can't be written at present."""
        faults = (project.fault for project in self._open.projects)
        return next((fault for fault in faults if fault is not None), None)

    def use(self, project: Project | None) -> None:
        """Work in a project from now on; the one before is closed.

        Layers of its cases that are still open go on being kept in the recovery folder.
        """
        self.flush()
        if self.project is not None:
            self._forget(self.project)
        self.project = project
        if project is not None and not project.read_only:
            self._open.projects.append(project)
        self._wake()
        self.changed.emit()

    def attach(self, image: Layer, project: Project, case: str) -> None:
        """Say that a scan is a case of a project: the labels on it are kept there."""
        session = self._session()
        before, name = self._cases.get(image, (None, ""))
        if before is not None and before is self._open.recovery and before is not project:
            before.update_case(name, rulers=())  # they go to the project with the scan
        self._cases[image] = project, case
        for layer, kept in list(self._layers.items()):
            if session is None or kept.project is project:
                continue
            if case_of(session, layer) is image:
                self._open.alone.discard((kept.case, kept.name))
                self._layers[layer] = self._watched(layer)
        self._wake()

    def turned(self, image: Layer) -> None:
        """Say that a scan was cut into slices of another plane."""
        project, case = self._cases.get(image, (None, ""))
        if project is not None and not project.read_only:
            project.update_case(case, slice_axis=layer_source(image).grid.slice_axis)

    def case_of(self, image: Layer) -> str:
        """The case of the open project that a scan is; "" for none."""
        project, case = self._cases.get(image, (None, ""))
        return case if project is self.project is not None else ""

    def place_of(self, image: Layer) -> tuple[Project, str] | None:
        """The project or recovery folder that a scan is kept in, and the name of its case."""
        return self._cases.get(image)

    def place_beside(self, image: Image) -> tuple[Project, str] | None:
        """A place for what was measured in a scan that is kept nowhere: the recovery folder.

        None where the folder can't be made, which is told.
        """
        session = self._session()
        if session is None:
            return None
        try:
            return self._recovery_case(session, image, image)
        except InputError as error:
            self._tell(error)
            return None

    def refusal(self, image: Layer) -> str:
        """Why nothing can be drawn on a scan: its project can only be looked at; "" if it can."""
        project, _ = self._cases.get(image, (None, ""))
        if project is None or not project.read_only:
            return ""
        holder = project.holder or "its folder can't be written to"
        return f"the project can only be looked at: {holder}"

    def layers_of(self, case: str) -> list[Layer]:
        """The open layers of a case of the open project: its labels, its scan."""
        session = self._session()
        images = [image for image in self._cases if self.case_of(image) == case]
        # The mask of a case that can only be looked at is kept nowhere.
        owned = set() if session is None else {session.scans.labels_of(image) for image in images}
        kept = [
            layer
            for layer, kept in self._layers.items()
            if (kept.project is None and layer in owned)
            or (kept.project is self.project is not None and kept.case == case)
        ]
        return [*kept, *images]

    def adopt(self, layer: Labels, project: Project, case: str, name: str) -> None:
        """Go on keeping a layer that was read from a project, and is as it is there.

        Of a read-only project, what changes goes to the recovery folder.
        """
        kept = _Kept(LayerWatch(layer, as_it_is=True, woken=self._on_change))
        if not project.read_only:
            kept.project, kept.case, kept.name = project, case, name
        self._layers[layer] = kept

    def take_over(self, project: Project) -> None:
        """Go on in a recovery folder."""
        self.flush()
        if self._open.recovery is not None:
            self._forget(self._open.recovery)
        self._open.recovery = project
        self._open.projects.append(project)
        for case in project.cases:
            self._open.alone |= {(case.name, name) for name in project.layers(case.name)}

    def flush(self, timeout: float = 3.0) -> bool:
        """Bring all that changed to the disk; returns whether it is there."""
        for layer in list(self._layers):
            self._keep(layer, float("inf"))
        self.looks.keep()
        done = [project.flush(timeout) for project in self._open.projects]
        self._say()
        return all(done) and self.fault is None

    def close(self, timeout: float = 3.0) -> bool:
        """Write what waits and let go of the projects; returns whether all is on the disk."""
        done = self.flush(timeout)
        self._looking.stop()
        self._layers.clear()
        self._closed.clear()
        self._cases.clear()
        self.project = None
        self._open.close()
        return done

    def _on_case(self) -> None:
        """Of several open scans, the one that is worked on comes up at the next start."""
        session = self._session()
        image = None if session is None else session.image
        project, case = (None, "") if image is None else self._cases.get(image, (None, ""))
        if project is None or project.read_only:
            return
        try:
            project.current = case
        except InputError as error:
            self._tell(error)

    def _wake(self) -> None:
        self._looking.wake()

    def _on_change(self) -> None:
        """Something may have changed: from now on it is not called saved."""
        self._wake()
        self._say()

    def _watched(self, layer: Labels) -> _Kept:
        """A layer that is kept nowhere yet; what came from a file is safe as it is."""
        source = getattr(layer, "source", None)
        filed = bool(getattr(source, "path", None) or getattr(source, "sample", None))
        as_it_is = filed and not was_changed(layer)
        return _Kept(LayerWatch(layer, as_it_is=as_it_is, woken=self._on_change))

    def _on_layers(self) -> None:
        """Watch the layers that are new, look at those that go a last time."""
        session = self._session()
        if session is None:
            return
        there = set(session.viewer.layers)
        for layer in list(self._layers):
            if layer not in there:
                self._keep(layer, float("inf"))
                self._closed[layer] = self._layers.pop(layer)
        for layer in there:
            if layer not in self._layers and can_watch(layer):
                before = self._closed.pop(layer, None)
                goes_on = before is not None and before.project in self._open.projects
                self._layers[layer] = before if before and goes_on else self._watched(layer)
        self._wake()

    def _tick(self) -> None:
        for layer in list(self._layers):
            self._keep(layer, LOOK / len(self._layers))
        self._say()

    def _keep(self, layer: Labels, seconds: float) -> None:
        """Give what changed of a layer to its project."""
        session, kept, now = self._session(), self._layers.get(layer), time.monotonic()
        if session is None or kept is None:
            return
        if kept.project is None and now < self._refused + TRY_AGAIN:
            return  # what changed is found then
        try:
            whole = kept.watch.reshaped()
            planes = {} if whole is not None else kept.watch.changed(seconds)
            mask = session.scans.known_mask(layer)
            if mask is not None and planes:
                mask.notice(planes)  # written into by something that told nobody
            if kept.project is None:
                if not self._begin(session, layer, kept, whole, planes):
                    return
                planes = {} if whole is not None else kept.watch.changed(seconds)
            assert kept.project is not None
            hasty = bool(planes) or seconds == float("inf")
            news = self._news(session, layer, kept, now, hasty or whole is not None)
            if whole is not None:
                note = Note.model_validate(kept.note)
                kept.project.begin(kept.case, kept.name, whole, note)
            elif planes or news:
                kept.project.put(kept.case, kept.name, planes, news)
        except Exception as error:  # whatever it is: the strokes are found anew, and it is told
            self._refused = now
            self._layers[layer] = _Kept(LayerWatch(layer, woken=self._on_change))
            self._tell(error)

    def _begin(self, session: Session, layer: Labels, kept: _Kept, whole: Any, planes: Any) -> bool:
        """Find a place for a layer, if it is worth one; returns whether it has one now."""
        image = case_of(session, layer)
        project, case = (None, "") if image is None else self._cases.get(image, (None, ""))
        if project is not None and project.read_only:
            project = None
        known = session.scans.known_mask(layer)
        # Marks that voxels alone don't tell.
        marks = (SliceState.EMPTY, *OPEN)
        begun = layer.metadata.get(STATES)  # as it came from a project that is only looked at
        states = np.zeros(0, np.uint8) if known is None else known.states
        same = states == begun if np.shape(begun) == states.shape else np.zeros(len(states), bool)
        marked = bool((np.isin(states, marks) & ~same).any())
        changed = whole is not None or planes or marked
        if not changed and (project is None or project is self._open.recovery):
            return False
        if project is None:
            project, case = self._recovery_case(session, layer, image)
        note = note_of(session, layer)
        taken = {k.name for k in self._layers.values() if (k.project, k.case) == (project, case)}
        taken |= set(project.layers(case))
        numbers = (f"labels-{n}" if n > 1 else "labels" for n in range(1, 10**6))
        name = next(name for name in numbers if name not in taken)
        empty = np.broadcast_to(np.zeros((), kept.watch.dtype), kept.watch.shape)
        project.begin(case, name, empty, note)
        kept.project, kept.case, kept.name = project, case, name
        if whole is None:
            kept.watch.restart(planes)  # nothing is kept yet: all that is painted follows
        if project is self._open.recovery:
            self._open.alone.add((case, name))
        return True

    def _recovery_case(
        self, session: Session, layer: Layer, image: Image | None
    ) -> tuple[Project, str]:
        """The recovery folder, and a case in it for a scan, or for labels without one."""
        if self._open.recovery is None:
            self._open.recovery = Project.create(recovery_folder(), "work without a project")
            self._open.projects.append(self._open.recovery)
        project, shown = self._open.recovery, image or layer
        name = project.free_name(shown.name)
        source = None if image is None else layer_source(image)
        if source is not None and source.path is not None and source.path.exists():
            project.add_case(source.path, name, digest=False, **source.place)
        else:  # a scan in no file is kept beside its work: it would be gone
            path = None if image is None else written_alone(project, image, name)
            project.add_case(path, name, digest=False)
        if image is not None:
            self._cases[image] = project, name
            if image is session.image:
                project.current = name
        return project, name

    def _news(
        self, session: Session, layer: Labels, kept: _Kept, now: float, at_once: bool
    ) -> dict[str, Any]:
        """What changed of a layer's note."""
        if not at_once and now < kept.noted + NOTE_EVERY:
            return {}
        note = note_of(session, layer)
        fields = note.model_dump(exclude_unset=True)
        news = {key: value for key, value in fields.items() if kept.note.get(key) != value}
        if set(news) <= VIEW and not at_once and now < kept.noted + VIEW_EVERY:
            return {}
        kept.note, kept.noted = fields, now
        if "classes" in news and layer is session.labels and kept.project is self.project:
            assert kept.project is not None
            try:
                kept.project.set_classes(note.classes)
            except InputError as error:  # the layer's own note has them, too
                self._tell(error)
        return news

    def _forget(self, project: Project) -> None:
        """Close a project; its layers that are still open are kept elsewhere from now on."""
        for layer, kept in list(self._layers.items()):
            if kept.project is project:
                self._layers[layer] = _Kept(LayerWatch(layer, as_it_is=True, woken=self._on_change))
        for image in [image for image, (other, _) in self._cases.items() if other is project]:
            del self._cases[image]
        if project in self._open.projects:
            self._open.projects.remove(project)
        project.close()

    def _say(self) -> None:
        if self.fault is not None:
            self._tell(self.fault)
            return
        if time.monotonic() < self._refused + TRY_AGAIN:
            return
        self._told, text = "", ""
        if any(kept.project is not None for kept in self._layers.values()):
            behind = any(not project.saved for project in self._open.projects)
            waiting = any(not kept.watch.settled for kept in self._layers.values())
            text = "saving…" if behind or waiting else "saved"
        self._show(text)

    def _tell(self, error: Exception) -> None:
        """Tell the user once that strokes can't be written."""
        self._show(f"NOT SAVED: {getattr(error, 'problem', error)}")
        if self._told != str(error):
            self._told = str(error)
            from napari.utils.notifications import show_error

            if not isinstance(error, InputError):
                logging.getLogger("napari_dim").error("strokes are not kept", exc_info=error)
            show_error(f"Your last strokes are not saved. {error}")

    def _show(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.changed.emit()
