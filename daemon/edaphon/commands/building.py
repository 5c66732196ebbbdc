"""From tables of the configuration to links: what to open, and how."""

from collections.abc import Callable

from edaphon.acquire.sampler import Scheduled
from edaphon.acquire.slots import Grid, Schedule
from edaphon.config import Broker, Bus, ScheduledSource
from edaphon_drivers.links.mqtt import MqttOptions
from edaphon_drivers.links.serial import SerialLink, SerialOptions
from edaphon_drivers.sheets import load_sheet
from edaphon_drivers.talk import Timing

__all__ = ["link_opener", "mqtt_options", "scheduled"]

SHORTEST_DEADLINE_S, LONGEST_DEADLINE_S = 5.0, 120.0


def link_opener(bus: Bus) -> Callable[[], SerialLink]:
    options = SerialOptions(baud=bus.baud, rts=bus.rts, dtr=bus.dtr)
    return lambda: SerialLink(bus.port, options)


def mqtt_options(name: str, broker: Broker, logger: str) -> MqttOptions:
    """Raises LookupError when the password can't be had."""
    if broker.password is not None and (trouble := broker.password.trouble()):
        raise LookupError(f"password of broker {name}: {trouble}")
    return MqttOptions(
        host=broker.host,
        client_id=broker.client_id or f"edaphon-{logger}-{name}",
        topics=broker.topics,
        port=broker.port,
        username=broker.username,
        password=broker.password.reveal() if broker.password else None,
        tls=broker.tls,
        ca_file=broker.ca_file,
    )


def scheduled(
    source: ScheduledSource, bus: Bus, schedule: Schedule | None, timing: Timing | None
) -> Scheduled:
    interval_s = source.interval_ns / 1e9
    return Scheduled(
        path=source.path,
        address=source.address,
        sheet=load_sheet(source.model),
        schedule=schedule or Grid(source.interval_ns),
        deadline_s=min(max(interval_s, SHORTEST_DEADLINE_S), LONGEST_DEADLINE_S),
        concurrent=source.concurrent,
        crc=source.crc,
        timing=timing or Timing(answer_s=bus.answer_s),
    )
