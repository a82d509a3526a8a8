"""Profile likelihoods: scans, contours, intervals."""
