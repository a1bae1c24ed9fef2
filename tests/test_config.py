"""Settings: presets, ranges, files, one line for a fault."""

from __future__ import annotations

import json

import pytest

from napari_dim.config import PRESETS, Settings
from napari_dim.errors import InputError
from napari_dim.options import OPTIONS, SupervisedOptions


def test_the_paper_s_settings():
    """Section 4.2: SGD 0.03, momentum 0.9, weight decay 1e-4, batch 4 + 4, 30,000 steps."""
    paper = Settings.make(preset="paper")
    assert (paper.optimiser, paper.learning_rate, paper.momentum) == ("sgd", 0.03, 0.9)
    assert paper.weight_decay == 1e-4
    assert (paper.labelled_batch, paper.unlabelled_batch) == (4, 4)
    assert paper.steps == 30_000
    assert paper.budget is None
    assert (paper.network, paper.width) == ("published-unet", 64)
    assert paper.sharpness > 0
    assert paper.sharpness_every == 1
    assert paper.system.least_weight == 0
    assert paper.system.divergence == "js"
    assert not paper.focus  # and no view that the paper does not have
    assert paper.random_contrast == paper.local_contrast == paper.context_drop == 0


def test_every_setting_explains_itself():
    kinds = [Settings.model_fields, *(kind.model_fields for kind in OPTIONS.values())]
    for fields in kinds:
        for name, field in fields.items():
            if name != "name":
                assert field.description, name
                assert field.json_schema_extra["group"], name
    for preset in PRESETS.values():
        assert set(preset) <= set(Settings.model_fields) | set(OPTIONS["dim"].model_fields)


def test_supervised_takes_no_sharpness_aware_step_unless_asked():
    assert Settings.make(system="supervised").sharpness == 0
    assert Settings.make(system="supervised", sharpness=0.1).sharpness == 0.1
    assert Settings.make().sharpness > 0


def test_settings_of_before_there_were_several_systems():
    """All stood side by side then, DiM's also where training was supervised."""
    old = {"method": "supervised", "divergence": "pearson", "entropy_threshold": 0.3, "width": 8}
    settings = Settings.make(**old)
    assert settings.system == SupervisedOptions()
    assert (settings.width, settings.sharpness) == (8, 0.0)
    dim = Settings.make(**{**old, "method": "dim"})
    assert (dim.system.divergence, dim.system.entropy_threshold) == ("pearson", 0.3)


def test_settings_that_are_gone_are_still_read():
    """Runs of earlier versions keep those of an adaptation to each scan."""
    old = {"adapt_threshold": 0.4, "adapt_steps": 20, "adapt_rate": 1e-3, "adapt_subset": "norm"}
    assert Settings.make(**old, width=8) == Settings.make(width=8)
    assert Settings.kept({**old, **Settings.make(width=8).model_dump()}) == Settings.make(width=8)


def test_a_system_s_options_beside_the_others_and_in_a_table():
    table = Settings.make(system={"name": "dim", "divergence": "jeffrey"})
    assert table == Settings.make(system="dim", divergence="jeffrey")
    assert Settings.make(**{**table.model_dump(), "divergence": "js"}) == Settings.make()
    paper = Settings.make(preset="paper", system={"name": "dim", "confidence": 0.9})
    assert (paper.system.confidence, paper.system.teacher_memory) == (0.9, 1.0)


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_settings_from_a_file_and_options_above_it(tmp_path, suffix):
    path = tmp_path / f"settings{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps({"width": 8, "seed": 5, "regions": [[1, 2], [2]]}))
    else:
        path.write_text("width = 8\nseed = 5\nregions = [[1, 2], [2]]\n")
    settings = Settings.from_file(path, seed=7)
    assert (settings.width, settings.seed) == (8, 7)
    assert settings.regions == ((1, 2), (2,))


def test_settings_survive_the_run_folder(tmp_path):
    settings = Settings.make(preset="paper", steps=5, regions=((1,),))
    path = tmp_path / "settings.json"
    path.write_text(settings.model_dump_json())
    assert Settings.from_file(path) == settings


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"wdith": 8}, "wdith"),
        ({"width": 1}, "width"),
        ({"divergence": "tv"}, "divergence"),
        ({"budget": float("nan")}, "budget"),
        ({"budget": None}, "steps"),
        ({"regions": [[]]}, "region"),
        ({"preset": "fast"}, "preset"),
        ({"system": "fast"}, "system"),
        ({"system": "supervised", "divergence": "js"}, "no such option"),
        ({"system": {"name": "dim", "least": 1}}, "least"),
    ],
)
def test_a_fault_is_one_line_that_names_the_setting(changes, word):
    with pytest.raises(InputError) as caught:
        Settings.make(**changes)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["width = ", "[1, 2]", "\x00"])
def test_a_damaged_file_is_one_line(tmp_path, text):
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"settings\.json"):
        Settings.from_file(path)


def test_settings_nested_without_end(tmp_path):
    for name, text in (("a.json", "[" * 10_000), ("a.toml", "a = " + "[" * 10_000)):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="settings"):
            Settings.from_file(tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "length"),
    [
        ({}, (180.0, None, False)),
        ({"steps": 5}, (None, 5, False)),
        ({"budget": "3m"}, (180.0, None, False)),
        ({"preset": "paper"}, (None, 30_000, False)),
        ({"preset": "paper", "budget": 60}, (60.0, None, False)),
        ({"budget": "until-stopped"}, (180.0, None, True)),
        ({"preset": "paper", "budget": "until-stopped"}, (None, 30_000, True)),
    ],
)
def test_a_training_has_one_length(changes, length):
    settings = Settings.make(**changes)
    assert (settings.budget, settings.steps, settings.until_stopped) == length
    assert Settings.make(**settings.model_dump()) == settings


def test_budget_and_steps_exclude_each_other_but_in_old_runs():
    with pytest.raises(InputError, match="budget and steps exclude each other"):
        Settings.make(budget=60, steps=5)
    with pytest.raises(InputError, match="'3x' is no length of time"):
        Settings.make(budget="3x")
    old = Settings.kept({"budget": 180.0, "steps": 5})
    assert (old.budget, old.steps) == (None, 5)


def test_changed_settings_keep_the_others():
    first = Settings.make(steps=5, width=8, divergence="pearson", seed=3)
    longer = first.changed(budget="1m")
    assert (longer.budget, longer.steps, longer.width, longer.system.divergence) == (
        60, None, 8, "pearson",
    )  # fmt: skip
    other = first.changed(system="cps")
    assert (other.system.name, other.seed, other.steps) == ("cps", 3, 5)
    assert first.changed(preset="paper").width == 64


def test_a_settings_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: there is no such file$"):
        Settings.from_file(tmp_path / "none.toml")
    with pytest.raises(InputError, match=r"Is a directory$"):
        Settings.from_file(tmp_path)


def test_all_faults_are_told_in_the_users_words():
    with pytest.raises(InputError) as caught:
        Settings.make(bugdet=3, width="wide", seed=-1, network="vnet", system={"least": 1})
    for words in (
        "there is no setting 'bugdet': did you mean budget?", "width is 'wide'",
        "seed is -1, it must be at least 0", "it can be 'resunet-wide'", "least is no option of",
    ):  # fmt: skip
        assert words in str(caught.value)
    assert "Extra" not in str(caught.value)
    with pytest.raises(InputError, match=r"system is 'fast', it can be 'dim', 'supervised'"):
        Settings.make(system="fast")
