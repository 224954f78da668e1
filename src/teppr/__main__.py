"""`python -m teppr` is the command `teppr`."""

from teppr.cli.main import main

main()
