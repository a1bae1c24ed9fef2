"""napari's layers: the scan, its mask, what changes them."""
