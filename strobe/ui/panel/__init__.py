"""What every panel shares: canvas, choices, series, files, movies, marks."""
