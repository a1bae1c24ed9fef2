"""What libraries say of a file never reaches a terminal or a log: each reader, each writer."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

from napari_dim.io.library_words import LIBRARIES, withheld
from tests.cases import ellipsoid
from tests.gates.canaries import Canaries, write_dicom_cohort, write_picture_cohort

EVERYTHING = """
import logging, sys, warnings
from pathlib import Path
import numpy as np
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
warnings.simplefilter("always")
from napari_dim.errors import InputError
from napari_dim.io import (lay_mask, list_parts, read_classes, read_volume, write_image,
                           write_mask)
from napari_dim.io.formats import READERS, WRITERS, reader_of
from napari_dim.io.labels import LabelClass
from napari_dim.io.itk import itk_reader
from tests.one_child import served

serving = served()
itk_reader.run_child = serving.__enter__()
out, readers, writers = Path(sys.argv[1]), set(), set()
def tried(call, *args, **how):
    try:
        return call(*args, **how)
    except InputError as error:
        print("refused:", error.problem, error.hint)
for path in map(Path, sys.argv[2:]):
    for part in ("", "simpleitk") if path.name.startswith("dicom") else ("",):
        readers.add(reader_of(path, part)[0].name)
        volume = tried(read_volume, path, part=part)
        tried(list_parts, path, part)
        tried(read_classes, path)
        if volume is None:
            continue
        print(volume.warnings, volume.grid)
        tried(lay_mask, path, volume)
        array = np.asarray(volume.array)
        mask = (array if volume.channels == 1 else array[..., 0]) > 100
        for one in WRITERS:
            end = one.written[0]
            target = out / f"{len(list(out.iterdir()))}{end}"
            if one.write and tried(write_image, target, volume):
                writers.add(one.name)
            if one.write_mask:
                target = out / f"mask{len(list(out.iterdir()))}{end}"
                made = tried(write_mask, target, mask.astype("uint8"), volume,
                             classes=[LabelClass(1, "shell")], form=one.key)
                if made:
                    writers.add(one.name)
                    if one.key == "dicom-seg":
                        tried(lay_mask, target, volume)
print("READERS", sorted(readers))
print("WRITERS", sorted(writers))
print("MISSED", [one.name for one in READERS if one.name not in readers]
      + [one.name for one in WRITERS if one.name not in writers])
serving.__exit__(None, None, None)
"""


def odd_files(folder: Path, marks: Canaries) -> list[Path]:
    """Files of every format with marks, most of them such as libraries complain of."""
    import pydicom

    from napari_dim.io import read_volume, write_image

    files = []
    volume, _ = ellipsoid((5, 28, 24))
    image = nib.Nifti1Image(volume.grid.to_file(volume.array), volume.grid.file_affine)
    image.header["descrip"] = marks.mark("descrip").encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension(4, b"<" + marks.mark("x").encode()))
    files.append(folder / "n.nii.gz")
    nib.save(image, files[-1])
    write_picture_cohort(folder, marks)
    pictures = next(folder.rglob("p.png")).parent
    (folder / "pictures").mkdir()
    for name in ("p.png", "q.jpg", "r.tif"):
        (pictures / name).rename(folder / "pictures" / name)
    files += [folder / "pictures", *sorted((folder / "pictures").iterdir())]
    odd = folder / "odd.tif"  # tifffile and libtiff complain of its tags
    tifffile.imwrite(odd, np.arange(64, dtype=np.uint8).reshape(8, 8),
                     extratags=[(65000, 2, 0, marks.mark("private tag"), True),
                                (270, 2, 0, marks.mark("second description"), True),
                                (274, 2, 0, marks.mark("orientation"), True)])  # fmt: skip
    files.append(odd)
    for name in ("v.nrrd", "v.zarr"):
        write_image(folder / name, volume)
        files.append(folder / name)
    header = folder / "v.nrrd"
    text = header.read_bytes().replace(b"\n", f"\nname:={marks.mark('nrrd key')}\n".encode(), 1)
    header.write_bytes(text)
    attributes = folder / "v.zarr" / ".zattrs"
    told = json.loads(attributes.read_text())
    attributes.write_text(json.dumps({**told, marks.mark("zarr key"): marks.mark("zarr value")}))
    write_dicom_cohort(folder, marks)
    series = next(folder.rglob("series"))
    series = series.rename(folder / "dicom series")
    for file in series.iterdir():
        data = pydicom.dcmread(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data.PatientName = f"{marks.mark('name')}^A^B^C^D^E=X=Y=Z"  # too many components
            data.PatientID = marks.mark("long id") * 9
            data.StudyDate = "18930101"
            data.AccessionNumber = marks.mark("accession") * 4
            data.add_new("PatientAge", "AS", marks.mark("age"))
        data.save_as(file)
    files += [series, min(series.iterdir())]
    assert read_volume(series).array.any()
    for keyword in ("SliceThickness", "ImagePositionPatient", "SeriesNumber"):
        broken = folder / f"dicom {keyword}.dcm"
        data = pydicom.dcmread(min(series.iterdir()))
        text = marks.mark(f"number {keyword}").encode()
        element = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag(keyword), data[keyword].VR, len(text), text, 0, False, True
        )
        data._dict[element.tag] = element
        data.save_as(broken)
        files.append(broken)
    return files


def test_no_reader_or_writer_lets_words_of_a_library_out(tmp_path):
    marks = Canaries()
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    files = odd_files(tmp_path / "in", marks)
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING, str(tmp_path / "out"), *map(str, files)],
        capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONWARNINGS": "always"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = (done.stdout + done.stderr).lower()
    assert "missed []" in said, done.stdout
    assert "words are withheld" in said  # the files are odd enough to be spoken of
    assert "site-packages" not in said
    found = {place for mark, place in marks.places.items() if mark.lower() in said}
    assert not found, f"{found}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_it_is_caught_from_all_loggers_and_threads_and_given_back(caplog, recwarn):
    import threading

    caplog.set_level(logging.INFO)
    before = warnings.showwarning

    def speak():
        for name in LIBRARIES:
            logging.getLogger(f"{name}.inner").error("JANE DOE")
        warnings.warn("JANE DOE", UserWarning, stacklevel=1)

    def fail():
        with withheld(), withheld():
            speak()
            thread = threading.Thread(target=speak)
            thread.start()
            thread.join()
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert "JANE" not in caplog.text
    assert "2 x error of pydicom" in caplog.text
    assert not [one for one in recwarn if "JANE" in str(one.message)]
    assert warnings.showwarning is before
    logging.getLogger("pydicom.inner").error("heard again")
    assert "heard again" in caplog.text
