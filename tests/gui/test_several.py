"""Several open scans: labels that belong to each, one on the screen, suggestions over all."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dim.config import Settings
from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.jobs.training_plan import plan_from_layers
from napari_dim.gui.layers.layer_classes import ClassInfo, classes_of, set_classes
from napari_dim.gui.logic.next_step import TRAIN, next_step
from napari_dim.gui.panels.next_step_line import situation_of
from tests.gui.conftest import tiny_image


@pytest.fixture
def two(viewer, workspace, open_ball):
    """The labelled ball and another one, both predicted; the second is in more doubt."""
    image, labels, reference = open_ball()
    other = viewer.add_image(tiny_image(3)[0], name="second", scale=(3, 1, 1))
    for layer, doubt in ((image, 0.39), (other, 0.4)):
        mask = workspace.session.mask_for(layer)
        mask.take(np.arange(12), reference)
        mask.answer.entropy[:] = doubt
    workspace.annotate.image.pick(image)
    return image, other, labels


def test_labels_follow_their_scan(viewer, workspace, two):
    image, other, labels = two
    session, annotate = workspace.session, workspace.annotate
    assert session.labels is labels
    annotate.image.pick(other)
    mine = session.labels  # the machine's mask of it
    assert mine.name == "second (mask)"
    assert mine is not labels
    assert not annotate.new.isEnabled()  # a scan has one mask
    annotate.image.pick(image)
    assert session.labels is labels
    annotate.image.pick(other)
    assert session.labels is mine


def test_suggestions_spread_over_open_scans_and_next_goes_there(viewer, workspace, two):
    image, other, labels = two
    session = workspace.session
    said = slices.next_suggested(session)
    assert session.image is other
    assert said.startswith("second, slice ")
    assert "nothing of this scan is labelled yet" in said
    assert {found.image for found in session.suggestions} == {image, other}
    assert other.visible
    assert not image.visible
    assert not labels.visible
    assert workspace.review.list.item(0).text().startswith("★ second, slice")
    assert set(workspace.strip.slices.suggested) <= {s.number for s in session.suggestions}


def test_all_labelled_scans_teach(viewer, workspace, panel, two):
    image, other, _ = two
    workspace.annotate.image.pick(other)
    layer = workspace.session.labels
    layer.data_setitem((np.array([5]), np.array([0]), np.array([0])), 1)
    workspace.annotate.image.pick(image)
    panel.others.tick(other)
    panel._say_plan()
    text = panel.plan_text.text()
    assert "ball: Slices painted or corrected: 3 (3, 6, 9)" in text
    assert "second: Slices painted or corrected: 1 (5)" in text
    assert "2 sites" in text
    first, second = plan_from_layers(panel._parts(), Settings(), None).load(lambda: None)
    assert list(first.labelled) == [3, 6, 9]
    assert list(second.labelled) == [5]
    assert second.mask[5, 0, 0] == 1


def test_the_guide_follows_the_work(viewer, workspace, open_ball):
    session, guide = workspace.session, workspace.guide
    assert next_step(situation_of(session)) is None
    _, labels, _ = open_ball()
    assert next_step(situation_of(session)).tab == TRAIN
    guide.refresh()
    guide.go.click()
    assert workspace.tabs.currentIndex() == TRAIN
    viewer.layers.remove(labels)
    assert "press New" in next_step(situation_of(session)).text


def test_the_guide_can_be_put_away(viewer, workspace, open_ball, monkeypatch):
    from napari_dim.gui.panels import next_step_line as guide

    said = []
    monkeypatch.setattr(guide, "hide_hints", lambda: said.append(True))
    open_ball()
    workspace.guide.refresh()
    assert not workspace.guide.isHidden()
    workspace.guide.close_button.click()
    assert workspace.guide.isHidden()
    assert said


def test_sites_are_checked_before_the_export(workspace, two):
    image, other, _ = two
    session, export = workspace.session, workspace.export
    session.set_site(image, "north")
    session.set_site(other, "south & west")
    export.refresh()
    told = export.sites.text()
    assert "Nobody has looked at a slice of south &amp; west" in told
    assert "less sure" not in told
    session.mask_of(other).answer.entropy[:] = 0.8
    export.refresh()
    assert "clearly less sure at south &amp; west" in export.sites.text()
    session.set_site(other, "north")  # one site: nothing to compare
    export.refresh()
    assert not export.sites.text()


def test_a_slice_of_each_scan_is_scored(workspace, two):
    image, other, _ = two
    session, annotate = workspace.session, workspace.annotate
    for scan in (image, other):
        annotate.image.pick(scan)
        slices.go_to(session, 7)
        slices.confirm(session)
    assert [score.scan() for score in session.scores] == [image, other]


def test_a_mask_made_for_a_prediction_has_the_classes_of_the_first(viewer, workspace, open_ball):
    _, labels, reference = open_ball()
    set_classes(labels, [ClassInfo(1, "ball", "#ff0000")])
    session, annotate = workspace.session, workspace.annotate
    assert session.mask is not None
    other = viewer.add_image(tiny_image(3)[0], name="second", scale=(3, 1, 1))
    session.mask_for(other).take(np.arange(12), reference)
    made = session.scans.labels_of(other)
    assert made in viewer.layers
    assert [info.name for info in classes_of(made)] == ["ball"]
    annotate.image.pick(other)
    assert session.labels is made
    assert "accept them" in next_step(situation_of(session)).text
    slices.go_to(session, 6)
    slices.accept_slice(session)
    assert session.mask.labelled == (6,)
