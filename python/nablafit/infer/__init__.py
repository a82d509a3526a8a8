"""What an analysis quotes, from models and fits: every function returns a frozen result."""
