"""Hears a broker into a journal until it is killed; on demand it acknowledges too early."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edaphon.acquire.broker import BrokerReader
from edaphon.clock import SystemClock
from edaphon.journal import Journal
from edaphon.journal.store import OpenFile
from edaphon_drivers.links.mqtt import Acknowledgement, MessageIn, MqttLink, MqttOptions


def acknowledging_at_once(
    options: MqttOptions, on_message: Callable[[MessageIn], None], *callbacks: Any
) -> MqttLink:
    """What every client does that has no other order."""

    def receive(message: MessageIn) -> None:
        on_message(message)
        link.acknowledge([Acknowledgement(message.mid, message.qos, message.generation)])

    link = MqttLink(options, receive, *callbacks)
    return link


def main(folder: Path, port: int, manner: str) -> None:
    if manner == "never commit":
        OpenFile.write = lambda *_: threading.Event().wait()  # type: ignore[method-assign]
    make_link = acknowledging_at_once if manner == "acknowledge at once" else MqttLink
    journal = Journal(folder, SystemClock())
    options = MqttOptions("127.0.0.1", "logger-1", ("plot/#",), port)
    reader = BrokerReader(
        "local", options, journal, SystemClock(), "boot", print, make_link=make_link
    )
    reader.start()
    last = ""
    while True:
        threading.Event().wait(0.02)
        stated = f"connected {reader.link.state.connects} received {reader.state.journalled}"
        if stated != last:
            print(stated, flush=True)
        last = stated


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
