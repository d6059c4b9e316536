"""What every page shares: frame, address, cursor, reader, parts that are made again alone, words."""
