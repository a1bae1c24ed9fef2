"""What figures need of runs beside their records: test slices, masks and features.

They are pictures of the data and stay in the folder of ``--out``; records hold numbers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_dim.compare.assessment import Assessor, Masks
from napari_dim.compare.benchmark import Benchmark
from napari_dim.compare.protocol import scored_slices
from napari_dim.compare.records import PICTURES, Spec, key_of
from napari_dim.io.atomic import atomic_path

_SLICES = "test-slices.npz"


@dataclass(frozen=True)
class Shown:
    """A scored slice: 8-bit image ``(row, column, 3)``, reference ``(structure, row, column)``."""

    site: str
    name: str
    image: np.ndarray
    reference: np.ndarray


def keep_test_slices(out: Path, benchmark: Benchmark) -> None:
    """Write the scored slices of all test items once."""
    path = out / PICTURES / _SLICES
    if path.is_file():
        return
    sites, names, images, codes, shapes = [], [], [], [], []
    for item, numbers in scored_slices(benchmark):
        assert item.mask is not None
        low, high, _, _ = item.volume.intensities
        for n in numbers:
            plane = np.asarray(item.volume.array[n], dtype=np.float32)
            grey = ((plane - low) / np.maximum(high - low, 1e-6)).clip(0, 1) * 255
            if grey.ndim == 3 and grey.shape[2] not in (1, 3):
                grey = grey[..., :1]
            colour = np.broadcast_to(grey.reshape(*grey.shape[:2], -1), (*grey.shape[:2], 3))
            sites.append(item.site)
            names.append(item.slice_name(int(n)))
            images.append(colour.round().astype(np.uint8).ravel())
            wanted = np.stack([s.of(item.mask[n]) for s in benchmark.structures])
            codes.append(_coded(wanted).ravel())
            shapes.append(wanted.shape)
    _write(
        path, sites=np.array(sites), names=np.array(names), images=np.concatenate(images),
        codes=np.concatenate(codes), shapes=np.array(shapes),
    )  # fmt: skip


def keep_pictures(
    out: Path, spec: Spec, assessor: Assessor, masks: Mapping[str, Masks], features: np.ndarray
) -> None:
    """Write a run's masks of the scored slices, by selection, and its features."""
    coded = {
        name: np.concatenate(
            [
                _coded(m[n]).ravel()
                for (_, ns), m in zip(assessor.tested, each, strict=True)
                for n in ns
            ]
        )
        for name, each in masks.items()
    }
    sites = np.array(assessor.sites())
    _write(out / PICTURES / f"{key_of(spec)}.npz", features=features.astype(np.float32),
           sites=sites, **coded)  # fmt: skip


def shown_slices(out: Path) -> list[Shown]:
    """The scored slices, in the order of the runs' masks; none if they were not kept."""
    path = out / PICTURES / _SLICES
    if not path.is_file():
        return []
    with np.load(path) as kept:
        parts = _parted(kept["codes"], kept["shapes"])
        images = kept["images"]
        found, start = [], 0
        for site, name, reference in zip(kept["sites"], kept["names"], parts, strict=True):
            rows, columns = reference.shape[1:]
            image = images[start : start + rows * columns * 3].reshape(rows, columns, 3)
            start += image.size
            found.append(Shown(str(site), str(name), image, reference))
        return found


def run_masks(out: Path, spec: Spec, select: str) -> list[np.ndarray] | None:
    """A run's masks of the scored slices, ``(structure, row, column)`` each; None if not kept."""
    path, slices = out / PICTURES / f"{key_of(spec)}.npz", out / PICTURES / _SLICES
    if not path.is_file() or not slices.is_file():
        return None
    with np.load(path) as kept, np.load(slices) as common:
        return _parted(kept[select], common["shapes"])


def run_features(out: Path, spec: Spec) -> tuple[np.ndarray, np.ndarray] | None:
    """A run's features ``(n, channel)`` and the sites ``(n,)``; None if they were not kept."""
    path = out / PICTURES / f"{key_of(spec)}.npz"
    if not path.is_file():
        return None
    with np.load(path) as kept:
        return kept["features"], kept["sites"]


def _coded(masks: np.ndarray) -> np.ndarray:
    """``(structure, row, column)`` booleans as one number a pixel, a bit a structure."""
    bits = (1 << np.arange(len(masks), dtype=np.uint32))[:, None, None]
    coded: np.ndarray = (masks * bits).sum(0).astype(np.uint32)
    return coded


def _parted(codes: np.ndarray, shapes: np.ndarray) -> list[np.ndarray]:
    found, start = [], 0
    for count, rows, columns in shapes:
        plane = codes[start : start + rows * columns].reshape(rows, columns)
        start += plane.size
        found.append((plane[None] >> np.arange(count)[:, None, None] & 1).astype(bool))
    return found


def _write(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
