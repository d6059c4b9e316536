"""`python -m strobe` is `strobe`."""

from strobe.cli import main

main()
