"""Work on Dask workers, on this machine or others: cohorts, a task a case or run."""
