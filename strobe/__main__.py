"""`python -m strobe` is `strobe`."""

from strobe.entry import main

main()
