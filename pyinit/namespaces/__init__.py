"""Namespaces that are there: found, entered, who is in them."""
