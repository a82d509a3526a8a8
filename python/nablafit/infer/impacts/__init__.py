"""What each parameter contributes, and how far the fit moved it."""
