"""The stop of the main child, and the end of what it left."""
