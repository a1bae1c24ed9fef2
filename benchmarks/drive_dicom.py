"""Drive the plugin on a DICOM series in a real window, from the drop to DICOM-SEG and NIfTI.

Without a screen: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/drive_dicom.py
--image scan.nii.gz --labels reference.nii.gz --out shots``.

Makes a DICOM series of the scan with pydicom, drops its folder onto the window, copies some
slices of the reference into a labels layer, trains, exports by the Export tab as DICOM-SEG and
as NIfTI, reads both back, and says where they lie and how good they are.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' series, made with pydicom

ITK = """
import json, sys, SimpleITK as sitk
reader = sitk.ImageSeriesReader()
reader.SetFileNames(reader.GetGDCMSeriesFileNames(sys.argv[1]))
image = reader.Execute()
mask = sitk.ReadImage(sys.argv[2])
print(json.dumps([[i.GetSize(), i.GetOrigin(), i.GetSpacing(), i.GetDirection()]
                  for i in (image, mask)]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True, help="reference mask")
    parser.add_argument("--seconds", type=float, default=30, help="of training")
    parser.add_argument("--slices", type=int, default=5, help="labelled")
    parser.add_argument("--out", type=Path, default=Path("drive_dicom"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        result = drive(args, Path(folder) / "series")
    print(json.dumps(result, indent=2))
    (args.out / "drive_dicom.json").write_text(json.dumps(result, indent=2) + "\n")


def drive(args: argparse.Namespace, series: Path) -> dict[str, object]:
    import napari
    from tests.dicoms import write_series

    from napari_dim.gui.layers.image_layers import go_to_slice, layer_source
    from napari_dim.gui.layers.layer_classes import ClassInfo, set_classes
    from napari_dim.io import read_classes, read_mask, read_volume

    original = read_volume(args.image)
    reference = read_mask(args.labels, original)
    grid = original.grid
    stored = np.asarray(grid.to_file(original.array))
    # The scanner's slices are the scan's own.
    order = [axis for axis in range(3) if axis != grid.slice_axis] + [grid.slice_axis]
    affine = grid.file_affine.copy()
    affine[:, :3] = affine[:, order]
    whole = np.ascontiguousarray(np.rint(np.transpose(stored, order)).astype(np.int16))
    write_series(series, whole, affine, series=1)

    viewer = napari.Viewer(title="napari-dim")
    viewer.window.resize(1366, 768)
    _, workspace = viewer.window.add_plugin_dock_widget("napari-dim", "Workspace")
    session = workspace.session
    workspace.train.runs.path = args.out / "runs"
    drop(viewer, series)
    process(1)
    image = viewer.layers[0]
    source = layer_source(image)
    shoot(viewer, args.out / "1_dropped.png")

    # The reference in the order of the series' slices.
    scan = read_volume(series)
    truth = onto(reference, grid, scan.grid)
    workspace.annotate.new.click()
    labels = workspace.annotate.labels.layer
    set_classes(labels, [ClassInfo(1, "left atrium", "#E69F00")])
    workspace.annotate.classes.show_layer(labels)
    present = np.flatnonzero(truth.any(axis=(1, 2)))
    shares = (np.arange(args.slices) + 0.5) / args.slices
    chosen = [int(present[int(share * len(present))]) for share in shares]
    for number in chosen:
        go_to_slice(viewer, image, number)
        index = np.nonzero(truth[number])
        labels.data_setitem((np.full(index[0].size, number), *index), truth[number][index])
        process(0.2)
    shoot(viewer, args.out / "2_annotated.png")

    workspace.tabs.setCurrentIndex(1)
    workspace.train.set_budget(args.seconds)
    began = time.monotonic()
    workspace.train.button.click()
    while session.busy:
        process(0.1)
    took = time.monotonic() - began
    shoot(viewer, args.out / "3_trained.png")

    workspace.tabs.setCurrentIndex(3)
    export = workspace.export
    written = {}
    for key, name in (("dicom-seg", "mask.dcm"), ("nifti", "mask.nii.gz")):
        export.format.setCurrentIndex(export.format.findData(key))
        process(0.3)
        shoot(viewer, args.out / f"4_export_{key}.png")
        assert export.button.isEnabled(), export.text.text()
        assert export.export(args.out / name, key)
        written[key] = args.out / name

    masks = {key: read_mask(path, scan) for key, path in written.items()}
    np.testing.assert_array_equal(masks["dicom-seg"], masks["nifti"])
    for path in written.values():
        viewer.open(path, plugin="napari-dim")
    process(0.5)
    for layer in viewer.layers[-2:]:
        np.testing.assert_array_equal(np.asarray(layer.data), masks["nifti"])
        np.testing.assert_allclose(layer.translate, image.translate, atol=1e-3)
        np.testing.assert_allclose(layer.scale, image.scale, atol=1e-5)
    go_to_slice(viewer, image, chosen[len(chosen) // 2])
    shoot(viewer, args.out / "5_both_back.png")

    places = subprocess.run(
        [sys.executable, "-c", ITK, str(series), str(written["nifti"])],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    itk_series, itk_mask = json.loads(places)
    result = {
        "image": args.image.name,
        "slices": len(scan.array),
        "labelled": chosen,
        "seconds": args.seconds,
        "until predicted (s)": round(took, 1),
        "steps": session.history[-1].step,
        "dice of both files": round(dice(masks["nifti"], truth), 4),
        "classes in the DICOM-SEG": [
            [item.id, item.name, item.colour] for item in read_classes(written["dicom-seg"])
        ],
        "same voxels in both files": True,
        "most corner distance to SimpleITK's series (mm)": round(
            max(corner_distance(itk_series, itk_mask), corner_distance(itk_series, scan.grid)), 6
        ),
        "source images named": len(source.header["instances"]),
    }
    viewer.close()
    return result


def drop(viewer, folder: Path) -> None:
    """Drop a folder onto the window, as from a file manager."""
    from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
    from qtpy.QtGui import QDragEnterEvent, QDropEvent
    from qtpy.QtWidgets import QApplication

    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(folder))])
    target = viewer.window._qt_viewer
    QTimer.singleShot(500, choose_reader)
    how = (
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(target, QDragEnterEvent(QPoint(200, 200), *how))
    QApplication.sendEvent(target, QDropEvent(QPointF(200, 200), *how))
    end = time.monotonic() + 60
    while not viewer.layers and time.monotonic() < end:
        process(0.1)
    assert viewer.layers, "nothing was opened"


def choose_reader() -> None:
    """Answer napari's question which plugin reads a folder, as the annotator would."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication, QDialog, QRadioButton

    dialog = QApplication.activeModalWidget()
    if not isinstance(dialog, QDialog):
        QTimer.singleShot(500, choose_reader)
        return
    for button in dialog.findChildren(QRadioButton):
        if button.text() == "napari-dim":
            button.click()
    dialog.accept()


def onto(mask: np.ndarray, grid, other) -> np.ndarray:
    """A mask on another grid with voxels at the same places."""
    index = np.argwhere(mask)
    places = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    there = np.linalg.solve(other.affine[:3, :3], (places - other.affine[:3, 3]).T).T
    whole = np.rint(there).astype(int)
    assert np.abs(there - whole).max() < 0.01
    out = np.zeros(other.shape, mask.dtype)
    out[tuple(whole.T)] = mask[tuple(index.T)]
    return out


def corner_distance(itk, other) -> float:
    """How far the corners of two volumes are apart, in mm."""

    def corners(size, matrix, origin):
        ends = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
        return ends * (np.array(size) - 1) @ matrix.T + origin

    def of(place):
        size, origin, spacing, direction = place
        return corners(size, np.array(direction).reshape(3, 3) * np.array(spacing), origin)

    def near(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=-1).min(1).max()

    first = of(itk)
    if isinstance(other, list):
        second = of(other)
    else:
        lps = np.diag([-1.0, -1, 1]) @ other.affine[:3]
        second = corners(other.shape, lps[:, :3], lps[:, 3])
    return float(near(first, second))


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * np.sum((mask > 0) & (truth > 0)) / (np.sum(mask > 0) + np.sum(truth > 0)))


def process(seconds: float) -> None:
    """Let the window work for a while."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def shoot(viewer, path: Path) -> None:
    """Save a picture of the whole window."""
    process(0.7)
    viewer.screenshot(str(path), canvas_only=False, flash=False)


if __name__ == "__main__":
    main()
