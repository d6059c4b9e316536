"""Which figures and movies of a run there are: each asks what is shown and has it drawn."""
