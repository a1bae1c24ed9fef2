"""The test data of nibabel and pydicom: every file read right, or refused in one line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from benchmarks.format_files import installed_data, look_at_all

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "nifti"


@pytest.mark.parametrize("source", [*installed_data(), "corpus"])
def test_every_file_is_read_right_or_refused(source):
    folder = CORPUS if source == "corpus" else installed_data()[source]
    if not folder.is_dir():
        pytest.skip("the corpus of odd NIfTI files is not here")
    outcomes = look_at_all({source: folder})
    wrong = [one for one in outcomes if one.outcome == "WRONG"]
    assert not wrong, "\n".join(f"{one.file}: {one.words}" for one in wrong)
    assert Counter(one.outcome for one in outcomes)["right"] >= 2
