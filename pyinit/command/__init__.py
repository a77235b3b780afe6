"""What the command gets, and why it could not be started."""
