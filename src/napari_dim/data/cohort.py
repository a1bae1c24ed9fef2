"""Cohort files: one row a case, ``image,labels,slices,site,split``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from napari_dim.errors import InputError
from napari_dim.volume import file_stem

COLUMNS = ("image", "labels", "slices", "site", "split")
OPTIONAL = ("slice_axis", "part")
"""Columns that may be left out."""
SPLITS = ("train", "test")
SEPARATOR = "|"
"""Between the files of an image of several channels."""
_DELIMITERS = (",", ";", "\t")

Slices = tuple[int, ...] | Literal["all"]


@dataclass(frozen=True)
class CohortCase:
    """One row of a cohort file.

    Attributes
    ----------
    name
        The image's file name without suffix.
    image, labels
        Files; `labels` is the reference mask, if there is one.
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
    """The cases of a cohort file, in its order."""

    path: Path
    cases: tuple[CohortCase, ...]

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


def read_cohort(path: Path) -> Cohort:
    """Read a cohort file; its paths are relative to it.

    Commas, semicolons or tabs separate the columns. That the images and masks fit
    is checked when they are loaded; here only that they exist.

    Raises
    ------
    InputError
        On any fault, naming the file and the row.
    """
    path = Path(path)
    reader, columns = _open(path)
    cases: list[CohortCase] = []
    rows: dict[tuple[Path, str], str] = {}
    try:
        for record in reader:
            if not any(text.strip() for text in record):
                continue
            where = f"{path.name} row {reader.line_num}"
            if len(record) > len(columns) and any(text.strip() for text in record[len(columns) :]):
                raise InputError(
                    f"there are {len(record)} fields for {len(columns)} columns",
                    where=where,
                    hint="Several slices are separated by ';', or quoted",
                )
            record += [""] * (len(columns) - len(record))
            values = {name: text.strip() for name, text in zip(columns, record, strict=False)}
            case = _case(path.parent, values, where)
            same = (case.image.resolve(), case.part)
            if same in rows:
                raise InputError(f"{case.image.name} is in {rows[same]} already", where=where)
            rows[same] = f"row {reader.line_num}"
            cases.append(case)
    except csv.Error as error:
        raise InputError(f"{error}", where=f"{path.name} row {reader.line_num}") from error
    if not cases:
        raise InputError("the cohort has no cases", where=path, hint="Add one row an image")
    return Cohort(path, tuple(cases))


class _Rows:
    """A csv reader that counts rows as a spreadsheet does, the header being row 1."""

    def __init__(self, text: str, delimiter: str) -> None:
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        self.line_num = 0

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        self.line_num += 1
        return next(self._reader)


def _open(path: Path) -> tuple[_Rows, list[str]]:
    """The rows after the header, and the names of the columns."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "the cohort is not UTF-8 text", where=path, hint="Save it as CSV UTF-8"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the cohort can't be read: {reason}", where=path) from error
    if not text.strip():
        raise InputError("the cohort is empty", where=path)
    delimiter = max(_DELIMITERS, key=text.splitlines()[0].count)
    reader = _Rows(text, delimiter)
    try:
        columns = [name.strip().lower() for name in next(reader)]
    except csv.Error as error:
        raise InputError(f"{error}", where=f"{path.name} row 1") from error
    for name in COLUMNS:
        if columns.count(name) != 1:
            fault = "is missing" if name not in columns else "is there twice"
            raise InputError(
                f"the column {name!r} {fault}",
                where=f"{path.name} row 1",
                hint=f"The columns are {','.join(COLUMNS)}",
            )
    return reader, columns


def _case(folder: Path, values: dict[str, str], where: str) -> CohortCase:
    if not values["image"]:
        raise InputError("no image is named", where=where)
    image, *channels = [
        _file(folder, text.strip(), where)
        for text in values["image"].split(SEPARATOR)
        if text.strip()
    ] or [_file(folder, values["image"], where)]
    labels = _file(folder, values["labels"], where) if values["labels"] else None
    slices = _slices(values["slices"], where)
    if slices and labels is None:
        raise InputError("slices are listed but no labels file", where=where)
    split = values["split"].lower()
    if split not in SPLITS:
        raise InputError(f"the split is {values['split']!r}", where=where, hint="Use train or test")
    known = (*COLUMNS, *OPTIONAL)
    extra = {name: text for name, text in values.items() if name and name not in known}
    return CohortCase(
        file_stem(image), image, labels, slices, values["site"], split, extra, where,
        tuple(channels), values.get("slice_axis", ""), values.get("part", ""),
    )  # fmt: skip


def case_of(text: str | Path, *, slice_axis: str = "", part: str = "") -> CohortCase:
    """A case for an image given by itself: one file or folder, or several joined by ``|``."""
    image, *channels = [Path(one.strip()) for one in str(text).split(SEPARATOR)]
    return CohortCase(
        file_stem(image), image, None, (), "", "test",
        channels=tuple(channels), slice_axis=slice_axis, part=part,
    )  # fmt: skip


def _file(folder: Path, text: str, where: str) -> Path:
    # Second try: a cohort made on Windows has backslashes.
    for path in (folder / text, folder / text.replace("\\", "/")):
        try:
            if path.exists():
                return path
        except (OSError, ValueError):  # no name that this system can have
            continue
    raise InputError(f"there is no file {text}", where=where)


def _slices(text: str, where: str) -> Slices:
    if text.lower() == "all":
        return "all"
    parts = text.replace(",", " ").replace(";", " ").split()
    # isdecimal: "-1", "1.5" and "²" are no slice numbers.
    if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts):
        raise InputError(
            f"{text!r} are no slice numbers", where=where, hint="Write them as 3;8;13, or all"
        )
    return tuple(sorted({int(part) for part in parts}))
