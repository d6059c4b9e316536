"""Derived tables: what the analyses make of a run's snapshots and metrics, stored beside them."""
