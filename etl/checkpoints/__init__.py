"""Checkpoints that other programs wrote, read where they lie as the snapshots of a run."""
