"""``napari-dim convert``: an image or a mask in another format, in the same place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_dim.cli.cluster_options import (
    Batch,
    ClusterAddress,
    Faults,
    WorkerMemory,
    check_cluster,
    on_cluster,
)
from napari_dim.cli.console import Failure, messages, output
from napari_dim.errors import InputError
from napari_dim.words import count


def convert(
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="An image or a mask; several by a * in the name.")
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="DST", help="Its end says the format; of several, * is what it was in SRC."
        ),
    ],
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="Of a mask, as for predict.")
    ] = "",
    mask: Annotated[
        bool | None,
        typer.Option("--mask/--image", help="What SRC holds, if its format doesn't say."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="The image that a mask lies on (DICOM-SEG needs it)."),
    ] = None,
    part: Annotated[str, typer.Option(help="Which image of several in SRC.")] = "",
    overlaps: Annotated[
        str, typer.Option(help="Which of two overlapping segments: later, earlier or smaller.")
    ] = "",
    cluster: ClusterAddress = "",
    worker_memory: WorkerMemory = "",
    batch: Batch = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is called as DST says already.")
    ] = False,
) -> None:
    """Write an image or a mask in another format, its place, names and colours kept."""
    from napari_dim.io.conversion import converted
    from napari_dim.io.places import place_of
    from napari_dim.io.wildcards import pairs_of

    check_cluster(cluster, source, target, like or "", batch=batch, worker_memory=worker_memory)
    pairs = pairs_of(source, target)
    image = place_of(like) if like else None
    if not overwrite:
        _check_new(pairs, goes_on=bool(cluster))
    how: dict[str, Any] = {"form": form, "mask": mask, "part": part, "overlaps": overlaps}
    if cluster:
        _on_cluster(pairs, image, how, cluster, worker_memory, batch)
        return
    faults: list[InputError] = []
    for one, goal in pairs:
        try:
            written, notes = converted(one, goal, like=image, **how)
        except InputError as error:
            if len(pairs) == 1:
                raise
            faults.append(error)
            messages().print(f"Failed    {one.name}: {error}")
            continue
        for text in notes:
            messages().print(f"Note      {one.name}: {text}")
        output().print(f"Wrote {', '.join(map(str, written))}")
    if faults:
        raise Failure(
            f"{len(faults)} of {count(len(pairs), 'file')} could not be converted: {faults[0]}"
        )


def _check_new(pairs: Sequence[tuple[Path, Path]], *, goes_on: bool) -> None:
    """Refuse to replace files unasked; what was written on a cluster before `goes_on` there.

    Raises
    ------
    InputError
        If there are some, before any is written.
    """
    from napari_dim.cluster.pieces_of_work import DONE
    from napari_dim.io.places import names_in

    folder = pairs[0][1].parent
    names = names_in(folder)
    own = {name.removesuffix(".json") for name in names_in(folder / DONE)} if goes_on else ()
    here = [goal.name for one, goal in pairs
            if goal.name in names and goal.name not in own and str(one) != str(goal)]  # fmt: skip
    if here:
        more = f" and {len(here) - 1} more are" if len(here) > 1 else " is"
        raise InputError(f"{here[0]}{more} here already", where=folder,
                         hint="Give another name, or replace by --overwrite")  # fmt: skip


def _on_cluster(
    pairs: Sequence[tuple[Path, Path]],
    like: Path | None,
    how: dict[str, Any],
    cluster: str,
    worker_memory: str,
    batch: int,
) -> None:
    """Convert each file on a worker; what was done before is not done again."""
    from napari_dim.cli.watch import FileProgress
    from napari_dim.cluster.converted_files import convert_files

    faults = Faults("converted")
    done = 0
    places = [like, *(place for pair in pairs for place in pair)]
    with (
        on_cluster(cluster, worker_memory, places) as workers,
        FileProgress(messages(), "Converting", len(pairs)) as progress,
    ):
        for outcome in convert_files(workers, pairs, like, how, batch=batch):
            name = pairs[outcome.number][0].name
            faults.take(name, outcome)
            done += not outcome.fault
            progress.begin(name, outcome.result.get("notes", ()))
            progress.end()
    output().print(f"Wrote {count(done, 'file')} to {pairs[0][1].parent}")
    faults.end()
