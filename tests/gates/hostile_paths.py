"""Project folders made up to read or write outside themselves, or to exhaust memory."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

PROMISE = "A project folder from anyone reads and writes nothing outside itself"
FULL, QUICK = 60, 12
SECRET = b"secret: the file of somebody else"

TEXTS = (
    "../secret.nii", "../../secret.nii", "images/../../secret.nii", "./secret.nii", "..",
    ".", "/etc/passwd", "//etc/passwd", "/", "C:/secret.nii", "C:secret.nii", "c:\\secret.nii",
    "..\\secret.nii", "images\\..\\..\\secret.nii", "\\\\server\\share\\x.nii", "\\??\\C:\\x",
    "images//secret.nii", "images/./x.nii", "images/", "~/secret.nii/..", "CON", "nul.nii",
    "images/COM1.nii", "lpt9", "aux", "x.nii ", " x.nii", "x.nii.", "images/x ./y.nii",
    "x\x00.nii", "x\n.nii", "x.nii:stream", "x.nii::$DATA", "a" * 300 + ".nii", "x/" * 400 + "y",
    "images/" + "é" * 200 + ".nii", "file:///etc/passwd", "http://host/x.nii", "images/*.nii",
    "images/?.nii", "<x>.nii", "x|y.nii", 'x".nii', "\u202e../secret.nii", "%2e%2e/secret.nii",
    "link/secret.nii", "link", "file-link.nii", "images/deep/../../../secret.nii", "loop/x.nii",
)  # fmt: skip
"""What a project's file says the path of a scan is."""


def run(count: int) -> str:
    """At least `count` folders of all sorts; nothing outside may be named, read or changed."""
    trials: list[tuple[str, Callable[[Path, Path], None]]] = [
        (f"path {text[:30]!r}", lambda root, out, text=text: _image(root, text)) for text in TEXTS
    ]
    trials += [(trick.__name__, trick) for trick in TRICKS]
    assert len(trials) >= count
    trials = trials[:: len(trials) // count]
    refused = 0
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_DATA_HOME"] = str(Path(home) / "user")
        for number, (name, trick) in enumerate(trials):
            refused += _try(Path(home) / f"trial-{number}", name, trick)
    return f"{len(trials)} folders, {refused} refused in one line, the others harmless: 0 escapes"


def _try(place: Path, name: str, trick: Callable[[Path, Path], None]) -> int:
    """Make a project, spoil it, and do all that a window does with it; 1 if it was refused."""
    from napari_dim.project import Note, Project

    root, outside = place / "project", place / "outside"
    outside.mkdir(parents=True)
    (outside / "secret.nii").write_bytes(SECRET)
    (place / "secret.nii").write_bytes(SECRET)
    with Project.create(root) as project:
        project.add_case(name="a")
        project.begin("a", "labels", np.ones((3, 8, 8), np.uint8), Note(name="mine"))
    (root / "images").mkdir()
    (root / "link").symlink_to(outside)
    (root / "file-link.nii").symlink_to(outside / "secret.nii")
    (root / "loop").symlink_to(root / "loop")
    trick(root, outside)
    before = _content(place, root)
    tracemalloc.start()
    complaints = _visit(root, name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for complaint in complaints:
        assert "\n" not in complaint, name
        assert SECRET.decode() not in complaint, name
    assert peak < 200 * 2**20, f"{name}: {peak / 2**20:.0f} MiB"
    assert _content(place, root) == before, f"{name}: something outside was changed"
    return bool(complaints)


def _visit(root: Path, name: str) -> list[str]:
    """Do all that a window does; returns what was refused."""
    from napari_dim.errors import InputError
    from napari_dim.project import Project

    complaints: list[str] = []

    @contextlib.contextmanager
    def attempt() -> Iterator[None]:
        try:
            yield
        except InputError as error:
            complaints.append(str(error))

    with attempt(), Project.open(root, recover=True) as project:
        for case in project.cases:
            with attempt():
                _inside(root, project.image_path(case.name), name)
            with attempt():
                for layer in project.layers(case.name):
                    project.recover(case.name, layer)
            if project.read_only:
                continue
            with attempt():
                project.put(case.name, "labels", {1: np.full((8, 8), 2, np.uint8)})
            project.flush(0.3)
            with attempt():
                project.remove_case(case.name)
        with attempt():
            project.save()
        project.close(0.3)
    return complaints


def _inside(root: Path, path: Path | None, name: str) -> None:
    if path is not None:
        assert path.resolve().is_relative_to(root.resolve()), f"{name}: {path}"
        assert path.read_bytes() != SECRET, f"{name}: {path}"


def _content(place: Path, root: Path) -> dict[str, bytes]:
    """All files outside the project."""
    return {
        str(path): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and not path.is_symlink() and root not in path.parents
    }


def _edit(root: Path, **changes: object) -> None:
    for name in ("project.json", "project.previous.json"):
        found = json.loads((root / name).read_text())
        if not found["cases"]:
            found["cases"] = [{"name": "a", "folder": "a"}]
        case = {key: changes.pop(key) for key in list(changes) if key in found["cases"][0]}
        found["cases"][0].update(case)
        found.update(changes)
        (root / name).write_text(json.dumps(found))
        changes = {**changes, **case}


def _image(root: Path, text: str) -> None:
    _edit(root, image=text, folder="a")


def folder_that_leads_up(root: Path, outside: Path) -> None:
    _edit(root, folder="../../outside", image=None)


def folder_that_is_absolute(root: Path, outside: Path) -> None:
    _edit(root, folder=str(outside), image=None)


def cases_that_are_a_link(root: Path, outside: Path) -> None:
    (root / "cases").rename(outside / "cases")
    (root / "cases").symlink_to(outside / "cases")


def a_case_that_is_a_link(root: Path, outside: Path) -> None:
    (root / "cases" / "a").rename(outside / "a")
    (root / "cases" / "a").symlink_to(outside / "a")


def a_layer_that_is_a_link(root: Path, outside: Path) -> None:
    (root / "cases/a/labels").rename(outside / "labels")
    (root / "cases/a/labels").symlink_to(outside / "labels")


def a_journal_that_is_a_link(root: Path, outside: Path) -> None:
    journal = root / "cases/a/labels/000001.journal"
    journal.rename(outside / "j")
    journal.symlink_to(outside / "j")


def a_journal_that_is_a_hard_link(root: Path, outside: Path) -> None:
    os.link(root / "cases/a/labels/000001.journal", outside / "j")


def a_journal_that_is_a_pipe(root: Path, outside: Path) -> None:
    (root / "cases/a/labels/000001.journal").unlink()
    os.mkfifo(root / "cases/a/labels/000001.journal")


def removed_that_is_a_link(root: Path, outside: Path) -> None:
    (root / "removed").symlink_to(outside)


def a_lock_that_is_a_link(root: Path, outside: Path) -> None:
    (root / "lock").unlink(missing_ok=True)
    (root / "lock").symlink_to(outside / "secret.nii")


def a_holder_that_is_a_link(root: Path, outside: Path) -> None:
    (root / "holder.json").symlink_to(outside / "secret.nii")


def a_project_file_that_is_a_link(root: Path, outside: Path) -> None:
    (root / "project.json").rename(outside / "project.json")
    (root / "project.json").symlink_to(outside / "project.json")


def a_project_file_that_is_a_pipe(root: Path, outside: Path) -> None:
    (root / "project.json").unlink()
    os.mkfifo(root / "project.json")


def a_project_file_nested_without_end(root: Path, outside: Path) -> None:
    (root / "project.json").write_text("[" * 2_000_000)
    (root / "project.previous.json").write_text('{"a":' * 500_000)


def a_journal_that_declares_too_much(root: Path, outside: Path) -> None:
    from napari_dim.project import journal

    head = {"version": 1, "shape": [10**6, 10**6, 10**6], "dtype": "|u1", "planes": 0}
    data = journal.frame(journal.HEAD, json.dumps(head).encode())
    (root / "cases/a/labels/000001.journal").write_bytes(data)


def a_journal_that_unpacks_without_end(root: Path, outside: Path) -> None:
    from napari_dim.project import journal

    head = {"version": 1, "shape": [3, 8, 8], "dtype": "|u1", "planes": 0}
    bomb = b"\0\0\0\0" + zlib.compress(bytes(400 * 2**20))
    data = journal.frame(journal.HEAD, json.dumps(head).encode())
    data += journal.frame(journal.PLANE, bomb)
    (root / "cases/a/labels/000001.journal").write_bytes(data)


def a_journal_of_beginnings(root: Path, outside: Path) -> None:
    from napari_dim.project import journal

    frame = journal._FRAME.pack(journal.MAGIC, journal.PLANE, 10**5, 7)
    (root / "cases/a/labels/000001.journal").write_bytes(frame * 100_000)


def a_note_of_rubbish(root: Path, outside: Path) -> None:
    from napari_dim.project import journal

    with (root / "cases/a/labels/000001.journal").open("ab") as file:
        file.write(journal.frame(journal.NOTE, b'{"marks": {"1": 99}, "name": 7}'))
        file.write(journal.frame(journal.NOTE, b"[" * 1_000_000))


TRICKS = (
    folder_that_leads_up, folder_that_is_absolute, cases_that_are_a_link, a_case_that_is_a_link,
    a_layer_that_is_a_link, a_journal_that_is_a_link, a_journal_that_is_a_hard_link,
    a_journal_that_is_a_pipe, removed_that_is_a_link, a_lock_that_is_a_link,
    a_holder_that_is_a_link, a_project_file_that_is_a_link, a_project_file_that_is_a_pipe,
    a_project_file_nested_without_end, a_journal_that_declares_too_much,
    a_journal_that_unpacks_without_end, a_journal_of_beginnings, a_note_of_rubbish,
)  # fmt: skip
