"""`python -m echolead`: the command line, where the script of that name is not on the path."""

from echolead.cli import main

main()
