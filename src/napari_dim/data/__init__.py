"""Volumes and slice states to batches on the device."""
