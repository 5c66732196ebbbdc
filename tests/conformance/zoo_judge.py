"""What a person who knows the zoo says of what was sent, and the report of all plays."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from tests.conformance.zoo_files import Fault, Play, read_play
from tests.conformance.zoo_station import START_NS, ReceivedMessage, ZooStation

from edaphon.alerts.look import Situation, above
from edaphon.alerts.model import Node, NodeKind, Occasion, What

__all__ = ["Verdict", "judged", "played", "report"]

ONE_MESSAGE = ("F13", "F14", "F22")
SILENT = ("F01", "F14", "F22")  # nothing comes any more
SILENCE_INTERVALS = 4.0
SAYS = {"wiring": What.CABLES_SWAPPED, "clock": What.CLOCK_OFF}  # a cause that is no part
BEFORE_H, AFTER_H = 24.0, 36.0  # that are played around a fault; what only tests find ends later
AFTER_TESTS_H = 66.0
BY_SILENCE = ("F01", "F12", "F13", "F14", "F15", "F22")
DAY_S = 86_400
OCCASIONS = ("opened", "changed", "repeated", "resolved")


@dataclass(frozen=True)
class Verdict:
    """`reported` is the first message about the fault; all about something else is false."""

    name: str
    fault: str  # F01, "" for a base
    what: str = ""
    days: float = 0.0
    reported: bool = False
    right: bool = False  # the first message named the cause
    first: str = ""
    latency_intervals: float | None = None
    latency_h: float | None = None
    goal_h: float = 0.0
    ends_in_play: bool = False
    opened: int = 0
    changed: int = 0
    repeated: int = 0
    resolved: int = 0
    false: tuple[str, ...] = ()
    cells: int = 0
    found_cells: int = 0
    flagged_good: int = 0
    good_cells: int = 0
    looks: int = 0
    complaints: tuple[str, ...] = field(default=())


def played(folder: Path, site: str, season: str, scenario: str) -> Verdict:
    """A play of a folder, judged."""
    return judged(read_play(folder, site, season, scenario))


def judged(play: Play) -> Verdict:
    """The base as a whole; of a fault a day before it and what comes after its end.

    All earlier rows of the base stand in the series before the service begins.
    """
    first, end = 0, play.end
    if play.fault is not None:
        first = max(0, play.fault.first - _rows(play, BEFORE_H))
        end = min(play.end, play.fault.end + _rows(play, _after_h(play.fault)))
    with _folder() as folder:
        station = ZooStation(play, folder)
        station.play(first, end)
        return _verdict(play, station, first, end)


def _after_h(fault: Fault) -> float:
    return AFTER_H if fault.number in BY_SILENCE else AFTER_TESTS_H


@contextmanager
def _folder() -> Iterator[Path]:
    """In memory where there is room: a disk is not what is judged."""
    memory = Path("/dev/shm")  # noqa: S108
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    with tempfile.TemporaryDirectory(prefix="zoo-", dir=memory if roomy else None) as name:
        yield Path(name)


def _rows(play: Play, hours: float) -> int:
    return int(hours * 3600 / play.site.interval_s)


def _verdict(play: Play, station: ZooStation, first: int, end: int) -> Verdict:
    received = [one for one in station.received if one.message.occasion is not Occasion.WELL]
    days = (end - first) * play.site.interval_s / DAY_S
    common = {"days": days, "looks": station.looks, **_cells(play, station, first, end)}
    if play.fault is None:
        false = tuple(_words(play, one) for one in received)
        return Verdict(play.name, "", false=false, complaints=false, **common)
    found = _about(play, play.fault, station, received)
    verdict = Verdict(play.name, play.fault.number, play.fault.name, **common, **found)
    complaints = tuple(_errors(verdict))
    return Verdict(**{**asdict(verdict), "complaints": complaints})


def _about(
    play: Play, fault: Fault, station: ZooStation, received: Sequence[ReceivedMessage]
) -> Mapping[str, object]:
    mine = [one for one in received if _concerns(fault, station, one)]
    others = [one for one in received if one not in mine]
    begun_ns = station.time_ns(fault.first)
    reported = [one for one in mine if one.message.occasion is Occasion.OPENED]
    latency_ns = reported[0].time_ns - begun_ns if reported else None
    counts = {name: sum(one.message.occasion.value == name for one in mine) for name in OCCASIONS}
    return {
        "reported": bool(reported),
        "right": bool(reported) and _names(fault, station, reported[0]),
        "first": _words(play, reported[0]) if reported else "",
        "latency_intervals": latency_ns / play.site.interval_ns
        if reported and latency_ns
        else None,
        "latency_h": latency_ns / 3.6e12 if reported and latency_ns else None,
        "goal_h": fault.latency_h,
        "ends_in_play": fault.end + _rows(play, _after_h(fault)) <= play.end,
        "false": tuple(_words(play, one) for one in others),
        **counts,
    }


def _concerns(fault: Fault, station: ZooStation, one: ReceivedMessage) -> bool:
    """Whether a message came of the fault: not before it, and about something that it touches."""
    if one.incident is None or one.time_ns < station.time_ns(fault.first):
        return False
    every = {"*", "time"} & set(fault.columns)
    touched = station.site.channels if every else fault.columns
    below = set(_channels(station.nodes, one.incident.cause))
    is_supply = station.nodes[one.incident.cause].kind is NodeKind.SUPPLY
    return is_supply or bool(below & set(touched))


def _names(fault: Fault, station: ZooStation, one: ReceivedMessage) -> bool:
    """Whether the node that a message names is the cause: what hangs on it is what fails."""
    assert one.incident is not None
    node = station.nodes[one.incident.cause]
    if fault.cause == "supply":
        return node.kind is NodeKind.SUPPLY
    if fault.cause in SAYS:
        return one.incident.what is SAYS[fault.cause]
    hangs = set(_channels(station.nodes, node.id))
    wanted = station.site.hangs_on(fault.cause) or set(fault.columns)
    why = str(one.incident.numbers.get("why", ""))
    if hangs != wanted and any(why.endswith(f"against {column}") for column in wanted):
        return True  # one of two probes, and both are named
    right = hangs == wanted and node.kind is not NodeKind.SUPPLY
    return right and node.label.split(" ")[0] in one.message.text + one.message.title


def _channels(nodes: Mapping[str, Node], cause: str) -> Iterator[str]:
    tree = Situation(0, 0, nodes)
    for node in nodes.values():
        if node.kind is NodeKind.CHANNEL and cause in above(tree, node.id):
            yield node.name


def _errors(one: Verdict) -> Iterator[str]:
    """What the issue asks of each fault, where it is not so."""
    if not one.reported:
        yield "nothing was sent of it"
        return
    if not one.right:
        yield f"the first message names another cause: {one.first}"
    if one.fault in SILENT and (one.latency_intervals or 0) > SILENCE_INTERVALS:
        yield f"silence took {one.latency_intervals:.1f} intervals to be sent"
    if one.opened + one.changed != 1 and (one.fault in ONE_MESSAGE or one.opened != 1):
        yield f"{one.opened} messages opened and {one.changed} changed it, not one"
    if one.ends_in_play and one.resolved != 1:
        yield f"{one.resolved} messages ended it, not one"
    yield from (f"false: {words}" for words in one.false)


def _words(play: Play, one: ReceivedMessage) -> str:
    row = (one.time_ns - START_NS) / play.site.interval_ns
    cause = one.incident.cause if one.incident else "-"
    return f"row {row:.1f} {one.message.occasion} {cause}: {one.message.title}"


def _cells(play: Play, station: ZooStation, first: int, end: int) -> dict[str, int]:
    """How many bad cells have no number or a flag, and how many good ones have one.

    While a visit or pause goes on a flag is what it should be.
    """
    pauses = [(a, b) for a, b, what in play.pauses if "irrig" not in what]
    declared = {row for a, b in pauses for row in range(a, b)}
    counts = dict.fromkeys(("cells", "found_cells", "good_cells", "flagged_good"), 0)
    for column in play.site.channels:
        passed = station.passed[column]
        for row in range(first, end):
            if (row, column) in play.cells:
                counts["cells"] += 1
                counts["found_cells"] += row not in passed
            elif play.rows.get(row, {}).get(column) and row not in declared:
                counts["good_cells"] += 1
                counts["flagged_good"] += row not in passed
    return counts


# -- the report ------------------------------------------------------------------------------------


def report(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Recall of incidents and rows by fault, what was sent, and what was false."""
    by_fault = defaultdict[str, list[Verdict]](list)
    for one in verdicts:
        by_fault[one.fault].append(one)
    yield (
        "fault  incidents  sent  right cause  late  intervals: median  most   opened  changed"
        "  repeated  resolved  rows found"
    )
    for fault in sorted(by_fault.keys() - {""}):
        own = by_fault[fault]
        yield _fault_line(fault, own)
    yield from _totals(verdicts)


def _fault_line(fault: str, own: Sequence[Verdict]) -> str:
    waits = [one.latency_intervals for one in own if one.latency_intervals is not None] or [0.0]
    late = sum(one.latency_h is None or one.latency_h > one.goal_h for one in own)
    cells, found = sum(one.cells for one in own), sum(one.found_cells for one in own)
    sums = [sum(getattr(one, n) for one in own) for n in ("reported", "right")]
    sent = [
        sum(getattr(one, n) for one in own) for n in ("opened", "changed", "repeated", "resolved")
    ]
    return (
        f"{fault:<6} {len(own):>9} {sums[0]:>5} {sums[1]:>12} {late:>5} {median(waits):>18.1f}"
        f" {max(waits):>5.1f} {sent[0]:>8} {sent[1]:>8} {sent[2]:>9} {sent[3]:>9}"
        f"  {found} of {cells} ({found / max(1, cells):.1%})"
    )


def _totals(verdicts: Sequence[Verdict]) -> Iterator[str]:
    bases = [one for one in verdicts if one.fault == ""]
    faults = [one for one in verdicts if one.fault]
    reported, right = sum(one.reported for one in faults), sum(one.right for one in faults)
    n = max(1, len(faults))
    sent = f"incidents sent: {reported} of {len(faults)} ({reported / n:.1%})"
    yield f"{sent}, right cause: {right / n:.1%}"
    days, false = sum(one.days for one in bases), sum(len(one.false) for one in bases)
    around = sum(len(one.false) for one in faults)
    yield (
        f"false messages: {false} in {days:.0f} plot-days of {len(bases)} bases,"
        f" {around} in {sum(one.days for one in faults):.0f} plot-days around faults"
    )
    good, flagged = (sum(getattr(one, k) for one in bases) for k in ("good_cells", "flagged_good"))
    yield f"flags on good rows of the bases: {flagged} of {good} ({flagged / max(1, good):.2%})"
    yield from _lines_of(verdicts)


def _lines_of(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for one in verdicts:
        yield from (f"{one.name}: {complaint}" for complaint in one.complaints)
