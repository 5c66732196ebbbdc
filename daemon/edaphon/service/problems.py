"""What is wrong now, for status and page: incidents first, then what is none (yet).

A sentence goes with the node and the condition that say the same: once an open incident has
that condition, the incident's words stand for it.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edaphon.alerts.model import Incident, Severity, What
from edaphon.databases import StorageFault
from edaphon.derive.plan import lost_facts_text
from edaphon.facts.swaps import contradictions, explanations
from edaphon.journal.salvage import open_losses
from edaphon.service.deriving import aside_rows, aside_words
from edaphon.service.disk import Room
from edaphon.service.file_lines import REFUSED_IS_A_PROBLEM_NS, line_rows, refusal_problems
from edaphon.service.file_notes import loss_problems
from edaphon.service.floods import flood_problems
from edaphon.service.outputs import broker_words, dead_letter_words, set_aside_words
from edaphon.service.planned import planned_now
from edaphon.service.source_state import failing_words, silent_words
from edaphon.service.watching.alerting import Writer

if TYPE_CHECKING:
    from edaphon.service.service import Service

__all__ = ["NOT_KEPT", "incident_rows", "is_wrong", "problems", "urgency"]

Sentence = tuple[str, tuple[What, ...], str]  # node, conditions that say the same, the sentence
_NO_DATA = frozenset({What.SILENT, What.NO_NUMBER})
_SINK = What.SINK_AWAY, What.SINK_BLOCKED


def is_wrong(incident: Incident) -> bool:
    """Not where all is well again and it is kept open for a while, in case it comes back."""
    return not incident.quiet_ns and not incident.resolved_ns


NOT_KEPT = "records wait in memory: the journal can't be written"


def incident_rows(service: "Service", language: str = "en") -> list[dict[str, Any]]:
    """The open incidents in the words of their messages, in the order of `urgency`."""
    writer, nodes = Writer(service.config, language), service.alerts.nodes
    now_ns = service.keeper.now_ns()
    ordered = sorted(service.alerts.kept.shown.open, key=lambda one: urgency(one, now_ns))
    return [incident_row(one, writer, nodes, now_ns) for one in ordered]


def urgency(one: Incident, now_ns: int) -> tuple[bool, bool, int, int]:
    """A sort key: wrong and not acknowledged, acknowledged, well again; the worst and oldest."""
    is_acknowledged = now_ns < one.acknowledged_until_ns
    return not is_wrong(one), is_acknowledged, list(Severity).index(one.severity), one.number


def incident_row(
    one: Incident, writer: Writer, nodes: Mapping[str, Any], now_ns: int
) -> dict[str, Any]:
    message = writer.incident(one, nodes, now_ns)
    return {
        "number": one.number,
        "severity": one.severity.value,
        "what": one.what.value,
        "cause": one.cause,
        "cause_label": nodes[one.cause].label if one.cause in nodes else one.cause,
        "members": [nodes[id].label if id in nodes else id for id in one.members],
        "since_ns": one.since_ns,
        "opened_ns": one.opened_ns,
        "wrong": is_wrong(one),
        "acknowledged_until_ns": one.acknowledged_until_ns,
        "acknowledged_by": one.acknowledged_by,
        "why": one.why,
        "title": message.title,
        "short": message.short,
        "text": message.text,
    }


def problems(
    service: "Service", room: Room, sources: list[dict[str, Any]], channels: list[dict[str, Any]]
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
    service: "Service", room: Room, sources: list[dict[str, Any]], channels: list[dict[str, Any]]
) -> Iterator[Sentence]:
    for words in room.problems():
        # that nothing is kept stands in these words too, whatever incident says more of it
        yield "disk", () if room.full else _disk(words), f"disk: {words}"
    for who, why in sorted(service.problem.items()):
        yield *_subject(service, who), f"{who}: {why}"
    yield from _of_sources(service)
    yield from _of_outlets(service)
    for loss in open_losses(service.journal.copies):  # one incident of all; each has its own words
        yield "journal", (), f"journal: {loss.words}"
    for words in lost_facts_text(service.deriver.lost_facts):
        yield "", (), words
    for words in aside_words(aside_rows(service)):
        yield "", (), words
    yield from _of_storage(service)
    for source in sources:
        for words in silent_words([source], service.problem):
            yield f"source {source['path']}", (What.SILENT, What.PORT_LOST), words
    for channel in channels:
        for words in failing_words([channel]):
            whats = (What.FAILURE_CODE, What.NO_NUMBER) if _is_missing(channel) else ()
            yield f"channel {channel['id']}", whats, words


def _of_storage(service: "Service") -> Iterator[Sentence]:
    """Files of the storage folder that refuse, were set aside, or are not what was written."""
    if (fault := service.journal.fault) not in {None, StorageFault.FULL}:  # the disk says that
        yield "journal", (), f"journal: {NOT_KEPT}: {fault}"
    if service.state.moved and "file state.sqlite" not in service.problem:
        yield "", (), f"file state.sqlite: {service.state.moved}"
    act = "take its file from a copy; once it is noted, `edaphon salvage --acknowledge`"
    for name, altered in service.stored.altered.items():
        for words in altered:
            yield "", (), f"release {name}: {words}; {act}"


def _disk(words: str) -> tuple[What, ...]:
    return (What.DISK_FILLS,) if "days left" in words else ()


def _is_missing(channel: Mapping[str, Any]) -> bool:
    return channel["latest"] is not None and channel["latest"]["raw"] is None


def _subject(service: "Service", who: str) -> tuple[str, tuple[What, ...]]:
    """The node that a sentence of the service is about, and what it says of it."""
    config = service.config
    if who.startswith("sink "):
        return who, _SINK
    if who.startswith("broker "):
        return who, (What.BROKER_LOST,)
    paths = {source.path for source in config.sources}
    if who in paths:
        bus = f"bus {who.partition('/')[0]}"
        return (bus, (What.PORT_LOST,)) if who in service.inlets.streams else _silent(who)
    return "", ()


def _silent(path: str) -> tuple[str, tuple[What, ...]]:
    return f"source {path}", (What.SILENT, What.PORT_LOST)


def _of_sources(service: "Service") -> Iterator[Sentence]:
    """Of what instruments, devices and files sent."""
    state, now = service.deriver.state, service.keeper.now_ns()
    answers = {s.path: state.serials.get(s.path, "") for s in service.config.sources}
    found = contradictions(answers, service.deriver.knowledge, now, state.told_ns)
    for words in explanations(found):
        path = words.partition(" ")[0]
        yield f"source {path}", (What.WRONG_SENSOR,), words
    for words in refusal_problems(line_rows(state.files), now):
        yield "", (), words
    for words in loss_problems(service.inlets.followers, now, service.config.site.utc_offset_s):
        yield "", (), words
    for words in _uplink_problems(service, now):
        yield "", (), words
    floods, brokers = service.inlets.floods.all(), service.config.brokers
    for name, words in flood_problems(floods, brokers, now):
        yield ("broker " if name in brokers else "source ") + name, (What.FLOOD,), words


def _of_outlets(service: "Service") -> Iterator[Sentence]:
    for name in service.sinks:
        for words in set_aside_words({name: service.state.count_set_aside(name)}):
            yield f"sink {name}", (What.SET_ASIDE,), words
    counts = service.deriver.state.counts
    for words in dead_letter_words(counts.dead, counts.records):
        yield "", (), words
    for words in broker_words(service.inlets.readers):
        yield "", (), words


def _uplink_problems(service: "Service", now_ns: int) -> Iterator[str]:
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
