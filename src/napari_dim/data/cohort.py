"""Cohort files: one row a case, ``image,labels,slices,site,split``."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from napari_dim.data.case_names import distinct_names
from napari_dim.data.cohort_table import Rows, check_columns
from napari_dim.errors import InputError
from napari_dim.io.places import beside, is_elsewhere, place_of, there
from napari_dim.io.strange_files import absent
from napari_dim.volume import file_stem

COLUMNS = ("image", "labels", "slices", "site", "split")
OPTIONAL = ("slice_axis", "part")
"""Columns that may be left out."""
SPLITS = ("train", "test")
SEPARATOR = "|"
"""Between the files of an image of several channels."""
_MISSING = ("nan", "none", "null", "<na>", "#n/a")
"""What programs write where nothing is."""
_log = logging.getLogger("napari_dim.data")
_NUMBER = re.compile(r"([0-9]{1,9})(?:\.0*)?")

Slices = tuple[int, ...] | Literal["all"]


@dataclass(frozen=True)
class CohortCase:
    """One row of a cohort file.

    Attributes
    ----------
    name
        The image's file name without suffix; where several share it, with what tells them
        apart, see `data.case_names`. Its prediction is called after it.
    image, labels
        Files, here or elsewhere (`io.places`); `labels` is the reference mask, if there is one.
    slices
        The slices that a person has labelled, counted along the slice axis; ``()``: none.
    site
        Scanner or centre, may be empty.
    split
        ``"train"`` or ``"test"``.
    extra
        Further columns, as text.
    where
        File and row, for messages.
    channels
        Further files of the case, each a channel or several after those of `image`.
    slice_axis
        ``"axial"``, ``"coronal"``, ``"sagittal"``, a file axis from 0, or ``""``: the usual one.
    part
        Which of several images in `image`: a series or a volume; ``""``: the usual one.
    """

    name: str
    image: Path
    labels: Path | None
    slices: Slices
    site: str
    split: str
    extra: dict[str, str] = field(default_factory=dict)
    where: str = ""
    channels: tuple[Path, ...] = ()
    slice_axis: str = ""
    part: str = ""


@dataclass(frozen=True)
class Cohort:
    """The cases of a cohort file, in its order, and what was decided when it was read."""

    path: Path
    cases: tuple[CohortCase, ...]
    notes: tuple[str, ...] = ()

    def split(self, split: str) -> tuple[CohortCase, ...]:
        """The cases of ``"train"``, ``"test"`` or ``"all"``.

        Raises
        ------
        InputError
            If there is no such split or no case in it.
        """
        if split not in (*SPLITS, "all"):
            raise InputError(f"there is no split {split!r}", hint="Use train, test or all")
        cases = tuple(case for case in self.cases if split in ("all", case.split))
        if not cases:
            raise InputError(f"the cohort has no {split} case", where=self.path)
        return cases

    def files(self) -> list[Path]:
        """All images and masks that it names: nothing may be written over them."""
        named = [path for case in self.cases for path in (case.image, *case.channels)]
        return named + [case.labels for case in self.cases if case.labels is not None]


def read_cohort(path: Path) -> Cohort:
    """Read a cohort file; its paths are relative to it, or URLs.

    Commas, semicolons or tabs separate the columns; see `data.cohort_table`. That the images
    and masks fit is checked when they are loaded; here only that they exist.

    Raises
    ------
    InputError
        On any fault, naming the file and the row.
    """
    path = place_of(path)
    rows = Rows(path)
    check_columns(rows.columns, COLUMNS, rows.where)
    cases: list[CohortCase] = []
    seen: dict[tuple[Path, str], str] = {}
    for record in rows:
        over = [text for text in record[len(rows.columns) :] if text.strip()]
        if over:
            raise InputError(
                f"there are {len(record)} fields for {len(rows.columns)} columns",
                where=rows.where,
                hint=rows.slices_hint,
            )
        record += [""] * (len(rows.columns) - len(record))
        values = {name: text.strip() for name, text in zip(rows.columns, record, strict=False)}
        case = _case(path.parent, values, rows)
        same = (case.image.resolve(), case.part)
        if same in seen:
            raise InputError(f"{case.image.name} is in {seen[same]} already", where=rows.where)
        seen[same] = f"row {rows.number}"
        cases.append(case)
    if not cases:
        raise InputError("the cohort has no cases", where=path, hint="Add one row an image")
    for note in rows.notes:
        _log.info("%s", note)
    return Cohort(path, named_apart(cases), rows.notes)


def named_apart(cases: Sequence[CohortCase]) -> tuple[CohortCase, ...]:
    """The cases, each under a name of its own; see `data.case_names`."""
    names = distinct_names([case.image for case in cases], [case.part for case in cases])
    return tuple(replace(case, name=name) for case, name in zip(cases, names, strict=True))


def _case(folder: Path, values: dict[str, str], rows: Rows) -> CohortCase:
    where = rows.where
    if not values["image"]:
        raise InputError("no image is named", where=where)
    image, *channels = [
        _file(folder, text.strip(), where)
        for text in values["image"].split(SEPARATOR)
        if text.strip()
    ] or [_file(folder, values["image"], where)]
    for name in ("labels", "slices", *OPTIONAL):
        if values.get(name, "").lower() in _MISSING:
            values[name] = ""
    labels = _file(folder, values["labels"], where) if values["labels"] else None
    slices = _slices(values["slices"], rows)
    if slices and labels is None:
        raise InputError("slices are listed but no labels file", where=where)
    split = values["split"].lower()
    if split not in SPLITS:
        # Fields that moved to the right tell of a separator within one.
        moved = any(text.lower() in SPLITS for text in values.values())
        raise InputError(
            f"the split is {values['split']!r}", where=where,
            hint=rows.slices_hint if moved else "Use train or test",
        )  # fmt: skip
    known = (*COLUMNS, *OPTIONAL)
    extra = {name: text for name, text in values.items() if name and name not in known}
    return CohortCase(
        file_stem(image), image, labels, slices, values["site"], split, extra, where,
        tuple(channels), values.get("slice_axis", ""), values.get("part", ""),
    )  # fmt: skip


def case_of(text: str | Path, *, slice_axis: str = "", part: str = "") -> CohortCase:
    """A case for an image given by itself: one file or folder, or several joined by ``|``."""
    image, *channels = [place_of(one.strip()) for one in str(text).split(SEPARATOR)]
    return CohortCase(
        file_stem(image), image, None, (), "", "test",
        channels=tuple(channels), slice_axis=slice_axis, part=part,
    )  # fmt: skip


def _file(folder: Path, text: str, where: str) -> Path:
    far = beside(folder, text)
    if is_elsewhere(far):
        if there(far):
            return far
        raise InputError(f"there is no file {text}", where=where)
    folder = Path() if "://" in text else folder
    text = str(far) if "://" in text else text
    # Second try: a cohort made on Windows has backslashes.
    links = []
    for path in (folder / text, folder / text.replace("\\", "/")):
        try:
            if path.exists():
                return path
            if path.is_symlink():
                links.append(path)
        except (OSError, ValueError):  # no name that this system can have
            continue
    if links:
        found = absent(links[0])
        raise InputError(f"{text}: {found.problem}", where=where, hint=found.hint)
    raise InputError(f"there is no file {text}", where=where)


def _slices(text: str, rows: Rows) -> Slices:
    if text.lower() == "all":
        return "all"
    # pandas makes 3.0 of a column of whole numbers with gaps.
    numbers = [_NUMBER.fullmatch(part) for part in text.replace(",", " ").replace(";", " ").split()]
    if not all(numbers):
        raise InputError(
            f"{text!r} are no slice numbers", where=rows.where,
            hint="Write them as 3;8;13, or all",
        )  # fmt: skip
    return tuple(sorted({int(number[1]) for number in numbers if number}))
