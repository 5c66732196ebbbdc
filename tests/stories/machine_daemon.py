"""`edaphon run` on a machine of which the marks are known: machine_daemon.py FILE."""

import sys

from edaphon.commands import main
from edaphon.journal import store

if __name__ == "__main__":
    store.machine_marks = lambda: ("serial 2",)
    main(["run", *sys.argv[1:]])
