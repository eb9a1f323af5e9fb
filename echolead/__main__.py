"""`python -m echolead`: the command line, for environments without the `echolead` script on the path."""

from echolead.cli import main

main()
