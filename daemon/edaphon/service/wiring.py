"""From tables of the configuration to links: what to open, and how."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edaphon.acquire.bus import Link
from edaphon.acquire.sampler import Scheduled
from edaphon.acquire.slots import Grid, Schedule
from edaphon.acquire.switches import BranchSwitch, SupplySwitch, branched, powered
from edaphon.config import Broker, Bus, Configuration, ScheduledSource, SupplyTable
from edaphon.journal import Origin
from edaphon_drivers.links.tcp import TcpLink
from edaphon_drivers.sheets import Sheet
from edaphon_drivers.talk import Asking, Talk, Timing

if TYPE_CHECKING:
    from edaphon_drivers.links.mqtt import MqttOptions

__all__ = [
    "ClientName",
    "branch_switch",
    "client_id",
    "link_opener",
    "mqtt_options",
    "scheduled",
    "supply_switches",
]

SHORTEST_DEADLINE_S, LONGEST_DEADLINE_S = 5.0, 120.0


class ClientName(NamedTuple):
    """The client id to begin with, and the one to take if that is another logger's; "" for none."""

    id: str
    own: str = ""


def link_opener(bus: Bus) -> Callable[[], Link]:
    """What opens the line of that table; the call raises LinkDown."""
    if bus.kind == "sdi12-uart":
        from edaphon_drivers.links.sdi12_uart import Sdi12UartLink

        return lambda: Sdi12UartLink(bus.port)
    if bus.kind == "w1":
        from edaphon_drivers.links.w1 import W1Link

        return lambda: W1Link(Path(bus.port))
    if bus.kind == "i2c":
        from edaphon_drivers.links.i2c import I2cLink

        return lambda: I2cLink(bus.port)
    if bus.port.startswith("tcp://"):
        host, _, port = bus.port.removeprefix("tcp://").rpartition(":")
        return lambda: TcpLink(host, int(port))
    from edaphon_drivers.links.serial import SerialLink, SerialOptions

    options = SerialOptions(
        baud=bus.baud,
        bytesize=int(bus.format[0]),
        parity=bus.format[1],
        stopbits=float(bus.format[2:]),
        rts=bus.rts,
        dtr=bus.dtr,
    )
    return lambda: SerialLink(bus.port, options)


def client_id(name: str, broker: Broker, logger: str, origin: Origin) -> str:
    """The name of a session at a broker: the owner's, or one that no other logger shares.

    A journal of an older version keeps the name that it had, which lacks the journal's id:
    messages may wait under it at the broker.
    """
    if broker.client_id:
        return broker.client_id
    return f"edaphon-{logger}-{name}" + (f"-{origin.named}" if origin.named else "")


def mqtt_options(name: str, broker: Broker, client: ClientName) -> "MqttOptions":
    """`client` names the session. Raises LookupError when the password can't be had."""
    from edaphon_drivers.links.mqtt import MqttOptions

    if broker.password is not None and (problem := broker.password.problem()):
        raise LookupError(f"password of broker {name}: {problem}")
    return MqttOptions(
        host=broker.host,
        client_id=client.id,
        own_id=client.own,
        topics=broker.topics,
        port=broker.port,
        username=broker.username,
        password=broker.password.reveal() if broker.password else None,
        tls=broker.tls,
        ca_file=broker.ca_file,
    )


def supply_switches(config: Configuration) -> dict[str, SupplySwitch]:
    """The supplies by name; two that feed one address of one line are never on together."""
    switches = {name: _switch(supply) for name, supply in config.supplies.items()}
    fed: dict[tuple[str, str, str | None], set[str]] = {}
    for source in config.sources:
        if isinstance(source, ScheduledSource) and source.supply is not None:
            place = (source.bus, source.address, source.branch)
            fed.setdefault(place, set()).add(source.supply)
    for names in fed.values():
        for name in names:
            switches[name].apart |= {switches[other] for other in names - {name}}
    return switches


def _switch(supply: SupplyTable) -> SupplySwitch:
    return SupplySwitch(supply.file, supply.on, supply.off, supply.warm_up_ns / 1e9)


def branch_switch(bus: Bus) -> BranchSwitch | None:
    """The multiplexer of a line, if it has one."""
    switch = bus.multiplexer
    if switch is None:
        return None
    return BranchSwitch(switch.file, switch.ports, switch.settle_ns / 1e9)


def scheduled(
    source: ScheduledSource,
    bus: Bus,
    sheet: Sheet,
    schedule: Schedule | None = None,
    timing: Timing | None = None,
    supplies: Mapping[str, SupplySwitch] | None = None,
    branches: BranchSwitch | None = None,
) -> Scheduled:
    """An asked instrument of a line, behind the switches that must be set to reach it."""
    interval_s = source.interval_ns / 1e9
    supply = (supplies or {}).get(source.supply or "")

    def through(talk: Talk[None]) -> Talk[None]:
        if branches is not None and source.branch is not None:
            talk = branched(talk, branches, source.branch)
        return powered(talk, supply, sheet.warm_up_s) if supply is not None else talk

    return Scheduled(
        path=source.path,
        address=source.address,
        sheet=sheet,
        schedule=schedule or Grid(source.interval_ns),
        deadline_s=min(max(interval_s, SHORTEST_DEADLINE_S), LONGEST_DEADLINE_S),
        asking=Asking(
            timing=timing or Timing(answer_s=bus.answer_s),
            concurrent=source.concurrent,
            crc=source.crc,
            baud=bus.baud,
            tcp=bus.kind == "modbus-tcp",
        ),
        through=through,
    )
