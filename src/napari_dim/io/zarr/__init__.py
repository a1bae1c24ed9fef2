"""OME-Zarr and plain Zarr, block by block."""
