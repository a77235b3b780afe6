"""Looks for what no test has thought of: random process trees, failing system calls, long runs."""
