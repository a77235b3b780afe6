"""Programs that are an init themselves: `run` and `fork_init`."""
