"""A sign of life as a retained message, and the broker's last will when it ends without a word."""

import contextlib
import time
from typing import Any

import orjson
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edaphon.alerts.heartbeat import Beat
from edaphon.config.sources import Broker
from edaphon.network.deadline import tls_context

__all__ = ["Retained"]

KEEP_ALIVE_S = 60  # a broker takes a client for dead after one and a half times as long
WITHIN_S = 10.0


class Retained:
    """`topic` holds the newest sign of life, `{"alive": false}` after the end of this client."""

    def __init__(self, broker: Broker, topic: str, client_id: str) -> None:
        """Raises OSError or LookupError for a password that can't be read."""
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
