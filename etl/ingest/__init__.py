"""From what a training left behind to the tables of a store."""
