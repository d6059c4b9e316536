"""`strobe.watch`: a run of any torch module from one line."""
