"""The service on a medium on which each commit of messages takes long: LATE_S seconds.

With `any-generation` acknowledgements of an earlier connection are sent too, a mistake to be shown.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edaphon.journal.store import OpenFile
from edaphon.service.process import running
from edaphon.service.sources import Overrides
from edaphon_drivers.links.mqtt import Acknowledgement, MqttLink

LATE_S = 3.0


class ForgetfulLink(MqttLink):
    """It takes every acknowledgement for one of the connection that stands."""

    def acknowledge(self, acknowledgements: Iterable[Acknowledgement]) -> None:
        now = self.state.generation
        super().acknowledge([a._replace(generation=now) for a in acknowledgements])


def main(file: Path, make_link: Any) -> None:
    write = OpenFile.write

    def write_late(self: OpenFile, entries: list[Any], mids: list[int | None]) -> Any:
        if any(mid is not None for mid in mids):
            time.sleep(LATE_S)
        return write(self, entries, mids)

    OpenFile.write = write_late  # type: ignore[method-assign, assignment]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with running(file, Overrides(make_link=make_link)):
        stop.wait()


if __name__ == "__main__":
    main(Path(sys.argv[-1]), ForgetfulLink if "any-generation" in sys.argv else MqttLink)
