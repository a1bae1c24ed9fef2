"""The file ``study.json``: which cases there are, who reads which, and how that was drawn.

The folder of a study, which may lie on a shared drive::

    study.json                the plan; never changed after it was made
    scans/                    the scans, once
    readers/reader-1/...      a project a reader (`project.Project`), a lock a case

A reader's project knows its own cases alone, and its folder tells no name.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_dim.errors import InputError
from napari_dim.project.paths import read_capped

FILE = "study.json"
_CAP = 64 * 2**20
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Dealt(_Frozen):
    """A case of a study.

    Attributes
    ----------
    name, site
        As in the cohort file.
    folder
        Where its annotations lie in a reader's project.
    scan
        Its file or folder, relative to the study's.
    sha256
        Of the file; "" of a folder.
    part, slice_axis
        As in `project.model.Case`.
    readers
        Who reads it: one name, or two.
    """

    name: _Name
    folder: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")
    scan: str = Field(min_length=1, max_length=1000)
    site: str = Field(default="", max_length=200)
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    part: str = Field(default="", max_length=400)
    slice_axis: int | None = Field(default=None, ge=0, le=2)
    readers: tuple[_Name, ...] = Field(min_length=1, max_length=2)


class Plan(_Frozen):
    """The file ``study.json``.

    Attributes
    ----------
    name
        What the study is called.
    readers
        In the order of their folders: ``readers/reader-1`` is the first one's.
    cases
        In the order of the cohort file.
    seed, double
        Of the draw, and the share of cases that two readers are dealt.
    made, program
        When, ISO 8601, and by which version of napari-dim.
    """

    format: Literal["napari-dim study"] = "napari-dim study"
    version: int = Field(default=1, ge=1)
    id: str = Field(default_factory=lambda: secrets.token_hex(16), pattern=r"^[0-9a-f]{32}$")
    name: _Name
    readers: tuple[_Name, ...] = Field(min_length=1, max_length=200)
    cases: tuple[Dealt, ...] = Field(min_length=1, max_length=100_000)
    seed: int = Field(ge=0, lt=2**31)
    double: float = Field(ge=0, le=1)
    made: str = Field(max_length=40)
    program: str = Field(max_length=40)

    @model_validator(mode="after")
    def _known(self) -> Plan:
        if len({name.casefold() for name in self.readers}) < len(self.readers):
            raise ValueError("two readers have one name")
        known = set(self.readers)
        for case in self.cases:
            if not set(case.readers) <= known or len(set(case.readers)) < len(case.readers):
                raise ValueError(f"{case.name} is dealt to nobody of the study, or to one twice")
        return self

    def reader(self, name: str) -> str:
        """A reader's name as the plan writes it; case and spaces around don't count.

        Raises
        ------
        InputError
            If there is none of that name; no other name is told.
        """
        wanted = name.strip().casefold()
        for own in self.readers:
            if own.casefold() == wanted:
                return own
        raise InputError(
            f"the study has no reader {name.strip()!r}",
            hint="Ask whoever made it how you are called there",
        )

    def of(self, reader: str) -> list[Dealt]:
        """A reader's cases, in an order of the reader's own: no two go through in step."""
        own = [case for case in self.cases if reader in case.readers]
        random.Random(f"{self.seed} {self.readers.index(reader)}").shuffle(own)
        return own

    @property
    def doubly(self) -> list[Dealt]:
        """The cases that two readers read."""
        return [case for case in self.cases if len(case.readers) == 2]


def deal(cases: int, readers: Sequence[str], double: float, seed: int) -> list[tuple[str, ...]]:
    """Who reads which case: in turn over a random order, a share of them by the next reader, too.

    Parameters
    ----------
    cases
        How many.
    double
        Share of the cases that two readers get, in [0, 1].

    Raises
    ------
    InputError
        If there is one reader alone, and a share for two.
    """
    count = round(double * cases)
    if count and len(readers) < 2:
        raise InputError(
            "one reader can't share cases", where="--double", hint="Name two readers, or give 0"
        )
    order = list(range(cases))
    random.Random(seed).shuffle(order)
    dealt: list[tuple[str, ...]] = [()] * cases
    for turn, place in enumerate(order):
        first = turn % len(readers)
        dealt[place] = (readers[first],)
        if turn < count:  # each round another distance: every pair comes to meet
            step = 1 + turn // len(readers) % (len(readers) - 1)
            dealt[place] += (readers[(first + step) % len(readers)],)
    return dealt


def read_plan(folder: Path) -> Plan:
    """The plan of a study.

    Raises
    ------
    InputError
        If the folder holds none, or it is damaged or of a later version.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise InputError("this is no folder of a study", where=folder,
                         hint="Make one with `napari-dim study init`")  # fmt: skip
    try:
        plan = Plan.model_validate_json(read_capped(path, _CAP))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"this is no plan of a study: {field}: {first['msg']}"[:300],
                         where=path) from error  # fmt: skip
    if plan.version > 1:
        raise InputError("it was made by a later version of napari-dim", where=path,
                         hint="Update napari-dim")  # fmt: skip
    return plan
