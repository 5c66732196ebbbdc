"""`python -m edaphon` is `edaphon`."""

from edaphon.commands import main

main()
