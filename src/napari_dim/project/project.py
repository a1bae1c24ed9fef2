"""A project: a folder with the cases, classes and strokes of an annotator.

How to use it::

    from napari_dim.project import Project, recent_projects

    project = Project.create(folder, name="atria")        # or
    project = Project.open(folder)                        # may come back read-only:
    if project.holder is not None:                        # somebody else has it
        print(project.holder)                             # "process 812 on ward-3, since …"
        if project.holder.stale:                          # ended without closing: ask, then
            project = Project.open(folder, recover=True)
    project.notes                                         # what opening had to mend, in words

    case = project.add_case(path, site="north")           # refers to the scan where it lies
    project.add_case(path, copy=True)                     # or takes a copy into the folder
    project.add_case(name="phantom")                      # or a scan that is in no file
    project.cases, project.sites, project.classes         # tuples; change them by
    project.update_case("la00", site="south")             #   …
    project.set_classes([ProjectClass(id=1, name="atrium", colour="#e69f00")])
    project.remove_case("la00")                           # moved to removed/, not deleted
    project.image_path("la00"), project.locate("la00", path)
    project.current = "la00"                              # the case that is worked on
    project.states("la00")                                # a SliceState a slice

Each of these is on the disk when it returns. Strokes go through a thread::

    project.begin("la00", "labels", array, note)          # a layer that is new, or has a new
                                                          #   shape or type
    ticket = project.put("la00", "labels", {7: plane}, {"slice": 7})
    project.acknowledged >= ticket, project.saved         # on the disk, after fsync
    project.fault                                         # why not: the disk is full, say
    project.layers("la00")                                # ("labels", "prediction")
    project.recover("la00", "labels")                     # array, note; None if there is none
    project.close()                                       # writes what waits; also `with`

The folder::

    project.json            cases, sites, classes, current case; `model.Contents`
    project.previous.json   the same, one change older
    lock, holder.json       who writes (`lock`)
    cases/<case>/<layer>/   strokes, a file a generation (`journal`)
    images/                 scans that were copied in
    removed/                annotations of removed cases

Whatever is in it, nothing outside the folder is read or written (`paths`), nothing is
unpickled, and each file has a largest size. Where scans lie outside the folder is known to
this user's machine alone (`local`), so that the folder can be handed on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from napari_dim.errors import InputError
from napari_dim.io import hash_file
from napari_dim.io.atomic import atomic_path, write_text_atomically
from napari_dim.project import local
from napari_dim.project.lock import Holder, Lock
from napari_dim.project.model import VERSION, Case, Contents, Note, ProjectClass
from napari_dim.project.paths import inside, read_capped, relative_to, slug
from napari_dim.project.store import Store
from napari_dim.project.writer import Writer
from napari_dim.volume import file_stem

FILE, PREVIOUS = "project.json", "project.previous.json"
_CAP = 64 * 2**20

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Recovered:
    """One annotation layer as it was kept.

    Attributes
    ----------
    array
        Class ids, ``(slice, row, column)``.
    note
        What is known beside them.
    damaged
        Places of its journal that could not be read.
    """

    array: np.ndarray
    note: Note
    damaged: int = 0


class Project:
    """An open project; see the top of this module. Made by `create` and `open`.

    Attributes
    ----------
    folder
        Where it lies.
    holder
        Who else writes into it; None if it is this one, or nobody.
    notes
        What opening it had to mend, for the user.
    """

    def __init__(
        self, folder: Path, contents: Contents, lock: Lock | None, holder: Holder | None = None
    ) -> None:
        self.folder = folder
        self.holder = holder
        self.notes: tuple[str, ...] = ()
        self._contents = contents
        self._lock = lock
        self._writer = Writer(lock.sign) if lock is not None else None
        self._stores: dict[tuple[str, str], Store] = {}

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
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"the folder can't be made: {reason}", where=folder) from error
        lock = Lock(folder)
        holder = lock.take(recover=True)
        try:
            if holder is not None or (folder / FILE).exists():
                raise InputError("there is a project already", where=folder, hint="Open it")
            contents = _checked(
                Contents, name=name or folder.resolve().name, classes=tuple(classes)
            )
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
        lock = None if read_only else Lock(folder)
        if lock is not None:
            try:
                holder = lock.take(recover=recover)
            except InputError as error:  # a folder that can only be read
                notes.append(str(error))
        try:
            contents, note = _load(folder)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        project = cls(folder, contents, lock if lock and lock.held else None, holder)
        project.notes = (*notes, *([note] if note else []))
        if not project.read_only and not local.is_recovery(folder):
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
        self._require_writable()
        name = name or self.free_name("" if image is None else file_stem(image))
        if any(case.name == name for case in self.cases):
            raise InputError(f"there is a case {name!r} already", where=self.folder)
        folder = self._free_folder(slug(name))
        if image is not None and copy:
            image = self._copied(Path(image), folder)
        made = _checked(
            Case,
            name=name,
            folder=folder,
            site=site,
            image=None if image is None else relative_to(self.folder, Path(image)),
            sha256=_digest(Path(image)) if image is not None and digest else "",
            slice_axis=slice_axis,
            part=part,
        )
        if image is not None and made.image is None:
            self._refer(made, Path(image))
        self._change(cases=(*self.cases, made))
        return made

    def update_case(self, name: str, **changes: Any) -> Case:
        """Change the ``name``, ``site``, ``slice_axis`` or ``part`` of a case.

        Raises
        ------
        InputError
            If there is no such case, or the new name is taken.
        """
        old = self.case(name)
        fields = old.model_dump()
        free = ("name", "site", "slice_axis", "part")
        fields.update((key, changes[key]) for key in free if key in changes)
        new = _checked(Case, **fields)
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
        self._require_writable()
        case = self.case(name)
        self._wait()
        for key in [key for key in self._stores if key[0] == case.folder]:
            self._stores.pop(key).close()
        current = "" if self.current == name else self.current
        self._change(cases=tuple(c for c in self.cases if c is not case), current=current)
        source = inside(self.folder, f"cases/{case.folder}")
        if not source.is_dir():
            return None
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        target = inside(self.folder, f"removed/{case.folder}-{stamp}")
        try:
            target.parent.mkdir(exist_ok=True)
            source.rename(target)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"it can't be moved: {reason}", where=source) from error
        return target

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
        case = self.case(name)
        if case.image is not None:
            path = inside(self.folder, case.image)
        else:
            found = local.references(self._contents.id).get(case.folder)
            if found is None and not case.sha256:
                return None
            path = found or Path()
        if not path.name or not path.exists():
            raise InputError("its scan is not where it was", where=name, hint="Choose the file")
        return path

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
        digest = _digest(image)
        if case.sha256 and digest != case.sha256 and not anyway:
            raise InputError("this is not the scan that was annotated", where=image)
        relative = relative_to(self.folder, image)
        if relative is None:
            self._refer(case, image)
        if not self.read_only and (relative != case.image or digest != case.sha256):
            fields = {**case.model_dump(), "image": relative, "sha256": digest}
            new = _checked(Case, **fields)
            self._change(cases=tuple(new if c is case else c for c in self.cases))

    def layers(self, name: str) -> tuple[str, ...]:
        """The annotation layers that are kept of a case."""
        folder = inside(self.folder, f"cases/{self.case(name).folder}")
        if not folder.is_dir():
            return ()
        found = sorted(entry.name for entry in folder.iterdir() if slug(entry.name) == entry.name)
        return tuple(layer for layer in found if self._store(name, layer).generations())

    def recover(self, name: str, layer: str = "labels") -> Recovered | None:
        """An annotation layer as it is kept; None if none is.

        Raises
        ------
        InputError
            If it is damaged beyond repair, or too large for the memory.
        """
        self._wait()
        found = self._store(name, layer).read()
        if found is None:
            return None
        return Recovered(found.array(), Note.model_validate(found.note), found.damaged)

    def note(self, name: str, layer: str = "labels") -> Note | None:
        """What is kept of a layer beside its voxels; None if nothing is."""
        self._wait()
        found = self._store(name, layer).read()
        return None if found is None else Note.model_validate(found.note)

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
        store = self._store(name, layer)
        whole = note.model_dump(mode="json", exclude_unset=True)
        return self._require_writable().put(store, note=whole, whole=array)

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
        known = Note.model_validate(note or {}).model_dump(mode="json", exclude_unset=True)
        return self._require_writable().put(self._store(name, layer), planes, known)

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
        path = inside(self.folder, FILE)
        if path.is_file():
            before = read_capped(path, _CAP).decode("utf-8", "replace")
            write_text_atomically(inside(self.folder, PREVIOUS), before)
        write_text_atomically(path, self._contents.model_dump_json(indent=1) + "\n")

    def close(self, timeout: float = 3.0) -> bool:
        """Write what waits and let go of the lock; returns whether all is on the disk."""
        done = True
        if self._writer is not None:
            done = self._writer.close(timeout)
            self._writer = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        return done

    def _wait(self) -> None:
        for _ in range(50):
            if self.flush(0.2):
                return
            if self.fault is not None:
                raise self.fault
        raise InputError("the disk is too slow", where=self.folder)

    def _require_writable(self) -> Writer:
        if self._writer is None:
            why = f"{self.holder} has it" if self.holder else "it was opened to look at"
            raise InputError(f"the project can't be changed: {why}", where=self.folder)
        return self._writer

    def _change(self, **changes: Any) -> None:
        self._require_writable()
        before = self._contents
        self._contents = _checked(Contents, **{**dict(before), "version": VERSION, **changes})
        try:
            self.save()
        except InputError:
            self._contents = before
            raise

    def _store(self, name: str, layer: str) -> Store:
        folder = self.case(name).folder
        if slug(layer) != layer:
            raise InputError(f"{layer!r} can't be the name of a layer's folder")
        key = folder, layer
        if key not in self._stores:
            self._stores[key] = Store(self.folder, f"cases/{folder}/{layer}")
        return self._stores[key]

    def free_name(self, wanted: str) -> str:
        """A name that no case has: the one that is wanted, or that with a number."""
        taken = {case.name for case in self.cases}
        wanted = wanted[:180] or "case"
        numbered = (f"{wanted} {n}" for n in range(2, len(taken) + 3))
        return wanted if wanted not in taken else next(n for n in numbered if n not in taken)

    def _free_folder(self, wanted: str) -> str:
        taken = {case.folder for case in self.cases}
        names = (f"{wanted}-{n}" if n else wanted for n in range(len(taken) + 10**6))
        return next(n for n in names if n not in taken and not (self.folder / "cases" / n).exists())

    def _copied(self, image: Path, folder: str) -> Path:
        if not image.is_file():
            raise InputError("only a file can be copied into a project", where=image)
        target = inside(self.folder, f"images/{folder}{image.name[len(file_stem(image)) :]}")
        target.parent.mkdir(exist_ok=True)
        with atomic_path(target) as temporary:
            shutil.copyfile(image, temporary)
        return target

    def _refer(self, case: Case, image: Path) -> None:
        known = local.references(self._contents.id)
        known[case.folder] = image.resolve()
        local.keep_references(self._contents.id, known)


def _load(folder: Path) -> tuple[Contents, str]:
    """What the project's file says, or the one before it; and what had to be mended."""
    try:
        return _read(inside(folder, FILE)), ""
    except InputError as first:
        if first.problem.startswith("it was made by"):
            raise
        try:
            contents = _read(inside(folder, PREVIOUS))
        except InputError:
            raise first from None
        return contents, "The list of cases was damaged; the one before its last change was used"


def _read(path: Path) -> Contents:
    text = read_capped(path, _CAP)
    try:
        contents = Contents.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"this is no file of a project: {field}: {first['msg']}"[:300], where=path
        ) from error
    if contents.version > VERSION:
        raise InputError(
            "it was made by a later version of napari-dim", where=path, hint="Update napari-dim"
        )
    return contents


def _checked(kind: type[_Model], **fields: Any) -> _Model:
    """A model made of what the user gave."""
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or kind.__name__.lower()
        raise InputError(f"the {field} can't be used: {first['msg']}") from error


def _digest(image: Path) -> str:
    """The SHA-256 of a scan: of a file's bytes, or of all files of a folder."""
    if not image.is_dir():
        return hash_file(image)
    import hashlib

    digest = hashlib.sha256()
    for path in sorted(p for p in image.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(image).as_posix()}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()
