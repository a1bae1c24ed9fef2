"""A study made of a cohort: its scans in one folder, a project a reader."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from napari_dim import __version__
from napari_dim.data.cohort import Cohort, CohortCase
from napari_dim.data.load import load_image
from napari_dim.errors import InputError
from napari_dim.io import hash_file, write_image
from napari_dim.io.atomic import make_folder, write_text_atomically
from napari_dim.project.contents import save
from napari_dim.project.model import SHARED, Case, Contents
from napari_dim.project.paths import slug
from napari_dim.study.plan import FILE, Dealt, Plan, deal
from napari_dim.study.readings import folder_of
from napari_dim.volume import file_stem


def make_study(
    folder: Path,
    cohort: Cohort,
    readers: Sequence[str],
    *,
    double: float = 0.2,
    seed: int = 0,
    name: str = "",
    each: Callable[[str], None] = lambda name: None,
) -> Plan:
    """Deal the cases of a cohort to readers, and copy their scans into the study's folder.

    Labels of the cohort are left out: readers begin with nothing.

    Parameters
    ----------
    folder
        Where it is made; must be empty or not there.
    readers
        Their names.
    double
        Share of the cases that two of them read without seeing each other's, in [0, 1].
    seed
        Of the draw.
    name
        What it is called; by default as the folder.
    each
        Told the name of each case that is about to be copied.

    Raises
    ------
    InputError
        If something is there, or can't be read or written; nothing is left then.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("something is here already", where=folder, hint="Give a new folder")
    names = [reader.strip() for reader in readers if reader.strip()]
    if not names or len({one.casefold() for one in names}) < len(names):
        raise InputError("the readers need names, each of its own", where="--readers",
                         hint="Write them as ann,ben,cem")  # fmt: skip
    if not 0 <= double <= 1:
        raise InputError("the share is not between 0 and 1", where="--double")
    dealt = deal(len(cohort.cases), names, double, seed)
    there = folder.exists()
    make_folder(folder)
    try:
        cases: list[Dealt] = []
        for row, whose in zip(cohort.cases, dealt, strict=True):
            each(row.name)
            cases.append(_case(folder, row, whose, {case.folder for case in cases}))
        plan = Plan(
            name=name or folder.resolve().name,
            readers=tuple(names),
            cases=tuple(cases),
            seed=seed,
            double=double,
            made=datetime.now().astimezone().isoformat(timespec="seconds"),
            program=__version__,
        )
        for reader in plan.readers:
            _project(folder, plan, reader)
        write_text_atomically(folder / FILE, plan.model_dump_json(indent=1) + "\n")
    except BaseException:
        for made in ("scans", "readers"):
            shutil.rmtree(folder / made, ignore_errors=True)
        if not there:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return plan


def _case(folder: Path, row: CohortCase, readers: tuple[str, ...], taken: set[str]) -> Dealt:
    own = slug(row.name)
    place = next(n for n in (own, *(f"{own}-{k}" for k in range(2, 10**6))) if n not in taken)
    axis, part, source = None, row.part, row.image
    if row.slice_axis or row.channels:
        volume = load_image(row)
        axis = volume.grid.slice_axis
    target = folder / "scans" / (place + source.name[len(file_stem(source)) :])
    target.parent.mkdir(exist_ok=True)
    try:
        if row.channels:
            target, part = write_image(target.parent / f"{place}.nii.gz", volume), ""
        elif source.is_dir():
            target = target.parent / place
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    except OSError as error:
        raise InputError(f"it can't be copied: {error.strerror or error}", where=source) from error
    return Dealt(
        name=row.name,
        folder=place,
        scan=target.relative_to(folder).as_posix(),
        site=row.site,
        sha256="" if target.is_dir() else hash_file(target),
        part=part,
        slice_axis=axis,
        readers=readers,
    )


def _project(folder: Path, plan: Plan, reader: str) -> None:
    cases = tuple(
        Case(
            name=case.name, folder=case.folder, site=case.site, sha256=case.sha256,
            slice_axis=case.slice_axis, part=case.part, upright=True,
        )
        for case in plan.of(reader)
    )  # fmt: skip
    own = folder_of(folder, plan, reader)
    make_folder(own)
    save(own, Contents(version=SHARED, name=plan.name, cases=cases, reader=reader,
                       study=plan.name), None)  # fmt: skip
