"""What holds for all tests, before any of them imports napari."""

import os

import pytest

# Nothing is written to the napari settings of whoever runs the tests, nor read from them.
os.environ["NAPARI_CONFIG"] = ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with the same kind of window come one after the other: few are opened and closed.

    The gates come first: the longest tests should not be the last ones that run.
    """
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """Gates; no window; a hidden one that tests share; one on the screen; one of its own."""
    if "gates" in item.path.parts:
        return -1
    names = getattr(item, "fixturenames", ())
    if "make_napari_viewer" in names or item.get_closest_marker("own_window"):
        return 3
    if "viewer" not in names:
        return 0
    return 2 if "hands" in item.path.parts or item.get_closest_marker("shown") else 1
