"""What a folder of masks says of itself: each mask, its image, and the model that made it.

It is written before the first mask, while they come and at the end, so that whatever ends a
prediction, no mask passes for one of another model.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_dim import __version__
from napari_dim.data.cohort import CohortCase
from napari_dim.data.predicted_masks import SUMMARY, files_of, model_words, summary_in
from napari_dim.engine.inference.trained_model import Model
from napari_dim.errors import InputError
from napari_dim.io import hash_file
from napari_dim.io.hashing import hash_files
from napari_dim.io.places import is_elsewhere, there, write_text
from napari_dim.words import count

KEPT = "changed since this model wrote it, and left as it is; --overwrite predicts it anew"
"""What is told of a mask that somebody has changed."""
WRITE_EVERY = 2.0
"""Seconds between two times that it is written while masks come."""


class Predictions:
    """The masks in a folder, and those that a model is about to write there.

    Parameters
    ----------
    folder
        The folder; it need not exist, and may lie elsewhere.
    model
        Who writes.
    kept
        Whether the summary is written at all: among the labels of an OME-Zarr image there is none.

    Attributes
    ----------
    folder
        The folder.
    others
        Names of masks of other models that stay in the folder, once it has `begun`.
    """

    def __init__(self, folder: Path, model: Model, *, kept: bool = True) -> None:
        self.folder, self._model, self._kept = folder, model, kept
        self._id = model.fingerprint()
        summary = summary_in(folder)
        self._last = str(summary.get("model", "")) if summary else None
        self._models = dict(summary.get("models") or {})
        self._old = {Path(str(one.get("mask", ""))).name: dict(one) for one in summary["cases"]} \
            if summary else {}  # fmt: skip
        self._new: dict[str, dict[str, Any]] = {}
        self._fresh: set[str] = set()  # written now: nobody has changed them
        self._order: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._written = 0.0
        self.others: tuple[str, ...] = ()
        self._anew = False  # whether masks that were changed since are predicted anew

    def check(
        self, rows: Sequence[CohortCase], names: Sequence[str],
        *, overwrite: bool, where: str, way: str,
    ) -> None:  # fmt: skip
        """Refuse to put masks of two models into one folder unasked, or to replace others.

        Parameters
        ----------
        rows, names
            The cases, and their masks that are to be written.
        overwrite
            Whether that is allowed. Masks of this model that were changed since are predicted
            anew then; without it they stay.
        where, way
            What the folder and that permission are called where they were given.

        Raises
        ------
        InputError
            If there are such masks and `overwrite` is not given.
        """
        self._anew = overwrite
        if overwrite:
            return
        hint = f"Give a new folder, or replace those that are predicted now by {way}"
        foreign = [one for name, one in self._old.items() if not self._own(one) and self._is(name)]
        if foreign:
            are = "is" if len(foreign) == 1 else "are"
            whose = model_words(self._models, foreign[0], self._last or "")
            masks = count(len(foreign), "mask")
            raise InputError(f"{masks} of {whose} {are} here already", where=where, hint=hint)
        if is_elsewhere(self.folder):
            return  # a store is not asked for each
        for row, name in zip(rows, names, strict=True):
            if self._is(name) and name in self._old and not self._made_of(row, name):
                raise InputError(
                    f"{name} is here already, from another {row.image.name} than {row.image}, or "
                    "that has changed since", where=where, hint=hint,
                )  # fmt: skip
        if self._last == self._id:
            return  # left by this model when it was broken off
        unknown = [name for name in names if name not in self._old and self._is(name)]
        if unknown:
            more = f" and {len(unknown) - 1} more are" if len(unknown) > 1 else " is"
            raise InputError(
                f"{unknown[0]}{more} here already, and nothing tells which model made it",
                where=where, hint=hint,
            )  # fmt: skip

    def has(self, row: CohortCase, name: str) -> bool:
        """Whether this model has written the mask of a case, of these very files."""
        one = self._old.get(name)
        if one is None or not self._own(one) or not self._is(name):
            return False
        return self._made_of(row, name) and not (self._anew and self.changed(name))

    def _made_of(self, row: CohortCase, name: str) -> bool:
        """Whether a mask is said to be of these very files."""
        one, made = self._old[name], made_of(row)
        return all(one.get(key) == value for key, value in made.items()) and not (
            {"channels", "slice_axis", "part"} & {*one} - {*made}
        )

    def changed(self, name: str) -> bool:
        """Whether a mask is not what the model wrote; a store's masks are not fetched for it."""
        wrote = self._entry(name).get("mask_sha256")
        if wrote is None or is_elsewhere(self.folder) or not self._is(name):
            return False
        return hash_files(self._files(name)) != str(wrote)

    def name_of(self, case: str) -> str:
        """What the mask of a case is called in the folder; empty if it tells of none."""
        return next((name for name, one in self._old.items() if one.get("case") == case), "")

    def stale(self, name: str) -> bool:
        """Whether the mask is of another model, as far as the folder tells."""
        return name in self._old and not self._own(self._old[name])

    def begin(self, names: Sequence[str]) -> None:
        """These masks are about to be written; until they are, nothing is said of them."""
        self._order = tuple(names)
        self.others = tuple(
            name for name, one in self._old.items()
            if name not in self._order and not self._own(one) and self._is(name)
        )  # fmt: skip
        if self._old or not is_elsewhere(self.folder):  # a folder of nobody's masks is told of now
            self._write([one for name, one in self._old.items() if name not in self._order])

    def add(self, entry: Mapping[str, Any], *, found: bool = False) -> None:
        """A mask is written, or was `found` written before; from any thread."""
        name = str(entry["mask"])
        with self._lock:
            self._clear({*self._files(name)} - {*self._files(name, entry)}, name)
            if not found:
                self._fresh.add(name)
            self._new[name] = {**entry, "model": self._id}
            if time.monotonic() - self._written >= WRITE_EVERY:
                done = {name: one for name, one in self._old.items() if name not in self._order}
                self._write(self._sorted(done | self._new))

    def end(self) -> None:
        """All that will be written is; masks that stayed as they were are told of again."""
        with self._lock:
            for name, one in (self._old | self._new).items():
                if name not in self._fresh and self.changed(name):
                    one["changed_since"] = True
            if self._new or self._old:
                self._write(self._sorted(self._old | self._new))
            elif self._kept and not is_elsewhere(self.folder):
                (self.folder / SUMMARY).unlink(missing_ok=True)

    def _sorted(self, found: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
        before = [one for name, one in found.items() if name not in self._order]
        return before + [found[name] for name in self._order if name in found]

    def _own(self, one: Mapping[str, Any]) -> bool:
        return one.get("model") == self._id

    def _is(self, name: str) -> bool:
        return bool(name) and all(map(there, self._files(name)))

    def _entry(self, name: str) -> dict[str, Any]:
        return self._new.get(name) or self._old.get(name, {})

    def _files(self, name: str, entry: Mapping[str, Any] | None = None) -> list[Path]:
        return files_of(
            {"mask": name, **(self._entry(name) if entry is None else entry)}, self.folder
        )

    def _clear(self, files: Iterable[Path], name: str) -> None:
        """Take files of a mask away that it has no longer: of classes that are found no more."""
        stem, end = Path(name).stem, Path(name).suffix
        for path in files:
            own = path.name.startswith(stem) and path.suffix == end
            if own and not is_elsewhere(self.folder):
                with suppress(OSError):
                    path.unlink()

    def _write(self, cases: Sequence[Mapping[str, Any]]) -> None:
        if not self._kept:
            return
        model = self._model
        about = {"system": model.settings.system.name, "seed": model.settings.seed}
        own = {**about, "trained": model.record.get("date"), "steps": model.record.get("steps")}
        used = {one.get("model") for one in cases}
        models = {key: one for key, one in self._models.items() if key in used} | {self._id: own}
        if not is_elsewhere(self.folder):
            cases = [
                one
                for one in cases
                if one.get("mask") and all(map(there, self._files(str(one["mask"]), one)))
            ]
        summary = {
            "napari_dim": __version__, **about, "classes": list(model.classes),
            "model": self._id, "models": models, "cases": list(cases),
        }  # fmt: skip
        write_text(self.folder / SUMMARY, json.dumps(summary, indent=2) + "\n")
        self._written = time.monotonic()


def made_of(row: CohortCase) -> dict[str, Any]:
    """What a mask depends on beside the model: hashes of the files, and how they are read."""
    found: dict[str, Any] = {"sha256": hash_file(row.image)}
    if row.channels:
        found["channels"] = [hash_file(path) for path in row.channels]
    if row.slice_axis:
        found["slice_axis"] = row.slice_axis
    if row.part:
        found["part"] = row.part
    return found
