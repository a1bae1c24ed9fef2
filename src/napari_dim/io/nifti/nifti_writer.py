"""Masks to NIfTI: a fresh header that holds geometry and nothing else of the source.

The bytes are written here rather than by nibabel, which may rescale voxels and leaves the
slope as NaN. No text of the source (descrip, aux_file, intent_name, extensions) is copied:
it can name a patient.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from napari_dim.errors import InputError
from napari_dim.io.atomic import atomic_path
from napari_dim.io.labels import LabelClass, as_labels
from napari_dim.volume import Placed, Volume

_NIFTI1_LARGEST = 32767
_LARGEST_CODE = 5
_MM = 2
_FROM_MM = {1: 0.001, 2: 1.0, 3: 1000.0}
_QFORM = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
_SFORM = ("srow_x", "srow_y", "srow_z")


def write_nifti_mask(
    path: Path, mask: np.ndarray, volume: Placed, classes: Sequence[LabelClass] = ()
) -> Path:
    """Write a mask on its image's grid; see `napari_dim.io.write_mask`. NIfTI has no `look`."""
    return _write(path, as_labels(mask, where=path), volume)


def write_nifti(path: Path, volume: Volume) -> Path:
    """Write an image, values and type as they are, whole or not at all.

    Several channels become the fourth axis.

    Raises
    ------
    InputError
        If it can't be written.
    """
    return _write(path, np.asarray(volume.array), volume)


def _write(path: Path, array: np.ndarray, volume: Placed) -> Path:
    values = volume.grid.to_file(array)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    header = geometry_header(volume, values.dtype)
    if values.ndim == 4:
        header.set_data_shape(values.shape)
    start = header.binaryblock + b"\0\0\0\0"
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        if path.name.lower().endswith(".gz"):
            # No name and no time in the gzip header: the same mask gives the same bytes.
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as stream:
                stream.write(start)
                _write_voxels(stream, values)
        else:
            file.write(start)
            _write_voxels(file, values)
    return path


def geometry_header(volume: Placed, dtype: np.dtype[Any]) -> Any:
    """A NIfTI header for values of `dtype` on the image's grid.

    Grid, affine, codes, units and NIfTI version are the source's. A source without sform
    or qform gets both, with codes above 0: programs disagree about files without.

    Raises
    ------
    InputError
        If an axis is too long for NIfTI.
    """
    kept, grid = volume.header, volume.grid
    large = max(grid.file_shape) > _NIFTI1_LARGEST
    cls = nib.Nifti2Header if kept.get("version") == 2 or large else nib.Nifti1Header
    header = cls(endianness="<")
    axes = int(kept.get("axes", 3))
    header.set_data_shape(grid.file_shape[:axes])
    header.set_data_dtype(dtype)
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    header["magic"] = b"n+2" if cls is nib.Nifti2Header else b"n+1"
    header["vox_offset"] = len(header.binaryblock) + 4
    units = int(kept.get("xyzt_units", _MM if grid.unit == "mm" else 0))
    header["xyzt_units"] = units
    affine = grid.file_affine.copy()
    affine[:3] *= _FROM_MM.get(units & 7, 1.0)
    codes = int(kept.get("sform_code", 0)), int(kept.get("qform_code", 0))
    header.set_sform(affine, _code(codes[0], codes[1]))
    _set_qform(header, affine, _code(codes[1], codes[0]))
    _copy_exactly(header, volume, affine, codes)
    return header


def _code(own: int, other: int) -> int:
    """A form's own code; else that of the other form, which says the same; else 1, scanner."""
    code = own if own > 0 else other
    return code if code in range(1, _LARGEST_CODE + 1) else 1


def _set_qform(header: Any, affine: np.ndarray, code: int) -> None:
    try:
        # A sheared affine has no exact qform; the nearest one is better than none.
        header.set_qform(affine, code, strip_shears=True)
    except Exception as error:
        raise InputError(f"the affine can't be written as NIfTI: {error}") from error


def _copy_exactly(header: Any, volume: Placed, affine: np.ndarray, codes: tuple[int, int]) -> None:
    """Take over the source's own numbers, bit for bit, where they say what the grid says."""
    kept = volume.header
    if codes[0] > 0 and all(name in kept for name in _SFORM):
        source = np.array([kept[name] for name in _SFORM])
        # A volume whose grid was changed since it was read keeps the changed grid.
        if not np.allclose(source, affine[:3], rtol=1e-5, atol=1e-5):
            return
        for name in _SFORM:
            header[name] = kept[name]
    if codes[1] > 0 and all(name in kept for name in (*_QFORM, "pixdim")):
        trial = header.copy()
        for name in _QFORM:
            trial[name] = kept[name][0]
        trial["pixdim"][:4] = kept["pixdim"]
        try:
            qform = trial.get_qform()
        except Exception:
            return
        usable = np.isfinite(qform).all() and abs(np.linalg.det(qform[:3, :3])) > 0
        if usable and (codes[0] > 0 or np.allclose(qform, affine, rtol=1e-5, atol=1e-5)):
            for name in _QFORM:
                header[name] = kept[name][0]
            header["pixdim"][:4] = kept["pixdim"]


def _write_voxels(stream: Any, values: np.ndarray) -> None:
    """Write in the file's order, plane by plane, so that no second copy of the whole is made."""
    for one in np.moveaxis(values, 3, 0) if values.ndim == 4 else (values,):
        for k in range(one.shape[2]):
            stream.write(one[:, :, k].tobytes(order="F"))
