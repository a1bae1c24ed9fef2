"""The Train tab: from a few labelled slices to masks for all the others."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_dim.cluster.elsewhere.server import Server
from napari_dim.errors import InputError
from napari_dim.gui.commands.slice_commands import current
from napari_dim.gui.jobs.training_job import Training
from napari_dim.gui.jobs.training_plan import (
    Part,
    Plan,
    new_run,
    plan_from_cohort,
    plan_from_layers,
    plan_settings,
)
from napari_dim.gui.layers.image_layers import layer_source, separate
from napari_dim.gui.layers.layer_classes import classes_of
from napari_dim.gui.logic.training_sources import Learnt, describe
from napari_dim.gui.panels.other_scans import OtherImages
from napari_dim.gui.preferences import preferences
from napari_dim.gui.session import Session
from napari_dim.gui.storage.closed_cases import ClosedCase, closed_cases
from napari_dim.gui.storage.last_model import known_cases, start_of
from napari_dim.gui.storage.last_servers import last_servers, remember_server
from napari_dim.gui.widgets.loss_curves import LossCurves
from napari_dim.gui.widgets.server_box import ServerBox
from napari_dim.gui.widgets.settings_form import SettingsForm
from napari_dim.gui.widgets.small_widgets import (
    Folded,
    PathPicker,
    captioned,
    large_button,
    note,
    while_alive,
)
from napari_dim.gui.work import Activity
from napari_dim.words import count as counted

BUDGETS = (
    ("1 minute", 60.0),
    ("3 minutes", 180.0),
    ("10 minutes", 600.0),
    ("until I stop", math.inf),
)
LAYERS, COHORT = "the open layers", "a cohort file"


class TrainTab(QWidget):
    """Say how long, and start; predictions appear as a layer.

    Parameters
    ----------
    session
        The session of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._say_soon = QTimer(self, singleShot=True, interval=100)
        self._say_soon.timeout.connect(self._say_plan)
        self._tick = QTimer(self, interval=500)
        self._tick.timeout.connect(self._on_tick)
        self._tick.start()
        self._build()
        while_alive(self, session.case_changed, self._on_case)
        while_alive(self, session.autosave.changed, self._on_layers)
        while_alive(self, session.layers_changed, self._on_layers)
        while_alive(self, session.slices_changed, self._on_slices)
        while_alive(self, session.changed, self._on_session)
        while_alive(self, session.model_changed, self._on_model)
        self._on_server()
        self._on_case()
        self._on_session()

    # What stands where.

    def _build(self) -> None:
        chosen = preferences()
        self.source = QComboBox()
        self.source.addItems([LAYERS, COHORT])
        self.source.setToolTip("Learn from scans that are open, or from a list of files")
        self.source.currentTextChanged.connect(lambda _: self._on_layers())

        self.site = QLineEdit()
        self.site.setPlaceholderText("scanner or centre of this scan")
        self.site.editingFinished.connect(self._on_site)
        self.site.setToolTip("So that a scanner with few slices is not drowned by the others")
        self.others = OtherImages(self.session)
        self.others.changed.connect(self._say_plan)

        self._layers_box = QWidget()
        form = QFormLayout(self._layers_box)
        form.setContentsMargins(0, 0, 0, 0)
        captioned(form, "site", self.site)
        form.addRow(self.others)
        self.project = QCheckBox()
        self.project.setChecked(True)
        self.project.setToolTip(
            "The project's other cases teach as well, with their labels and without. They are "
            "read from their files and need not be open"
        )
        self.project.toggled.connect(lambda _: self._say_plan())
        form.addRow(self.project)

        self.cohort = PathPicker(
            folder=False, filter="Cohort (*.csv)", placeholder="image,labels,slices,site,split"
        )
        self.cohort.setToolTip("A table of images, masks and the slices that are labelled")
        self.cohort.changed.connect(self._say_plan)

        self.budget = QComboBox()
        self.budget.addItems([title for title, _ in BUDGETS] + ["other"])
        self.seconds = QDoubleSpinBox()
        self.seconds.setRange(1, 24 * 3600)
        self.seconds.setDecimals(0)
        self.seconds.setSuffix(" s")
        for widget in (self.budget, self.seconds):
            widget.setToolTip("How long to train. More slices help more than more minutes")
        self.budget.currentTextChanged.connect(self._on_budget)
        self.set_budget(chosen.budget)
        time_row = QHBoxLayout()
        time_row.addWidget(self.budget, 1)
        time_row.addWidget(self.seconds)
        form_time = QFormLayout()
        captioned(form_time, "train for", time_row)

        self.form = SettingsForm(start={"device": chosen.device, "apart": chosen.apart})
        self.server = ServerBox(chosen.server, last_servers())
        self.server.currentTextChanged.connect(lambda _: self._on_server())
        self.runs = PathPicker(folder=True)
        self.runs.path = chosen.runs
        self.runs.setToolTip("Each training saves its model in a folder of its own in here")
        self.more = advanced = Folded("More settings")
        place = QWidget()
        row = QFormLayout(place)
        row.setContentsMargins(0, 0, 0, 0)
        row.addRow("where", self.server)
        advanced.addWidget(place)
        advanced.addWidget(self.form)
        advanced.addWidget(note("save models in"))
        advanced.addWidget(self.runs)

        self.go_on = QCheckBox("go on from the last training")
        self.go_on.setToolTip(
            "Start with what the last model knows: useful masks in seconds. "
            "Untick it for another structure, or to learn everything anew"
        )
        self.joins = QCheckBox("slices that I label meanwhile join")
        self.joins.setChecked(True)
        self.joins.setToolTip(
            "A slice that you label while it trains is learnt at once, as soon as you go on to "
            "another slice"
        )
        self.all = QCheckBox("segment these scans too, at the end")
        self.all.setChecked(True)
        self.all.setToolTip(
            "Masks for all scans that are learnt from, and suggestions which of their slices to "
            "correct. Those of the project's other cases are there when you open them"
        )
        self.plan_text = note()
        self.button = large_button("Start training")
        self.button.clicked.connect(self._on_button)
        self.pause = QPushButton("Pause")
        self.pause.setToolTip("Hold the training; its time stands still meanwhile")
        self.pause.clicked.connect(self._on_pause)
        self.curves = LossCurves(self.session)

        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        # What can't be changed while it trains makes room for the curves then.
        self._choices = QWidget()
        choices = QVBoxLayout(self._choices)
        choices.setContentsMargins(0, 0, 0, 0)
        top = QFormLayout()
        captioned(top, "learn from", self.source)
        choices.addLayout(top)
        choices.addWidget(self._layers_box)
        choices.addWidget(self.cohort)
        choices.addLayout(form_time)
        choices.addWidget(self.go_on)
        # Above what comes and goes: the button stays under the mouse that started the training.
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 1)
        buttons.addWidget(self.pause)
        column.addLayout(buttons)
        column.addWidget(self.plan_text)
        column.addWidget(self._choices)
        column.addWidget(self.joins)
        column.addWidget(self.all)
        column.addWidget(self.curves)
        column.addWidget(advanced)
        column.addStretch(1)

    # What the user does.

    def set_budget(self, seconds: float) -> None:
        """Train for this many seconds, or (`math.inf`) until it is stopped."""
        titles = {value: title for title, value in BUDGETS}
        if math.isfinite(seconds):
            self.seconds.setValue(seconds)
        self.budget.setCurrentText(titles.get(seconds, "other"))
        self.seconds.setVisible(self.budget.currentText() == "other")

    def start(self) -> None:
        """Start a training with what is chosen; a fault is told once."""
        try:
            plan = replace(self._plan(), server=self.server.address)
            Training.start(self.session, plan)
        except InputError as error:
            from napari.utils.notifications import show_warning

            show_warning(str(error))
            return
        if plan.server:
            remember_server(plan.server)
            self.server.used(plan.server)

    def stop(self) -> None:
        """Stop the training; what was learnt until then is used."""
        if self.session.training is not None:
            self.session.training.stop()

    def _plan(self) -> Plan:
        changes = self.form.values()
        elsewhere = bool(self.server.address)
        if elsewhere:  # its devices are not those of this computer
            changes |= {"device": "auto", "apart": False}
        start = start_of(self.session) if self.go_on.isChecked() else None
        folder = self.runs.path
        settings = plan_settings(
            {k: v for k, v in changes.items() if k != "device"},
            dict(BUDGETS).get(self.budget.currentText(), self.seconds.value()),
            changes["device"],
            preferences().threads,
            elsewhere=elsewhere,
        )
        broken = self.session.resumable if self.go_on.isChecked() else None
        if self.source.currentText() == COHORT:
            if self.cohort.path is None:
                raise InputError("no cohort file is chosen", hint="Browse for its .csv file")
            run = broken or (new_run(folder, self.cohort.path.stem) if folder else None)
            plan = plan_from_cohort(self.cohort.path, settings, run)
            return replace(plan, start=start, resume=broken is not None)
        image = self.session.image
        if image is None:
            raise InputError("no scan is open", hint="Open one, or use File > Open Sample")
        parts = self._parts()
        if all(part.mask is None for part in parts):
            raise InputError(
                "the scan has no mask yet", hint="Press New in Annotate and paint some slices"
            )
        run = broken or (new_run(folder, image.name) if folder else None)
        closed = self._closed()
        project = self.session.autosave.project
        if closed:
            self.session.autosave.flush()
        plan = plan_from_layers(
            parts, settings, run, None if project is None else project.folder, closed
        )
        later = self.all.isChecked()
        return replace(
            plan,
            start=start,
            resume=broken is not None,
            segment_all=later,
            closed=self._segmented(closed) if later else (),
        )

    def _segmented(self, names: list[str]) -> tuple[ClosedCase, ...]:
        """The project's cases that are not open, with the names of this scan's classes."""
        project, labels = self.session.autosave.project, self.session.labels
        if project is None:
            return ()
        return closed_cases(project, names, [] if labels is None else classes_of(labels))

    def _closed(self) -> list[str]:
        """The cases of the project that are learnt from and are no layers of this training."""
        session = self.session
        project = session.autosave.project
        if project is None or not self.project.isChecked() or session.image is None:
            return []
        shown = {session.image, *(layer for layer, _ in self.others.chosen())}
        open_ones = {session.autosave.case_of(image) for image in shown}
        return [case.name for case in project.cases if case.name not in open_ones]

    def _parts(self) -> list[Part]:
        """The open scans that are learnt from, the one that is worked on first."""
        session = self.session
        assert session.image is not None
        parts = [Part(session.image, session.mask, session.site_of(session.image))]
        for layer, site in self.others.chosen():
            parts.append(Part(layer, session.mask_of(layer), site))
        return parts

    def _on_button(self) -> None:
        if self.session.activity in (Activity.TRAINING, Activity.STOPPING):
            self.stop()
        elif self.session.activity is Activity.PREDICTING and self.session.task is not None:
            self.session.task.stop()
        elif not self.session.busy:
            self.start()

    def _on_pause(self) -> None:
        if self.session.training is not None:
            self.session.training.pause()

    def _on_budget(self, title: str) -> None:
        self.seconds.setVisible(title == "other")
        seconds = dict(BUDGETS).get(title)
        if seconds is not None and math.isfinite(seconds):
            self.seconds.setValue(seconds)

    # What happens around it.

    def _on_site(self) -> None:
        image, text = self.session.image, self.site.text().strip()
        if image is not None and text != self.session.site_of(image):
            self.session.set_site(image, text)
            self._say_soon.start()

    def _on_case(self) -> None:
        image = self.session.image
        self.site.setText("" if image is None else self.session.site_of(image))
        self._on_layers()
        self._on_model()

    def _on_layers(self) -> None:
        by_layers = self.source.currentText() == LAYERS
        self._layers_box.setVisible(by_layers and self.session.image is not None)
        self.cohort.setVisible(not by_layers)
        self.others.show_for(self.session.image)
        self._say_plan()

    def _on_slices(self) -> None:
        with suppress(RuntimeError):  # The tab was closed.
            self._say_soon.start()

    def _on_model(self) -> None:
        """Offer to go on from a model; it is what one wants if it was trained on this scan."""
        image = self.session.image
        if self.session.resumable is not None:
            self.go_on.setText("go on from the last checkpoint")
            self.go_on.setVisible(True)
            self.go_on.setChecked(True)
            return
        self.go_on.setText("go on from the last training")
        self.go_on.setVisible(start_of(self.session) is not None)
        known = known_cases(self.session)
        self.go_on.setChecked(image is not None and image.name in known)

    def _on_tick(self) -> None:
        training = self.session.training
        if training is None:
            return
        training.tick()
        if self.joins.isChecked():
            training.join(self.session.mask, current(self.session))

    def _on_server(self) -> None:
        why = "The server chooses" if self.server.address else ""
        for name in ("device", "apart"):
            self.form.lock(name, why)
        self._say_plan()

    def _on_session(self) -> None:
        activity, training = self.session.activity, self.session.training
        self.button.setText(
            {
                Activity.IDLE: "Start training",
                Activity.TRAINING: "Stop",
                Activity.STOPPING: "Stop now",
                Activity.PREDICTING: "Stop predicting",
                Activity.EXPORTING: "Exporting…",
            }[activity]
        )
        self.button.setEnabled(activity is not Activity.EXPORTING)
        self._choices.setVisible(activity not in (Activity.TRAINING, Activity.STOPPING))
        self.pause.setVisible(activity is Activity.TRAINING)
        self.pause.setText("Go on" if training is not None and training.paused else "Pause")
        self.curves.setVisible(bool(self.session.history))

    def _say_plan(self) -> None:
        """State what a training would learn from, before it starts."""
        mask = self.session.mask
        if self.source.currentText() == COHORT:
            path = self.cohort.path
            text = f"Learns from the training rows of {path.name}." if path else ""
        elif self.session.image is None:
            text = "Open a scan in Annotate first."
        elif any(p.mask is not None and p.mask.labelled for p in self._parts()):
            text = describe([_learnt(part) for part in self._parts()])
            if others := len(self._closed()):
                read = "is" if others == 1 else "are"
                text += f"<br>{counted(others, 'other case')} of the project {read} read as well."
        elif mask is None:
            text = "Press New in Annotate, paint the structure in a few slices, then start."
        else:
            text = f"Nothing is labelled in “{mask.layer.name}” yet: paint a few slices."
        if text and (server := self.server.address):
            text += f"<br>Trains on {Server(server).name}: voxels and labels go there, no names."
        self._say_project()
        ticked = self.source.currentText() == LAYERS and bool(self.others.chosen())
        writable = self._closed() and not self.session.autosave.project.read_only
        self.all.setVisible(ticked or bool(writable))
        self.plan_text.setText(text)
        self.plan_text.setVisible(bool(text))

    def _say_project(self) -> None:
        """Offer the project's other cases, and say how many they are."""
        project, image = self.session.autosave.project, self.session.image
        count = 0
        if project is not None and image is not None:
            shown = {image, *(layer for layer, _ in self.others.chosen())}
            open_ones = {self.session.autosave.case_of(layer) for layer in shown}
            count = sum(case.name not in open_ones for case in project.cases)
        self.project.setVisible(count > 0)
        which = f"the {count} other cases" if count > 1 else "the other case"
        self.project.setText(f"learn from {which}, too")


def _learnt(part: Part) -> Learnt:
    count = layer_source(part.image).grid.shape[0]
    return Learnt(part.image.name, count, part.site, part.mask, separate(part.image))
