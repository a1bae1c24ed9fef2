"""``napari-dim predict``: masks for images from a trained run."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_dim.cli.cluster_options import Batch, ClusterAddress, WorkerMemory, check_cluster
from napari_dim.cli.console import Split, check_folder, messages


def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder that fit wrote.")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="COHORT.csv|IMAGE...",
            help="A cohort, or images: files or folders, the channels of one joined by '|'.",
        ),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for the masks.")],
    split: Annotated[Split | None, typer.Option(help="Which cases of the cohort. [test]")] = None,
    series: Annotated[
        str, typer.Option(help="Of a DICOM folder: number, UID or description of the series.")
    ] = "",
    volume: Annotated[str, typer.Option(help="Of a file of four axes: the volume, from 0.")] = "",
    slice_axis: Annotated[
        str, typer.Option(help="axial, coronal, sagittal, or a file axis from 0.")
    ] = "",
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="nifti, nrrd, dicom-seg, png, pngs, tiff, zarr, stl, stl-smooth or csv. "
            "[nifti; png for a picture, pngs for a folder of them]",
        ),
    ] = "",
    cluster: ClusterAddress = "",
    worker_memory: WorkerMemory = "",
    batch: Batch = 1,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace masks of other models, or of nobody knows which."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")] = False,
) -> None:
    """Write masks for images: IMAGE_dim.nii.gz on the image's own grid, or another format."""
    with messages().status("Starting"):  # torch and friends take seconds
        from napari_dim.cli.masks import (
            chosen_images,
            gone_if_empty,
            predict_all,
            predict_on_cluster,
            tell_of_unfinished,
        )
        from napari_dim.engine.inference.predict_files import (
            check_images,
            left_to_do,
            planned,
            predictions_of,
        )
        from napari_dim.engine.inference.prediction_summary import KEPT
        from napari_dim.engine.inference.trained_model import Model
        from napari_dim.io import make_folder
        from napari_dim.io.places import place_of

    folder, home = place_of(out), place_of(run)
    check_cluster(cluster, home, folder, *inputs, batch=batch, worker_memory=worker_memory)
    rows, keep = chosen_images(
        inputs, split, slice_axis=slice_axis, part=series or volume, elsewhere=bool(cluster)
    )
    if cluster:
        predict_on_cluster(
            cluster, home, rows, folder, keep=keep, form=form, worker_memory=worker_memory,
            batch=batch, as_json=json, overwrite=overwrite,
        )  # fmt: skip
        return
    targets = planned(rows, folder, keep, form)
    check_folder(folder)
    model = Model.load(home)
    tell_of_unfinished(model)
    told = predictions_of(model, targets, form)
    names = [target.mask.name for target in targets]
    told.check(rows, names, overwrite=overwrite, where=f"--out {out}", way="--overwrite")
    with messages().status("Checking the images"):
        left = left_to_do(targets, told)
        check_images(left, model, form)
    done = {target.mask.name for target in targets} - {target.mask.name for target in left}
    if changed := [name for name in sorted(done) if told.changed(name)]:
        first, more = changed[0], f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        messages().print(f"Note      {first}{more} {KEPT}")
    with gone_if_empty(folder):
        make_folder(folder, f"--out {out}")
        predict_all(
            model, left, as_json=json, form=form, told=told, before=len(targets) - len(left)
        )
