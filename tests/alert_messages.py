"""Typical incidents of one station, and the messages about them: golden files and the guide.

`python -m tests.documents` (part of `./run fix`) writes them anew; read each aloud afterwards.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from edaphon.alerts.due import summary, trial, visit_ended, well
from edaphon.alerts.language import LANGUAGES, chosen, load_language
from edaphon.alerts.model import LOGGER, Incident, Message, Node, NodeKind, Occasion, Severity, What
from edaphon.alerts.words import Letter, Location, message

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "daemon" / "alerts" / "messages"
MINUTE_NS = 60 * 10**9
HOUR_NS, DAY_NS = 60 * MINUTE_NS, 1440 * MINUTE_NS
NOW_NS = 1_795_939_200 * 10**9  # 2026-11-29T08:00:00Z
SITE = Location("White Hall, spruce", 3600)
LINK = "https://soil.example/white-hall"


def node(kind: NodeKind, name: str, parent: str = LOGGER, label: str = "", **place: str) -> Node:
    return Node(f"{kind.value} {name}", kind, name, parent, label or name, **place)


def _probe(address: str, depth: str, plot: str) -> Iterator[Node]:
    source, serial = f"sdi12/{address}", f"T12-000418{depth:>02}"
    place = {"model": "meter.teros12", "plot": plot, "depth_cm": depth}
    label = f"{serial} (meter.teros12)"
    yield node(NodeKind.SOURCE, source, "bus sdi12", model="meter.teros12")
    yield node(NodeKind.SENSOR, serial, f"source {source}", label, **place)
    for short, quantity in (
        ("vwc", "volumetric_water_content"),
        ("t", "soil_temperature"),
        ("ec", "bulk_electrical_conductivity"),
    ):
        where = {"quantity": quantity, "plot": plot, "depth_cm": depth}
        yield node(NodeKind.CHANNEL, f"{plot}-{short}-{depth}", f"sensor {serial}", **where)


def _one(kind: NodeKind, name: str, parent: str, model: str, quantity: str) -> Iterator[Node]:
    """A source of one channel."""
    yield node(kind, name, parent, model=model)
    yield node(NodeKind.CHANNEL, f"P1-{quantity}", f"{kind} {name}", quantity=quantity, plot="P1")


def _nodes() -> Iterator[Node]:
    yield Node(LOGGER, NodeKind.LOGGER, "whs-1", "", "whs-1")
    port = "/dev/serial/by-id/usb-FTDI_FT231X_D30A1B2C-if00-port0"
    yield node(NodeKind.SUPPLY, "battery", label="battery 12 V")
    yield node(NodeKind.BUS, "sdi12", "supply battery", f"sdi12 ({port})")
    yield node(NodeKind.BUS, "moxa", label="moxa (tcp://192.168.1.20:4001)")
    for words in ("a 5 P1", "b 15 P1", "c 30 P1", "d 45 P2", "e 60 P2"):
        yield from _probe(*words.split())
    thermometer = ("w1/28-0316a2795cff", "bus w1", "maxim.ds18b20", "air_temperature")
    yield from _one(NodeKind.SOURCE, *thermometer)
    yield node(NodeKind.BUS, "w1", label="w1 (/sys/bus/w1/devices)")
    yield node(NodeKind.BROKER, "chirpstack", label="chirpstack (127.0.0.1)")
    device, field_device = "chirpstack/a84041b2c1d5e6f7", "dragino.lse01-1.2.1"
    yield from _one(NodeKind.SOURCE, device, "broker chirpstack", field_device, "soil_temperature")
    yield from _one(NodeKind.SOURCE, "file/chambers", LOGGER, "licor.li-8100a", "soil_co2_efflux")
    yield node(NodeKind.SINK, "influx", label="influx (https://influx.example)")
    for kind in (NodeKind.DISK, NodeKind.CLOCK, NodeKind.JOURNAL, NodeKind.SERVICE):
        yield Node(kind.value, kind, "", LOGGER, "whs-1")
    yield node(NodeKind.RECEIVER, "anna", label="anna (e-mail)")


NODES = {one.id: one for one in _nodes()}


class Case(NamedTuple):
    occasion: Occasion
    incident: Incident


def incident(
    what: What, cause: str, severity: Severity, since_ns: int, **numbers: str | float
) -> Incident:
    """Incident 17, that began so long ago [ns]."""
    return Incident(
        17, cause, what, severity, NOW_NS - since_ns, NOW_NS - since_ns, (cause,), numbers
    )


def resolved(one: Incident, before_ns: int) -> Incident:
    """The same, in order since so long ago [ns]."""
    return replace(one, quiet_ns=NOW_NS - before_ns, resolved_ns=NOW_NS)


PROBE = incident(
    What.SILENT,
    "sensor T12-00041805",
    Severity.LOST,
    40 * MINUTE_NS,
    interval_s=600,
    detail="no answer",
)
ADAPTER = incident(
    What.PORT_LOST, "bus sdi12", Severity.LOST, 3 * HOUR_NS, why="the device is gone"
)
FULL = incident(What.DISK_FULL, "disk", Severity.LOST, 20 * MINUTE_NS)
AWAY = incident(
    What.SINK_AWAY,
    "sink influx",
    Severity.LATE,
    30 * HOUR_NS,
    why="could not resolve the name influx.example",
    waiting=12840,
    oldest_ns=NOW_NS - 30 * HOUR_NS,
)
CHAMBER = incident(What.SILENT, "source file/chambers", Severity.LOST, 2 * DAY_NS)
LORA = incident(What.SILENT, "source chirpstack/a84041b2c1d5e6f7", Severity.LOST, 3 * DAY_NS)
SUPPLY = incident(
    What.SUPPLY_FALLS,
    "supply battery",
    Severity.WILL_BE_LOST,
    4 * DAY_NS,
    last_v=11.84,
    least_v=11.5,
    begins_ns=NOW_NS + 6 * DAY_NS,
)
CASES = {
    "probe-silent": Case(Occasion.OPENED, PROBE),
    "probe-silent-still": Case(Occasion.REPEATED, replace(PROBE, since_ns=NOW_NS - 3 * DAY_NS)),
    "probe-back": Case(Occasion.RESOLVED, resolved(PROBE, 10 * MINUTE_NS)),
    "adapter-gone": Case(Occasion.OPENED, ADAPTER),
    "adapter-back": Case(Occasion.RESOLVED, resolved(ADAPTER, 5 * MINUTE_NS)),
    "bus-silent-flapping": Case(
        Occasion.CHANGED,
        replace(
            incident(What.SILENT, "bus sdi12", Severity.LOST, 2 * HOUR_NS, interval_s=600),
            turns_ns=tuple(range(1, 7)),
        ),
    ),
    "device-silent": Case(Occasion.OPENED, LORA),
    "file-silent": Case(Occasion.OPENED, CHAMBER),
    "file-back": Case(Occasion.RESOLVED, resolved(CHAMBER, HOUR_NS)),
    "thermometer-fails": Case(
        Occasion.OPENED,
        incident(
            What.FAILURE_CODE,
            "source w1/28-0316a2795cff",
            Severity.LOST,
            HOUR_NS,
            code="85 degC",
            times=6,
        ),
    ),
    "supply-falls": Case(Occasion.OPENED, SUPPLY),
    "supply-low": Case(
        Occasion.CHANGED,
        replace(SUPPLY, what=What.LOW_SUPPLY, severity=Severity.LOST, since_ns=NOW_NS - HOUR_NS),
    ),
    "upload-away": Case(Occasion.OPENED, AWAY),
    "upload-back": Case(Occasion.RESOLVED, resolved(AWAY, HOUR_NS)),
    "disk-full": Case(Occasion.OPENED, FULL),
    "disk-fills": Case(
        Occasion.OPENED,
        incident(
            What.DISK_FILLS,
            "disk",
            Severity.WILL_BE_LOST,
            HOUR_NS,
            days=12.4,
            begins_ns=NOW_NS + 12 * DAY_NS,
        ),
    ),
    "clock-unknown": Case(
        Occasion.OPENED, incident(What.CLOCK_UNKNOWN, "clock", Severity.LOST, HOUR_NS)
    ),
    "probes-swapped": Case(
        Occasion.OPENED,
        incident(
            What.WRONG_SENSOR,
            "source sdi12/a",
            Severity.DOUBTFUL,
            HOUR_NS,
            found="T12-00041815",
            expected="T12-00041805",
        ),
    ),
    "calibration-ends": Case(
        Occasion.OPENED,
        incident(
            What.CALIBRATION_ENDS,
            "channel P1-vwc-5",
            Severity.WILL_BE_LOST,
            HOUR_NS,
            begins_ns=NOW_NS + 25 * DAY_NS,
        ),
    ),
    "receiver-refuses": Case(
        Occasion.OPENED,
        incident(
            What.RECEIVER_REFUSES,
            "receiver anna",
            Severity.LATE,
            HOUR_NS,
            why="the server refuses user and password (535)",
        ),
    ),
}


def messages(language: str) -> Iterator[tuple[str, Message]]:
    """Each typical message of a language, by the name of its file."""
    for name, case in CASES.items():
        yield (
            name,
            message(Letter(NODES, language, SITE, NOW_NS, LINK), case.incident, case.occasion),
        )
    ended = [
        replace(resolved(one, 5 * MINUTE_NS), number=n)
        for n, one in enumerate((PROBE, ADAPTER, AWAY, CHAMBER), 17)
    ]
    yield "summary", summary(Letter(NODES, language, SITE, NOW_NS, LINK), ended)
    open_ = [*ended[:2], replace(FULL, number=21)]
    yield "summary-open", summary(Letter(NODES, language, SITE, NOW_NS, LINK), open_)
    week_ns = NOW_NS - 7 * DAY_NS
    yield "well", well(Letter(NODES, language, SITE, NOW_NS, LINK), [], 0, 9, 18, week_ns)
    yield "well-not", well(Letter(NODES, language, SITE, NOW_NS, LINK), [AWAY], 3, 9, 18, week_ns)
    silent = [PROBE.cause, CHAMBER.cause]
    yield "visit-ended", visit_ended(Letter(NODES, language, SITE, NOW_NS, LINK), silent)
    yield "test", trial(Letter({}, language, SITE, NOW_NS, LINK))


def golden(one: Message) -> str:
    """A message as a person compares it."""
    return f"{one.title}\n\n--- SMS ---\n{one.short}\n\n--- text ---\n{one.text}"


# What stands for the numbers and names of a message in the guide.
IN_THE_GUIDE = {"name": "NAME", "source": "SOURCE", "site": "SITE"}
# Columns of the guide: what is wrong, by kind of node or protocol.
AT = {
    "bus": "A whole bus",
    "sensor": "A whole probe",
    "branch": "A branch of a line",
    "supply": "All that hangs on a supply",
    "gateway": "All devices of a LoRaWAN gateway",
    "broker": "All devices of a broker",
    "logger": "All instruments",
    "sdi12": "An SDI-12 probe",
    "modbus": "A Modbus instrument",
    "ascii": "An ASCII instrument",
    "w1": "1-wire",
    "i2c": "I2C",
    "lorawan": "A LoRaWAN device",
    "message": "A device of a home-automation gateway",
    "file": "A file of another logger",
    "tcp": "Over the network",
    "default": "Anything else",
}


def guide() -> Iterator[str]:
    """The part of the technician's guide that says what to do: the steps of the messages."""
    table = load_language("en", 0, NOW_NS).table["what"]
    for what in What:
        texts = table[what.value]
        known = {**IN_THE_GUIDE, "cause": "..."}
        title = chosen(texts["title"], known)
        yield f"**{title[:1].upper()}{title[1:]}**\n"
        for at, steps in sorted(texts["steps"].items(), key=lambda one: list(AT).index(one[0])):
            if len(texts["steps"]) > 1:
                yield f"*{AT[at]}:*\n"
            yield from (f"{n}. {chosen(step, known)}" for n, step in enumerate(steps, 1))
            yield ""


def pages() -> dict[Path, str]:
    """Each golden file as it should be."""
    return {
        FOLDER / f"{name}.{language}.txt": golden(one)
        for language in LANGUAGES
        for name, one in messages(language)
    }
