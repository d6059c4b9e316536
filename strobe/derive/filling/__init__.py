"""Filling the derived tables of a store: what is stale, the parts that change, and the commit."""
