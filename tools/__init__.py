"""Programs for those who work on the project: the release, the pages, the pictures."""
