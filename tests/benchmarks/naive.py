"""The yardstick: what one writes in an afternoon. No journal, no calibration, no flags."""

import json
import sys
from typing import Any

import paho.mqtt.client as mqtt
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point
from influxdb_client.client.write_api import WriteOptions

client: Any = InfluxDBClient(f"http://127.0.0.1:{sys.argv[2]}", token="t", org="o")  # noqa: S106
write_api = client.write_api(
    write_options=WriteOptions(batch_size=1000, flush_interval=1000, jitter_interval=0)
)


def on_message(client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
    data = json.loads(message.payload)
    point = (
        Point("soil")
        .tag("node", message.topic.rpartition("/")[2])
        .field("vwc", float(data["vwc"]))
        .field("temp", float(data["temp"]))
        .field("ec", float(data["ec"]))
        .time(data["t"] * 1_000_000)
    )
    write_api.write("plots", "o", point)


def on_connect(client: mqtt.Client, *_: Any) -> None:
    client.subscribe("plot/#", 1)


subscriber = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="naive", clean_session=False)
subscriber.on_message = on_message
subscriber.on_connect = on_connect
subscriber.on_subscribe = lambda *_: print("subscribed", flush=True)
subscriber.connect("127.0.0.1", int(sys.argv[1]))
subscriber.loop_forever()
