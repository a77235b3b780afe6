"""`pyinitctl status`: what an init is doing."""
