"""The memorization study: what a language model reproduces, and how its layers compress it, epoch by epoch."""
