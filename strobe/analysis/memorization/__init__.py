"""Measures and tests of a memorization study: reproduction, compression, and what of both can be told from noise."""
