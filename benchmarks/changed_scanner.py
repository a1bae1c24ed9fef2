"""A cohort of one site as one of two: every second volume as another scanner might show it.

The voxels are changed as `tasks.changed` does, the masks stay. Volumes of each split are taken
in turn, so that no patient is in both sites.

    python benchmarks/changed_scanner.py COHORT OUT
"""

from __future__ import annotations

import argparse
import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from tasks import changed

from napari_dim.data.cohort import COLUMNS, read_cohort
from napari_dim.io import read_volume, write_image

SITE = "changed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cohort", type=Path, help="folder of a cohort.csv")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True)
    lines: list[tuple[str, ...]] = []
    for split in ("train", "test"):
        rows = sorted(read_cohort(args.cohort / "cohort.csv").split(split), key=lambda r: r.name)
        for number, row in enumerate(rows):
            labels = "" if row.labels is None else shutil.copy(row.labels, args.out)
            other = number % 2 == 1
            image = args.out / row.image.name
            if other:
                volume = changed(read_volume(row.image), seed=number)
                whole = volume.array.round().clip(-32768, 32767).astype(np.int16)
                write_image(image, replace(volume, array=whole))
            else:
                shutil.copy(row.image, image)
            site = SITE if other else row.site
            lines.append((image.name, Path(labels).name if labels else "", "", site, split))
    with (args.out / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])


if __name__ == "__main__":
    main()
