"""Work on Dask workers, on this machine or others: cohorts by cases, and a window's training."""
