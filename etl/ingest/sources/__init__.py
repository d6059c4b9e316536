"""One reader per kind of input."""
