"""Commands of nablafit.cli, by topic."""
