"""`edaphon verify`: no record is missing: counted in journal, series, and each InfluxDB.

As `status` it takes the sums that are kept of all but the newest entries; `--deep` proves them.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edaphon.clock import FAR_NS
from edaphon.commands.options import Config, Folder, Json, Start
from edaphon.commands.query import instant
from edaphon.commands.status import observations_line, records_line, seconds_text
from edaphon.config.model import SinkTable
from edaphon.printer import show_error, show_found, show_json, show_line, show_lines, working
from edaphon.service.check import open_storage
from edaphon.service.notes import account_text
from edaphon.service.verification import is_accounted_for, parts_of, verified
from edaphon.storage.access import Storage, open_folder
from edaphon.storage.client import DaemonOff
from edaphon.storage.offline import lacks_entries, settled_deriver

POLL_S = 0.2


def verify(
    file: Config = None,
    folder: Folder = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="read every entry and row, and compare every number in InfluxDB"
        ),
    ] = False,
    wait: Annotated[float, typer.Option(help="seconds to wait for the sinks to catch up")] = 0.0,
    json: Json = False,
) -> None:
    """Check that no record was lost: count, read back, compare. Exit 1 if any is missing.

    Without --deep it reads the newest 200,000 entries of the journal, and takes stored counts for
    older ones. The service finds damage in those in its daily check.
    """
    sinks = _sinks(file, folder)  # before root goes on as another account
    storage = open_folder(file, folder, as_owner=True)
    running = _settle(storage, wait)
    with working("verifying") as show:
        found = verified(storage, sinks, deep, running, show)
    good = all(part["closes"] for part in parts_of(found))
    if json:
        show_json({"good": good, **found})
    else:
        show_lines(_lines(found))
        if good:
            show_line("all records accounted for")
        else:
            show_error("RECORDS MISSING: see the lines that end with OPEN")
    if not good:
        raise typer.Exit(1)


def _sinks(file: Path | None, folder: Path | None) -> tuple[SinkTable, ...]:
    """Those of the configuration; without a good one nobody says how to reach them."""
    from edaphon.service.check import examine, usual_file

    why = "--folder names no configuration"
    if folder is None:
        path = file or usual_file()
        config = examine([path]).config
        if config is not None:
            return config.sinks
        why = f"`edaphon check` finds mistakes in {path}"
    show_error(f"sinks are not read back: {why}")
    return ()


def _settle(storage: Storage, wait_s: float) -> bool:
    """Derive what is journalled; where the daemon runs (True), let its sinks catch up."""
    until = time.monotonic() + wait_s
    try:
        while any(storage.ask("status")["ledgers"]["waiting"].values()):
            if time.monotonic() >= until:
                break
            time.sleep(POLL_S)
        return True
    except DaemonOff:
        storage.expect_journal()
        if not lacks_entries(storage.layout, show_error):
            with settled_deriver(storage):
                pass
        return False


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    e, o = found["entries"], found["observations"]
    yield f"{records_line(e['journalled'], e)}   {_verdict(e)}"
    for words, lost in zip(found["losses"]["open"], found["losses"]["lost"], strict=True):
        yield f"journal: {words}   OPEN"
        yield from (f"  {line}" for line in lost)
    for name, problems in found["releases"]["altered"].items():
        yield from (f"release {name}: {words}   OPEN" for words in problems)
    if e["lost"]:
        yield f"entries: {e['lost']} records that were derived are no longer in the journal"
    if e["damaged"]:
        yield f"entries: {e['damaged']} damaged runs in the journal; see `edaphon status`"
    for path, s in found["slots"].items():
        of = "slots on no grid" if s["expected"] is None else f"{s['expected']} slots"
        leapt = f"; the clock leapt over {s['leapt']} more" if s["leapt"] else ""
        leapt += "; 1 is being measured" if s["in_flight"] else ""
        leapt += f"; {s['unknown']} were in lost entries" if s["unknown"] else ""
        yield (
            f"{path}: {of} = {s['records']} records + {s['in_gaps']} missed{leapt}   {_verdict(s)}"
        )
    for source, n in found["floods"].items():
        yield f"{source}: {n} items above its budget were counted in the journal, and not kept"
    yield f"{observations_line(o)}   {_verdict(o)}"
    yield from _file_lines(found["file_lines"])
    if "summaries" in found:
        s = found["summaries"]
        yield f"summaries: expected the sums that all rows give   {_verdict(s)}"
        for name in [*s["journal"], *s["series"]]:
            yield (
                f"summaries: {name} has other rows than its summary; stop the service, run"
                " `edaphon rebuild`, which sums again, and start it"
            )
    for name, s in found["sinks"].items():
        if s["read_back"] is None and s["closes"]:
            yield (
                f"sink {name}: {s['current']} current, {s['set_aside']} refused,"
                f" {s['waiting']} waiting; {'; '.join(s['notes'])}"
            )
            continue
        yield (
            f"sink {name}: {s['current']} current = {_there(s)} + {s['set_aside']}"
            f" refused + {s['waiting']} waiting   {_verdict(s)}"
        )
        yield from (f"  {words}" for words in s["differs"][:20])
        if s["read_back"] is not None and s["differs"]:
            yield f"  `edaphon sink resend {name}` sends all again, new values first"
        yield from (f"  note: {words}" for words in s["notes"])


def _there(sink: Mapping[str, Any]) -> str:
    """What the sink says that it holds."""
    n = sink["delivered"]
    return "? that can't be read back" if n is None else f"{n} read back"


def _file_lines(files: Mapping[str, Any]) -> Iterator[str]:
    for row in files["files"]:
        yield f"{account_text(row)}   {'ok' if is_accounted_for(row, files['noted']) else 'OPEN'}"
    for path in files["differs"]:
        yield f"{path}: the account kept while running differs from that of the journal   OPEN"


def _verdict(part: Mapping[str, Any]) -> str:
    return "ok" if part["closes"] else "OPEN"


sink = typer.Typer(
    help="List refused points, offer them again, or send all values again.", no_args_is_help=True
)


@sink.command("list")
def list_(json: Json = False, file: Config = None) -> None:
    """List the points that a server refused, with its reason."""
    found = _ask(file, do="list")["refusals"]
    show_found(json, found, _refusals(found))


def _refusals(found: Mapping[str, Any]) -> Iterator[str]:
    for name, rows in sorted(found.items()):
        if not rows:
            yield f"{name}: no points refused"
        for row in rows:
            first, last = (seconds_text(row[key]) for key in ("first_ns", "last_ns"))
            yield f"{name}: {row['n']} of {row['channel']}, {first} to {last}: {row['words']}"


@sink.command()
def retry(
    name: Annotated[str, typer.Argument(help="name of the sink; default: all")] = "",
    file: Config = None,
) -> None:
    """Offer the refused points to the server again now."""
    for each, n in _ask(file, do="retry", name=name)["offered"].items():
        show_line(f"{each}: {n} points are offered again; see `edaphon status`")


@sink.command()
def resend(
    name: Annotated[str, typer.Argument(help="name of the sink")],
    since: Start = "",
    file: Config = None,
) -> None:
    """Send all values again, to a database that was lost, emptied or replaced."""
    _ask(file, do="resend", name=name, since_ns=instant(since, -FAR_NS))
    show_line(f"{name}: all is sent again while new values go first; see `edaphon status`")


def _ask(file: Path | None, **words: Any) -> Any:
    return open_storage(file).ask_running("sink", "; it is the service that sends", **words)
