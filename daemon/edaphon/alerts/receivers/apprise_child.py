"""The process that sends one message by Apprise: it costs 36 MB, which the service never holds.

A JSON object comes on standard input, one goes out on standard output. The address holds tokens, so
it is in no argument and in no variable.
"""

import json
import logging
import sys
from typing import Any


class _Words(logging.Handler):
    """What Apprise reports of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())


def main() -> None:
    asked: dict[str, Any] = json.load(sys.stdin)
    json.dump(_answer(asked), sys.stdout)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        import apprise
    except ImportError:
        return {"did": "lacking", "words": ""}
    words = _Words()
    log = logging.getLogger("apprise")
    log.addHandler(words)
    log.propagate = False
    sender = apprise.Apprise()
    if not sender.add(asked["address"]):
        return {"did": "unknown", "words": ""}
    taken = sender.notify(title=asked["title"], body=asked["body"], body_format="text")
    return {"did": "taken" if taken else "failed", "words": " ".join(words.found[-3:])}


if __name__ == "__main__":
    main()
