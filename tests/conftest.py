"""What holds for all tests, before any of them imports napari."""

import os

# Nothing is written to the napari settings of whoever runs the tests, nor read from them.
os.environ["NAPARI_CONFIG"] = ""
