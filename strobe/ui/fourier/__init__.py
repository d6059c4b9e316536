"""The Fourier page."""
