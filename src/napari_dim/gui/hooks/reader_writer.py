"""What napari calls to open and save files: reader, writers and sample data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from napari_dim import __version__
from napari_dim.errors import InputError
from napari_dim.gui.layers.image_layers import KEY, LayerTuple, Source, image_tuples, labels_tuple
from napari_dim.gui.preferences import preferences
from napari_dim.gui.storage.mask_files import LABEL_NAMES
from napari_dim.gui.widgets.part_chooser import choose_parts
from napari_dim.io import list_parts, read_classes, read_volume
from napari_dim.io.formats import known_format
from napari_dim.io.hashing import hash_ahead
from napari_dim.io.labels import as_labels
from napari_dim.volume import Volume, file_stem

MOST_IDS = 8
"""A file of whole numbers with no more distinct values than this is taken for labels."""

MOST_LABELS = 2**30
"""Bytes; what is larger stays where it is, and is shown as a scan."""

Reader = Callable[[Any], list[LayerTuple]]


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Give napari a reader for scans and folders of them; None for what is not ours.

    Single pictures are napari's own; a scan of one slice is ours.
    """
    paths = [path] if isinstance(path, str) else list(path)
    formats = [known_format(Path(one)) for one in paths]
    if not paths or not all(found and found.kind == "volume" for found in formats):
        return None
    return read


def read(path: str | Sequence[str]) -> list[LayerTuple]:
    """Read scans as image layers, or as labels layers where they hold labels.

    Where a file or folder holds several, the annotator is asked which; without a window the
    format's own choice is taken and told.

    Raises
    ------
    InputError
        If a file can't be used.
    """
    from napari.utils.notifications import show_warning

    paths = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    layers: list[LayerTuple] = []
    for one in paths:
        if (series := open_series(one)) is not None:
            _say(f"{one.name} is a slice of “{series}”, which is open")
            continue  # it came with the first
        usual = _reader(one)
        for part in choose_parts(one, list_parts(one, usual)):
            volume = read_volume(one, part=part.key if part else usual)
            hash_ahead(one)  # for the record of a mask, which is not to wait for it
            if volume.warnings:
                show_warning("\n".join(f"{one.name}: {text}" for text in volume.warnings))
            layers += layers_of(volume, f"{file_stem(one)} ({part.key})" if part else "")
    # napari takes this for "read, and nothing to show".
    return layers or [(None,)]  # type: ignore[list-item]


def _reader(path: Path) -> str:
    """The part that asks for the reader which the user prefers."""
    found = known_format(path)
    return preferences().dicom if found is not None and found.name == "DICOM" else ""


def layers_of(volume: Volume, name: str = "") -> list[LayerTuple]:
    """A volume as image layers, or as a labels layer if it holds labels."""
    labels = labels_in(volume)
    if labels is None:
        return image_tuples(volume, name)
    name = name or (file_stem(volume.path) if volume.path else "labels")
    return [labels_tuple(labels, Source.of(volume), name)]


def open_series(path: Path) -> str | None:
    """The layer that has a DICOM file as one of its slices: dropped files come one by one."""
    import napari

    viewer = napari.current_viewer()
    found = known_format(path)
    if viewer is None or path.is_dir() or found is None or found.name != "DICOM":
        return None
    series = {
        uid: layer.name
        for layer in viewer.layers
        if isinstance(source := layer.metadata.get(KEY), Source)
        and source.path is not None
        and path.parent in (source.path.parent, source.path)
        for uid, _ in source.header.get("instances", ())
    }
    if not series or find_spec("pydicom") is None:
        return None
    from napari_dim.io.dicom.headers import read_header

    header = read_header(path)
    return None if header is None else series.get(header.uid)


def _say(text: str) -> None:
    """Tell in the workspace, if it is open."""
    import napari

    from napari_dim.gui.controller import session_of

    viewer = napari.current_viewer()
    if viewer is not None:
        session_of(viewer).say(text)


def labels_in(volume: Volume) -> np.ndarray | None:
    """The label ids of a file that holds labels, by what it says; None for a scan.

    Classes that it names tell, or its own name, or few values.
    """
    if volume.channels > 1 or volume.array.nbytes > MOST_LABELS:
        return None
    array = np.asarray(volume.array)
    if volume.path is not None:
        if _names_classes(volume.path):
            return as_labels(array)
        words = file_stem(volume.path).lower().replace("-", "_").split("_")
        if len(words) > 1 and words[-1] in LABEL_NAMES:
            try:
                return as_labels(array)
            except InputError:
                return None  # A probability map, say.
    if array.dtype.kind not in "iu" or array.min() != 0 or not 0 < array.max() <= 255:
        return None
    few = np.count_nonzero(np.bincount(array.ravel().astype(np.uint8))) <= MOST_IDS
    return as_labels(array) if few else None


def _names_classes(path: Path) -> bool:
    """Whether a file says which classes it holds: a DICOM-SEG, a segmentation of 3D Slicer."""
    try:
        return bool(read_classes(path))
    except InputError:
        return False


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save one labels layer for napari.

    Raises
    ------
    InputError
        If it can't be written.
    """
    from napari.layers import Labels

    from napari_dim.gui.storage.mask_files import save_labels

    known = {k: v for k, v in attributes.items() if k in _PLACE}
    layer = Labels(data, **known)
    written = save_labels(layer, Path(path))
    _write_record(data, layer, written)
    return [str(written)]


def _write_record(data: Any, layer: Any, written: Path) -> None:
    """Say beside a mask how it came about, as far as the window that it is from knows."""
    from napari import current_viewer

    from napari_dim.gui.controller import session_of
    from napari_dim.gui.storage.mask_record import write_record

    viewer = current_viewer()
    if viewer is None:
        return
    session = session_of(viewer)
    own = next((one for one in session.scans.layers(type(layer)) if one.data is data), None)
    mask = None if own is None else session.scans.known_mask(own)
    write_record(session, own or layer, written, None if mask is None else mask.states)


def write_several(path: str, layers: list[LayerTuple]) -> list[str]:
    """Save several labels layers for napari: each in a file of its own beside `path`."""
    target = Path(path)
    stem = file_stem(target)
    suffix = target.name[len(stem) :]
    written: list[str] = []
    names: set[str] = set()
    for data, attributes, _ in layers:
        label = "".join(c if c.isalnum() or c in "-_" else "-" for c in attributes["name"])
        name, number = f"{stem}_{label}", 2
        while name in names:
            name, number = f"{stem}_{label}_{number}", number + 1
        names.add(name)
        written += write_labels(str(target.with_name(name + suffix)), data, attributes)
    return written


_PLACE = (
    "name", "metadata", "scale", "translate", "rotate", "shear", "affine", "units", "axis_labels",
)  # fmt: skip


def phantom_sample() -> list[LayerTuple]:
    """A labelled phantom, and one unlabelled phantom of each other site."""
    from napari_dim.data.load import load_case

    cases = phantom_cohort().split("train")
    first = next(case for case in cases if case.slices)
    shown = [first]
    for case in cases:
        if case.site not in {other.site for other in shown}:
            shown.append(case)
    layers: list[LayerTuple] = []
    for row in reversed(shown):
        case = load_case(row)
        made = image_tuples(case.volume, row.name)
        layers += [(data, {**how, "visible": row is first}, kind) for data, how, kind in made]
    case = load_case(first)
    assert case.mask is not None
    layers.append(labels_tuple(case.mask, Source.of(case.volume), f"{first.name} (mask)"))
    return layers


def phantom_case() -> list[LayerTuple]:
    """One phantom without labels, to start from nothing."""
    row = next(case for case in phantom_cohort().split("train") if case.slices)
    return image_tuples(read_volume(row.image), row.name)


def phantom_cohort() -> Any:
    """The phantom's cohort, made once and kept in the user's cache folder."""
    from platformdirs import user_cache_path

    from napari_dim.data.cohort import read_cohort
    from napari_dim.data.phantom import make_phantom

    folder = user_cache_path("napari-dim", appauthor=False) / f"phantom-{__version__}"
    cohort = folder / "cohort.csv"
    if not cohort.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        cohort = make_phantom(folder)
    return read_cohort(cohort)
