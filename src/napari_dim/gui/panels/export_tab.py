"""The Export tab: finished masks as files, with a record of how they came about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Image, Labels, Layer
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)

from napari_dim.errors import InputError
from napari_dim.gui.jobs.export_job import Exporting, Job
from napari_dim.gui.layers.image_layers import layer_source
from napari_dim.gui.layers.mask_place import place_words
from napari_dim.gui.logic.mask_contents import LABELLED_ONLY, LAYER, SHOWN, contents, exported
from napari_dim.gui.logic.site_check import check_sites
from napari_dim.gui.session import Session
from napari_dim.gui.storage.mask_files import ids_of, save_array, suggested_path
from napari_dim.gui.storage.mask_record import recipe_of
from napari_dim.gui.widgets.narrow_box import NarrowBox
from napari_dim.gui.widgets.small_widgets import (
    LayerPicker,
    captioned,
    large_button,
    note,
    while_alive,
)
from napari_dim.io.dicom.seg_writer import check_source
from napari_dim.io.formats import WRITERS, mask_format
from napari_dim.volume import file_stem
from napari_dim.words import sentence

HERE, OPEN = "this scan", "all open scans"


class ExportTab(QWidget):
    """Says what is written, and writes it.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.scope = NarrowBox()
        self.scope.addItems([HERE, OPEN])
        self.scope.setToolTip("One mask, or one of each open scan, into a folder")
        self.include = NarrowBox()
        self.include.addItems([SHOWN, LABELLED_ONLY, LAYER])
        self.include.setToolTip("Which slices the mask holds")
        self.layer = LayerPicker(session, Labels)
        self.layer.setToolTip("The layer to write")
        self.format = NarrowBox()
        for one in WRITERS:
            if one.write_mask:
                self.format.addItem(one.name, one.key)
        self.format.setToolTip(
            "NIfTI, NRRD and OME-Zarr keep the exact place; DICOM-SEG also belongs to the series "
            "it was drawn on, patient's name included. Colours and names of classes are kept by "
            "NRRD, DICOM-SEG, OME-Zarr, PNG and TIFF (colours). STL and CSV are for other uses"
        )
        self.text = note()
        self.sites = note()
        self.button = large_button("Export…")
        self.button.setToolTip(
            "Write the mask in exactly the place of the scan, and a .json file beside it "
            "that says how it came about"
        )
        self.button.clicked.connect(self._on_export)
        form = QFormLayout()
        captioned(form, "masks of", self.scope)
        captioned(form, "write", self.include)
        captioned(form, "layer", self.layer)
        captioned(form, "as", self.format)
        self._rows = form
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addLayout(form)
        column.addWidget(self.text)
        column.addWidget(self.sites)
        column.addWidget(self.button)
        column.addStretch(1)
        self.scope.currentTextChanged.connect(lambda _: self.refresh())
        self.include.currentTextChanged.connect(lambda _: self.refresh())
        self.format.currentTextChanged.connect(lambda _: self.refresh())
        while_alive(self, session.slices_changed, self._on_slices)
        while_alive(self, session.case_changed, self._on_case)
        while_alive(self, session.layers_changed, self.refresh)
        while_alive(self, session.changed, self._on_session)
        while_alive(self, session.predicted, self._on_predicted)
        self._on_case()

    @property
    def form(self) -> str:
        """The key of the chosen format."""
        return str(self.format.currentData())

    def refresh(self) -> None:
        """Say what would be written."""
        several = self.scope.currentText() != HERE
        whole = self.include.currentText() == LAYER and not several
        self._rows.setRowVisible(2, whole)
        try:
            if several:
                text = self._several()
            else:
                text = "" if whole else contents(self.session.mask, self.include.currentText()).text
            ready = self.layer.layer is not None if whole else True
            if ready and not several and (why := self._unfit()):
                text, ready = why, False
            elif ready and not several:
                text = " ".join(filter(None, (text, self._moved())))
        except InputError as error:
            text, ready = sentence(error), False
        self.text.setText(text)
        self.text.setVisible(bool(text))
        sites = check_sites(
            [
                (self.session.site_of(image) or image.name, mask)
                for image, mask in self.session.masks
            ]
        )
        self.sites.setText(sites)
        self.sites.setVisible(bool(sites))
        self.button.setEnabled(ready and not (several and self.session.busy))
        self.button.setText("Export all…" if several else "Export…")

    def export(self, path: Path, form: str = "") -> bool:
        """Write the mask of this scan and its record; says where, or why not.

        Without `form`, the end of the name says the format.
        """
        from napari.utils.notifications import show_info, show_warning

        try:
            job = self._job(path, form)
            written = save_array(job.mask, job.layer, job.path, job.form)
            job.recipe.write(written)
        except InputError as error:
            show_warning(str(error))
            return False
        show_info(f"Saved {written}")
        return True

    def _job(self, path: Path, form: str) -> Job:
        """The mask of this scan as it is now, and how it came about."""
        if self.include.currentText() == LAYER:
            layer = self.layer.layer
            if layer is None:
                raise InputError("there is no labels layer")
            return Job(layer, ids_of(layer), recipe_of(self.session, layer, None), path, form)
        known, labels = self.session.mask, self.session.labels
        brush = None if known is None else known.brush
        mask, what = exported(known, self.include.currentText(), brush)
        assert labels is not None  # or there were no mask
        return Job(labels, mask, recipe_of(self.session, labels, what.states), path, form)

    def export_all(self, folder: Path) -> None:
        """Write the masks of all open scans into a folder, in the background.

        Asks first where masks are empty, or files would be replaced.
        """
        from napari.utils.notifications import show_warning

        jobs = self._jobs(folder)
        if not self._agreed(jobs):
            return
        try:
            Exporting.start(self.session, jobs)
        except InputError as error:
            show_warning(str(error))

    def _jobs(self, folder: Path) -> list[Job]:
        """The masks of all open scans as they are now, each with a name of its own."""
        jobs = []
        taken: set[str] = set()
        for image in self._open():
            known = self.session.mask_of(image)
            assert known is not None  # or it would not be listed
            mask, what = exported(known, self._include(), known.brush)
            stem = file_stem(suggested_path(image))
            name, number = stem, 2
            while name.lower() in taken:
                name, number = f"{stem}_{number}", number + 1
            taken.add(name.lower())
            path = folder / f"{name}{mask_format(Path('mask'), self.form).written[0]}"
            recipe = recipe_of(self.session, known.layer, what.states)
            jobs.append(Job(known.layer, mask, recipe, path, self.form))
        return jobs

    def _target(self) -> Layer | None:
        """The layer in whose place the mask lies."""
        if self.include.currentText() == LAYER:
            chosen: Layer | None = self.layer.layer
            return chosen
        return self.session.labels or self.session.image

    def _unfit(self) -> str:
        """Why the chosen format can't hold a mask of this scan; empty if it can."""
        layer = self._target()
        if layer is None:
            return ""
        source = layer_source(layer)
        if self.form == "dicom-seg":
            if "series" not in source.header:
                return "A DICOM-SEG needs a scan that was opened from DICOM. Choose NIfTI or NRRD."
            try:
                check_source(source.path, source)
            except InputError as error:
                return f"{error.problem[0].upper()}{error.problem[1:]}. Choose NIfTI or NRRD."
        if self.form == "png" and source.grid.shape[0] != 1:
            several = "PNG a picture, or " if source.kind == "picture" else ""
            return f"A PNG holds one slice. Choose {several}TIFF, or NIfTI."
        if self.form == "pngs" and source.kind != "picture":
            return "A scan is no folder of pictures. Choose NIfTI, or TIFF."
        if self.form in ("stl", "stl-smooth") and source.grid.unit != "mm":
            return "A picture without a physical size has no surface in mm. Choose PNG or TIFF."
        return ""

    def _moved(self) -> str:
        """Whose geometry is written, where the window shows the scan elsewhere."""
        layer = self._target()
        where, moved = ("", False) if layer is None else place_words(layer)
        return f"The mask is written {where}." if moved else ""

    def _include(self) -> str:
        chosen = self.include.currentText()
        return SHOWN if chosen == LAYER else chosen

    def _open(self) -> list[Image]:
        """The open scans that have a mask."""
        found = []
        for image in reversed(self.session.scans.layers(Image)):
            try:
                contents(self.session.mask_of(image), self._include())
            except InputError:
                continue
            found.append(image)
        return found

    def _several(self) -> str:
        found = self._open()
        if not found:
            raise InputError("no open scan has a mask yet", hint="Label some slices, or train")
        lines = [
            f"{image.name}: {contents(self.session.mask_of(image), self._include()).text}"
            for image in found
        ]
        return "<br>".join(lines)

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Catch up with what happened while another tab was shown."""
        self.refresh()
        super().showEvent(event)

    def _on_slices(self) -> None:
        if self.isVisible():
            self.refresh()

    def _on_case(self) -> None:
        """Pictures are saved as pictures unless the user says otherwise."""
        image = self.session.image
        if image is not None and self.form in ("png", "pngs", "nifti"):
            try:
                source = layer_source(image)
                flat, pictures = source.grid.shape[0] == 1, source.kind == "picture"
            except InputError:
                flat = pictures = False
            form = "png" if flat else "pngs" if pictures else "nifti"
            self.format.setCurrentIndex(self.format.findData(form))
        self.refresh()

    def _on_session(self) -> None:
        several = self.scope.currentText() != HERE
        if several:
            self.button.setEnabled(not self.session.busy)

    def _on_predicted(self, layer: Any) -> None:
        self.layer.refresh()
        self.layer.pick(layer)

    def _on_export(self) -> None:
        if self.scope.currentText() != HERE:
            folder = QFileDialog.getExistingDirectory(self, "Export all masks into a folder")
            if folder:
                self.export_all(Path(folder))
            return
        target = self._target()
        if target is None:
            return
        chosen = mask_format(Path("mask"), self.form)
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Export the mask",
            str(suggested_path(target, self.form)),
            f"{chosen.name} ({' '.join(f'*{end}' for end in chosen.written)})",
        )
        if path:
            named = path.lower().endswith(chosen.written) or Path(path).parent.name == "labels"
            # The dialog has asked about the name that was typed, not about a longer one.
            self._begin(Path(path if named else f"{path}{chosen.written[0]}"), seen=bool(named))

    def _begin(self, path: Path, *, seen: bool = False) -> None:
        """Write the mask in the background; an empty one only if it is meant."""
        from napari.utils.notifications import show_warning

        try:
            job = self._job(path, self.form)
            if not self._agreed([job], seen=seen):
                return
            Exporting.start(self.session, [job])
        except InputError as error:
            show_warning(str(error))

    def _agreed(self, jobs: list[Job], *, seen: bool = False) -> bool:
        """Whether empty masks and replaced files are meant; `seen` if the latter was asked."""
        empty = [job.path.name for job in jobs if not job.mask.any()]
        there = [] if seen else [job.path.name for job in jobs if job.path.exists()]
        if not empty and not there:
            return True
        text = []
        if empty:
            text.append(f"Empty, every voxel is background: {', '.join(empty)}.")
        if there:
            text.append(f"There already, and replaced: {', '.join(there)}.")
        answer = QMessageBox.question(
            self,
            "Export an empty mask?" if empty else "Replace files?",
            "\n\n".join([*text, "Export all the same?"]),
        )
        return bool(answer == QMessageBox.StandardButton.Yes)
