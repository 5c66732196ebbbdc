"""Nodes, conditions, incidents and events: what all parts of the alerts share.

    Situation ─rules─► Condition* ─causes─► Incident* ─due─► Message ─receiver─► Event (sent)
                                                ▲
    journal entries of kind ALERT ──Event*──────┘

A situation is a frozen picture of what is known at one moment. Rules are pure functions of it and
of what they found before. Incidents are only what their events say, so that a restart finds them
in the journal as they were.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from edaphon.clock import DAY_NS, HOUR_NS, MINUTE_NS
from edaphon.printer import visible, visible_lines


class Severity(StrEnum):
    """What becomes of data; the first is the worst."""

    LOST = "lost"
    WILL_BE_LOST = "will be lost"
    DOUBTFUL = "doubtful"
    LATE = "late"
    COSMETIC = "cosmetic"


class NodeKind(StrEnum):
    """What can fail; a node's parent is what it needs to give data."""

    LOGGER = "logger"
    SUPPLY = "supply"
    DISK = "disk"
    CLOCK = "clock"
    JOURNAL = "journal"
    SERVICE = "service"
    BUS = "bus"
    BRANCH = "branch"
    BROKER = "broker"
    GATEWAY = "gateway"
    SOURCE = "source"
    SENSOR = "sensor"  # a probe that feeds several outputs of a source
    CHANNEL = "channel"
    SERVER = "server"
    SINK = "sink"
    CALIBRATION = "calibration"
    RECEIVER = "receiver"


class Node(NamedTuple):
    """`id` is "KIND NAME" and unique; `parent` is the id of another node, "" for the logger.

    `label` names it for people in the site's own words, without the word for its kind: a sensor's
    serial number and model, a bus with the identity of its port. `model` is the sheet of a source
    or sensor; `quantity`, `plot` and `depth_cm` place a channel, a sensor, a source: "" if unknown.
    """

    id: str
    kind: NodeKind
    name: str
    parent: str
    label: str
    model: str = ""
    quantity: str = ""
    plot: str = ""
    depth_cm: str = ""


LOGGER = "logger"  # the id of the root node


class What(StrEnum):
    """What is wrong with a node; each has its texts in the files of languages."""

    SILENT = "silent"  # nothing comes any more
    NO_NUMBER = "no number"  # its source speaks, and brings no number of it
    FAILURE_CODE = "failure code"  # the instrument says that it failed
    LOW_SUPPLY = "low supply"  # voltage below what the instruments need
    SUPPLY_FALLS = "supply falls"  # voltage reaches that within days
    PORT_LOST = "port lost"  # a bus, adapter or stream whose port can't be used
    BROKER_LOST = "broker lost"
    UPLINKS_MISSED = "uplinks missed"
    SINK_AWAY = "sink away"
    SINK_BLOCKED = "sink blocked"  # a person must act: key, database, certificate
    SET_ASIDE = "set aside"  # points that the server refuses
    DISK_FULL = "disk full"
    DISK_FILLS = "disk fills"
    JOURNAL_FAILS = "journal fails"  # records can't be written
    ENTRIES_LOST = "entries lost"  # of the journal, until a person notes it
    CLOCK_UNKNOWN = "clock unknown"
    WRONG_SENSOR = "wrong sensor"  # another serial number than the facts say
    CALIBRATION_ENDS = "calibration ends"
    PART_FAILS = "part fails"  # of the service itself
    RECEIVER_REFUSES = "receiver refuses"
    VALUES_LOST = "values lost"  # numbers come that say nothing: stuck, at the end of the range
    DOUBTFUL_VALUES = "doubtful values"  # a channel's values fail tests with their context
    CABLES_SWAPPED = "cables swapped"  # two channels go on with each other's values
    CLOCK_OFF = "clock off"  # of a source: its times are not those at which it sends
    FLOOD = "flood"  # more comes than is kept of a source, or of strangers at a broker


Numbers = Mapping[str, str | int | float]


class Condition(NamedTuple):
    """One thing wrong with one node at one moment.

    `since_ns` [UTC ns]: when it began, as far as that is known (a silent source: its last value).
    `numbers` are what its texts need, by the names that the files of languages use.
    """

    node: str
    what: What
    severity: Severity
    since_ns: int
    numbers: Numbers = {}

    @property
    def key(self) -> tuple[str, What]:
        return self.node, self.what


@dataclass(frozen=True, slots=True)
class Incident:
    """What has one cause, from its opening until data flow again.

    `number` is what people type (`edaphon alert ack 17`). `cause` is the id of a node; `members`
    are the ids of the nodes that fail with it, itself included. `acknowledged_until_ns` is 0
    without an acknowledgement. `parts` are the conditions that it is made of. `state` counts what
    is news to a person: its opening, a worse severity, members that nobody could expect. No message
    goes out before `due_ns`, since its parent may fail a moment later.
    """

    number: int
    cause: str
    what: What
    severity: Severity
    since_ns: int
    opened_ns: int
    members: tuple[str, ...]
    numbers: Numbers = field(default_factory=dict)
    changed_ns: int = 0  # when it grew, changed its severity, or came back while kept open
    turns_ns: tuple[int, ...] = ()  # when it came and went lately: it flaps
    quiet_ns: int = 0  # since when nothing is wrong, while it is kept open; 0: it is wrong now
    resolved_ns: int = 0
    back_ns: int = 0  # the first data after it, as far as known; 0: see `quiet_ns`, `resolved_ns`
    acknowledged_until_ns: int = 0
    acknowledged_by: str = ""
    why: str = ""  # of the acknowledgement
    parts: tuple[Condition, ...] = ()
    state: int = 1
    due_ns: int = 0
    quiet_mono_ns: int = 0  # monotonic time of `quiet_ns`; it counts no longer than a boot lasts
    flaps: bool = False  # it came and went so often that it stays open until it is quiet for long
    closed: str = ""  # "resolved"; "joined": another took it in; "removed": its nodes are gone


class Event(NamedTuple):
    """What becomes of an incident, as it is in the journal (kind ALERT, payload JSON).

    `did`: opened, grew, changed, quiet, turned, resolved, joined (another incident took it in),
    removed (its node is no longer configured), acknowledged, sent, refused, summed. Of no
    incident (number 0): visit ended, with what does not speak then.
    `table` has what that needs; a reader passes over what it does not know.
    """

    did: str
    number: int
    time_ns: int
    table: Mapping[str, Any]


class Occasion(StrEnum):
    OPENED = "opened"
    REPEATED = "repeated"  # not acknowledged for a day
    CHANGED = "changed"  # it grew or became worse
    RESOLVED = "resolved"
    SUMMARY = "summary"  # what came and went while nothing could be sent, or beyond the rate
    WELL = "well"  # the weekly "all is well"
    TEST = "test"
    VISIT_ENDED = "visit-ended"  # and not all at the plot speaks


@dataclass(frozen=True, slots=True)
class Message:
    """`short` is at most two lines and 160 characters of the GSM 03.38 alphabet.

    `title` is one line for subjects. `number` is that of the incident, 0 where it is about none.
    No character of the texts acts on a terminal, a mail or a chat, or hides there.
    """

    occasion: Occasion
    number: int
    severity: Severity
    title: str
    short: str
    text: str
    time_ns: int

    def __post_init__(self) -> None:
        shown = {"title": visible(" ".join(self.title.split()))}
        shown |= {name: visible_lines(getattr(self, name)) for name in ("short", "text")}
        for name, text in shown.items():
            object.__setattr__(self, name, text)


class SendLater(Exception):
    """It did not go out; the same message may later. `retry_after_s` where the server says so."""

    def __init__(self, why: str, retry_after_s: float | None = None) -> None:
        self.why, self.retry_after_s = why, retry_after_s
        super().__init__(why)


class SendRefused(Exception):
    """The server will never take this message as it is: a wrong password, address or token."""


class Receiver(Protocol):
    """One way to one person or group. What it raises holds no secret."""

    def send(self, message: Message) -> None:
        """Returns when the server has taken it, within 30 s as a whole. Raises Later, Refused."""
        ...

    def close(self) -> None:
        """Most keep nothing open between two messages."""


class Hold(NamedTuple):
    """How long it must be wrong before it begins, and right before it ends [ns].

    Two things wrong with one node are one incident if they have the same `group`; without one each
    is its own. Of what ends by being `absent` a situation lists only what is wrong.
    """

    severity: Severity
    begin_ns: int = 0
    end_ns: int = 0
    group: str = ""
    absent: bool = False


LOST, SOON = Severity.LOST, Severity.WILL_BE_LOST
DOUBTFUL, LATE = Severity.DOUBTFUL, Severity.LATE

# Kinds that end by an age of data have their hold in that age; those of the service itself hold
# their end for 10 min, which is also the time that a start needs until everything has a state.
HOLDS: Mapping[What, Hold] = {
    What.SILENT: Hold(LOST, group="data"),
    What.NO_NUMBER: Hold(LOST, group="data"),
    What.FAILURE_CODE: Hold(LOST, group="data"),
    What.LOW_SUPPLY: Hold(LOST, 10 * MINUTE_NS, DAY_NS, group="data"),  # well for a night too
    What.SUPPLY_FALLS: Hold(SOON, HOUR_NS, 2 * HOUR_NS, group="data"),
    What.PORT_LOST: Hold(LOST, 5 * MINUTE_NS, 2 * MINUTE_NS, group="data", absent=True),
    What.BROKER_LOST: Hold(LATE, 6 * HOUR_NS, 10 * MINUTE_NS, group="data", absent=True),
    What.UPLINKS_MISSED: Hold(LOST, HOUR_NS, 2 * HOUR_NS, group="data"),
    What.SINK_AWAY: Hold(LATE, 6 * HOUR_NS, 10 * MINUTE_NS, group="delivery"),
    What.SINK_BLOCKED: Hold(LATE, 10 * MINUTE_NS, 10 * MINUTE_NS, group="delivery"),
    What.SET_ASIDE: Hold(LATE, 10 * MINUTE_NS, 10 * MINUTE_NS),
    What.DISK_FULL: Hold(LOST, 0, 10 * MINUTE_NS, group="storage"),
    What.DISK_FILLS: Hold(SOON, HOUR_NS, 26 * HOUR_NS, group="storage"),  # its rate needs a day
    What.JOURNAL_FAILS: Hold(LOST, 0, 10 * MINUTE_NS, group="storage"),
    What.ENTRIES_LOST: Hold(LOST),
    What.CLOCK_UNKNOWN: Hold(LOST, HOUR_NS),
    What.WRONG_SENSOR: Hold(DOUBTFUL, 10 * MINUTE_NS, 10 * MINUTE_NS, absent=True),
    What.CALIBRATION_ENDS: Hold(SOON, HOUR_NS, 10 * MINUTE_NS, absent=True),
    What.PART_FAILS: Hold(LATE, 10 * MINUTE_NS, 10 * MINUTE_NS, absent=True),
    What.RECEIVER_REFUSES: Hold(LATE, 0, 10 * MINUTE_NS, absent=True),
    # A test of a day may pass for one day of a bad week.
    What.VALUES_LOST: Hold(LOST, 0, 14 * HOUR_NS, group="data", absent=True),
    What.DOUBTFUL_VALUES: Hold(DOUBTFUL, 0, 30 * HOUR_NS, group="data", absent=True),
    What.CABLES_SWAPPED: Hold(DOUBTFUL, 0, HOUR_NS),
    What.CLOCK_OFF: Hold(DOUBTFUL, 0, HOUR_NS),
    What.FLOOD: Hold(DOUBTFUL, 0, HOUR_NS, absent=True),
}
