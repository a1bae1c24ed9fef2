"""What napari and the command line call: reader, writers, menus, demo."""
