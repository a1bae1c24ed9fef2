"""What the annotator owns: cohorts, cases, slice states."""
