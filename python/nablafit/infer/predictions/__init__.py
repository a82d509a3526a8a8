"""Expected events, their uncertainties, and how well they describe the data."""
