"""Folders for other people's eyes: the app with a smaller copy of some runs, which serves as it is."""
