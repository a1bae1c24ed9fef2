"""``napari-dim study``: cases dealt to several readers, how far they are, how they agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dim.cli.console import check_folder, messages, output
from napari_dim.words import count

if TYPE_CHECKING:
    from napari_dim.study.readings import Reading

study = typer.Typer(
    help="A folder that several readers work in: cases dealt, states, agreement, tables.",
    no_args_is_help=True,
)
_Folder = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of the study.")]


@study.command()
def init(
    folder: _Folder,
    cohort: Annotated[
        Path, typer.Argument(metavar="COHORT.csv", help="Table of image,labels,slices,site,split.")
    ],
    readers: Annotated[str, typer.Option(metavar="ANN,BEN", help="The readers' names.")],
    double: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the cases that two readers read.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the draw.", min=0)] = 0,
    name: Annotated[str, typer.Option(help="What it is called; by default as its folder.")] = "",
) -> None:
    """Deal the cases of a cohort to readers, and copy the scans into the study's folder."""
    from napari_dim.data.cohort import read_cohort
    from napari_dim.study.making import make_study

    table = read_cohort(cohort)
    console = messages()
    with console.status("Copying") as status:
        plan = make_study(
            folder, table, readers.split(","), double=double, seed=seed, name=name,
            each=lambda case: status.update(f"Copying {case}"),
        )  # fmt: skip
    for note in table.notes:
        console.print(f"Note      {cohort.name}: {note}")
    if any(row.labels is not None for row in table.cases):
        console.print("Note      the cohort's labels are left out: readers begin with nothing")
    output().print(
        f"{count(len(plan.cases), 'case')} for {count(len(plan.readers), 'reader')}, "
        f"{len(plan.doubly)} of them for two: "
        + ", ".join(f"{reader} {len(plan.of(reader))}" for reader in plan.readers)
        + f"; the study is in {folder}"
    )


@study.command()
def status(
    folder: _Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """How far each reader is; for whoever leads the study, as it names all readers."""
    from rich.table import Table

    from napari_dim.study.plan import read_plan
    from napari_dim.study.readings import BEGUN, OPEN, WAITS, readings

    plan = read_plan(folder)
    all_of = {reader: readings(folder, plan, reader) for reader in plan.readers}
    if as_json:
        told = {
            "study": plan.name,
            "readers": {reader: [_row(one) for one in own] for reader, own in all_of.items()},
        }
        output().print(json.dumps(told))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("reader", "cases", "read", "begun", "open now", "left"):
        table.add_column(column, justify="left" if column == "reader" else "right")
    for reader, own in all_of.items():
        states = [one.state for one in own]
        read = sum(bool(one.read) for one in own)
        numbers = (len(own), read, states.count(BEGUN), states.count(OPEN), len(own) - read)
        table.add_row(reader, *map(str, numbers))
    output().print(table)
    waiting = sum(one.state == WAITS for own in all_of.values() for one in own)
    if not waiting and all(one.read for own in all_of.values() for one in own):
        output().print(f"All is read: `napari-dim study report {folder} --out DIR`")


@study.command("next")
def next_case(
    folder: _Folder,
    reader: Annotated[str, typer.Option(metavar="NAME", help="Whose next case.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """The case that a reader is to read next: one begun, else the first that waits."""
    from napari_dim.study.plan import read_plan
    from napari_dim.study.readings import next_reading, readings

    plan = read_plan(folder)
    who = plan.reader(reader)
    found = next_reading(folder, plan, who)
    left = sum(not one.read for one in readings(folder, plan, who))
    if as_json:
        output().print(json.dumps({"next": None if found is None else _row(found), "left": left}))
    elif found is None:
        more = f"{count(left, 'case')} open in another window" if left else "all cases are read"
        output().print(f"Nothing to begin: {more}")
    else:
        output().print(f"{found.case.name}   {folder / found.case.scan}   ({left} left)")


@study.command()
def report(
    folder: _Folder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for tables and plots.")],
) -> None:
    """Tables of readings and agreement, Bland-Altman plots, and a methods paragraph."""
    from napari_dim.study.plan import read_plan
    from napari_dim.study.report import write_report

    plan = read_plan(folder)
    check_folder(out)
    done = write_report(folder, plan, out)
    for note in done.notes:
        messages().print(f"Note      {note}")
    for path in done.files:
        output().print(str(path))


def _row(one: Reading) -> dict[str, Any]:
    return {
        "case": one.case.name, "site": one.case.site, "state": one.state, "read": one.read,
        "scan": one.case.scan,
    }  # fmt: skip
