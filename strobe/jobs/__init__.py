"""Jobs: commands of Strobe as real processes, one after another, in a queue that outlives who fills it."""
