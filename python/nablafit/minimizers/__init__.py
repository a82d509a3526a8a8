"""The minimisers that fits use, and the problem that they get."""
