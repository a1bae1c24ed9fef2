"""The tabs and bars of the workspace."""
