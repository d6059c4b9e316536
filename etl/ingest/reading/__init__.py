"""What sources of foreign logs share: text in blocks of whole lines, columns of rows, restarts, names."""
