"""Whole experiments: what trains a model, measures it on the way, and says what the numbers support."""
