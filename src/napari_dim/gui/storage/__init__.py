"""What is kept on the disk: autosave, projects, masks as files."""
