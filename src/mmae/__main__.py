"""`python -m mmae` is the `mmae` command."""

from mmae.cli import main

main()
