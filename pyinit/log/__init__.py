"""Lines about what happened."""
