"""`edaphon alert`: the open incidents, acknowledging them, testing and rehearsing who gets what."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import Annotated, Any

import typer

from edaphon.alerts.book import Book
from edaphon.alerts.due import ReceiverRules
from edaphon.alerts.language import load_language
from edaphon.alerts.look import Situation
from edaphon.alerts.model import Message, Node, NodeKind
from edaphon.alerts.rehearse import (
    FAULTS,
    OTHER_LOGGER,
    STRIKES_NS,
    CannotRehearse,
    Rehearsed,
    ending_at,
    rehearsed,
)
from edaphon.clock import HOUR_NS
from edaphon.commands.options import TRY_AGAIN, USAGE, Config, Json, Who, for_how_long
from edaphon.config import Configuration, FileSource, Notify
from edaphon.facts import FactRow, Knowledge, new_rows
from edaphon.model import EntryId
from edaphon.people import account_name
from edaphon.printer import show_found, show_line
from edaphon.service.alerting import MessageWriter, receiver_of, rules_of, tried
from edaphon.service.check import configured, open_storage, usual_file
from edaphon.service.station_tree import healthy, node_id
from edaphon.storage.access import Storage, fail
from edaphon.storage.client import DaemonOff, DaemonRefuses, DaemonSilent, ask
from edaphon.storage.entered_facts import facts_entered
from edaphon.storage.paths import Layout

SEND_WITHIN_S = 75.0  # a receiver answers within 30 s, after what it is sending just now
RESULTS = {"taken": "taken", "refused": "refused", "later": "not taken now"}
alert = typer.Typer(
    help="List and acknowledge open incidents; send test messages; simulate faults.",
    no_args_is_help=True,
)


@alert.command("list")
def list_(json: Json = False, file: Config = None) -> None:
    """List open incidents, unacknowledged ones first, and messages that receivers refuse.

    Exit 0 even if incidents are open; 75 if the service is not running.
    """
    storage = open_storage(file)
    found = _ask(storage, do="list")
    show_found(json, found, _lines(found, _moments(storage.config)))


def _lines(found: Mapping[str, Any], moment: Callable[[int], str]) -> Iterator[str]:
    for row in found["incidents"]:
        yield f"{row['number']} ({row['severity']}): {row['title']}{_state(row, moment)}"
        yield from (f"    {line}".rstrip() for line in row["text"].splitlines())
    if not found["incidents"]:
        yield "no open incident"
    for one in found["receivers"]:
        if why := one["refuses"] or one["delayed"]:
            yield f"receiver {one['name']}: {why}"
        if n := one["waiting"]:
            wait = "1 incident waits" if n == 1 else f"{n} incidents wait"
            until = moment(one["waiting_until_ns"])
            yield f"receiver {one['name']}: {wait} for its limit of messages, until {until}"
    if n := found["undelivered"]:
        yield f"messages that did not go out yet: {n}"


@alert.command()
def ack(
    number: Annotated[int, typer.Argument(help="number of the incident")],
    why: Annotated[str, typer.Option(help="what is known or planned")],
    for_: Annotated[
        str, typer.Option("--for", help="send no reminder for this long, such as 12h or 7d")
    ] = "7d",
    who: Who = "",
    file: Config = None,
) -> None:
    """Acknowledge an incident: no reminders for that time, unless it gets worse.

    Exit 1 if no open incident has that number; 75 if the service is not running.
    """
    words = {"number": number, "for_ns": for_how_long(for_), "why": why}
    storage = open_storage(file)
    done = _ask(storage, do="ack", who=who or account_name(), **words)
    until = _moments(storage.config)(done["until_ns"])
    show_line(f"incident {number} is acknowledged until {until}")


@alert.command("test")
def send_test(
    receiver: Annotated[str, typer.Argument(help="name of one [[notify]]; default: all")] = "",
    file: Config = None,
) -> None:
    """Send a test message now and show the result; exit 1 if it was refused, 75 if not sent yet."""
    storage = open_storage(file)
    names = [notify.name for notify in storage.config.notify]
    if not names:
        raise fail("no receiver: write a [[notify]] table into the configuration first")
    if receiver and receiver not in names:
        raise fail(f"expected the name of a receiver ({', '.join(names)}), got {receiver!r}", USAGE)
    results: set[str] = set()
    for row in _as_they_come(storage, [receiver] if receiver else names):
        why = f": {row['why']}" if row["why"] else ""
        show_line(f"{row['receiver']}: {RESULTS[row['result']]}{why}")
        results.add(row["result"])
    if results & {"refused", "later"}:
        raise typer.Exit(1 if "refused" in results else TRY_AGAIN)


def _as_they_come(storage: Storage, names: list[str]) -> Iterator[dict[str, str]]:
    """What became of a test message to each, all tried at once: one that hangs delays no other."""
    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        for done in as_completed(pool.submit(_tested, storage, name) for name in names):
            yield done.result()


def _tested(storage: Storage, name: str) -> dict[str, str]:
    """Through the daemon, or from here while none runs."""
    try:
        question = {"verb": "alert", "do": "test", "receiver": name}
        row: dict[str, str] = ask(storage.layout.control, question, SEND_WITHIN_S)["sent"][0]
    except DaemonOff:
        return _sent_here(storage.config, name)
    except (DaemonRefuses, DaemonSilent) as error:
        return {"receiver": name, "result": "later", "why": str(error)}
    return row


def _sent_here(config: Configuration, name: str) -> dict[str, str]:
    notify = next(one for one in config.notify if one.name == name)
    message = MessageWriter(config, notify.language).trial(time.time_ns())
    return tried(name, partial(_sent, config, notify), message)


def _sent(config: Configuration, notify: Notify, message: Message) -> None:
    receiver = receiver_of(config, notify)
    try:
        receiver.send(message)
    finally:
        receiver.close()


@alert.command()
def rehearse(
    fault: Annotated[str, typer.Argument(help=f"one of {', '.join(FAULTS)}")],
    probe: Annotated[
        str, typer.Option(help="what fails: a serial number, source, bus, supply or sink")
    ] = "",
    file: Config = None,
) -> None:
    """Simulate a fault of this plot and show who would get which message; nothing is sent."""
    found = configured(file or usual_file())
    config, storage = found.config, Storage(found.config, Layout(found.config.storage.folder))
    situation = healthy(config, _knowledge(storage, list(found.rows)), time.time_ns())
    situation = ending_at(situation, fault)
    node = _node(situation.nodes, probe) if probe else ""
    if fault == OTHER_LOGGER and not probe:
        node = _followed(config)
        if not node:
            show_line("no files of another logger are followed: this logger's own lines are silent")
    rules = [rules_of(config, notify) for notify in config.notify]
    shown = rules or [ReceiverRules("(nobody)", offset_s=config.site.utc_offset_s)]
    try:
        messages = rehearsed(situation, fault, shown, node)
    except CannotRehearse as no:
        raise fail(str(no), USAGE) from None
    for message in messages:
        _show(config, message, situation)
    if not messages:
        show_line("nobody would be sent anything")
    if not rules:
        show_line("no [[notify]] is configured: these messages would go to nobody")


def _knowledge(storage: Storage, rows: list[FactRow]) -> Knowledge:
    """What the journal has, and what is in the configuration and waits in the inbox."""
    known = facts_entered(storage).knowledge
    last = max((one.sequence for one in known.entered), default=EntryId(0, 0))
    for n, row in enumerate(new_rows(rows, known), 1):
        known = known.learn(EntryId(last.file, last.n + n), row.fact)
    return known


def _node(nodes: Mapping[str, Node], name: str) -> str:
    """The node that a person means: by its id, else by the name of a thing, sensors first."""
    if name in nodes:
        return name
    order = [NodeKind.SENSOR, NodeKind.SOURCE, *NodeKind]
    named = sorted((n for n in nodes.values() if n.name == name), key=lambda n: order.index(n.kind))
    if named:
        return named[0].id
    kinds = {NodeKind.SENSOR, NodeKind.SOURCE, NodeKind.BUS, NodeKind.SUPPLY, NodeKind.SINK}
    known = ", ".join(sorted({n.name for n in nodes.values() if n.kind in kinds}))
    raise fail(f"expected what this plot has ({known}), got {name!r}", USAGE)


def _followed(config: Configuration) -> str:
    """The node of the first source whose files another logger writes, "" without one."""
    paths = [one.path for one in config.sources if isinstance(one, FileSource)]
    return node_id(NodeKind.SOURCE, paths[0]) if paths else ""


def _show(config: Configuration, one: Rehearsed, begin: Situation) -> None:
    languages = {notify.name: notify.language for notify in config.notify}
    writer = MessageWriter(config, languages.get(one.due.receiver, "en"))
    book = Book(incidents={incident.number: incident for incident in one.incidents})
    now_ns = begin.now_ns + STRIKES_NS + one.after_ns
    message = writer.due(one.due, book, begin.nodes, now_ns)
    show_line(f"after {_span(one.after_ns)}, to {one.due.receiver} ({one.due.occasion}):")
    for line in (message.title, *message.text.splitlines()):
        show_line(f"    {line}".rstrip())


def _span(ns: int) -> str:
    hours = ns / HOUR_NS
    if hours < 2:
        return f"{round(hours * 60)} min"
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} h"


def _moments(config: Configuration) -> Callable[[int], str]:
    """Writes times as messages do: of the site, as the messages' last line says."""
    return load_language("en", config.site.utc_offset_s, time.time_ns()).moment


def _state(row: Mapping[str, Any], moment: Callable[[int], str]) -> str:
    words = []
    if not row["wrong"]:
        words.append("well again, kept open for a while")
    if (until_ns := row["acknowledged_until_ns"]) > time.time_ns():
        words.append(f"acknowledged by {row['acknowledged_by']} until {moment(until_ns)}")
    return f" ({'; '.join(words)})" if words else ""


def _ask(storage: Storage, **words: Any) -> Any:
    return storage.ask_running("alert", "; it is the service that watches", **words)
