"""Every file in the test data of nibabel and pydicom, and in folders given: read, or refused how.

A file is *right* if its voxels are those that nibabel or pydicom reads from it (padding apart,
which is the lowest of them) and, for NIfTI, its affine is nibabel's; *refused* if one line says
why; anything else is *wrong*.

    python -m benchmarks.format_files [FOLDER ...] [--simpleitk] [--markdown] [--json]

With ``--simpleitk`` the DICOM files alone are read, by SimpleITK.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim.errors import InputError
from napari_dim.io import list_parts, read_volume
from napari_dim.io.formats import known_format

SKIPPED = (".py", ".pyc", ".json", ".xml", ".csv", ".txt", ".md", ".icc")


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    source: str
    file: str
    outcome: str
    words: str


def installed_data() -> dict[str, Path]:
    """Folders of test data that come with the installed packages."""
    import nibabel
    import pydicom.data

    base = Path(nibabel.__file__).parent
    folders = {"nibabel": base / "tests" / "data", "pydicom": Path(pydicom.data.__file__).parent}
    nicom = base / "nicom" / "tests" / "data"
    if nicom.is_dir():
        folders["nibabel (nicom)"] = nicom
    return folders


def look_at(source: str, folder: Path, path: Path, reader: str = "") -> Outcome:
    """Read one file and compare it with what the package that it came with reads."""
    name = path.relative_to(folder).as_posix()
    found = known_format(path)
    if found is None or (reader and found.name != "DICOM"):
        return Outcome(source, name, "not ours", "no image, or of another kind")
    try:
        parts = list_parts(path, reader)
        part = "0" if len(parts) > 8 and found.name == "NIfTI" else reader
        volume = read_volume(path, part=part)
        fault = _fault(path, volume, found.name, part)
    except InputError as error:
        line = str(error)
        outcome = "refused" if "\n" not in line and path.stem[:8] in line else "WRONG"
        return Outcome(source, name, outcome, f"{error.problem}")
    except Exception as error:
        return Outcome(source, name, "WRONG", f"{type(error).__name__}: {error}")
    if fault:
        return Outcome(source, name, "WRONG", fault)
    size = " x ".join(str(n) for n in volume.array.shape)
    notes = "; ".join(volume.warnings[:2])
    words = f"{size} {volume.array.dtype}, {volume.grid.codes}" + (f" ({notes})" if notes else "")
    return Outcome(source, name, "right" if fault is not None else "read", words)


def _fault(path: Path, volume: Any, kind: str, part: str) -> str | None:
    """What differs from the other reader; "" if nothing; None where there is none to ask."""
    ours = volume.grid.to_file(volume.array)
    if kind == "NIfTI":
        import nibabel

        try:
            image = nibabel.load(path)
            theirs = np.asarray(image.dataobj)
        except Exception:
            return None
        if theirs.dtype.names:
            theirs = np.stack([theirs[name] for name in theirs.dtype.names[:3]], -1)
        while theirs.ndim > 3 and theirs.shape[-1] == 1:
            theirs = theirs[..., 0]
        theirs = theirs[..., int(part)] if part else theirs
        theirs = theirs.reshape(theirs.shape + (1,) * (3 - theirs.ndim))
        theirs = theirs.squeeze(3) if theirs.ndim == 5 and theirs.shape[3] == 1 else theirs
        finite = np.isfinite(theirs)
        if ours.shape != theirs.shape:
            return f"the shape is {ours.shape}, nibabel's {theirs.shape}"
        if not np.allclose(ours[finite], theirs[finite], rtol=1e-5, atol=1e-6):
            return "the voxels differ from nibabel's"
        unit = {"meter": 1e3, "micron": 1e-3}.get(
            image.header.get_xyzt_units()[0] if hasattr(image.header, "get_xyzt_units") else "", 1.0
        )
        affine = image.affine.copy()
        affine[:3] *= unit
        same = np.allclose(affine, volume.grid.file_affine, rtol=1e-5, atol=1e-4)
        odd = any("place is taken" in w or "does not say" in w for w in volume.warnings)
        return "" if same or odd else "the affine differs from nibabel's"
    if kind == "DICOM" and path.is_file():
        return _dicom_fault(path, volume, ours)
    return None


def _dicom_fault(path: Path, volume: Any, ours: np.ndarray) -> str | None:
    import pydicom

    data = pydicom.dcmread(path, force=True)
    uid = str(data.get("SOPInstanceUID", ""))
    numbers = [n for n, (name, _) in enumerate(volume.header.get("instances", ())) if name == uid]
    try:
        theirs = data.pixel_array
    except Exception:
        return None
    if not numbers:
        return None
    if str(data.PhotometricInterpretation).startswith("PALETTE"):
        from pydicom.pixels import apply_color_lut

        theirs = apply_color_lut(theirs, data)[..., :3]
        theirs = theirs >> 8 if theirs.dtype.itemsize > 1 else theirs
    else:
        if data.PhotometricInterpretation == "MONOCHROME1":  # high is bright here, not in pydicom
            ends = 2 ** int(data.BitsStored) - 1
            theirs = (-1 if data.PixelRepresentation else ends) - theirs.astype(np.int64)
        slope = data.get("DoseGridScaling") or data.get("RescaleSlope") or 1
        theirs = theirs * float(slope) + float(data.get("RescaleIntercept") or 0)
    frames = int(data.get("NumberOfFrames") or 1)
    theirs = theirs if frames > 1 else theirs[None]
    padded = _padding(data, frames) if any("padding" in w for w in volume.warnings) else None
    for number in numbers:
        _, index = volume.header["instances"][number]
        plane = np.swapaxes(ours[:, :, number], 0, 1)
        rest = np.ones(plane.shape, bool) if padded is None else ~padded[index]
        if not np.isin(plane[~rest], (ours.min(), -1024)).all():
            return f"padding of slice {number} is neither the lowest value nor that of air"
        if not np.allclose(plane[rest], theirs[index][rest], rtol=1e-5, atol=1e-5):
            return f"slice {number} differs from pydicom's"
        place = data.get("ImagePositionPatient")
        if place is not None and frames == 1:
            at = volume.grid.file_affine @ [0, 0, number, 1]
            if not np.allclose(at[:3], np.array(place, float) * [-1, -1, 1], atol=0.05):
                return f"slice {number} lies elsewhere"
    return ""


def _padding(data: Any, frames: int) -> np.ndarray:
    """Which pixels are padding, of (frame, row, column): they have no value to be compared."""
    padded: np.ndarray = data.pixel_array == data.PixelPaddingValue
    return padded if frames > 1 else padded[None]


def look_at_all(folders: dict[str, Path], reader: str = "") -> list[Outcome]:
    """All files of all folders, in order; DICOM alone, where its `reader` is named."""
    outcomes = []
    for source, folder in folders.items():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in SKIPPED and "__" not in path.as_posix():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    outcomes.append(look_at(source, folder, path, reader))
    return outcomes


def main() -> int:
    """Print the table; 1 if a file was neither read right nor refused in one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--simpleitk", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    folders = {**installed_data(), **{folder.name: folder for folder in args.folders}}
    start = time.monotonic()
    outcomes = look_at_all(folders, "simpleitk" if args.simpleitk else "")
    if args.json:
        print(json.dumps([asdict(one) for one in outcomes], indent=2))
        return 0
    kinds = ("right", "read", "refused", "not ours", "WRONG")
    print("| files of | " + " | ".join(kinds) + " |\n|" + "---|" * (len(kinds) + 1))
    for source in folders:
        counts = Counter(one.outcome for one in outcomes if one.source == source)
        print(f"| {source} | " + " | ".join(str(counts[kind]) for kind in kinds) + " |")
    if args.markdown:
        print("\n| file | | |\n|---|---|---|")
        for one in outcomes:
            words = one.words.replace("|", "/")
            print(f"| {one.file} | {one.outcome} | {words} |")
    print(f"\n{len(outcomes)} files in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return int(any(one.outcome == "WRONG" for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
