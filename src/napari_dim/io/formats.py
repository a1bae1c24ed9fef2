"""Two tables of file formats: who reads each, how it is known; who writes it, what it takes.

Readers and writers are named, not imported: a format's module, and the package that it needs,
is loaded when a file of it is met. To add a format, write its module and add a row here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from napari_dim.errors import InputError
from napari_dim.io.format_rows import Reader, Writer, function_of
from napari_dim.io.library_words import withheld
from napari_dim.io.strange_files import absent, strangeness

PICTURES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".tif", ".tiff", ".bmp", ".dib", ".gif",
    ".webp", ".jp2", ".j2k", ".pgm", ".ppm", ".pbm", ".pnm", ".tga",
)  # fmt: skip
"""Ends of the names of picture files."""

READERS = (
    Reader(
        "NIfTI",
        (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz"),
        "volume",
        read="nifti.nifti_reader:read_nifti",
        parts="nifti.nifti_reader:list_nifti",
        glance="nifti.nifti_glance:glance_nifti",
        read_mask="nifti.nifti_reader:read_nifti_mask",
    ),
    Reader(
        "picture",
        PICTURES,
        "picture",
        read="pictures.picture_reader:read_picture",
        glance="pictures.tiff_pages:glance_pages",
        read_mask="pictures.picture_reader:read_picture_mask",
    ),
    Reader(
        "MetaImage, NRRD",
        (".mha", ".mhd", ".nrrd", ".nhdr"),
        "volume",
        read="itk.itk_reader:read_itk",
        parts="itk.itk_reader:list_itk",
        glance="itk.itk_glance:glance_itk",
        classes="itk.itk_reader:list_classes",
        overlaps=True,
        needs="SimpleITK",
        extra="itk",
    ),
    Reader(
        "OME-Zarr",
        (),
        "volume",
        read="zarr.zarr_reader:read_ome_zarr",
        parts="zarr.zarr_reader:list_zarr",
        read_mask="zarr.zarr_reader:read_ome_zarr_mask",
        classes="zarr.zarr_reader:classes_of",
        holds="zarr.zarr_reader:is_zarr",
        needs="zarr",
        extra="large",
    ),
    Reader(
        "DICOM",
        (".dcm", ".dicom", ".ima"),
        "volume",
        read="dicom.series_reader:read_dicom",
        parts="dicom.series_reader:list_dicom",
        read_mask="dicom.series_reader:read_dicom_mask",
        classes="dicom.series_reader:list_classes",
        holds="dicom.folder_walk:is_dicom",
        overlaps=True,
        needs="pydicom",
        extra="dicom",
    ),
    Reader(
        "DICOM by SimpleITK",
        (),
        "volume",
        read="dicom.simpleitk_series:read_series",
        parts="dicom.simpleitk_series:list_series",
        reads="DICOM",
        reader="simpleitk",
        needs="SimpleITK",
        extra="itk",
    ),
    Reader(
        "folder of pictures",
        (),
        "volume",
        read="pictures.picture_folders:read_folder",
        read_mask="pictures.picture_folders:read_folder_mask",
        holds="pictures.picture_folders:is_picture_folder",
        predicted="pngs",
    ),
)
"""All readers. Where two could hold a folder, the first that says so is taken."""

WRITERS = (
    Writer(
        "NIfTI",
        "nifti",
        (".nii.gz", ".nii"),
        write="nifti.nifti_writer:write_nifti",
        write_mask="nifti.nifti_writer:write_nifti_mask",
    ),
    Writer(
        "OME-Zarr",
        "zarr",
        (".zarr",),
        write="zarr.zarr_writer:write_zarr",
        write_mask="zarr.zarr_writer:write_zarr_mask",
        source="zarr.zarr_writer:check_place",
        needs="zarr",
        extra="large",
    ),
    Writer(
        "NRRD",
        "nrrd",
        (".seg.nrrd", ".nrrd"),
        write="itk.nrrd_writer:write_nrrd",
        write_mask="itk.nrrd_writer:write_nrrd_mask",
    ),
    Writer(
        "DICOM-SEG",
        "dicom-seg",
        (".dcm",),
        write_mask="dicom.seg_writer:write_dicom_seg",
        source="dicom.seg_writer:check_source",
        needs="highdicom",
        extra="dicom",
    ),
    Writer(
        "PNG in the classes' colours",
        "png",
        (".png",),
        write="pictures.picture_writer:write_picture",
        write_mask="pictures.picture_writer:write_picture_mask",
        flat=True,
    ),
    Writer(
        "PNG, one a picture, in a folder",
        "pngs",
        ("_masks",),
        write_mask="pictures.picture_folders:write_folder_mask",
        source="pictures.picture_folders:check_pictures",
    ),
    Writer(
        "TIFF, a page a slice",
        "tiff",
        (".tif", ".tiff"),
        write="pictures.picture_writer:write_picture",
        write_mask="pictures.picture_writer:write_tiff_mask",
    ),
    Writer(
        "STL, a surface a class",
        "stl",
        (".stl",),
        write_mask="export.surfaces:write_surfaces",
        in_mm=True,
    ),
    Writer(
        "STL, smoothed surfaces",
        "stl-smooth",
        (".stl",),
        write_mask="export.surfaces:write_smooth_surfaces",
        in_mm=True,
    ),
    Writer(
        "CSV of volumes and areas",
        "csv",
        (".csv",),
        write_mask="export.size_tables:write_sizes",
    ),
)
"""All writers; where two fit a file's name, the first is taken."""


_INSTEAD = {
    (".heic", ".heif", ".avif", ".svg", ".psd", ".eps", ".pdf", ".exr", ".ico"):
        "Save the picture as PNG or TIFF",
    (".mp4", ".avi", ".mov", ".mkv", ".webm"): "Save its pictures as a folder of PNG files",
    (".mgz", ".mgh"): "Convert it to NIfTI: mri_convert IMAGE IMAGE.nii.gz",
    (".mnc", ".mif", ".mif.gz", ".minc", ".vtk", ".vti", ".head", ".brik"):
        "Convert it to NIfTI with the program that made it",
    (".npy", ".npz", ".mat", ".h5", ".hdf5", ".pt"):
        "Save the array as NIfTI, with its place and spacing: nibabel does it from Python",
    (".czi", ".lif", ".nd2", ".svs", ".ndpi", ".oib", ".oif"):
        "Save it as OME-TIFF or OME-Zarr with the program that made it",
    (".xlsx", ".docx", ".txt"): "",
}  # fmt: skip
"""Files that people have and that can't be read -> what to do."""


_SECOND_COPY = re.compile(r"(\.\w+) ?\(\d+\)(\.\w+)$")
"""What browsers make of the name of a file that is there already: ``scan.nii (1).gz``."""


def format_of(path: Path) -> Reader:
    """The format of a file or folder, by its name, else by what is in it.

    Raises
    ------
    InputError
        If none fits.
    """
    path = Path(path)
    found = known_format(path)
    if found is not None:
        return found
    if _is_folder(path):
        raise _no_image(path)
    if not path.suffix and not path.exists():
        raise absent(path)
    end = "".join(path.suffixes[-2:]).lower()
    way = next((text for ends, text in _INSTEAD.items() if end.endswith(ends)), "")
    if not way and (second := _SECOND_COPY.search(path.name)) is not None:
        way = f"Rename it so that its name ends in {second[1]}{second[2]}"
    readable = ", ".join(one.name for one in READERS if not one.reads)
    raise InputError(
        "this kind of file can't be read", where=path, hint=way or f"What can: {readable}"
    )


def _no_image(folder: Path) -> InputError:
    """What is wrong with a folder that is no image, and what in it may be one."""
    names = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    found: dict[str, list[str]] = {}
    for name in names:
        inner = folder / name
        known = next((f.name for f in READERS if name.lower().endswith(f.suffixes)), "")
        if known and inner.is_file():
            found.setdefault(known, []).append(name)
    inner_folders = [name for name in names if (folder / name).is_dir()]
    if not found and not inner_folders:
        return InputError("the folder holds no images that can be read", where=folder)
    if found:
        kind, files = max(found.items(), key=lambda item: len(item[1]))
        problem, hint = strangeness(folder / files[0])
        if problem:
            return InputError(f"{files[0]} in it can't be read: {problem}", where=folder, hint=hint)
        hint = f"It holds a {kind} file: give {files[0]} itself"
        if len(files) > 1:
            hint = f"It holds {len(files)} {kind} files: give one of them, such as {files[0]}"
    else:
        hint = f"It holds folders: give one of them, such as {inner_folders[0]}"
    return InputError("the folder is no image by itself", where=folder, hint=hint)


def reader_of(path: Path, part: str = "") -> tuple[Reader, str]:
    """Who reads a file or folder, and the part without the reader's name before it.

    Raises
    ------
    InputError
        If none can.
    """
    found = format_of(path)
    name, _, rest = part.partition(":")
    for one in READERS:
        if one.reads != found.name:
            continue
        if name.strip().lower() == one.reader:
            return one, rest
        if find_spec(found.needs) is None and find_spec(one.needs) is not None:
            return one, part
    return found, part


def known_format(path: Path) -> Reader | None:
    """As `format_of`, but None where none fits."""
    path = Path(path)
    folder = _is_folder(path)
    if not folder:
        name = path.name.lower()
        for one in READERS:
            if name.endswith(one.suffixes):
                return one
    with withheld():
        for one in READERS:
            if one.holds and (folder or path.is_file()) and function_of(one.holds)(path):
                return one
    return None


def mask_format(path: Path, key: str = "") -> Writer:
    """The format that a mask is written in: the one with this key, else by the file's name.

    Raises
    ------
    InputError
        If masks can't be written so.
    """
    return _written(path, [one for one in WRITERS if one.write_mask], "masks", key)


def image_format(path: Path) -> Writer:
    """The format that an image of this name is written in.

    Raises
    ------
    InputError
        If images can't be written so.
    """
    return _written(path, [one for one in WRITERS if one.write], "images")


def mask_keys() -> tuple[str, ...]:
    """The keys of all formats that masks can be written in."""
    return tuple(one.key for one in WRITERS if one.write_mask)


def image_suffixes() -> tuple[str, ...]:
    """Ends of the names of all files that images can be written to."""
    return tuple(dict.fromkeys(suffix for one in WRITERS if one.write for suffix in one.written))


def mask_suffixes() -> tuple[str, ...]:
    """Ends of the names of all files that masks can be written to."""
    return tuple(
        dict.fromkeys(suffix for one in WRITERS if one.write_mask for suffix in one.written)
    )


def _written(path: Path, formats: Sequence[Writer], what: str, key: str = "") -> Writer:
    name = Path(path).name.lower()
    for one in formats:
        if one.key == key if key else name.endswith(one.written):
            return one
    if key:
        known = ", ".join(one.key for one in formats)
        raise InputError(f"{what} can't be written as {key}", where=path, hint=f"Use {known}")
    suffixes = dict.fromkeys(suffix for one in formats for suffix in one.written)
    raise InputError(
        f"{what} are written as {', '.join(suffixes)}", where=path, hint="Choose one of these"
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
