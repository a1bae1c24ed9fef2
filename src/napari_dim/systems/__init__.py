"""Training systems: one a row of the paper's tables."""
