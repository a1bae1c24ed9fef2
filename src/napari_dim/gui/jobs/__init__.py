"""Training, prediction and export in the background."""
