"""The cases of a project as a list: what is known of each, search, and which comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_dim.errors import InputError
from napari_dim.project import Project
from napari_dim.states import LABELLED, UNCHANGED, SliceState


@dataclass(frozen=True)
class CaseRow:
    """One case.

    Attributes
    ----------
    name, site
        As the project has them.
    labelled, slices
        Slices with labels, of how many; 0 of 0 where nothing is kept of the case yet.
    predicted
        Whether the machine has given masks.
    exported
        The day of its last export, "" for none.
    read
        Whether its reader in a study said that it is read.
    fault
        Why it can't be told.
    """

    name: str
    site: str = ""
    labelled: int = 0
    slices: int = 0
    predicted: bool = False
    exported: str = ""
    fault: str = ""
    read: bool = False

    @property
    def state(self) -> str:
        """What was done with it, in words."""
        if self.fault:
            return self.fault
        parts = ["read"] if self.read else []
        parts += [f"{self.labelled} of {self.slices} labelled" if self.labelled else "not labelled"]
        if self.predicted:
            parts.append("predicted")
        if self.exported:
            parts.append("exported")
        return ", ".join(parts)


def row_of(project: Project, name: str) -> CaseRow:
    """What a project knows of a case; reads its notes, so not for the window's thread."""
    case = project.case(name)
    labelled = slices = 0
    machine = False
    try:
        for layer in project.layers(name):
            note = project.note(name, layer)
            if note is None:
                continue
            states = [int(digit) for digit in note.states]
            slices = max(slices, len(states))
            labelled = max(labelled, sum(state in LABELLED for state in states))
            machine = machine or note.role == "prediction"
            machine = machine or any(state in (SliceState.MACHINE, *UNCHANGED) for state in states)
        machine = machine or project.answers.doubts(name) is not None
    except InputError as error:
        return CaseRow(name, case.site, fault=error.problem)
    return CaseRow(name, case.site, labelled, slices, machine, case.exported, read=bool(case.read))


def matching(rows: Sequence[CaseRow], text: str) -> list[CaseRow]:
    """The rows in whose name, site or state all words of a text occur."""
    words = text.lower().split()
    return [
        row
        for row in rows
        if all(word in f"{row.name} {row.site} {row.state}".lower() for word in words)
    ]


def neighbour(names: Sequence[str], current: str, direction: int) -> str:
    """The name before (-1) or after (1) the current one, round the ends; "" without another."""
    others = [name for name in names if name != current]
    if not others:
        return ""
    if current not in names:
        return names[0] if direction > 0 else names[-1]
    return names[(names.index(current) + direction) % len(names)]
