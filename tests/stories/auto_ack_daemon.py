"""The service with one mistake: each message is acknowledged when it comes, before its commit."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edaphon.service.process import running
from edaphon.service.sources import Overrides
from edaphon_drivers.links.mqtt import Acknowledgement, MessageIn, MqttLink, MqttOptions


def acknowledging_at_once(
    options: MqttOptions, on_message: Callable[[MessageIn], None], *callbacks: Any
) -> MqttLink:
    """What every client does without other settings."""

    def hear(message: MessageIn) -> None:
        on_message(message)
        link.acknowledge([Acknowledgement(message.mid, message.qos, message.generation)])

    link = MqttLink(options, hear, *callbacks)
    return link


if __name__ == "__main__":
    with running(Path(sys.argv[1]), Overrides(make_link=acknowledging_at_once)):
        threading.Event().wait()
