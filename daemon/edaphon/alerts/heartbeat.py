"""Signs of life for somebody outside: their absence is what is noticed.

They are made by the thread that evaluates the rules, after a full pass, and sent by threads of
their own that hold only the newest, so that no server keeps the rules waiting.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from edaphon.config.sources import Broker
from edaphon.network.requests import Limits, Unreachable, Wire, tls_context

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


KEEP_ALIVE_S = 60  # a broker takes a client for dead after one and a half times as long
WITHIN_S = 10.0


class Retained:
    """`topic` holds the newest sign of life, `{"alive": false}` after the end of this client."""

    def __init__(self, broker: Broker, topic: str, client_id: str) -> None:
        """Raises OSError or LookupError for a password that can't be read."""
        from paho.mqtt.client import Client  # no other plot pays for it
        from paho.mqtt.enums import CallbackAPIVersion

        self._topic = topic
        self._place = f"{broker.host}:{broker.port}"
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        if broker.username is not None:
            password = broker.password.reveal() if broker.password is not None else None
            self._client.username_pw_set(broker.username, password)
        if broker.tls:
            self._client.tls_set_context(tls_context(broker.ca_file))
        self._client.will_set(topic, _payload({"alive": False, "why": "lost"}), 1, retain=True)
        self._client.connect_async(broker.host, broker.port, KEEP_ALIVE_S)
        self._client.loop_start()

    def beat(self, beat: Beat) -> None:
        """Raises TimeoutError where the broker does not take it in time."""
        self._publish(_payload(beat.to_json()), WITHIN_S)

    def close(self) -> None:
        with contextlib.suppress(RuntimeError, ValueError, OSError):
            self._publish(_payload({"alive": False, "why": "stopped"}), 1.0)
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self, payload: bytes, within_s: float) -> None:
        """A later one replaces it: nothing is queued for a broker that is away."""
        until = time.monotonic() + within_s
        while not self._client.is_connected() and time.monotonic() < until:
            time.sleep(0.05)
        if not self._client.is_connected():
            raise TimeoutError(f"the broker at {self._place} is not connected")
        sent = self._client.publish(self._topic, payload, 1, retain=True)
        sent.wait_for_publish(max(0.1, until - time.monotonic()))
        if not sent.is_published():
            raise TimeoutError(f"the broker at {self._place} takes no heartbeat")


def _payload(table: dict[str, Any]) -> bytes:
    return orjson.dumps(table, option=orjson.OPT_SORT_KEYS)
