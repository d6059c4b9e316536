"""The panels of the Memorization page."""
