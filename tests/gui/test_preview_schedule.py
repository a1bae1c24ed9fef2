"""When the masks of a running training are asked for; no window needed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from napari_dim.engine.training.events import ALONE_FROM, Preview
from napari_dim.gui.jobs.preview_schedule import Shown


def _shown(begins: int) -> Shown:
    return Shown(None, SimpleNamespace(grid=SimpleNamespace(shape=(6, 4, 4))), begins=begins, due=0)


def _preview(slices, step: int) -> Preview:
    count = len(slices)
    return Preview(0, np.array(slices), np.zeros((count, 4, 4), np.uint8), np.zeros(count), step)


def test_what_an_early_preview_leaves_out_follows_once_the_network_is_worth_a_look():
    shown = _shown(1)
    shown.stepped(1)
    assert shown.is_due
    shown.ask()
    assert not shown.received(_preview([1, 2, 3], 2))
    assert shown.stepped(3)  # the others did not come
    assert not shown.is_due
    shown.stepped(ALONE_FROM)
    assert shown.is_due
    shown.ask()
    assert shown.received(_preview(range(6), ALONE_FROM))
    shown.stepped(ALONE_FROM + 1)
    assert not shown.is_due  # the next one is later


def test_a_preview_of_a_large_scan_that_had_no_time_for_all_is_not_repeated_at_once():
    shown = _shown(0)
    shown.stepped(40)
    shown.ask()
    shown.received(_preview([1, 2], 40))
    assert shown.stepped(41)
    assert not shown.is_due
