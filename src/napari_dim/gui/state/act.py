"""One step of a person in a mask: the slices that it changed, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_dim.gui.state.packed_plane import PackedPlane
from napari_dim.states import SliceState


@dataclass(frozen=True)
class SliceBefore:
    """A slice as it was: without a plane it is nobody's.

    Attributes
    ----------
    state, plane
        Its state and its voxels.
    base
        What the machine had said when a person took it over, and how many slices were labelled
        then.
    checked
        Whether a person said deliberately that the machine was right.
    """

    state: SliceState
    plane: PackedPlane | None = None
    base: tuple[PackedPlane, int] | None = None
    checked: bool = False


@dataclass
class Act:
    """One step of a person: what it is called, and the slices it changed, before and after.

    `answer` holds what the machine had said, where the act changed that as well; `beside` what
    is kept beside the voxels, as it was.
    """

    title: str
    before: dict[int, SliceBefore]
    after: dict[int, SliceBefore] = field(default_factory=dict)
    answer: dict[int, PackedPlane] = field(default_factory=dict)
    beside: Mapping[str, object] = field(default_factory=dict)
