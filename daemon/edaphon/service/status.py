"""What the daemon shows as its status: counts of both ledgers, and what is wrong now.

Incidents come first, then what is none (yet). A sentence goes with the node and the condition that
say the same: once an open incident has that condition, the incident's words replace it.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from edaphon import __version__
from edaphon.alerts.model import What
from edaphon.config import ScheduledSource
from edaphon.databases import StorageFault
from edaphon.derive.plan import lost_facts_text, missing_text
from edaphon.derive.state import UplinkConflicts
from edaphon.facts.conflicts import contradictions, explanations
from edaphon.journal.salvage import open_losses
from edaphon.model import Observations
from edaphon.printer import as_json
from edaphon.service.alerting import incident_rows, is_wrong
from edaphon.service.deriving import aside_rows, aside_words
from edaphon.service.disk import Room
from edaphon.service.look import source_state, source_times
from edaphon.service.notes import (
    REFUSED_IS_A_PROBLEM_NS,
    broker_words,
    dead_letter_words,
    file_notes,
    flood_problems,
    flood_rows,
    line_rows,
    loss_problems,
    refusal_problems,
    set_aside_words,
)
from edaphon.service.prerequisites import lacking_outlets
from edaphon.service.service import Service
from edaphon.service.station_tree import Planned, planned_now, visit_rows
from edaphon_calibration.checks import Flag

Sentence = tuple[str, tuple[What, ...], str]  # node, conditions that say the same, the sentence
_NO_DATA = frozenset({What.SILENT, What.NO_NUMBER})
_SILENT = What.SILENT, What.PORT_LOST
_SINK = What.SINK_AWAY, What.SINK_BLOCKED
COLUMNS = ["time_ns", "start_ns", "raw", "value", "u_random", "u_systematic", "flag", "sequence"]
NOT_KEPT = "records wait in memory: the journal can't be written"


def status_table(service: Service, failed_requests: int) -> dict[str, Any]:
    """The answer to `status`; `failed_requests` ended by an error of this program."""
    config = service.config
    site = config.site
    room = service.room()
    planned = planned_now(service)
    sources = [_source(service, source, planned) for source in config.sources]
    channels = [_channel(service, id) for id in sorted(service.channels)]
    last = service.journal.last
    last_ns = service.received_ns(last)
    return {
        "site": {"id": site.id, "name": site.name, "utc_offset_s": site.utc_offset_s},
        "logger": config.logger.id,
        "version": __version__,
        "packages": service.packages,
        "now_ns": service.clock.wall_ns(),
        "since_ns": service.since_ns,
        "clock": {"known": bool(service.clock_watch.how), "how": service.clock_watch.how},
        "journal": {
            "entries": service.journal.length,
            "last_ns": last_ns,
            "position": str(service.deriver.position),
        },
        "ledgers": ledgers(service),
        "failed_requests": failed_requests,
        "sources": sources,
        "file_lines": as_json(line_rows(service.deriver.state.files)),
        "sinks": [_sink(service, name) for name in service.sinks],
        "channels": channels,
        "floods": flood_rows(service.sources.floods.all()),
        "files": list(file_notes(service.sources.followers, site.utc_offset_s)),
        "again": service.deriver.pending,
        "aside": aside_rows(service.guard, service.journal),
        "imports": [
            {"source": path, **progress._asdict()}
            for path, follower in service.sources.followers.items()
            for progress in follower.imports
        ],
        "disk": {"text": room.text, **room._asdict()},
        "jobs": service.jobs.rows(service.clock.wall_ns()),
        "visits": visit_rows(service),
        "incidents": incident_rows(service),
        "trouble": problems(service, room, sources, channels),
    }


def _source(service: Service, source: Any, planned: Planned) -> dict[str, Any]:
    found = source_times(service, source)
    state, detail = kept_state(source_state(found), service.journal.is_failing)
    account, known = None, service.deriver.state
    if isinstance(source, ScheduledSource):
        account = service.sources.samplers[source.bus].accounts[source.path]
    return {
        "path": source.path,
        "model": source.model or "own fields",
        "last_ns": None if found.held else found.last_ns,
        "interval_ns": found.interval_ns,
        "state": "silent" if account and account.gap else state,
        "detail": account.gap.cause if account and account.gap else detail,
        "planned": planned.kind(f"source {source.path}"),
        "notes": known.notes.get(source.path, {}),
        "missed_uplinks": known.uplinks_missed.get(source.path, 0),
        "conflicting_uplinks": known.uplink_conflicts.get(source.path, UplinkConflicts()).n,
    }


def _sink(service: Service, name: str) -> dict[str, Any]:
    parts = service.sinks[name]
    state = parts.delivery.state
    return {
        "name": name,
        "kind": parts.config.kind,
        "up": state.up,
        "why": state.why,
        "blocked": state.blocked,
        "since_ns": state.since_ns,
        "notices": list(parts.delivery.notices),
    }


def _channel(service: Service, id: str) -> dict[str, Any]:
    channel = service.channels[id]
    return {
        "id": id,
        "quantity": channel.quantity,
        "unit": channel.unit,
        "site": channel.site,
        "plot": channel.plot,
        "profile": channel.profile,
        "depth_cm": channel.depth_cm,
        "latest": _latest(service.series.latest(id)),
    }


def problems(
    service: Service, room: Room, sources: list[dict[str, Any]], channels: list[dict[str, Any]]
) -> list[str]:
    """What is wrong, not planned, and no incident: sentences, the most urgent first."""
    planned = planned_now(service)
    wrong = [one for one in service.alerts.book.open if is_wrong(one)]
    parts = {part.key for one in wrong for part in one.parts}
    members = {(id, part.what) for one in wrong for part in one.parts for id in one.members}
    known = parts | members
    return [
        words
        for node, whats, words in _sentences(service, room, sources, channels)
        if not any((node, what) in known for what in whats)
        and not (_NO_DATA & set(whats) and planned.kind(node))
    ]


def _sentences(
    service: Service, room: Room, sources: list[dict[str, Any]], channels: list[dict[str, Any]]
) -> Iterator[Sentence]:
    for words in room.problems():
        # that nothing is kept is in these words too, whatever incident says more of it
        fills = "days left" in words and not room.full
        yield "disk", (What.DISK_FILLS,) if fills else (), f"disk: {words}"
    for who, why in sorted(service.problem.items()):
        yield *_subject(service, who), f"{who}: {why}"
    yield from _of_sources(service)
    yield from _of_outlets(service)
    for loss in open_losses(service.journal.copies):  # one incident of all; each has its own words
        yield "journal", (), f"journal: {loss.words}"
    yield from _of_no_node(lost_facts_text(service.deriver.lost_facts))
    yield from _of_no_node(missing_text(service.deriver.plan.missing, service.packages))
    yield from _of_no_node(lacking_outlets(service.packages))
    yield from _of_no_node(aside_words(aside_rows(service.guard, service.journal)))
    yield from _of_storage(service)
    for source in sources:
        for words in silent_words([source], service.problem):
            yield f"source {source['path']}", _SILENT, words
    for channel in channels:
        for words in failing_words([channel]):
            is_missing = channel["latest"] is not None and channel["latest"]["raw"] is None
            whats = (What.FAILURE_CODE, What.NO_NUMBER) if is_missing else ()
            yield f"channel {channel['id']}", whats, words


def _of_no_node(sentences: Iterable[str]) -> Iterator[Sentence]:
    return (("", (), words) for words in sentences)


def _of_storage(service: Service) -> Iterator[Sentence]:
    """Files of the storage folder that refuse, were set aside, or are not what was written."""
    if (fault := service.journal.fault) not in {None, StorageFault.FULL}:  # the disk says that
        yield "journal", (), f"journal: {NOT_KEPT}: {fault}"
    if service.state.moved and "file state.sqlite" not in service.problem:
        yield "", (), f"file state.sqlite: {service.state.moved}"
    act = "take its file from a copy; once it is noted, `edaphon salvage --acknowledge`"
    altered = service.stored.altered.items()
    yield from _of_no_node(f"release {n}: {words}; {act}" for n, own in altered for words in own)


def _subject(service: Service, who: str) -> tuple[str, tuple[What, ...]]:
    """The node that a sentence of the service is about, and what it says of it."""
    config = service.config
    if who.startswith("sink "):
        return who, _SINK
    if who.startswith("broker "):
        return who, (What.BROKER_LOST,)
    paths = {source.path for source in config.sources}
    if who in paths:
        bus = f"bus {who.partition('/')[0]}"
        return (
            (bus, (What.PORT_LOST,))
            if who in service.sources.streams
            else (f"source {who}", _SILENT)
        )
    return "", ()


def _of_sources(service: Service) -> Iterator[Sentence]:
    """Of what instruments, devices and files sent."""
    state, now = service.deriver.state, service.keeper.now_ns()
    answers = {s.path: state.serials.get(s.path, "") for s in service.config.sources}
    found = contradictions(answers, service.deriver.knowledge, now, state.told_ns)
    for words in explanations(found):
        path = words.partition(" ")[0]
        yield f"source {path}", (What.WRONG_SENSOR,), words
    offset_s = service.config.site.utc_offset_s
    yield from _of_no_node(refusal_problems(line_rows(state.files), now))
    yield from _of_no_node(loss_problems(service.sources.followers, now, offset_s))
    yield from _of_no_node(_uplink_problems(service, now))
    floods, brokers = service.sources.floods.all(), service.config.brokers
    for name, words in flood_problems(floods, brokers, now):
        yield ("broker " if name in brokers else "source ") + name, (What.FLOOD,), words


def _of_outlets(service: Service) -> Iterator[Sentence]:
    for name in service.sinks:
        for words in set_aside_words(name, service.state.count_set_aside(name)):
            yield f"sink {name}", (What.SET_ASIDE,), words
    counts = service.deriver.state.counts
    yield from _of_no_node(dead_letter_words(counts.dead, counts.records))
    yield from _of_no_node(broker_words(service.sources.readers))


def _uplink_problems(service: Service, now_ns: int) -> Iterator[str]:
    """Devices of which a frame came again with other bytes lately."""
    for path, found in sorted(service.deriver.state.uplink_conflicts.items()):
        if now_ns - found.received_ns < REFUSED_IS_A_PROBLEM_NS:
            conflicts = "1 conflict" if found.n == 1 else f"{found.n} conflicts"
            yield (
                f"{path}: {conflicts} of uplinks: number {found.f_cnt} came again with other"
                f" bytes (SHA-256 {found.first} stands, {found.further} came; the latter begins"
                f" {found.begins}); expected each frame once: was the device reset, or is"
                " someone sending in its name?"
            )


def silent_words(sources: Iterable[Mapping[str, Any]], known: Container[str]) -> Iterator[str]:
    """Silent sources of no `known` reason; only of one with an interval it is known."""
    for source in sources:
        silent = source["state"] == "silent" and source["interval_ns"] is not None
        if silent and source["path"] not in known:
            why = f" ({source['detail']})" if source["detail"] else ""
            yield f"{source['path']}: silent{why}: check power, cable, address and sender"


def failing_words(channels: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Channels whose newest value failed its checks or is no number."""
    what = {Flag.FAIL: "failed its checks", Flag.MISSING: "is missing: the instrument gave none"}
    for channel in channels:
        latest = channel["latest"]
        if latest is not None and latest["flag"] in what:
            words = f"channel {channel['id']}: the newest value {what[latest['flag']]}"
            yield f"{words}; see `edaphon explain {channel['id']}`"


def ledgers(service: Service) -> dict[str, Any]:
    """The counts of both ledgers, as far as they have come this moment."""
    series, state = service.series, service.deriver.state
    counts = state.counts
    gaps = dict(state.gaps)
    contested = series.count_conflicts()
    journalled = service.deriver.journalled  # before `taken`: what comes meanwhile is on its way
    for gap in service.sources.open_gaps:
        gaps[gap.cause] = gaps.get(gap.cause, 0) + gap.n
    return {
        "taken": service.records_before + service.sources.taken,
        "journalled": journalled,
        "derived": sum(state.derived.values()),
        "current": series.count(),
        **contested._asdict(),
        "entries": {name: getattr(counts, name) for name in type(counts).__slots__},
        "gaps": gaps,
        "delivered": {n: p.delivery.counts.delivered for n, p in service.sinks.items()},
        "set_aside": {n: service.state.count_set_aside(n) for n in service.sinks},
        "waiting": {n: p.feed.waiting() for n, p in service.sinks.items()},
    }


def _latest(run: Observations | None) -> dict[str, Any] | None:
    if run is None:
        return None
    names = ("time_ns", "value", "raw", "u_random", "u_systematic", "flag")
    row = columns_of([run])
    return {name: row[name][0] for name in names}


def columns_of(runs: list[Observations]) -> dict[str, Any]:
    """Observations as lists for JSON; a missing number is null."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for run in runs:
        for name, column in columns.items():
            own = getattr(run, name)
            numbers: list[Any] = own.tolist()
            column += [None if x != x else x for x in numbers] if own.dtype.kind == "f" else numbers
    return columns | {"derivation": [run.derivation for run in runs for _ in range(len(run))]}


def kept_state(state: str, is_failing: bool) -> tuple[str, str]:
    """(state, detail) of a source: while the journal can't be written, silence is not its fault."""
    if not is_failing or state in {"ok", "late"}:
        return state, ""
    return "late", NOT_KEPT
