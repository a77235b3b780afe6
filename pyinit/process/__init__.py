"""The init's own process: other code that has come into it."""
