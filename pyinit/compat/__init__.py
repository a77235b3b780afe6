"""Under the names of other inits: their options, their messages."""
