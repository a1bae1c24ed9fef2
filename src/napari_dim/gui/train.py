"""The Train panel: from a few labelled slices to masks for all the others."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import napari.viewer
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_dim.errors import InputError
from napari_dim.gui.curves import LossCurves
from napari_dim.gui.forms import SettingsForm
from napari_dim.gui.layers import add_layer, current_slice, fits, new_labels
from napari_dim.gui.marks import Marks, is_done, marks_of, toggle_done
from napari_dim.gui.others import OtherImages
from napari_dim.gui.parts import (
    HINT,
    LayerPicker,
    PathPicker,
    StateLine,
    captioned,
    large_button,
    note,
    scrolled,
    while_alive,
)
from napari_dim.gui.preferences import preferences
from napari_dim.gui.saving import SaveBar
from napari_dim.gui.session import Activity, session_of
from napari_dim.gui.training import (
    Plan,
    Training,
    new_run,
    plan_from_cohort,
    plan_from_layers,
    plan_settings,
)

BUDGETS = (("1 minute", 60.0), ("3 minutes", 180.0), ("10 minutes", 600.0))
LAYERS, COHORT = "the open layers", "a cohort file"


class TrainPanel(QWidget):
    """Pick an image and its labels, say how long, start; predictions appear as a layer.

    Parameters
    ----------
    viewer
        The viewer whose layers are used.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.session = session_of(viewer)
        self._watched: Layer | None = None
        self._marks = Marks()
        self._refresh_soon = QTimer(self, singleShot=True, interval=300)
        self._refresh_soon.timeout.connect(self._refresh_marks)
        self._tick = QTimer(self, interval=500)
        self._tick.timeout.connect(self._on_tick)
        self._tick.start()
        self._build()
        session = self.session
        session.panel_opened()
        self.destroyed.connect(lambda *_: session.panel_closed())
        while_alive(self, session.layers_changed, self._on_layers)
        while_alive(self, session.changed, self._on_session)
        while_alive(self, session.model_changed, self._on_model)
        while_alive(self, session.viewer.dims.events.point, self._on_slice)
        self._on_image(self.image.layer)
        self._on_session()

    # What stands where.

    def _build(self) -> None:
        chosen = preferences()
        self.hint = note(HINT)
        self.source = QComboBox()
        self.source.addItems([LAYERS, COHORT])
        self.source.setToolTip("Learn from scans that are open, or from a list of files")
        self.source.currentTextChanged.connect(lambda _: self._on_layers())

        self.image = LayerPicker(self.session, Image)
        self.image.setToolTip("The scan to segment")
        self.image.picked.connect(self._on_image)
        self.labels = LayerPicker(
            self.session, Labels, lambda layer: not self.session.is_prediction(layer)
        )
        self.labels.setToolTip("The layer you paint in. Every slice you painted teaches the model")
        self.labels.picked.connect(self._on_labels)
        self.new = QPushButton("New")
        self.new.setToolTip("Make an empty labels layer for this scan and start painting")
        self.new.clicked.connect(self._on_new)
        self.done = QPushButton()
        self.done.setToolTip(
            "A slice in which the structure does not appear teaches the model too: "
            "mark it, and the whole slice counts as background"
        )
        self.done.clicked.connect(self._on_done)
        self.others = OtherImages(self.session)
        self.others.changed.connect(self._say_plan)

        labels = QHBoxLayout()
        labels.addWidget(self.labels, 1)
        labels.addWidget(self.new)
        self._layers_box = QWidget()
        form = QFormLayout(self._layers_box)
        form.setContentsMargins(0, 0, 0, 0)
        captioned(form, "scan", self.image)
        captioned(form, "labels", labels)
        form.addRow(self.done)
        form.addRow(self.others)

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

        self.form = SettingsForm(start={"device": chosen.device})
        self.runs = PathPicker(folder=True)
        self.runs.path = chosen.runs
        self.runs.setToolTip("Each training saves its model in a folder of its own in here")
        advanced = QCollapsible("More settings")
        advanced.addWidget(self.form)
        advanced.addWidget(note("save models in"))
        advanced.addWidget(self.runs)

        self.go_on = QCheckBox("go on from the last training")
        self.go_on.setToolTip(
            "Start with what the last model knows: useful masks in seconds. "
            "Untick it for another structure, or to learn everything anew"
        )
        self.plan_text = note()
        self.button = large_button("Start training")
        self.button.clicked.connect(self._on_button)
        self.state = StateLine(self.session)
        self.curves = LossCurves(self.session)
        self.save = SaveBar(self.session)

        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.hint)
        top = QFormLayout()
        captioned(top, "learn from", self.source)
        column.addLayout(top)
        column.addWidget(self._layers_box)
        column.addWidget(self.cohort)
        column.addLayout(form_time)
        column.addWidget(self.go_on)
        column.addWidget(self.plan_text)
        column.addWidget(self.button)
        column.addWidget(self.state)
        column.addWidget(self.curves)
        column.addWidget(self.save)
        column.addWidget(advanced)
        column.addStretch(1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scrolled(inside))

    # What the user does.

    def set_budget(self, seconds: float) -> None:
        """Train for this many seconds."""
        titles = {value: title for title, value in BUDGETS}
        self.seconds.setValue(seconds)
        self.budget.setCurrentText(titles.get(seconds, "other"))
        self.seconds.setVisible(self.budget.currentText() == "other")

    def start(self) -> None:
        """Start a training with what is chosen; a fault is told once."""
        try:
            Training.start(self.session, self._plan())
        except InputError as error:
            from napari.utils.notifications import show_warning

            show_warning(str(error))

    def stop(self) -> None:
        """Stop the training; what was learnt until then is used."""
        if self.session.training is not None:
            self.session.training.stop()

    def _plan(self) -> Plan:
        changes = self.form.values()
        start = self.session.model if self.go_on.isChecked() else None
        folder = self.runs.path
        settings = plan_settings(
            {k: v for k, v in changes.items() if k != "device"},
            self.seconds.value(),
            changes["device"],
            preferences().threads,
        )
        if self.source.currentText() == COHORT:
            if self.cohort.path is None:
                raise InputError("no cohort file is chosen", hint="Browse for its .csv file")
            run = new_run(folder, self.cohort.path.stem) if folder else None
            return replace(plan_from_cohort(self.cohort.path, settings, run), start=start)
        image, labels = self.image.layer, self.labels.layer
        if image is None:
            raise InputError("no scan is open", hint="Open one, or use File > Open Sample")
        if labels is None:
            raise InputError("there is no labels layer", hint="Press New and paint some slices")
        run = new_run(folder, image.name) if folder else None
        plan = plan_from_layers(image, labels, self.others.chosen(), settings, run)
        return replace(plan, start=start)

    def _on_button(self) -> None:
        if self.session.activity is Activity.TRAINING:
            self.stop()
        elif not self.session.busy:
            self.start()

    def _on_new(self) -> None:
        if self.image.layer is None:
            return
        try:
            layer = add_layer(self.session.viewer, new_labels(self.image.layer))
        except InputError as error:
            from napari.utils.notifications import show_warning

            show_warning(str(error))
            return
        self.labels.pick(layer)
        self.session.viewer.layers.selection.active = layer
        layer.mode = "paint"

    def _on_done(self) -> None:
        if self.labels.layer is not None:
            toggle_done(self.labels.layer, self._slice())
            self._refresh_marks()

    def _on_budget(self, title: str) -> None:
        self.seconds.setVisible(title == "other")
        seconds = dict(BUDGETS).get(title)
        if seconds is not None:
            self.seconds.setValue(seconds)

    # What happens around it.

    def _on_layers(self) -> None:
        by_layers = self.source.currentText() == LAYERS
        self.hint.setVisible(by_layers and self.image.layer is None)
        self._layers_box.setVisible(by_layers and self.image.layer is not None)
        self.cohort.setVisible(not by_layers)
        self.others.show_for(self.image.layer)
        self._pick_labels()
        self._say_plan()

    def _on_image(self, layer: Layer | None) -> None:
        self._on_layers()
        self._on_model()

    def _on_model(self) -> None:
        """Offer to go on from a model; it is what one wants if it was trained on this scan."""
        model, image = self.session.model, self.image.layer
        self.go_on.setVisible(model is not None)
        known = [] if model is None else [case["name"] for case in model.record.get("cases", [])]
        self.go_on.setChecked(image is not None and image.name in known)

    def _pick_labels(self) -> None:
        """If the chosen labels don't lie on the image, choose some that do."""
        image, labels = self.image.layer, self.labels.layer
        if image is not None and (labels is None or not fits(labels, image)):
            for layer in self.session.layers(Labels):
                if fits(layer, image) and not self.session.is_prediction(layer):
                    self.labels.pick(layer)
                    break
        self._on_labels(self.labels.layer)

    def _on_labels(self, layer: Layer | None) -> None:
        if layer is self._watched:
            return
        if self._watched is not None:
            for event in (self._watched.events.paint, self._watched.events.set_data):
                event.disconnect(self._on_paint)
        self._watched = layer
        if layer is not None:
            # Undo and redo don't send `paint`, but they do send `set_data`.
            for event in (layer.events.paint, layer.events.set_data):
                event.connect(self._on_paint)
        self._refresh_marks()

    def _on_paint(self, event: Any = None) -> None:
        with suppress(RuntimeError):  # The panel was closed.
            self._refresh_soon.start()

    def _on_slice(self, event: Any = None) -> None:
        self._say_slice()

    def _on_tick(self) -> None:
        if self.session.training is not None:
            self.session.training.tick()

    def _on_session(self) -> None:
        activity = self.session.activity
        self.button.setText(
            {
                Activity.IDLE: "Start training",
                Activity.TRAINING: "Stop",
                Activity.STOPPING: "Stopping…",
                Activity.PREDICTING: "Predicting…",
            }[activity]
        )
        self.button.setEnabled(activity in (Activity.IDLE, Activity.TRAINING))
        self.curves.setVisible(bool(self.session.history))
        self.save.setVisible(bool(self.session.predictions))

    def _slice(self) -> int:
        layer = self.labels.layer
        return 0 if layer is None else current_slice(self.session.viewer, layer)

    def _refresh_marks(self) -> None:
        layer = self._watched
        try:
            self._marks = Marks() if layer is None else marks_of(layer)
        except (InputError, ValueError):
            self._marks = Marks()
        self._say_slice()
        self._say_plan()

    def _say_slice(self) -> None:
        layer, number = self.labels.layer, self._slice()
        painted = number in self._marks.painted
        self.done.setEnabled(layer is not None and not painted)
        if layer is not None and is_done(layer, number) and not painted:
            self.done.setText(f"Slice {number} is background only: undo")
        else:
            self.done.setText(f"Mark slice {number}: background only")

    def _say_plan(self) -> None:
        """State what a training would learn from, before it starts."""
        if self.source.currentText() == COHORT:
            path = self.cohort.path
            text = f"Learns from the training rows of {path.name}." if path else ""
        elif self.image.layer is None:
            text = ""
        elif self.labels.layer is None:
            text = "Press New, paint the structure in a few slices, then start."
        elif not self._marks.painted:
            text = f"Nothing is painted in “{self.labels.layer.name}” yet: paint a few slices."
        else:
            rest = self._marks.total - len(self._marks.labelled) + self.others.slices()
            text = f"{str(self._marks).capitalize()}. It also learns from {rest} unlabelled slices."
        self.plan_text.setText(text)
        self.plan_text.setVisible(bool(text))
