"""What a project's files hold, checked when they are read."""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

VERSION = 1
SHARED = 2
"""Version of a reader's cases in a study: one lock a case, which older programs don't know."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Folder = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Row = Annotated[tuple[Number, ...], Field(max_length=8)]
Measured = Annotated[tuple[tuple[Number, Number, Number], ...], Field(min_length=2, max_length=3)]
Matrix = Annotated[tuple[Row, ...], Field(max_length=8)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ProjectClass(_Frozen):
    """One class: its id in the masks, what it is called, ``#rrggbb``."""

    id: int = Field(ge=1, lt=2**32)
    name: Name
    colour: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")


class Case(_Frozen):
    """One scan of a project.

    Attributes
    ----------
    name
        As the user calls it; no two cases share one.
    folder
        Where its annotations lie, below ``cases/``.
    site
        Scanner or centre, may be empty.
    image
        Path inside the project; None where the scan lies elsewhere or in no file.
    sha256
        Of the scan's file; "" where there is none or it was not worked out.
    slice_axis
        File axis that slices are counted along; None: chosen by the reader.
    part
        Which image of a file or folder that holds several.
    exported
        The day of its mask's last export, as ``2026-01-31``; "" for none.
    upright
        Whether a picture of it was turned as its file asks (EXIF) when labels were drawn on it.
    windows
        Channel, from 0 -> the values that are shown black and white; without one the automatic.
    rulers
        What was measured: two places for a length, three for an angle, each slice, row and
        column in voxels.
    read
        When its reader said that it is read, ISO 8601; "" before, and outside of a study.
    """

    name: Name
    folder: Folder
    site: str = Field(default="", max_length=200)
    image: str | None = Field(default=None, max_length=1000)
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    slice_axis: int | None = Field(default=None, ge=0, le=2)
    part: str = Field(default="", max_length=400)
    exported: str = Field(default="", max_length=40)
    upright: bool = False
    windows: dict[int, tuple[Number, Number]] = Field(default={}, max_length=1000)
    rulers: tuple[Measured, ...] = Field(default=(), max_length=10_000)
    read: str = Field(default="", max_length=40)


class Contents(_Frozen):
    """The file ``project.json``.

    `reader` and `study` (its name) are of a reader's cases in a study, else empty.
    """

    format: Literal["napari-dim project"] = "napari-dim project"
    version: int = Field(default=VERSION, ge=1)
    id: str = Field(default_factory=lambda: secrets.token_hex(16), pattern=r"^[0-9a-f]{32}$")
    name: Name = "project"
    classes: tuple[ProjectClass, ...] = Field(default=(), max_length=10_000)
    cases: tuple[Case, ...] = Field(default=(), max_length=100_000)
    current: str = Field(default="", max_length=200)
    window: str = Field(default="", max_length=200)
    reader: str = Field(default="", max_length=200)
    study: str = Field(default="", max_length=200)

    @model_validator(mode="after")
    def _unique(self) -> Contents:
        for what, keys in (
            ("class ids", [info.id for info in self.classes]),
            ("cases", [case.name for case in self.cases]),
            ("folders", [case.folder for case in self.cases]),
        ):
            if len(set(keys)) < len(keys):
                raise ValueError(f"two {what} are the same")
        return self


class GridNote(_Frozen):
    """The grid of a layer, as in `volume.Grid`."""

    file_shape: tuple[int, int, int]
    file_affine: Matrix
    slice_axis: int = Field(ge=0, le=2)
    unit: Literal["mm", "pixel"] = "mm"
    kind: Literal["volume", "picture"] = "volume"


class Place(_Frozen):
    """Where the window shows a layer: napari's own keywords."""

    scale: Row = ()
    translate: Row = ()
    rotate: Matrix = ()
    shear: Row = ()
    affine: Matrix = ()
    units: tuple[Annotated[str, Field(max_length=40)], ...] = Field(default=(), max_length=8)
    axis_labels: tuple[Annotated[str, Field(max_length=80)], ...] = Field(default=(), max_length=8)


class Note(_Frozen):
    """What is known of an annotation layer beside its voxels.

    Attributes
    ----------
    name
        The layer's name.
    role
        ``mask``: the one mask of a scan; until version 0.2 a scan had two layers, a person's
        ``labels`` and the machine's ``prediction``.
    states
        A digit a slice: its `SliceState`.
    marks
        What was said of slices: number -> `SliceState`.
    brush
        The id that paints background in partial slices.
    classes
        The classes of this layer.
    slice
        The slice that was shown.
    in_hand, brush_size
        The class that was painted with, and how wide the brush was, in pixels; None and 0 where
        that was not kept.
    searched
        Slice number -> ids of the classes that a person looked for in a labelled slice. Of
        slices that are missing all were looked for.
    touched
        Of a mask, slices without a state that a person emptied; of a prediction, those that a
        person changed.
    scores
        Slice number -> how many slices were labelled when a person corrected or checked what
        the machine had said of it, and the Dice of that.
    grid, place
        Where the layer lies.
    """

    name: str = Field(default="", max_length=1000)
    role: Literal["mask", "labels", "prediction"] = "labels"
    states: str = Field(default="", max_length=1_000_000, pattern=r"^[0-8]*$")
    marks: dict[int, Annotated[int, Field(ge=0, le=8)]] = Field(default={}, max_length=1_000_000)
    brush: int | None = Field(default=None, ge=0, lt=2**32)
    classes: tuple[ProjectClass, ...] = Field(default=(), max_length=10_000)
    slice: int = Field(default=0, ge=0, lt=2**31)
    in_hand: int | None = Field(default=None, ge=0, lt=2**32)
    brush_size: int = Field(default=0, ge=0, le=100_000)
    searched: dict[int, tuple[int, ...]] = Field(default={}, max_length=1_000_000)
    touched: tuple[int, ...] = Field(default=(), max_length=1_000_000)
    scores: dict[int, tuple[int, Annotated[float, Field(ge=0, le=1)]]] = Field(
        default={}, max_length=1_000_000
    )
    grid: GridNote | None = None
    place: Place | None = None
