"""`python -m netspec` is `netspec`."""

from netspec.cli.app import main

main()
