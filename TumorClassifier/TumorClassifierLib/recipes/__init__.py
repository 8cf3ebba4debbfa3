"""One file per publication."""
