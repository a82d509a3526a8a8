"""Other packages: pyhf models in, MINUIT and SciPy as minimisers."""
