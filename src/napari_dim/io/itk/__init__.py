"""MetaImage and NRRD."""
