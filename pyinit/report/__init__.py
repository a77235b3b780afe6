"""What is kept of a run, and the files that tell of it."""
