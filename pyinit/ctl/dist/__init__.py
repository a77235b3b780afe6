"""Making what is installed: launcher, single file, manual, completions."""
