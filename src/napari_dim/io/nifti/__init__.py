"""NIfTI and Analyze, read and written."""
