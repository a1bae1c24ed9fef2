"""DICOM: series to volumes, segmentations read and written."""
