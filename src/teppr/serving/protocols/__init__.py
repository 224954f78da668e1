"""One file, one API."""
