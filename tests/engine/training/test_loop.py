"""The event stream, its ends, and what it leaves behind."""

from __future__ import annotations

import csv
import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dim.config import Settings
from napari_dim.engine.inference.predictor import predict
from napari_dim.engine.inference.trained_model import Model
from napari_dim.engine.training.control import Control
from napari_dim.engine.training.events import (
    ALONE_FROM,
    Checkpointed,
    Failed,
    Finished,
    Preview,
    Relabelled,
    Started,
    StepDone,
)
from napari_dim.engine.training.job import blank_scans, few_slices, scarce_classes, unseen_ends
from napari_dim.engine.training.loop import Job, class_ids, train
from napari_dim.errors import InputError
from napari_dim.states import SliceState
from tests.cases import case, ellipsoid

SMALL = {
    "width": 4, "device": "cpu", "threads": 1, "budget": None, "steps": 6, "min_size": 16,
    "labelled_batch": 2, "unlabelled_batch": 2, "least_weight": 0.0,
}  # fmt: skip


def settings(**changes):
    return Settings.make(**{**SMALL, **changes})


def dice(mask, reference):
    both = np.sum((mask > 0) & (reference > 0))
    return 2 * both / ((mask > 0).sum() + (reference > 0).sum())


def test_stream_starts_steps_and_finishes(tmp_path):
    run = tmp_path / "run"
    cases = [case(), case((), site="B", seed=1)]
    events = list(train(Job(cases, settings(), run=run, preview_case=1)))
    assert isinstance(events[0], Started)
    assert events[0].labelled == {"A": 2, "B": 0}
    assert events[0].unlabelled == {"A": 3, "B": 6}
    assert events[0].classes == (1, 2)
    steps = [e for e in events if isinstance(e, StepDone)]
    assert steps[-1].step == 6
    assert steps[-1].progress == 1
    assert {"supervised", "inner", "outer", "symmetric", "align", "total"} <= set(steps[-1].losses)
    shown = np.concatenate([e.slices for e in events if isinstance(e, Preview)])
    assert sorted(shown) == list(range(6))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "steps"
    assert any(isinstance(e, Checkpointed) for e in events)
    assert {p.name for p in run.iterdir()} == {
        "weights.safetensors", "settings.json", "losses.csv", "run.json",
    }  # fmt: skip
    rows = list(csv.DictReader((run / "losses.csv").open()))
    assert int(rows[-1]["step"]) == 6
    record = json.loads((run / "run.json").read_text())
    assert record["seed"] == 0
    assert record["versions"]["torch"] == torch.__version__.split("+")[0] or record["versions"]


def test_same_seed_same_weights_and_another_seed_others(tmp_path):
    def run(name, seed):
        list(train(Job([case(), case((), seed=1)], settings(seed=seed), run=tmp_path / name)))
        return (tmp_path / name / "weights.safetensors").read_bytes()

    assert run("a", 3) == run("b", 3)
    assert run("a", 3) != run("c", 4)


def test_a_model_comes_back_from_its_folder(tmp_path):
    job = Job([case(), case((), seed=1)], settings(regions=((1, 2), (2,))), run=tmp_path / "run")
    finished = list(train(job))[-1]
    volume, _ = ellipsoid(seed=2)
    here = predict(finished.model, volume, device="cpu")
    there = predict(Model.load(tmp_path / "run"), volume, device="cpu")
    assert np.array_equal(here.mask, there.mask)
    assert here.mask.dtype == np.uint8
    assert here.mask.shape == volume.array.shape
    assert np.isfinite(here.entropy).all()


@pytest.mark.parametrize("method", ["dim", pytest.param("supervised", marks=pytest.mark.slow)])
def test_it_learns(method):
    """An easy organ is found on another scanner's case after a short training."""
    cases = [case((0, 1, 2, 3, 4, 5)), case((), site="B", seed=1, gain=4.0)]
    job = Job(
        cases,
        settings(method=method, steps=120, width=8, learning_rate=5e-3, least_weight=0.05,
                 sharpness=0.0),
    )  # fmt: skip
    finished = list(train(job))[-1]
    volume, mask = ellipsoid(seed=5, gain=2.0)
    assert dice(predict(finished.model, volume, device="cpu").mask, mask) > 0.8


def test_supervised_sees_no_unlabelled_slice():
    events = list(train(Job([case(), case((), seed=1)], settings(method="supervised"))))
    assert events[0].unlabelled == {}
    assert set(events[-1].model.networks) == {"student"}


def test_dim_with_every_slice_labelled_trains_supervised():
    events = list(train(Job([case(range(6))], settings())))
    assert isinstance(events[-1], Finished)
    assert all(set(e.losses) == {"supervised", "total"} for e in events if isinstance(e, StepDone))


def test_paper_preset_trains():
    job = Job(
        [case(), case((), seed=1)],
        Settings.make(preset="paper", steps=2, width=4, device="cpu", threads=1),
    )
    assert isinstance(list(train(job))[-1], Finished)


@pytest.mark.parametrize("channels", [2, 3])
def test_several_channels(channels):
    events = list(train(Job([case(channels=channels)], settings(context=2))))
    assert isinstance(events[-1], Finished)
    volume, _ = ellipsoid(channels=channels)
    assert predict(events[-1].model, volume, device="cpu").mask.shape == volume.array.shape[:3]
    other, _ = ellipsoid()
    with pytest.raises(InputError, match="channel"):
        predict(events[-1].model, other, device="cpu")


def test_slices_of_other_sizes_and_spacings_in_one_cohort():
    cases = [
        case(shape=(4, 40, 32)),
        case((), seed=1, shape=(5, 64, 20), spacing=(1, 0.5, 2.0)),
        case((), seed=2, shape=(1, 17, 90)),
    ]
    finished = list(train(Job(cases, settings())))[-1]
    assert isinstance(finished, Finished)
    for each in cases:
        mask = predict(finished.model, each.volume, device="cpu").mask
        assert mask.shape == each.volume.array.shape


def test_stop_ends_in_finished_within_a_step():
    control = Control()
    seen = []
    for event in train(Job([case()], settings(steps=10_000)), control):
        seen.append(event)
        if isinstance(event, StepDone):
            control.stop()
    assert seen[-1].reason == "stopped"
    assert seen[-1].steps < 200


def test_until_stopped_goes_past_its_first_round():
    control = Control()
    seen = []
    for event in train(Job([case()], settings(steps=4, until_stopped=True)), control):
        seen.append(event)
        if isinstance(event, StepDone) and event.step > 12:
            control.stop()
    assert seen[-1].reason == "stopped"
    assert seen[-1].steps > 12
    steps = [e for e in seen if isinstance(e, StepDone)]
    assert all(e.time_left is None and 0 <= e.progress <= 1 for e in steps)


def test_pause_holds_the_clock():
    control = Control()
    stream = train(Job([case()], settings(steps=None, budget=1.0)), control)
    for event in stream:
        if isinstance(event, StepDone):
            break
    control.pause()
    threading.Timer(3.0, control.resume).start()
    start = time.monotonic()
    last = list(stream)[-1]
    assert isinstance(last, Finished)
    assert time.monotonic() - start > 2.9
    assert last.seconds < 2.9


def test_previews_start_where_asked():
    control = Control()
    control.ask_preview(0, 4)
    first = next(
        e for e in train(Job([case()], settings(lean=False), preview_case=0), control)
        if isinstance(e, Preview)
    )  # fmt: skip
    assert first.slices[0] == 4
    assert first.mask.shape == (6, 40, 32)


def test_a_new_network_shows_what_labelled_slices_tell_and_later_the_rest():
    shown = case()
    shown.states[:] = SliceState.UNTOUCHED
    shown.states[[1, 4]] = SliceState.PAINTED
    control, seen, begun = Control(), [], None
    for event in train(Job([shown], settings(steps=ALONE_FROM + 2), preview_case=0), control):
        if isinstance(event, Started):
            begun = event.masks_from
        if isinstance(event, StepDone):
            control.ask_preview(0, 0)
        if isinstance(event, Preview) and event.confidence is None:
            seen.append((event.step, event.slices.tolist()))
    assert begun == 1
    assert all(slices == [1, 2, 3, 4] for step, slices in seen if step < ALONE_FROM)
    assert [0, 5] in [slices for step, slices in seen if step >= ALONE_FROM]


def test_a_large_scan_has_masks_in_all_slices_however_early_it_ends(monkeypatch):
    monkeypatch.setattr("napari_dim.engine.training.live_previews.LARGE", 1)
    shown = case()
    shown.states[:] = SliceState.UNTOUCHED
    shown.states[[1, 4]] = SliceState.PAINTED
    events = list(train(Job([shown], settings(steps=2), preview_case=0, preview_every=1e9)))
    seen = np.concatenate([event.slices for event in events if isinstance(event, Preview)])
    assert sorted(set(seen.tolist())) == list(range(6))


def test_previews_lean_on_labels_that_join(monkeypatch):
    shown = case()
    fresh = replace(shown, states=shown.states.copy())
    fresh.states[:] = SliceState.UNTOUCHED
    fresh.states[[0, 5]] = SliceState.PAINTED
    control = Control()
    control.give_case(0, fresh)
    joined, slabs = False, []
    for event in train(Job([shown], settings(), preview_case=0, preview_every=0), control):
        joined = joined or isinstance(event, Relabelled)
        if joined and isinstance(event, Preview):
            slabs.append(event.slices.tolist())
    assert [0, 1, 2, 3, 4, 5] in slabs


def test_budget_is_the_whole_schedule():
    events = list(train(Job([case()], settings(steps=None, budget=1.5))))
    assert events[-1].reason == "budget"
    assert events[-1].seconds == pytest.approx(1.5, abs=0.7)
    times = [e.time_left for e in events if isinstance(e, StepDone)]
    assert times == sorted(times, reverse=True)


def test_bad_input_is_one_line_and_writes_nothing(tmp_path):
    empty = case()
    empty.mask[:] = 0
    jobs = {
        "labelled": [case(())],
        "background": [empty],
        "channels": [case(), case((), channels=2, name="odd")],
        "no case": [],
    }
    for word, cases in jobs.items():
        events = list(train(Job(cases, settings(), run=tmp_path / "run")))
        assert len(events) == 1
        assert isinstance(events[0], Failed)
        assert events[0].bad_input
        assert word in events[0].problem
        assert "\n" not in events[0].problem
        assert not (tmp_path / "run").exists()


def test_regions_of_unknown_classes_are_refused():
    events = list(train(Job([case()], settings(regions=((1, 7),)))))
    assert "7" in events[0].problem


def test_an_unforeseen_error_ends_the_stream_too():
    control = Control()
    control.take_preview = None  # not callable: a RuntimeError's cousin inside the loop
    events = list(train(Job([case()], settings()), control))
    assert isinstance(events[-1], Failed)
    assert not events[-1].bad_input
    assert "Traceback" in events[-1].details


def test_class_ids_of_partial_slices_count_painted_pixels_alone():
    one = case((1,))
    states = one.states.copy()
    states[1] = SliceState.PARTIAL
    painted = np.zeros(one.mask.shape, bool)
    painted[1] = one.mask[1] == 1
    from napari_dim.data.case import Case

    assert class_ids([Case(one.volume, one.mask, states, painted=painted)]) == (1,)


def test_large_ids_survive():
    volume, mask = ellipsoid()
    big = np.where(mask == 2, 70000, mask.astype(np.uint32) * 300)
    from napari_dim.data.case import Case

    one = Case(volume, big, np.full(6, SliceState.PAINTED, np.uint8))
    finished = list(train(Job([one], settings(steps=40, width=8, learning_rate=5e-3))))[-1]
    result = predict(finished.model, volume, device="cpu").mask
    assert result.dtype == np.uint32
    assert set(np.unique(result)) <= {0, 300, 70000}
    assert 300 in result


def test_training_goes_on_from_earlier_weights():
    first = list(train(Job([case()], settings())))[-1].model
    still = settings(steps=2, learning_rate=1e-12, resume_at=0.25)
    events = list(train(Job([case((0, 2, 3))], still, start=first)))
    assert not any("anew" in note for note in events[0].notes)
    steps = [e.progress for e in events if isinstance(e, StepDone)]
    assert steps[0] >= 0.25  # the warm-up is skipped
    assert steps[-1] == 1
    for old, new in zip(
        first.networks["student"].parameters(),
        events[-1].model.networks["student"].parameters(),
        strict=True,
    ):
        torch.testing.assert_close(new, old)


def test_going_on_with_more_classes_keeps_what_fits():
    one = case()
    one.mask[one.mask == 2] = 1
    first = list(train(Job([one], settings())))[-1].model
    assert first.classes == (1,)
    still = settings(steps=1, learning_rate=1e-12)
    events = list(train(Job([case()], still, start=first)))
    model = events[-1].model
    assert model.classes == (1, 2)
    pairs = zip(
        first.networks["student"].parameters(), model.networks["student"].parameters(), strict=True
    )
    kept = [torch.allclose(a, b) for a, b in pairs if a.shape == b.shape]
    assert len(kept) > 20
    assert all(kept)
    assert "Class 2 is new" in events[0].notes[0]


def test_going_on_from_another_network_starts_anew_and_says_so():
    first = list(train(Job([case()], settings(width=8, steps=1))))[-1].model
    events = list(train(Job([case()], settings(steps=2), start=first)))
    assert "another width" in events[0].notes[0]
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize(
    ("labelled", "empty", "told"),
    [((1, 3), 5, True), ((1, 3, 5), 5, False), ((1, 3, 4), None, True), (range(6), None, False)],
)
def test_labels_that_never_show_an_end_are_told(labelled, empty, told):
    one = case(labelled)
    if empty is not None:
        one.mask[empty] = 0
    assert bool(unseen_ends([one, case(())])) == told
    started = next(train(Job([one], settings(steps=1))))
    assert any("they teach where it stops" in note for note in started.notes) == told


def test_classes_that_the_labels_hardly_show_are_told_before_the_first_step():
    one = case((1, 2, 3))
    assert scarce_classes([one], (1, 2)) == ()
    one.mask[2:4][one.mask[2:4] == 2] = 0  # in one slice of three
    (note,) = scarce_classes([one], (1, 2))
    assert note.startswith("Class 2 shows in one labelled slice alone, with ")
    assert note in next(train(Job([one], settings(steps=1)))).notes
    one.mask[1] = 0
    one.mask[1:3, 20, 20] = 2  # in two, a pixel each
    (note,) = scarce_classes([one], (1, 2))
    assert note.startswith("Class 2 shows in 2 labelled slices alone, with 2 pixels")
    one.mask[1] = np.arange(one.mask[1].size).reshape(one.mask[1].shape) % 50
    notes = scarce_classes([one], tuple(range(3, 50)))  # instances, hardly classes
    assert len(notes) == 6
    assert notes[-1].startswith("42 more classes show as little")


def test_scans_that_show_nothing_are_named():
    seen, blank = case(), case((), seed=1)
    blank = replace(blank, name="blank", volume=replace(
        blank.volume, array=np.full_like(blank.volume.array, 7)
    ))  # fmt: skip
    assert blank_scans([seen]) == ()
    (note,) = blank_scans([seen, blank])
    assert note.startswith("blank has one value everywhere")


def test_too_few_slices_for_the_other_scans_are_told_before_the_first_step():
    few, other = case((1, 3)), case((), seed=1)
    (note,) = few_slices([few, other])
    assert note.startswith("Only 2 slices are labelled: too few for good masks of the 1 scan ")
    assert note in next(train(Job([few, other], settings(steps=1)))).notes
    assert few_slices([case((0, 1, 2, 3, 4)), other]) == ()
    assert few_slices([few]) == ()  # the rest of one scan is another matter
    pictures = replace(other, volume=replace(other.volume, kind="picture"))
    assert few_slices([few, pictures]) == ()


@pytest.mark.parametrize(("step", "context"), [(2.0, 1), (8.0, 0)])
def test_slices_that_lie_far_apart_are_shown_without_neighbours(step, context):
    cases = [case(spacing=(step, 1.0, 1.0)), case((), seed=1, spacing=(2.0, 1.0, 1.0))]
    cases += [replace(cases[1], volume=cases[0].volume)]  # most lie `step` apart
    end = list(train(Job(cases, settings(steps=1, context_reach=3.0))))[-1]
    assert isinstance(end, Finished)
    assert end.model.context == context
    assert predict(end.model, cases[1].volume).mask.shape == cases[1].volume.array.shape


def test_wide_scans_are_learnt_and_predicted_in_their_window():
    cases = [case(), case((), seed=1, shape=(6, 96, 80))]

    def trained(**changes):
        chosen = settings(smooth=0.0, **changes)
        return list(train(Job(cases, chosen, preview_case=1)))

    events, again, still = trained(), trained(), trained(closer=1.0)
    plain = trained(random_tones="never")
    (note,) = [note for note in events[0].notes if "`focus`" in note]
    assert note.startswith("1 scan shows much more than")
    model = events[-1].model
    assert model.grid.focus is not None
    assert model.grid.is_wide(model.grid.shape(cases[1].volume))
    # The mask at the end is that of a prediction, in the size that it chose.
    shown = [event for event in events if isinstance(event, Preview)][-1]
    alone = predict(model, cases[1].volume, device="cpu")
    assert np.array_equal(shown.mask, alone.mask)
    assert shown.confidence.shape == alone.confidence.shape
    kept = model.tensors()
    assert all(torch.equal(t, again[-1].model.tensors()[name]) for name, t in kept.items())
    for other in (still, plain):
        assert any(not torch.equal(t, other[-1].model.tensors()[name]) for name, t in kept.items())


def test_a_training_that_goes_on_keeps_the_neighbours_it_began_with():
    near, far = case(spacing=(2.0, 1.0, 1.0)), case((), seed=1, spacing=(8.0, 1.0, 1.0))
    first = list(train(Job([near], settings(context_reach=3.0))))[-1].model
    assert first.context == 1
    job = Job([near, far, far], settings(context_reach=3.0), start=first)
    events = list(train(job))
    assert events[-1].model.context == 1
    assert not any("Starting anew" in note for note in events[0].notes)
    anew = list(train(Job([near, far, far], settings(context_reach=3.0))))[-1].model
    assert anew.context == 0


def test_tones_are_random_where_scans_are_wide_or_always():
    def weights(**changes):
        cases = [case(), case((), seed=1)]
        return list(train(Job(cases, settings(**changes))))[-1].model.tensors()

    never, wide, always = (weights(random_tones=when) for when in ("never", "wide", "always"))
    assert all(torch.equal(t, wide[name]) for name, t in never.items())
    assert any(not torch.equal(t, always[name]) for name, t in never.items())


def test_pictures_of_their_own_have_no_ends():
    one = case()
    pictures = replace(one.volume, kind="picture")
    assert unseen_ends([one])
    assert unseen_ends([replace(one, volume=pictures)]) == ()


@pytest.mark.parametrize("method", ["dim", "supervised"])
def test_labels_given_meanwhile_are_trained_on(method):
    first, later = case((1, 3)), case((1, 2, 3, 4))
    control = Control()
    seen = []
    for event in train(Job([first], settings(steps=6, method=method)), control):
        seen.append(event)
        if isinstance(event, Started):
            control.give_case(0, later)
    (joined,) = [e for e in seen if isinstance(e, Relabelled)]
    assert joined.labelled == {"A": 4}
    assert joined.notes == ()
    assert isinstance(seen[-1], Finished)


def test_a_class_that_comes_too_late_is_told_and_no_labels_keep_the_last_ones():
    first, later = case((1, 3), classes=1), case((1, 3))
    control = Control()
    notes = []
    for event in train(Job([first], settings(steps=4)), control):
        if isinstance(event, Started):
            control.give_case(0, later)
        if isinstance(event, Relabelled):
            notes += event.notes
            control.give_case(0, case(()))
    assert notes == ["Class 2 is new: the next training learns it"]
    assert isinstance(event, Finished)


def test_relabelled_equals_built_anew():
    import torch

    from napari_dim.data.slice_store import SliceStore
    from napari_dim.data.working_grid import WorkingGrid

    first, later = case((1, 3)), case((0, 3, 4))
    other = case((), site="B", seed=2)
    grid = WorkingGrid.fit([first.volume, other.volume], min_size=16, max_size=64)
    cpu = torch.device("cpu")
    old = SliceStore.build([first, other], grid, {1: 1, 2: 2}, cpu)
    new = old.relabelled([later, other], grid, {1: 1, 2: 2})
    anew = SliceStore.build([later, other], grid, {1: 1, 2: 2}, cpu)
    for name in ("images", "labels", "labelled", "unlabelled", "odds"):
        assert torch.equal(getattr(new, name), getattr(anew, name)), name


def test_set_up_and_end_are_part_of_what_is_waited_for():
    """Waiting begins before the training: the steps end so much sooner."""
    begun = time.monotonic() - 20.0
    job = Job([case()], settings(budget=4.5, steps=None), preview_case=0, begun=begun)
    *_, last = train(job)
    assert isinstance(last, Finished)
    assert last.reason == "budget"
    assert 1.5 <= last.seconds < 4.4  # a third is for steps in any case


def test_a_preview_ends_when_its_time_is_up():
    from napari_dim.engine.inference.predictor import Predictor
    from napari_dim.engine.training.live_previews import Previews

    model = list(train(Job([case()], settings(steps=1))))[-1].model
    shown = case((1,), shape=(30, 40, 32))
    previews = Previews(
        Job([shown], settings(), preview_case=0), Predictor(model, torch.device("cpu")), Control()
    )
    found = [event.slices for event in previews.events(1, 15, 0.0)]
    assert len(found) == 1
    assert np.abs(found[0] - 15).max() <= len(found[0]) // 2 < 15
    assert previews.pace > 0
    assert sum(len(e.slices) for e in previews.events(1, None)) == 30
