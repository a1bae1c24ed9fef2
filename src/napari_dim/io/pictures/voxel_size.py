"""The size of a voxel as microscopes' TIFFs state it: OME-XML, and ImageJ's own words."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import tifffile

Spacing = tuple[float, float, float]

TO_MM = {
    "m": 1e3, "dm": 100.0, "cm": 10.0, "mm": 1.0, "µm": 1e-3, "μm": 1e-3, "um": 1e-3,
    r"\u00b5m": 1e-3, "micron": 1e-3, "microns": 1e-3, "nm": 1e-6, "å": 1e-7, "pm": 1e-9,
    "in": 25.4, "inch": 25.4, "inches": 25.4, "millimeter": 1.0, "millimeters": 1.0,
    "micrometer": 1e-3, "nanometer": 1e-6, "centimeter": 10.0, "meter": 1e3,
}  # fmt: skip
"""What a unit of length is called, lower case -> mm."""

_UNPLACED = "the file does not say how it lies in the patient"
_UNSIZED = "the file gives no size of its voxels: distances are in pixels"


def voxel_size(file: tifffile.TiffFile) -> tuple[Spacing | None, tuple[str, ...]]:
    """Distances of (slices, rows, columns) in mm where the file states all; and what to tell."""
    z, y, x = _ome(file) if file.ome_metadata else _imagej(file)
    if x is None or y is None:
        return None, (_UNSIZED,)
    if z is None:
        size = f"{y:.4g} x {x:.4g} mm"
        return None, (
            f"the file gives the size of a pixel ({size}) but not the distance of its slices: "
            "distances are in pixels",
        )
    return (z, y, x), (_UNPLACED,)


def pixel_size(file: tifffile.TiffFile) -> tuple[float, float] | None:
    """Distances of (rows, columns) in mm where the file of one picture states them."""
    _, y, x = _ome(file) if file.ome_metadata else _imagej(file)
    return (y, x) if x is not None and y is not None else None


def _ome(file: tifffile.TiffFile) -> tuple[float | None, ...]:
    """PhysicalSizeZ, Y and X of the first image, in mm; micrometres where no unit is named."""
    try:
        root = ElementTree.fromstring(file.ome_metadata or "")
    except ElementTree.ParseError:
        return (None, None, None)
    pixels = next((one for one in root.iter() if one.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return (None, None, None)
    return tuple(
        _mm(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        for axis in "ZYX"
    )


def _imagej(file: tifffile.TiffFile) -> tuple[float | None, ...]:
    told = file.imagej_metadata or {}
    unit = str(told.get("unit", ""))
    sizes: list[float | None] = [_mm(told.get("spacing"), unit)]
    for name in ("YResolution", "XResolution"):
        tag = file.pages.first.tags.get(name)
        count, length = (float(value) for value in tag.value) if tag else (0.0, 1.0)
        sizes.append(_mm(length / count, unit) if count else None)
    return tuple(sizes)


def _mm(value: object, unit: str) -> float | None:
    """A positive length in mm; None where it is none, or of an unknown unit."""
    factor = TO_MM.get(unit.strip().lower())
    try:
        length = abs(float(value)) if value is not None else 0.0  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    mm = length * factor if factor is not None else 0.0
    return mm if 0 < mm < 1e6 and math.isfinite(mm) else None
