"""What results share: saving, origin, display."""
