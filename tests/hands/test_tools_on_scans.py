"""Every tool of a slice on every kind of scan: one gesture, one step, the states as they are."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint

from napari_dim.gui.commands import slice_commands as slices
from napari_dim.gui.keys import KEYS, TOOLS
from napari_dim.gui.panels.range_limits import RangeLimits
from napari_dim.gui.tools.range_tools import RangeBrush
from napari_dim.states import SliceState
from tests.gui.conftest import tiny_image, wait_idle
from tests.hands.ball import BALL, dice

LEAST = {"Scribble": 0.8, "Box": 0.85, "Ellipse": 0.85, "Threshold": 0.6, "Grow": 0.8}
"""Dice that a single gesture reaches on a clear structure; the rest reach 0.9."""


def gesture(hand, layer, name: str, truth: np.ndarray) -> None:
    """What a person does with a tool to take a structure of this slice."""
    body = np.argwhere(truth)
    low, high = body.min(0), body.max(0)
    middle, room = (low + high) / 2, np.maximum(2, (high - low) // 12)
    down = np.array([0.3 * (high - low)[0], 0])
    if name == "Scribble":
        layer.brush_size = 3
        hand.stroke(layer, tuple(middle - down), tuple(middle), tuple(middle + down))
    elif name in ("Box", "Ellipse"):
        hand.stroke(layer, tuple(low - room), tuple(middle), tuple(high + room))
    elif name == "Threshold":
        layer.brush_size = int(max(high - low))
        hand.stroke(layer, tuple(middle), tuple(middle + 1))
    elif name == "Grow":
        here = hand.at(*middle, layer)
        hand.sweep(here, here + QPoint(60, 0), here + QPoint(100, 0))
    else:
        corners = (
            (low[0], middle[1]), (middle[0], high[1]), (high[0], middle[1]), (middle[0], low[1]),
        )  # fmt: skip
        for corner in corners:
            hand.stroke(layer, corner)
        hand.press("Enter")


def try_all(hand, session, number: int, truth: np.ndarray) -> None:
    """Each tool takes the structure of a slice in one step, which is taken back."""
    layer, mask = session.labels, session.mask
    slices.go_to(session, number)
    hand.rest(0.1)
    before = layer.data.copy() if layer.data.size < 1e7 else None
    plane = layer.data[number] if layer.ndim == 3 else layer.data
    was, state = plane.copy(), int(mask.states[number])
    keys = {key.action: key.key for key in KEYS}
    for kind, take in TOOLS.items():
        hand.press(keys[take])
        assert type(session.tool) is kind
        gesture(hand, layer, kind.name, truth)
        assert dice(plane == 1, truth) > LEAST.get(kind.name, 0.9), kind.name
        made = SliceState.CORRECTED if state == SliceState.MACHINE else SliceState.PAINTED
        assert mask.states[number] == made, kind.name
        hand.press("Ctrl-Z")
        np.testing.assert_array_equal(plane, was, kind.name)
        assert mask.states[number] == state
    if before is not None:
        np.testing.assert_array_equal(layer.data, before)


def open_new(hand, viewer, workspace, data, **how):
    viewer.add_image(data, **how)
    hand.rest()
    hand.click(workspace.annotate.new)
    return workspace.session


def test_on_an_oblique_scan_of_pixels_that_are_no_squares(hand, viewer, workspace, nifti):
    viewer.open(nifti, plugin="napari-dim")
    hand.rest()
    hand.click(workspace.annotate.new)
    session = workspace.session
    image = np.asarray(session.image.data)
    inside = np.array([(plane > 200).sum() for plane in image])
    number = int(inside.argmax())
    truth = BALL[6] == 1  # the ball's slices and rows may be stored in reverse
    truth = next(
        turned
        for turned in (truth, truth[::-1], truth[:, ::-1], truth[::-1, ::-1])
        if turned.shape == image.shape[1:] and image[number][turned].mean() > 280
    )
    try_all(hand, session, number, truth)


def test_on_thick_pixels_and_in_the_machines_slices(hand, viewer, workspace):
    session = open_new(
        hand, viewer, workspace, tiny_image()[0], name="thick", scale=(4.0, 2.5, 1.0)
    )
    slices.go_to(session, 6)
    viewer.reset_view()
    wrong = np.zeros((1, 48, 40), np.uint8)
    wrong[0, 40:46, 30:38] = 1
    session.mask.take(np.array([6]), wrong)
    hand.rest()
    assert session.mask.states[6] == SliceState.MACHINE
    layer = session.labels
    was = layer.data.copy()
    hand.press("9")
    gesture(hand, layer, "Threshold", BALL[6] == 1)
    assert session.mask.states[6] == SliceState.CORRECTED
    assert layer.data[6, 24, 20] == 1
    assert (layer.data[6, 40:46, 30:38] == 1).all()  # the rest stays
    hand.press("Ctrl-Z")
    np.testing.assert_array_equal(layer.data, was)
    assert session.mask.states[6] == SliceState.MACHINE
    session.mask.take(np.array([6]), np.zeros_like(wrong))
    try_all(hand, session, 6, BALL[6] == 1)


def test_on_a_picture_in_colour(hand, viewer, workspace):
    grey, truth = tiny_image()[0][6], BALL[6] == 1
    colour = np.full((48, 40, 3), 60, np.uint8)  # one channel alone tells
    colour[..., 1] = np.clip(grey / 2, 0, 255)
    session = open_new(hand, viewer, workspace, colour, name="picture", rgb=True)
    try_all(hand, session, 0, truth)
    limits = workspace.annotate.limits
    assert isinstance(limits, RangeLimits)
    hand.press("9")
    assert [row.isVisible() for row in limits.rows] == [True, True, True, False]
    assert [row.name.text() for row in limits.rows[:3]] == ["red", "green", "blue"]
    assert isinstance(session.tool, RangeBrush)


def test_on_a_scan_of_400_slices_of_512(hand, viewer, workspace):
    rows, columns = np.mgrid[:512, :512]
    truth = np.hypot((rows - 250) / 110, (columns - 270) / 90) < 1
    noise = np.random.default_rng(0).normal(0, 15, truth.shape)
    plane = (100 + 200 * truth + noise).astype(np.int16)
    scan = np.broadcast_to(plane, (400, 512, 512))  # as large, and takes no memory
    session = open_new(hand, viewer, workspace, scan, name="large", scale=(1.0, 0.7, 0.7))
    try_all(hand, session, 200, truth)


@pytest.mark.timeout(240)
def test_while_a_training_runs(hand, viewer, workspace, open_ball, qtbot):
    open_ball()
    hand.rest()
    session = workspace.session
    workspace.tabs.setCurrentIndex(1)
    workspace.train.set_budget(600)
    hand.click(workspace.train.button)
    qtbot.waitUntil(lambda: len(session.history) > 0, timeout=120_000)
    workspace.tabs.setCurrentIndex(0)
    layer, number = session.labels, 5
    slices.go_to(session, number)
    keys = {key.action: key.key for key in KEYS}
    truth = BALL[number] == 1
    layer.selected_label = 2  # a class that the machine can't have marked there already
    for kind, take in TOOLS.items():
        if kind.name not in ("Scribble", "Box", "Threshold"):  # one of each way to write a mask
            continue
        before, state = layer.data[number].copy(), session.mask.states[number]
        hand.press(keys[take])
        gesture(hand, layer, kind.name, truth)
        assert session.mask.states[number] in (SliceState.PAINTED, SliceState.CORRECTED)
        drawn = layer.data[number].copy()
        hand.rest(0.3)
        np.testing.assert_array_equal(layer.data[number], drawn)  # no preview writes into it
        hand.press("Ctrl-Z")
        if session.mask.states[number] == state == SliceState.UNTOUCHED:
            np.testing.assert_array_equal(layer.data[number], before)
    assert session.busy
    for _ in range(2):
        workspace.train.button.click()
    wait_idle(qtbot, session)
