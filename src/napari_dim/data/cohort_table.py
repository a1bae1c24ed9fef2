"""The text of a cohort file to rows, as Excel, LibreOffice, pandas and people write it.

Bytes with or without a byte order mark; ``sep=;`` in the first line; blank lines; blanks around
what is quoted; commas, semicolons or tabs between columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_dim.errors import InputError

_DELIMITERS = (",", ";", "\t")
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATOR_LINE = re.compile(r'\ufeff?"?sep=([,;\t])"?[,;\t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
"""What Excel takes as the separator of a file, and doesn't show."""
_WHOLE_ROW = re.compile(r'"(?:[^"]|"")*"')
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f\x81\x8d\x8f\x90\x9d]")
_WESTERN = (
    "the cohort is not UTF-8 text and is read as Windows' western letters (cp1252); check names "
    "with accents, and save it as CSV UTF-8"
)


class Rows:
    """The rows of a table under its columns, counted as a spreadsheet counts them.

    Attributes
    ----------
    columns
        Names of the columns, lower case.
    delimiter
        What separates them.
    number
        Of the row given last; the first line that a spreadsheet shows is row 1.
    notes
        What was decided of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        text, self.notes = _text(path)
        text, self.delimiter = _split(text, path)
        closed = re.compile(rf'"[ \t]+(?=[{self.delimiter}\r\n]|$)')
        self._reader = csv.reader(
            io.StringIO(text if self.delimiter == "\t" else closed.sub('"', text), newline=""),
            delimiter=self.delimiter, skipinitialspace=True, strict=True,
        )  # fmt: skip
        self.number = 0
        self.columns = [name.strip().lower() for name in next(self)]

    @property
    def where(self) -> str:
        """File and row, for messages."""
        return f"{self.path.name} row {self.number}"

    @property
    def slices_hint(self) -> str:
        """How several slices are written in this file."""
        other = ";" if self.delimiter == "," else ","
        name = _NAMES[self.delimiter]
        return (
            f"{name[0].upper()}{name[1:]} separates the columns here: write several slices as "
            f'3{other}5, or in quotes as "3;5"'
        )

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        """The next row that is not blank."""
        while True:
            self.number += 1
            try:
                record = next(self._reader)
            except csv.Error as error:
                raise InputError(
                    "the quotes in this row are not closed, or text follows a closed one",
                    where=self.where, hint='Put a field in quotes as a whole: "3;5"',
                ) from error  # fmt: skip
            if any(text.strip() for text in record):
                return record


def check_columns(columns: Sequence[str], needed: Sequence[str], where: str) -> None:
    """Refuse a table that lacks a column, or has it twice."""
    for name in needed:
        if columns.count(name) != 1:
            fault = "is missing" if name not in columns else "is there twice"
            raise InputError(
                f"the column {name!r} {fault}", where=where,
                hint=f"The columns are {','.join(needed)}; this file has {','.join(columns)}",
            )  # fmt: skip


def _text(path: Path) -> tuple[str, tuple[str, ...]]:
    """All of a file, decoded; and what is to be told of that."""
    if path.is_dir():
        raise InputError(
            "this is a folder, not a cohort file", where=path,
            hint="Write a CSV file that names its images: image,labels,slices,site,split",
        )  # fmt: skip
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the cohort can't be read: {reason}", where=path) from error
    if data.startswith(b"PK\x03\x04"):
        raise InputError("this is a workbook, not a CSV file", where=path,
                         hint="Save it as CSV UTF-8")  # fmt: skip
    encoding = next((name for mark, name in _BOMS.items() if data.startswith(mark)), "")
    # Two bytes a letter without a mark: the first letters are ASCII.
    ends = {data[1:2]: "utf-16-le", data[:1]: "utf-16-be"}
    encoding = encoding or ends.get(b"\0", "utf-8")
    try:
        return data.decode(encoding), ()
    except UnicodeDecodeError as error:
        # What Excel writes as plain CSV in western Europe and America. Zero bytes and control
        # characters are no text in it either.
        if encoding == "utf-8" and not _NO_TEXT.search(data):
            return data.decode("cp1252"), (_WESTERN,)
        raise InputError(
            "the cohort is not UTF-8 text", where=path, hint="Save it as CSV UTF-8"
        ) from error


def _split(text: str, path: Path) -> tuple[str, str]:
    """The text without the line that says the separator, and the separator."""
    told = _SEPARATOR_LINE.match(text)
    text = _unwrapped(text[told.end() :] if told else text)
    header = next((line for line in text.splitlines() if line.strip(" \t,;")), "")
    if not header:
        raise InputError("the cohort is empty", where=path)
    if told and told[1] in header:
        return text, told[1]
    return text, max(_DELIMITERS, key=header.count)


def _unwrapped(text: str) -> str:
    """Rows that were quoted as a whole, as spreadsheets save a table they took for one column."""
    lines = text.splitlines()
    rows = [line.strip() for line in lines if line.strip(" \t,;")]
    if not rows or not all(_WHOLE_ROW.fullmatch(row) for row in rows):
        return text
    if not any(mark in rows[0] for mark in _DELIMITERS):
        return text
    return "".join(f"{line.strip()[1:-1]}\n".replace('""', '"') for line in lines)
