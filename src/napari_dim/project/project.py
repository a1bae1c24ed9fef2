"""A project: a folder with the cases, classes and strokes of an annotator.

The folder::

    project.json            cases, sites, classes, current case; `model.Contents`
    project.previous.json   the same, one change older
    lock, holder.json       who writes (`lock`); in a study in each case's folder (`case_locks`)
    cases/<case>/<layer>/   strokes, a file a generation (`journal`)
    cases/<case>/doubts.safetensors   how unsure the machine was (`doubts`)
    cases/<case>/model.json  which model made its masks (`makers`)
    model/                  the last model, as `engine.model.Model.save` writes it
    images/                 scans that were copied in
    removed/                annotations of removed cases

Whatever is in it, nothing outside the folder is read or written (`paths`), nothing is
unpickled, and each file has a largest size. Where scans lie outside the folder is known to
this user's machine alone (`local`), so that the folder can be handed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.atomic import make_folder
from napari_dim.io.hashing import hash_file
from napari_dim.project import local, scans
from napari_dim.project.case_locks import CaseLocks
from napari_dim.project.contents import FILE, PREVIOUS, checked, free_folder, free_name, load, save
from napari_dim.project.kept_answers import KeptAnswers
from napari_dim.project.lock import Holder, Lock
from napari_dim.project.model import SHARED, VERSION, Case, Contents, Note, ProjectClass
from napari_dim.project.paths import relative_to, slug
from napari_dim.project.strokes import Recovered, Strokes, fields_of
from napari_dim.project.writer import Writer
from napari_dim.volume import file_stem


class Project:
    """An open project; the package says how it is used. Made by `create` and `open`.

    Attributes
    ----------
    folder
        Where it lies.
    holder
        Who else writes into it; None if it is this one, or nobody.
    notes
        What opening it had to mend, for the user.
    answers
        What is kept of the machine: its model, and what it said of cases.
    """

    def __init__(
        self,
        folder: Path,
        contents: Contents,
        lock: Lock | CaseLocks | None,
        holder: Holder | None = None,
    ) -> None:
        self.folder = folder
        self.holder = holder
        self.notes: tuple[str, ...] = ()
        self._contents = contents
        self._lock = lock
        self._writer = Writer(lock.sign) if lock is not None else None
        self._strokes = Strokes(folder, self._writer)
        self._before: Contents | None = None
        self.answers = KeptAnswers(folder, contents.id, self._folder_of)

    @classmethod
    def create(cls, folder: Path, name: str = "", classes: Iterable[ProjectClass] = ()) -> Project:
        """Make a project in a folder, which is made as well.

        Parameters
        ----------
        name
            What the user calls it; by default the folder's name.

        Raises
        ------
        InputError
            If there is a project already, or the folder can't be written to.
        """
        folder = Path(folder)
        lock = Lock(make_folder(folder))
        holder = lock.take(recover=True)
        try:
            if holder is not None or (folder / FILE).exists():
                raise InputError("there is a project already", where=folder, hint="Open it")
            name = name or folder.resolve().name
            contents = checked(Contents, name=name, classes=tuple(classes))
            project = cls(folder, contents, lock)
            project.save()
        except BaseException:
            lock.release()
            raise
        if not local.is_recovery(folder):
            local.remember(folder)
        return project

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False, recover: bool = False) -> Project:
        """Open a project.

        It comes back read-only if `read_only` is set or somebody else has it: see `holder`.

        Parameters
        ----------
        recover
            Take it over from a holder that is gone without having closed it
            (`Holder.stale`). Ask the user first.

        Raises
        ------
        InputError
            If it is no project, damaged, or made by a later version.
        """
        folder = Path(folder)
        if not (folder / FILE).is_file() and not (folder / PREVIOUS).is_file():
            raise InputError("this is no project folder", where=folder)
        holder, notes = None, []
        if not read_only and load(folder)[0].reader:
            return cls._of_reader(folder)
        lock = None if read_only else Lock(folder)
        if lock is not None:
            try:
                holder = lock.take(recover=recover)
            except InputError as error:  # a folder that can only be read
                notes.append(str(error))
        try:
            contents, note = load(folder)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        project = cls(folder, contents, lock if lock and lock.held else None, holder)
        project._before = contents
        project.notes = (*notes, *([note] if note else []))
        if not project.read_only and not local.is_recovery(folder):
            local.remember(folder)
        return project

    @classmethod
    def _of_reader(cls, folder: Path) -> Project:
        """Open a reader's cases in a study: others may do so too, a case is one window's."""
        contents, note = load(folder)
        project = cls(folder, contents, CaseLocks(folder))
        project._before = contents
        project.notes = (note,) if note else ()
        local.remember(folder)
        return project

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self._contents.name

    @property
    def reader(self) -> str:
        """Whose cases of a study these are; "" outside of one."""
        return self._contents.reader

    @property
    def study(self) -> str:
        """The name of the study that they are of; "" outside of one."""
        return self._contents.study

    def hold(self, name: str) -> Holder | None:
        """Take a case for this window; returns who has it instead.

        Outside of a study all cases are the window's that has the project.

        Raises
        ------
        InputError
            If it can't be locked.
        """
        locks = self._lock
        return locks.take(self.case(name).folder) if isinstance(locks, CaseLocks) else None

    def let_go(self, name: str) -> None:
        """Give a case back to other windows, once all of it is on the disk."""
        if isinstance(self._lock, CaseLocks):
            self._strokes.wait()
            self._strokes.close(self.case(name).folder)
            self._lock.release(self.case(name).folder)

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Within: a case is this window's; a lock that was not held before is given back.

        Raises
        ------
        InputError
            If another window has it.
        """
        locks = self._lock
        own = not isinstance(locks, CaseLocks) or locks.holds(self.case(name).folder)
        if (holder := self.hold(name)) is not None:
            raise InputError(f"it is open in another window: {holder}", where=name)
        try:
            yield
        finally:
            if not own:
                self.let_go(name)

    @property
    def read_only(self) -> bool:
        """Whether nothing can be changed."""
        return self._writer is None

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases in their order."""
        return self._contents.cases

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites of the cases, sorted, without the empty one."""
        return tuple(sorted({case.site for case in self.cases if case.site}))

    @property
    def classes(self) -> tuple[ProjectClass, ...]:
        """The classes, by id."""
        return self._contents.classes

    @property
    def current(self) -> str:
        """The name of the case that is worked on; "" for none."""
        return self._contents.current

    @current.setter
    def current(self, name: str) -> None:
        if name != self.current:
            self._change(current=self.case(name).name if name else "")

    @property
    def window(self) -> str:
        """The name of the window for CT that was chosen last; "" for none."""
        return self._contents.window

    @window.setter
    def window(self, name: str) -> None:
        if name != self.window:
            self._change(window=name)

    def case(self, name: str) -> Case:
        """A case by its name.

        Raises
        ------
        InputError
            If there is none.
        """
        for case in self.cases:
            if case.name == name:
                return case
        raise InputError(f"there is no case {name!r}", where=self.folder)

    def after(self, name: str) -> Case | None:
        """The case that follows another; None after the last."""
        names = [case.name for case in self.cases]
        place = names.index(name) + 1 if name in names else 0
        return self.cases[place] if place < len(self.cases) else None

    def add_case(
        self,
        image: Path | None = None,
        name: str = "",
        *,
        site: str = "",
        copy: bool = False,
        slice_axis: int | None = None,
        part: str = "",
        digest: bool = True,
    ) -> Case:
        """Add a scan.

        Parameters
        ----------
        image
            Its file. Inside the project's folder it is referred to by its relative path;
            elsewhere the path is kept on this machine alone.
        name
            By default the file's name without suffix, with a number if there is one already.
        copy
            Whether to take a copy of the file into the project.
        slice_axis
            File axis that slices are counted along; None: chosen by the reader.
        part
            Which image of a file or folder that holds several.
        digest
            Whether to work out the file's hash, by which it is known when it has moved; that
            takes a second a GiB.

        Raises
        ------
        InputError
            If the file can't be read or copied, or the name is taken.
        """
        self._require_own_list()
        name = name or self.free_name("" if image is None else file_stem(image))
        if any(case.name == name for case in self.cases):
            raise InputError(f"there is a case {name!r} already", where=self.folder)
        folder = free_folder(self.folder, self.cases, slug(name))
        if image is not None and copy:
            image = scans.copied(self.folder, Path(image), folder)
        made = checked(
            Case,
            name=name,
            folder=folder,
            site=site,
            image=None if image is None else relative_to(self.folder, Path(image)),
            sha256=hash_file(Path(image)) if image is not None and digest else "",
            slice_axis=slice_axis,
            part=part,
            upright=True,
        )
        if image is not None and made.image is None:
            scans.refer(self._contents.id, made, Path(image))
        self._change(cases=(*self.cases, made))
        return made

    def update_case(self, name: str, **changes: Any) -> Case:
        """Change what is known of a case: all but its folder and its scan.

        Raises
        ------
        InputError
            If there is no such case, or the new name is taken.
        """
        with self._newest():
            old = self.case(name)
            fields = old.model_dump()
            free = ("name", "site", "slice_axis", "part", "exported", "windows", "rulers", "read")
            fields.update((key, changes[key]) for key in free if key in changes)
            new = checked(Case, **fields)
            current = new.name if self.current == name else self.current
            self._change(cases=tuple(new if c is old else c for c in self.cases), current=current)
        return new

    def remove_case(self, name: str) -> Path | None:
        """Take a case out; returns where its annotations lie now, if there are any.

        Raises
        ------
        InputError
            If there is no such case, or its annotations can't be moved.
        """
        self._require_own_list()
        case = self.case(name)
        self._strokes.wait()
        current = "" if self.current == name else self.current
        self._change(cases=tuple(c for c in self.cases if c is not case), current=current)
        return self._strokes.set_aside(case.folder)

    def set_classes(self, classes: Iterable[ProjectClass]) -> None:
        """Change the classes.

        Raises
        ------
        InputError
            If two have one id.
        """
        new = tuple(sorted(classes, key=lambda info: info.id))
        if new != self.classes:
            self._change(classes=new)

    def image_path(self, name: str) -> Path | None:
        """Where the scan of a case lies; None if it is in no file.

        Raises
        ------
        InputError
            If it isn't where it was: let the user `locate` it.
        """
        return scans.path_of(self.folder, self._contents.id, self.case(name))

    def locate(self, name: str, image: Path, *, anyway: bool = False) -> None:
        """Say where the scan of a case lies now.

        Parameters
        ----------
        anyway
            Take the file though it is not the one that was annotated.

        Raises
        ------
        InputError
            If it is another file.
        """
        case, image = self.case(name), Path(image)
        digest = hash_file(image)
        if case.sha256 and digest != case.sha256 and not anyway:
            raise InputError("this is not the scan that was annotated", where=image)
        relative = relative_to(self.folder, image)
        if relative is None:
            scans.refer(self._contents.id, case, image)
        if not self.read_only and (relative != case.image or digest != case.sha256):
            with self._newest():
                case = self.case(name)
                fields = {**case.model_dump(), "image": relative, "sha256": digest}
                new = checked(Case, **fields)
                self._change(cases=tuple(new if c is case else c for c in self.cases))

    def layers(self, name: str) -> tuple[str, ...]:
        """The annotation layers that are kept of a case."""
        return self._strokes.layers(self.case(name).folder)

    def stamp(self, name: str) -> tuple[tuple[str, int], ...]:
        """What is kept of a case changed if this did.

        Raises
        ------
        InputError
            If the last strokes can't be written.
        """
        return self._strokes.stamp(self.case(name).folder)

    def recover(self, name: str, layer: str = "labels") -> Recovered | None:
        """An annotation layer as it is kept; None if none is.

        Raises
        ------
        InputError
            If it is damaged beyond repair, or too large for the memory.
        """
        return self._strokes.recover(self.case(name).folder, layer)

    def note(self, name: str, layer: str = "labels") -> Note | None:
        """What is kept of a layer beside its voxels; None if nothing is."""
        return self._strokes.note(self.case(name).folder, layer)

    def states(self, name: str, layer: str = "labels") -> np.ndarray:
        """One `SliceState` a slice, ``(slice,)`` uint8; empty where nothing is annotated."""
        note = self.note(name, layer)
        return np.array([int(digit) for digit in note.states] if note else [], np.uint8)

    def begin(self, name: str, layer: str, array: np.ndarray, note: Note) -> int:
        """Keep a whole annotation layer from now on; returns a ticket.

        Parameters
        ----------
        array
            ``(slice, ...)``; not copied, must not change any more.
        """
        store = self._strokes.store(self.case(name).folder, layer)
        return self._require_case(name).put(store, note=fields_of(note), whole=array)

    def put(
        self,
        name: str,
        layer: str,
        planes: Mapping[int, np.ndarray],
        note: Mapping[str, Any] | None = None,
    ) -> int:
        """Keep some slices, and what changed beside them; returns a ticket.

        Parameters
        ----------
        planes
            Number -> slice; not copied, must not change any more.
        note
            Fields of `Note`.
        """
        store = self._strokes.store(self.case(name).folder, layer)
        return self._require_case(name).put(store, planes, fields_of(note))

    @property
    def acknowledged(self) -> int:
        """All strokes up to this ticket are on the disk."""
        return 0 if self._writer is None else self._writer.acknowledged

    @property
    def saved(self) -> bool:
        """Whether all strokes are on the disk."""
        return self._writer is None or self._writer.saved

    @property
    def fault(self) -> InputError | None:
        """Why strokes can't be written at present."""
        return None if self._writer is None else self._writer.fault

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all strokes are on the disk; returns whether they are."""
        return self._writer is None or self._writer.wait(timeout=timeout)

    def save(self) -> None:
        """Write ``project.json``; every change does so by itself.

        Raises
        ------
        InputError
            If it can't be written; the one before stays.
        """
        self._require_writable()
        save(self.folder, self._contents, self._before)
        self._before = self._contents

    def close(self, timeout: float = 3.0) -> bool:
        """Write what waits and let go of the lock; returns whether all is on the disk."""
        done = True
        if self._writer is not None:
            done = self._writer.close(timeout)
            self._writer = None
        if isinstance(self._lock, CaseLocks):
            self._lock.release_all()
        elif self._lock is not None:
            self._lock.release()
        self._lock = None
        return done

    def _require_writable(self) -> Writer:
        if self._writer is None:
            why = f"{self.holder} has it" if self.holder else "it was opened to look at"
            raise InputError(f"the project can't be changed: {why}", where=self.folder)
        return self._writer

    def _require_own_list(self) -> None:
        self._require_writable()
        if self.reader:
            raise InputError(
                "the cases of a study are dealt when it is made", where=self.folder,
                hint="Make another study, or a project of your own",
            )  # fmt: skip

    def _require_case(self, name: str) -> Writer:
        writer = self._require_writable()
        locks = self._lock
        if isinstance(locks, CaseLocks) and not locks.holds(self.case(name).folder):
            raise InputError("this window has not opened it", where=name, hint="Open the case")
        return writer

    def _folder_of(self, name: str, *, write: bool = False) -> str:
        if write:
            self._require_case(name)
        return self.case(name).folder

    @contextmanager
    def _newest(self) -> Iterator[None]:
        """Within: the list of cases is as it is on the disk, and nobody else's to change."""
        if not isinstance(self._lock, CaseLocks):
            yield
            return
        with self._lock.list_alone():
            self._contents = load(self.folder)[0]
            yield

    def _change(self, **changes: Any) -> None:
        self._require_writable()
        with self._newest():
            before = self._contents
            version = SHARED if before.reader else VERSION
            self._contents = checked(Contents, **{**dict(before), "version": version, **changes})
            try:
                self.save()
            except InputError:
                self._contents = before
                raise

    def free_name(self, wanted: str) -> str:
        """A name that no case has: the one that is wanted, or that with a number."""
        return free_name(self.cases, wanted)
