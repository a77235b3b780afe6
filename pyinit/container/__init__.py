"""Containers of one's own: namespaces made, an init started in them."""
