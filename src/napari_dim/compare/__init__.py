"""The harness of ``napari-dim compare``: every system on one benchmark, and the paper's tables."""
