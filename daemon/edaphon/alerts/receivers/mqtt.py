"""A message to a topic of a configured broker, as JSON, at least once and not retained.

With MQTT 5 the broker says whether the client may publish there and whether anybody listens; with
3.1.1 it acknowledges what it throws away. So 5 is tried first (OASIS MQTT 5.0, section 3.4.2.1).
Each message has a connection of its own, in a thread that is left alone when it hangs: name
look-up and handshake of paho have no limit as a whole.
"""

import json
import secrets
import threading
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, field_validator

from edaphon.alerts.model import Message, Receiver, SendLater, SendRefused
from edaphon.alerts.receivers import WHOLE_S, Context, ReceiverKind, Remark, fields_of, secret_text
from edaphon.config import Broker
from edaphon.config.rules import Parts
from edaphon.network.requests import CONNECT_S, Deadline, Secrets, tls_context
from edaphon.toml_input.lines import did_you_mean
from edaphon.toml_input.values import Id, Table, wrong

MOST_CHARACTERS = 20_000
WORDS = 200  # of an error
_TURN_S = 0.2
# Reasons of CONNACK that a person must mend, MQTT 5.0, section 3.2.2.2; paho gives them for 3.1.1.
_DENIED = {133, 134, 135, 138, 140}
_OTHER_VERSION = 132


class MqttSettings(Table):
    """A message to a topic of a broker of this file."""

    kind: Literal["mqtt"] = "mqtt"
    broker: Id
    topic: str = Field(min_length=1, max_length=65535)

    @field_validator("topic")
    @classmethod
    def _topic(cls, topic: str) -> str:
        if any(c in topic for c in "+#\0"):
            raise wrong("a topic without + and #")
        return topic


def config_errors(settings: MqttSettings, parts: Parts) -> Iterator[Remark]:
    if settings.broker not in parts.brokers:
        right = did_you_mean(settings.broker, parts.brokers)
        yield "broker", f'"{settings.broker}" is no broker of this file', right


class Mqtt(Receiver):
    """See Receiver."""

    def __init__(self, settings: MqttSettings, context: Context) -> None:
        self._settings, self._context = settings, context

    def send(self, message: Message) -> None:
        broker = self._context.brokers.get(self._settings.broker)
        if broker is None:
            raise SendRefused(f"no broker {self._settings.broker} in the configuration")
        password = (
            secret_text(broker.password, "the password of the broker") if broker.password else ""
        )
        fields = fields_of(message, self._context, MOST_CHARACTERS)
        payload = json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()
        deadline = Deadline(WHOLE_S)
        found = self._published(broker, password, payload, deadline, 5)
        if isinstance(found, _Unspoken):
            found = self._published(broker, password, payload, deadline, 4)
        if found is not None:
            raise SendLater(found.why) if isinstance(found, _Unspoken) else found

    def _published(
        self, broker: Broker, password: str, payload: bytes, deadline: Deadline, version: int
    ) -> "SendLater | SendRefused | _Unspoken | None":
        attempt = _Attempt(broker, password, self._settings.topic, payload, deadline, version)
        worker = threading.Thread(target=attempt.run, name="mqtt message", daemon=True)
        worker.start()
        worker.join(deadline.left_s)
        if worker.is_alive():
            return SendLater(f"{attempt.place} did not take the message within {WHOLE_S:g} s")
        return attempt.found


class _Unspoken(Exception):
    """The broker ended the connection without a word that this version knows."""

    def __init__(self, why: str) -> None:
        self.why = why


class _Attempt:
    """One connection that publishes once; `found` says what came of it, None: it is taken."""

    def __init__(
        self,
        broker: Broker,
        password: str,
        topic: str,
        payload: bytes,
        deadline: Deadline,
        version: int,
    ) -> None:
        self._broker, self._password, self._deadline = broker, password, deadline
        self._topic, self._payload, self._version = topic, payload, version
        self.place = f"{broker.host}:{broker.port}"
        self.found: SendLater | SendRefused | _Unspoken | None = SendLater(
            f"{self.place}: nothing happened"
        )
        self._ended = False

    def run(self) -> None:
        try:
            self._talk()
        except (OSError, ValueError) as error:
            text = str(getattr(error, "strerror", None) or error)
            words = Secrets(self._password).excerpt(text, WORDS)
            self.found = SendLater(f"{self.place} can't be reached: {words}")

    def _talk(self) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"edaphon-{secrets.token_hex(6)}",
            protocol=MQTTProtocolVersion(self._version),
            reconnect_on_failure=False,  # or a refused CONNECT is tried again as MQTT 3.1
        )
        client.on_connect, client.on_publish = self._connected, self._taken
        client.on_disconnect = self._disconnected
        client.connect_timeout = CONNECT_S
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._password or None)
        if self._broker.tls:
            client.tls_set_context(tls_context(self._broker.ca_file))
        self.found = _Unspoken(f"{self.place} ended the connection without an answer")
        client.connect(self._broker.host, self._broker.port, keepalive=60)
        while not self._ended and not self._deadline.over:
            if client.loop(_TURN_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
        client.disconnect()

    def _connected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not reason.is_failure:
            self.found = SendLater(f"{self.place} did not acknowledge the message")
            client.publish(self._topic, self._payload, qos=1, retain=False)
            return
        self._ended = True
        words = f"{self.place} refuses the connection: {reason}"
        if reason.value == _OTHER_VERSION and self._version == 5:
            self.found = _Unspoken(words)
        else:
            self.found = SendRefused(words) if reason.value in _DENIED else SendLater(words)

    def _taken(self, client: Any, data: Any, mid: int, reason: Any, properties: Any) -> None:
        self._ended = True
        self.found = None
        if reason is not None and reason.is_failure:
            words = f"{self.place} refuses a message to {self._topic}: {reason}"
            self.found = SendRefused(words) if reason.value in {135, 144} else SendLater(words)

    def _disconnected(
        self, client: Any, data: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if not self._ended and not isinstance(self.found, _Unspoken):
            self.found = SendLater(f"{self.place} ended the connection: {reason}")
        self._ended = True


KIND = ReceiverKind(MqttSettings, Mqtt, config_errors=config_errors)
