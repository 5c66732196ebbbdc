"""Messages published at QoS 1 by a client that waits until the broker has taken all of them."""

from collections.abc import Iterable

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion
from tests.programs import Mosquitto, wait_until

__all__ = ["broker_table", "publish"]


def broker_table(server: Mosquitto, name: str, topic: str, envelope: str = "json") -> str:
    return (
        f'[broker.{name}]\nhost = "{server.host}"\nport = {server.port}\n'
        f'topics = ["{topic}"]\nenvelope = "{envelope}"\n'
    )


def publish(server: Mosquitto, messages: Iterable[tuple[str, bytes]]) -> int:
    """How many were published."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(200)
    client.connect(server.host, server.port)
    client.loop_start()
    sent: list[MQTTMessageInfo] = []
    for topic, payload in messages:
        sent.append(client.publish(topic, payload, qos=1))
        if len(sent) > 1000:  # few enough that none is dropped on a slow machine
            sent[-1000].wait_for_publish(30)
    wait_until(lambda: all(one.is_published() for one in sent[-1000:]), "the broker to take all")
    client.disconnect()
    client.loop_stop()
    return len(sent)
