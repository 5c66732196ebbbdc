"""The alerts of a running service: receivers, signs of life, incidents, and requests about them.

The service's own health goes as rows to InfluxDB: measurement `edaphon_health`, one row of the
service, and one of each source with its age. A rule of the server's side says that the service is
dead when no row came for three hours.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from edaphon.alerts.book import Book, KeptBook
from edaphon.alerts.due import Due, ReceiverRules, is_weekly_due, last_weekly, waiting
from edaphon.alerts.heartbeat import Beat, Mouth, Pulse, Url
from edaphon.alerts.look import Situation, Week, unheard
from edaphon.alerts.model import (
    Incident,
    Message,
    Node,
    Occasion,
    Receiver,
    SendLater,
    SendRefused,
    Severity,
)
from edaphon.alerts.notifier import Notifier, Post, Sender, UnknownIncident
from edaphon.alerts.words import plain
from edaphon.clock import DAY_NS
from edaphon.config import Configuration, Notify, SinkTable
from edaphon.journal.journal import JournalClosed
from edaphon.service.deriving import opened_sink
from edaphon.service.look import Watcher
from edaphon.service.station_tree import plot_nodes
from edaphon.sinks.lines import escaped_tag
from edaphon.sinks.sink import Sink, TakesLines
from edaphon.storage.client import DaemonRefuses
from edaphon.toml_input.values import http_place, revealed

if TYPE_CHECKING:
    from edaphon.alerts.words import Letter
    from edaphon.service.service import Service

MEASUREMENT = "edaphon_health"
_log = logging.getLogger("edaphon")
WEEK_NS = 7 * DAY_NS
HEALTH_AFTER_S = 240.0  # a service that starts again and again is not well
HEALTH_KINDS = ("influxdb",)


class HealthRows:
    """See Mouth; `sink` is one of its own, or a full one would keep the rows waiting."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def beat(self, beat: Beat) -> None:
        if isinstance(self._sink, TakesLines):
            self._sink.write_lines(health_lines(beat))

    def close(self) -> None:
        self._sink.close()


def health_lines(beat: Beat) -> bytes:
    """Line protocol; every number is a float, and an age that nobody knows is absent."""
    head = f"{MEASUREMENT},logger={escaped_tag(beat.logger)},site={escaped_tag(beat.site)}"
    ages = [age for age in beat.ages_s.values() if age is not None]
    fields = {
        "open_incidents": float(beat.open_incidents),
        "undelivered": float(beat.undelivered),
        **({"newest_age_s": min(ages), "oldest_age_s": max(ages)} if ages else {}),
    }
    written = ",".join(f"{name}={value!r}" for name, value in fields.items())
    lines = [f"{head} {written} {beat.time_ns}"]
    lines += [
        f"{head},source={escaped_tag(path)} age_s={float(age)!r} {beat.time_ns}"
        for path, age in sorted(beat.ages_s.items())
        if age is not None
    ]
    return ("\n".join(lines) + "\n").encode()


def notifier_of(service: "Service", every_s: float) -> Notifier:
    """What watches this service, a look each `every_s`; nothing of it runs yet."""
    config, watcher = service.config, Watcher(service)
    kept = KeptBook(service.journal, service.state, service.keeper.entry)
    now_ns = service.keeper.now_ns
    posts = [_post(service, watcher, kept, notify) for notify in config.notify]
    senders = [Sender(post, kept, now_ns) for post in posts]
    beat_every_s = config.alerts.heartbeat_every_ns / 1e9
    pulses = list(_pulses(service))
    return Notifier(watcher, kept, senders, pulses, beat_every_s, config.site.id, every_s)


def _post(service: "Service", watcher: Watcher, kept: KeptBook, notify: Notify) -> Post:
    config, now_ns = service.config, service.keeper.now_ns
    writer, alerts = MessageWriter(config, notify.language), config.alerts

    def well(time_ns: int) -> Message | None:
        """The weekly report to whoever is sent what is being lost."""
        if not alerts.weekly or Severity.LOST not in notify.classes:
            return None
        offset_s = config.site.utc_offset_s
        due_ns = last_weekly(time_ns, alerts.weekly_day, alerts.weekly_time, offset_s)
        situation = watcher.situation
        before_ns = kept.well_ns(notify.name), kept.since_ns
        if situation is None or not is_weekly_due(time_ns, due_ns, before_ns):
            return None
        since_ns = max(time_ns - WEEK_NS, kept.since_ns)
        return writer.well(kept.book, situation, watcher.days.week(service), since_ns)

    return Post(
        rules_of(config, notify),
        partial(receiver_of, config, notify),
        lambda due, book: writer.due(due, book, watcher.nodes, now_ns()),
        well,
    )


def _pulses(service: "Service") -> Iterator[Pulse]:
    """The ways out of signs of life that are configured; each opens with its first one."""
    config, alerts = service.config, service.config.alerts
    if (url := alerts.heartbeat_url) is not None:
        yield Pulse("heartbeat", lambda: Url(http_place(revealed(url).strip())))
    if alerts.heartbeat_broker and alerts.heartbeat_topic:
        yield Pulse(f"heartbeat at {alerts.heartbeat_broker}", partial(_retained, config))
    for sink in config.sinks:
        if sink.kind in HEALTH_KINDS:
            yield Pulse(f"health in {sink.name}", partial(_rows, service, sink), HEALTH_AFTER_S)


def _retained(config: Configuration) -> Mouth:
    from edaphon.alerts.heartbeat import Retained

    alerts = config.alerts
    broker = config.brokers[alerts.heartbeat_broker or ""]
    client = f"edaphon-{config.logger.id}-alive"
    return Retained(broker, alerts.heartbeat_topic or "", client)


def _rows(service: "Service", sink: SinkTable) -> Mouth:
    return HealthRows(opened_sink(sink, service.channels))


def rules_of(config: Configuration, notify: Notify) -> ReceiverRules:
    return ReceiverRules(
        name=notify.name,
        classes=frozenset(Severity(name) for name in notify.classes),
        hours=notify.hours,
        offset_s=config.site.utc_offset_s,
        after_ns=notify.after_ns or 0,
        language=notify.language,
    )


def receiver_of(config: Configuration, notify: Notify) -> Receiver:
    """Opened; what only some plots use is imported where it is needed."""
    from edaphon.alerts.receivers import context_of, opened

    return opened(notify, context_of(config))


class MessageWriter:
    """Writes what is due in one language; what it needs is imported with the first message."""

    def __init__(self, config: Configuration, language: str) -> None:
        self._config, self._language = config, language

    def _letter(self, nodes: Mapping[str, Node], now_ns: int) -> "Letter":
        from edaphon.alerts.words import Letter, Location

        site, link = self._config.site, self._config.alerts.page_url
        place = Location(site.name or site.id, site.utc_offset_s)
        return Letter(nodes, self._language, place, now_ns, link)

    def incident(
        self,
        one: Incident,
        nodes: Mapping[str, Node],
        now_ns: int,
        occasion: Occasion = Occasion.OPENED,
    ) -> Message:
        from edaphon.alerts.words import message

        letter = replace(self._letter(nodes, now_ns), sheets=self._config.sheets)
        try:
            return message(letter, one, occasion)
        except Exception as error:  # a text that lacks something must not hide what is wrong
            return self._plain([one], occasion, now_ns, error)

    def due(self, due: Due, book: Book, nodes: Mapping[str, Node], now_ns: int) -> Message:
        from edaphon.alerts.due import summary, visit_ended

        if due.occasion is Occasion.VISIT_ENDED:
            return visit_ended(self._letter(nodes, now_ns), book.visits[due.visit].nodes)
        known = [book.incidents[number] for number in due.numbers if number in book.incidents]
        if due.occasion is not Occasion.SUMMARY and len(known) == 1:
            return self.incident(known[0], nodes, now_ns, due.occasion)
        try:
            return summary(self._letter(nodes, now_ns), known)
        except Exception as error:  # as above
            return self._plain(known, due.occasion, now_ns, error)

    def _plain(
        self, incidents: list[Incident], occasion: Occasion, now_ns: int, error: Exception
    ) -> Message:
        _log.warning("texts of a message failed: %s: %s", type(error).__name__, error)
        return plain(incidents, occasion, now_ns, f"{type(error).__name__}: {error}")

    def well(self, book: Book, now: Situation, week: Week, since_ns: int) -> Message:
        """The weekly report: what gave data since then, what came and went."""
        from edaphon.alerts.due import well

        ended = sum(one.resolved_ns > since_ns for one in book.incidents.values())
        sources = sum((one.last_ns or 0) > since_ns for one in now.sources)
        channels = sum((one.last_number_ns or 0) > since_ns for one in now.channels)
        letter = self._letter(now.nodes, now.now_ns)
        return well(letter, book.open, ended, sources, channels, since_ns, week)

    def trial(self, now_ns: int) -> Message:
        from edaphon.alerts.due import trial

        return trial(self._letter({}, now_ns))


def tried(name: str, send: Callable[[Message], None], message: Message) -> dict[str, str]:
    """What became of a message that is sent now: "taken", "refused" or "later", and why."""
    try:
        send(message)
    except SendRefused as no:
        return {"receiver": name, "result": "refused", "why": str(no)}
    except SendLater as later:
        return {"receiver": name, "result": "later", "why": later.why}
    return {"receiver": name, "result": "taken", "why": ""}


def is_wrong(incident: Incident) -> bool:
    """Not where all is well again and it is kept open for a while, in case it comes back."""
    return not incident.quiet_ns and not incident.resolved_ns


def incident_rows(service: "Service", language: str = "en") -> list[dict[str, Any]]:
    """The open incidents in the words of their messages, in the order of `urgency`."""
    writer, nodes = MessageWriter(service.config, language), service.alerts.nodes
    now_ns = service.keeper.now_ns()
    ordered = sorted(service.alerts.kept.shown.open, key=lambda one: urgency(one, now_ns))
    return [incident_row(one, writer, nodes, now_ns) for one in ordered]


def urgency(one: Incident, now_ns: int) -> tuple[bool, bool, int, int]:
    """A sort key: wrong and not acknowledged, acknowledged, well again; the worst and oldest."""
    is_acknowledged = now_ns < one.acknowledged_until_ns
    return not is_wrong(one), is_acknowledged, list(Severity).index(one.severity), one.number


def incident_row(
    one: Incident, writer: MessageWriter, nodes: Mapping[str, Any], now_ns: int
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


def answer(service: "Service", request: Mapping[str, Any]) -> dict[str, Any]:
    match request["do"]:
        case "ack":
            return _acknowledged(service, request)
        case "test":
            return {"sent": _tested(service, str(request["receiver"]))}
        case "unheard":
            return {"unheard": _unheard(service, str(request["plot"]))}
    return _listed(service)


def _listed(service: "Service") -> dict[str, Any]:
    alerts = service.alerts
    now_ns = service.keeper.now_ns()
    return {
        "known": alerts.kept.ready,
        "incidents": incident_rows(service),
        "undelivered": alerts.undelivered(now_ns),
        "receivers": [
            _receiver(name, one, alerts.book, now_ns) for name, one in alerts.senders.items()
        ],
    }


def _receiver(name: str, one: Sender, book: Book, now_ns: int) -> dict[str, Any]:
    found = {"name": name, "refuses": one.refuses, "delayed": one.delayed, "hangs": one.hangs}
    waits, until_ns = waiting(book, one.rules, now_ns)
    return found | {"waiting": waits, "waiting_until_ns": until_ns}


def _acknowledged(service: "Service", request: Mapping[str, Any]) -> dict[str, Any]:
    number, now_ns = int(request["number"]), service.keeper.now_ns()
    until_ns = now_ns + int(request["for_ns"])
    try:
        service.alerts.acknowledge(
            number,
            now_ns,
            until_ns,
            str(request["who"]),
            str(request["why"]),
            str(request.get("account", "")),
        )
    except UnknownIncident:
        numbers = ", ".join(str(one.number) for one in service.alerts.book.open) or "none"
        raise DaemonRefuses(
            f"expected the number of an open incident ({numbers}), got {number}"
        ) from None
    except JournalClosed:
        raise DaemonRefuses("the service stops now; ask again when it runs") from None
    return {"until_ns": until_ns}


def _unheard(service: "Service", plot: str) -> list[dict[str, Any]]:
    """What of a plot does not speak yet, by the last look."""
    situation = service.alerts.situation
    if situation is None:
        raise DaemonRefuses("the service starts just now; ask again in a minute")
    nodes = situation.nodes
    return [
        {"node": one.node, "label": f"{nodes[one.node].kind} {nodes[one.node].label}"}
        | {"last_ns": one.last_ns}
        for one in unheard(situation, plot_nodes(nodes, plot))
    ]


def _tested(service: "Service", receiver: str) -> list[dict[str, str]]:
    """What became of a test message, for each receiver that is meant."""
    found: list[dict[str, str]] = []
    for notify in service.config.notify:
        if receiver in {"", notify.name}:
            message = MessageWriter(service.config, notify.language).trial(service.keeper.now_ns())
            sender = service.alerts.senders[notify.name]
            found.append(tried(notify.name, sender.send, message))
    return found
