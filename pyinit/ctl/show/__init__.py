"""`pyinitctl ns` and `tree`: namespaces and processes."""
