"""What of a training's cases goes to a server, and the way back: voxels, geometry and labels.

Headers, paths and names stay here. A case is ``scan-1`` there, its site ``site-1``; what is said
of them on the way back gets its names again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_dim.cluster.elsewhere.scan_store import ScanStore, hash_of
from napari_dim.config import Settings
from napari_dim.data.case import Case
from napari_dim.states import LABELLED
from napari_dim.volume import Grid, Volume

if TYPE_CHECKING:
    from napari_dim.engine.inference.trained_model import Model
    from napari_dim.engine.training.checkpoint import Checkpoint
    from napari_dim.engine.training.job import Job

_TOKEN = re.compile(r"\b(?:scan|site)-\d+\b")


@dataclass(frozen=True)
class SentScan:
    """An image without its voxels: their hash, type and shape, and the geometry."""

    digest: str
    dtype: str
    shape: tuple[int, ...]
    file_shape: tuple[int, int, int]
    affine: np.ndarray
    slice_axis: int
    unit: Literal["mm", "pixel"]
    placed: bool
    others: tuple[np.ndarray, ...]
    kind: Literal["volume", "picture"]

    @classmethod
    def of(cls, volume: Volume) -> SentScan:
        """Look through an image for its hash."""
        array, grid = volume.array, volume.grid
        return cls(
            hash_of(array), array.dtype.str, tuple(array.shape), grid.file_shape,
            np.array(grid.file_affine), grid.slice_axis, grid.unit, grid.placed, grid.others,
            volume.kind,
        )  # fmt: skip

    def volume(self, store: ScanStore) -> Volume:
        """The image, from the voxels that are kept there."""
        grid = Grid(
            self.file_shape, self.affine, self.slice_axis, self.unit, self.placed, self.others
        )
        return Volume(store.opened(self.digest), grid, kind=self.kind)


@dataclass(frozen=True)
class SentLabels:
    """The labels of one case: the planes of its labelled slices alone.

    `planes` and `painted` are ``(labelled slice, row, column)``.
    """

    states: np.ndarray
    planes: np.ndarray | None
    painted: np.ndarray | None
    searched: Mapping[int, Collection[int]]
    name: str
    site: str

    @classmethod
    def of(cls, case: Case, name: str, site: str) -> SentLabels:
        """Those of a case, which has another name there."""
        known = case.labelled
        planes, painted = (
            None if array is None else np.array(array[known])
            for array in (case.mask, case.painted)
        )  # fmt: skip
        searched = {int(n): tuple(int(i) for i in ids) for n, ids in case.searched.items()}
        return cls(np.array(case.states), planes, painted, searched, name, site)

    def case(self, volume: Volume) -> Case:
        """The case of a volume."""
        shape = volume.array.shape[:3]
        mask, painted = self._whole(self.planes, shape), self._whole(self.painted, shape)
        return Case(volume, mask, self.states, self.site, self.name, painted, self.searched)

    def _whole(self, planes: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
        if planes is None:
            return None
        whole = np.zeros(shape, planes.dtype)
        whole[np.isin(self.states, LABELLED)] = planes
        return whole


@dataclass(frozen=True)
class SentJob:
    """A `Job` as it is sent; `scans` and `labels` are those of its cases, in their order.

    `waited` says whether somebody waits: its budget counts all work then, from its arrival on.
    `losses` is the table of losses so far, of a training that goes on.
    """

    scans: tuple[SentScan, ...]
    labels: tuple[SentLabels, ...]
    settings: Settings
    preview_case: int | None
    preview_every: float
    waited: bool
    start: Model | None
    resume: Checkpoint | None
    losses: bytes

    def job(self, store: ScanStore, run: Path, begun: float) -> Job:
        """The training, there."""
        from napari_dim.engine.training.job import Job

        volumes = [scan.volume(store) for scan in self.scans]
        return Job(
            [labels.case(volume) for labels, volume in zip(self.labels, volumes, strict=True)],
            self.settings, run, self.preview_case, self.preview_every, start=self.start,
            resume=self.resume, begun=begun if self.waited else None,
        )  # fmt: skip


class Names:
    """What cases and sites are called here, and there."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = [f"scan-{number + 1}" for number in range(len(cases))]
        sites = sorted({case.site for case in cases if case.site})
        self._sites = {site: f"site-{number + 1}" for number, site in enumerate(sites)}
        self._back = dict(zip(self.cases, (case.name for case in cases), strict=True))
        self._back |= {token: site for site, token in self._sites.items()}

    def site(self, name: str) -> str:
        """A site's name there."""
        return self._sites.get(name, "")

    def labels(self, place: int, case: Case) -> SentLabels:
        """The labels of the case at a place of the job, as they are sent."""
        return SentLabels.of(case, self.cases[place], self.site(case.site))

    def back(self, said: Any) -> Any:
        """Text, or texts in lists, tuples and tables, with the names that are used here."""
        if isinstance(said, str):
            return _TOKEN.sub(lambda found: self._back.get(found[0], found[0]), said)
        if isinstance(said, list | tuple):
            return type(said)(self.back(one) for one in said)
        if isinstance(said, Mapping):
            return {self.back(key): self.back(value) for key, value in said.items()}
        return said


def sent_job(job: Job, scans: Sequence[SentScan], names: Names, losses: bytes) -> SentJob:
    """What of a training is sent."""
    start, resume = job.start, job.resume
    if resume is not None:
        resume = replace(resume, model=_nameless(resume.model))
    return SentJob(
        tuple(scans),
        tuple(names.labels(place, case) for place, case in enumerate(job.cases)),
        job.settings, job.preview_case, job.preview_every, job.begun is not None,
        None if start is None else _nameless(start), resume, losses,
    )  # fmt: skip


def _nameless(model: Model) -> Model:
    """A model without its record, but for when its training began."""
    return replace(model, record={k: v for k, v in model.record.items() if k == "date"})
