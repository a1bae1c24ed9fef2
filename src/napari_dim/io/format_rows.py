"""What a row of the tables of file formats holds, and what a caller may choose when reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from napari_dim.errors import InputError
from napari_dim.io.library_words import withheld
from napari_dim.volume import Placed

Kind = Literal["volume", "picture"]


@dataclass(frozen=True)
class How:
    """What a caller may choose when an image is read.

    Attributes
    ----------
    slice_axis
        File axis (0, 1, 2) that slices are counted along; None: the format's own choice.
    part
        Which of several images in one file or folder, as `Part.key` gives it or as a person
        would say it: a series by number, UID or description, a volume of a 4D file by number.
        ``""``: the format's own choice.
    """

    slice_axis: int | None = None
    part: str = ""


@dataclass(frozen=True)
class Part:
    """One of several images in a file or folder; `text` describes it to a person."""

    key: str
    text: str


@dataclass(frozen=True)
class Row:
    """What readers and writers share. Functions are written ``"module:function"`` of `io`.

    Attributes
    ----------
    name
        What people call it.
    needs
        Module that must be there.
    extra
        The extra of napari-dim that brings it.
    """

    name: str
    needs: str = field(default="", kw_only=True)
    extra: str = field(default="", kw_only=True)

    @property
    def missing(self) -> str:
        """The package that is needed and not there; empty if there is none."""
        return self.needs if self.needs and find_spec(self.needs) is None else ""

    def call(self, function: str, *args: Any) -> Any:
        """Call one of the functions of the row.

        Raises
        ------
        InputError
            If the package that it needs is not installed.
        """
        if self.missing:
            raise InputError(
                f"{self.name} files need the package {self.needs}",
                where=args[0],
                hint=f'Install it with: pip install "napari-dim[{self.extra}]"',
            )
        with withheld():
            return function_of(function)(*args)


@dataclass(frozen=True)
class Reader(Row):
    """Who reads a format.

    Attributes
    ----------
    suffixes
        Ends of its files' names, lower case.
    kind
        What its predictions are saved as: ``"volume"`` (.nii.gz) or ``"picture"`` (.png).
    predicted
        The `Writer.key` of what they are saved as instead.
    read
        ``(path, How) -> Volume``.
    parts
        ``(path) -> tuple[Part, ...]``: the images in a file or folder that may hold several.
    classes
        ``(path) -> list[LabelClass]``: what a mask's file says of its classes.
    glance
        ``(path, How) -> Glance | None``: header and sample of an image that is slow to read.
    read_mask
        ``(path, like) -> Laid``; by default the file is read as an image and laid on `like`.
    holds
        ``(path) -> bool``: whether a folder, or a file whose name says nothing, is of this kind.
    reads
        Name of another format that this row reads too, by other means: where that one's
        package is missing, or `reader` is asked for.
    reader
        What a part begins with to ask for that: ``simpleitk:2``.
    overlaps
        Whether its masks may hold segments that overlap: `read_mask` then takes a third
        argument, or `read` a part, that says which is kept (`overlaps.Winner`).
    """

    suffixes: tuple[str, ...]
    kind: Kind
    read: str = ""
    parts: str = ""
    classes: str = ""
    glance: str = ""
    read_mask: str = ""
    holds: str = ""
    reads: str = ""
    reader: str = ""
    overlaps: bool = False
    predicted: str = ""


@dataclass(frozen=True)
class Writer(Row):
    """Who writes a format, and what it takes.

    Attributes
    ----------
    key
        What the command line calls it.
    written
        Ends of the names of its files, lower case.
    write
        ``(path, Volume) -> Path``: an image; ``""`` where it takes masks alone.
    write_mask
        ``(path, mask, Placed, classes) -> Path``.
    flat
        Whether it takes one slice alone.
    in_mm
        Whether it takes only what has a size in mm.
    source
        ``(path, Placed)``: raises `InputError` where what is written has no place in the
        format, or it needs more of the image than there is.
    """

    key: str
    written: tuple[str, ...]
    write: str = ""
    write_mask: str = ""
    flat: bool = False
    in_mm: bool = False
    source: str = ""

    def check(self, path: Path, volume: Placed, *, what: str = "mask") -> None:
        """Refuse a mask (or an image) of this place before any work is done for it.

        Raises
        ------
        InputError
            If the format doesn't take it.
        """
        slices = volume.grid.shape[0]
        if self.flat and slices != 1:
            raise InputError(
                f"a {self.name.split()[0]} holds one slice, the {what} has {slices}",
                where=path,
                hint="Save it as .nii.gz or .tif",
            )
        if self.in_mm and volume.grid.unit != "mm":
            raise InputError(
                "a picture without a physical size has no surface", where=path,
                hint="Save it as PNG",
            )  # fmt: skip
        if self.source:
            self.call(self.source, path, volume)


def function_of(function: str) -> Callable[..., Any]:
    """What ``"module:function"`` of `io` names."""
    module, name = function.split(":")
    found: Callable[..., Any] = getattr(import_module(f"napari_dim.io.{module}"), name)
    return found
