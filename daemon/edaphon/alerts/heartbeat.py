"""Signs of life for somebody outside: their absence is what is noticed.

They are made by the thread that evaluates the rules, after a full pass, and sent by threads of
their own that hold only the newest, so that no server keeps the rules waiting.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from edaphon.network.requests import Limits, Unreachable, Wire

__all__ = ["Beat", "Mouth", "Pulse", "Url"]

_log = logging.getLogger("edaphon")
WHOLE_S = 10.0
WORDS = 200


@dataclass(frozen=True, slots=True)
class Beat:
    """`ages_s`: by source path, how long ago it spoke last, None: never."""

    time_ns: int
    logger: str
    site: str
    ages_s: Mapping[str, float | None]
    open_incidents: int
    undelivered: int

    def to_json(self) -> dict[str, Any]:
        return {
            "alive": True,
            "time_ns": self.time_ns,
            "logger": self.logger,
            "site": self.site,
            "sources": dict(self.ages_s),
            "open_incidents": self.open_incidents,
            "undelivered": self.undelivered,
        }


class Mouth(Protocol):
    """Where signs of life go; `beat` raises any exception when it did not go out."""

    def beat(self, beat: Beat) -> None: ...

    def close(self) -> None: ...


class Pulse:
    """One way out; `run` is the life of its thread. `after_s`: of this life, before the first."""

    def __init__(self, name: str, open: Callable[[], Mouth], after_s: float = 0.0) -> None:
        self.name = name
        self._first_s = time.monotonic() + after_s
        self.last = 0  # time of the last that went out [UTC ns]
        self.problem = ""
        self._open = open
        self._mouth: Mouth | None = None
        self._next: Beat | None = None
        self._news = threading.Event()

    def offer(self, beat: Beat) -> None:
        """The newest one; an older one that waits is dropped."""
        if time.monotonic() >= self._first_s:
            self._next = beat
            self._news.set()

    def wake(self) -> None:
        self._news.set()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._news.wait()
            self._news.clear()
            beat, self._next = self._next, None
            if beat is not None and not stop.is_set():
                self._beat(beat)
        if self._mouth is not None:
            self._mouth.close()

    def _beat(self, beat: Beat) -> None:
        try:
            if self._mouth is None:
                self._mouth = self._open()
            self._mouth.beat(beat)
        except Exception as error:  # whatever a server does, the rules go on
            if not self.problem:
                _log.warning("%s: %s", self.name, error)
            self.problem = str(error)
            return
        if self.problem:
            _log.warning("%s is back", self.name)
        self.problem, self.last = "", beat.time_ns


class Url:
    """A monitor that calls when nobody calls it: Healthchecks and its like take a POST of text.

    Reference: healthchecks.io, "Pinging API": POST {url}, status 200, a body of up to 100 kB.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = parts.path or "/"
        if parts.query:
            self._target += f"?{parts.query}"
        place = f"{parts.scheme}://{parts.netloc}"
        # whoever knows the target can keep the monitor silent
        self._wire = Wire(place, secrets=[self._target], limits=Limits(WHOLE_S))

    def beat(self, beat: Beat) -> None:
        body = orjson.dumps(beat.to_json(), option=orjson.OPT_SORT_KEYS)
        headers = {"Content-Type": "application/json"}
        answer = self._wire.request("POST", self._target, body, headers)
        if not 200 <= answer.status < 300:
            came = f"{answer.status} {answer.words(WORDS)}".strip()
            raise Unreachable(f"expected 200 from {self._wire.url}, got {came}")

    def close(self) -> None:
        self._wire.close()
