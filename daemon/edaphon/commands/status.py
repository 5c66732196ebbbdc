"""`edaphon status`: what the daemon does now, for a person or as JSON."""

from collections.abc import Mapping
from typing import Any

import typer

from edaphon.clock import instant_text
from edaphon.commands.options import PROBLEM, Config, Folder, Json
from edaphon.printer import show_found
from edaphon.service.notes import account_text, flood_text
from edaphon.storage.access import open_folder


def status(file: Config = None, folder: Folder = None, json: Json = False) -> None:
    """Show what is recorded, what is late and what waits.

    Exit 1 when something is wrong, or the service is not running; 75 where it gives no answer.
    """
    storage = open_folder(file, folder)
    table = storage.ask_running("status", "; why it ended: `systemctl status edaphon`", PROBLEM)
    show_found(json, table, _lines(table))
    if table["trouble"] or any(one["wrong"] for one in table["incidents"]):
        raise typer.Exit(1)


def _lines(table: dict[str, Any]) -> list[str]:
    clock = table["clock"]["how"] or "not known yet: values are held"
    lines = [
        f"{table['site']['id']} / {table['logger']}   edaphon {table['version']}",
        f"clock: {clock}",
        f"disk: {table['disk']['text']}",
        *map(_visit, table["visits"]),
        *ledger_lines(table["ledgers"]),
    ]
    for source in table["sources"]:
        lines.append(f"source {source['path']}: {_state(source)} {source['detail']}".rstrip())
        lines += [f"  {n} x {what}" for what, n in sorted(source.get("notes", {}).items())]
    lines += map(account_text, _shown(table["file_lines"]))
    lines += map(flood_text, table["floods"])
    lines += [f"file of {one['source']}: {one['words']}" for one in table["files"]]
    for sink in table["sinks"]:
        state = "up" if sink["up"] else sink["why"]
        lines.append(f"sink {sink['name']}: {state}")
        lines += [f"  note: {notice}" for notice in sink["notices"]]
    lines += [
        f"import into {i['source']}: {i['file']}: {i['taken_bytes'] / 1e6:.1f} of"
        f" {i['size_bytes'] / 1e6:.1f} MB taken, {i['derived_bytes'] / 1e6:.1f} MB derived"
        for i in table["imports"]
    ]
    if n := table["failed_requests"]:
        lines.append(f"requests that ended by an error of this program: {n}; see the service's log")
    if table["again"]:
        lines.append(f"derived again at present: {', '.join(table['again'])}")
    lines += map(_job, table["jobs"])
    lines += [_incident(one, table["now_ns"]) for one in table["incidents"]]
    return lines + [f"PROBLEM {words}" for words in table["trouble"]]


def _visit(row: dict[str, Any]) -> str:
    why = f": {row['why']}" if row["why"] else ""
    return f"visit of {row['who']} at {row['plot']} until {instant_text(row['end_ns'])}{why}"


def _state(source: dict[str, Any]) -> str:
    speaks = source["state"] in {"ok", "held"}
    planned = "" if speaks or not source["planned"] else f", planned ({source['planned']})"
    return f"{source['state']}{planned}"


def _job(row: dict[str, Any]) -> str:
    """When it ran and runs, to the second."""
    last, following = (ns and seconds_text(ns) for ns in (row["last_ns"], row["next_ns"]))
    if row["running"]:
        return f"job {row['name']}: runs since {last}"
    result = f" ({row['result']})" if row["result"] else ""
    return f"job {row['name']}: last {last or 'not yet'}{result}, next {following}"


def _incident(row: dict[str, Any], now_ns: int) -> str:
    """As the message about it begins."""
    state = "" if row["wrong"] else ", well again"
    state += ", acknowledged" if now_ns < row["acknowledged_until_ns"] else ""
    return f"INCIDENT {row['number']} ({row['severity']}{state}): {row['title']}"


def _shown(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each source the file that grew last, and those with refused lines; JSON has all."""
    last = {row["source"]: row for row in files}
    return [row for row in files if row["refused"] or row["missing"] or row is last[row["source"]]]


def seconds_text(time_ns: int) -> str:
    """A time in UTC to the second."""
    return instant_text(time_ns // 10**9 * 10**9)


def records_line(n: int, entries: Mapping[str, Any]) -> str:
    """What became of that many records."""
    return (
        "entries: {n} records = {decoded} decoded + {dead} unreadable + {duplicates} duplicates"
        " + {conflicts} conflicts + {held} waiting for the clock"
    ).format(n=n, **entries)


def observations_line(counts: Mapping[str, Any]) -> str:
    """What became of the observations."""
    return (
        "observations: {derived} derived = {current} current + {conflicts} conflicts"
        " + {repeats} repeats + {replaced} replaced"
    ).format_map(counts)


def ledger_lines(ledgers: dict[str, Any]) -> list[str]:
    """Both ledgers as sentences."""
    e = ledgers["entries"]
    gaps = ", ".join(f"{n} {cause}" for cause, n in sorted(ledgers["gaps"].items())) or "none"
    lines = [
        records_line(e["records"], e),
        observations_line(ledgers),
        f"missed measurements: {gaps}",
    ]
    for name, waiting in ledgers["waiting"].items():
        aside = ledgers["set_aside"][name]
        lines.append(f"sink {name}: {waiting} changes waiting, {aside} points refused")
    return lines
