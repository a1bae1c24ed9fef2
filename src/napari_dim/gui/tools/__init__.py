"""What edits the mask under the mouse beside napari's own tools."""
