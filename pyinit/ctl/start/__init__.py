"""`pyinitctl run` and `exec`: a command started in namespaces."""
