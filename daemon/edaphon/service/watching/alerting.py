"""The alerts of a running service: its receivers and signs of life, by the configuration."""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from edaphon.alerts.book import Book
from edaphon.alerts.due import Due, ReceiverRules
from edaphon.alerts.heartbeat import Mouth, Pulse, Url
from edaphon.alerts.incidents import KeptBook
from edaphon.alerts.look import Situation, Week
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
from edaphon.alerts.notifier import Notifier, Post, Sender
from edaphon.alerts.reports import is_weekly_due, last_weekly
from edaphon.alerts.words import plain
from edaphon.clock import DAY_NS
from edaphon.config import Configuration, Notify
from edaphon.config import Sink as SinkTable
from edaphon.service.watching.health import HealthRows
from edaphon.service.watching.look import Watcher
from edaphon.toml_input.values import http_place, revealed

if TYPE_CHECKING:
    from edaphon.alerts.words import Location
    from edaphon.service.service import Service

__all__ = ["Writer", "notifier_of", "receiver_of", "rules_of", "tried"]

_log = logging.getLogger("edaphon")
WEEK_NS = 7 * DAY_NS
HEALTH_AFTER_S = 240.0  # a service that starts again and again is not well
HEALTH_KINDS = ("influxdb",)


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
    writer, alerts = Writer(config, notify.language), config.alerts

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
    from edaphon.alerts.heartbeat import Retained  # no other plot pays for it

    alerts = config.alerts
    broker = config.brokers[alerts.heartbeat_broker or ""]
    client = f"edaphon-{config.logger.id}-alive"
    return Retained(broker, alerts.heartbeat_topic or "", client)


def _rows(service: "Service", sink: SinkTable) -> Mouth:
    return HealthRows(service.open_sink(sink))


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
    from edaphon.alerts.receivers.kinds import context_of, opened

    return opened(notify, context_of(config))


class Writer:
    """Writes what is due in one language; what it needs is imported with the first message."""

    def __init__(self, config: Configuration, language: str) -> None:
        self._config, self._language = config, language

    @property
    def _place(self) -> "Location":
        from edaphon.alerts.words import Location

        site = self._config.site
        return Location(site.name or site.id, site.utc_offset_s)

    def incident(
        self,
        one: Incident,
        nodes: Mapping[str, Node],
        now_ns: int,
        occasion: Occasion = Occasion.OPENED,
    ) -> Message:
        from edaphon.alerts.words import message

        link, sheets = self._config.alerts.page_url, self._config.sheets
        where = self._language, self._place, now_ns, link
        try:
            return message(one, occasion, nodes, *where, sheets)
        except Exception as error:  # a text that lacks something must not hide what is wrong
            return self._plain([one], occasion, now_ns, error)

    def due(self, due: Due, book: Book, nodes: Mapping[str, Node], now_ns: int) -> Message:
        from edaphon.alerts.reports import summary, visit_ended

        if due.occasion is Occasion.VISIT_ENDED:
            unheard, link = book.visits[due.visit].nodes, self._config.alerts.page_url
            return visit_ended(unheard, nodes, self._language, self._place, now_ns, link)
        known = [book.incidents[number] for number in due.numbers if number in book.incidents]
        if due.occasion is not Occasion.SUMMARY and len(known) == 1:
            return self.incident(known[0], nodes, now_ns, due.occasion)
        where = self._language, self._place, now_ns, self._config.alerts.page_url
        try:
            return summary(known, nodes, *where)
        except Exception as error:  # as above
            return self._plain(known, due.occasion, now_ns, error)

    def _plain(
        self, incidents: list[Incident], occasion: Occasion, now_ns: int, error: Exception
    ) -> Message:
        _log.warning("texts of a message failed: %s: %s", type(error).__name__, error)
        return plain(incidents, occasion, now_ns, f"{type(error).__name__}: {error}")

    def well(self, book: Book, now: Situation, week: Week, since_ns: int) -> Message:
        """The weekly report: what gave data since then, what came and went."""
        from edaphon.alerts.reports import well

        ended = sum(one.resolved_ns > since_ns for one in book.incidents.values())
        sources = sum((one.last_ns or 0) > since_ns for one in now.sources)
        channels = sum((one.last_number_ns or 0) > since_ns for one in now.channels)
        return well(
            book.open,
            ended,
            sources,
            channels,
            since_ns,
            now.nodes,
            self._language,
            self._place,
            now.now_ns,
            self._config.alerts.page_url,
            week,
        )

    def trial(self, now_ns: int) -> Message:
        from edaphon.alerts.reports import trial

        return trial(self._language, self._place, now_ns, self._config.alerts.page_url)


def tried(name: str, send: Callable[[Message], None], message: Message) -> dict[str, str]:
    """What became of a message that is sent now: "taken", "refused" or "later", and why."""
    try:
        send(message)
    except SendRefused as no:
        return {"receiver": name, "result": "refused", "why": str(no)}
    except SendLater as later:
        return {"receiver": name, "result": "later", "why": later.why}
    return {"receiver": name, "result": "taken", "why": ""}
