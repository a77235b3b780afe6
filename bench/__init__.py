"""``python -m bench``: what pyinit costs, measured beside other inits in one run.

Every contestant is PID 1 of a new PID namespace.  `contestants` says who they
are, `procedures` how each figure is taken, `run` in which order, `report` and
`plot` what is made of it, and `budgets` what pyinit promises.
"""
