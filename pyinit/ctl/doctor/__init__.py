"""`pyinitctl doctor`: what is wrong in a container."""
