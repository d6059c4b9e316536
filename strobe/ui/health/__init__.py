"""The panels of the Health page."""
