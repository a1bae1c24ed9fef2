"""The napari plugin: the only room that may import napari, Qt and what builds on them."""
