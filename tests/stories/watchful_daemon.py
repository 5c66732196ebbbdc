"""`edaphon run` that looks at its station three times a second: watchful_daemon.py FILE."""

import signal
import sys
import threading
from pathlib import Path

from edaphon.commands.run import running
from edaphon.commands.service import Overrides

LOOK_EVERY_S = 0.3


def main(file: Path) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with running(file, Overrides(look_every_s=LOOK_EVERY_S)):
        stop.wait()


if __name__ == "__main__":
    main(Path(sys.argv[-1]))
