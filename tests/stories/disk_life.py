"""The service in processes of one folder each: recorded, refused by its disk, or checked.

`disk_life.py record STATION LOG SYNCHRONOUS` records one life. `disk_life.py serve` reads cases as
lines of JSON, runs each in a process of its own and prints what it found.
"""

import contextlib
import ctypes
import io
import logging
import os
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import typer

from edaphon.clock import SystemClock
from edaphon.commands import recalibrate, verify
from edaphon.databases import StorageFault, explained
from edaphon.journal import Entry, Kind, journal, read_only, store
from edaphon.service import disk
from edaphon.service.process import running
from edaphon.service.requests import Requests
from edaphon.service.service import Service
from edaphon.service.socket import TRY_AGAIN_S
from edaphon.service.sources import all_committed
from edaphon.storage.client import DaemonOff, DaemonRefuses, ask
from edaphon_drivers.readings import pack_message

TOPIC = "plot/n1"
START_S, COMMIT_S = 30.0, 90.0
LARGEST_FILE_BYTES = 20_000  # a life has several journal files
RESERVE_BYTES = 80_000
_START_NS = 1_790_000_000 * 10**9
_store = journal.EntryStore


def shim() -> ctypes.CDLL:
    return ctypes.CDLL(os.environ["LD_PRELOAD"])


def entry_of(number: int) -> Entry:
    """Message `number`, the same in each process but for when it was received."""
    now = SystemClock()
    at_ms = _START_NS // 10**6 + 1000 * number
    data = b'{"t":%d,"vwc":%.3f,"temp":1.5,"ec":0.1}' % (at_ms, number / 10_000)
    payload = pack_message(TOPIC, data, 1, False, False)
    return Entry(Kind.RECORD, now.wall_ns(), now.mono_ns(), _boot(), "local", payload)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def with_small_files() -> None:
    def small(folder: Path, clock: Any, _: int, *rest: Any) -> Any:
        return _store(folder, clock, LARGEST_FILE_BYTES, *rest)

    journal.EntryStore = small  # type: ignore[assignment, misc]
    disk.RESERVE_BYTES = RESERVE_BYTES


def with_synchronous(word: str) -> None:
    """Open journal files with another PRAGMA synchronous than edaphon's."""
    opened = store.OpenFile.open.__func__  # type: ignore[attr-defined]

    def open_so(cls: Any, path: Path) -> Any:
        file = opened(cls, path)
        file._connection.execute(f"PRAGMA synchronous = {word}")
        return file

    store.OpenFile.open = classmethod(open_so)  # type: ignore[method-assign, assignment]


# -- a life that is recorded ---------------------------------------------------------------


def record(station: Path, log: Path, synchronous: str) -> None:
    """Two lives of one folder from its first operation on; `marks` gets what was acknowledged."""
    with_small_files()
    if synchronous != "FULL":
        with_synchronous(synchronous)
    shim().shim_record(str(log).encode())
    marks = os.open(station / "marks", os.O_WRONLY | os.O_CREAT)
    for life in range(2):
        with running(station / "edaphon.toml") as made:
            for number in range(100 * life, 100 * life + 100):
                append(made, number, lambda k: os.write(marks, b"%d\n" % k))
                if number % 10 == 9:
                    all_committed(made.journal)  # each ten are a commit of their own
                if number % 40 == 39:
                    derived(made)
                    made.flush()
            derived(made)
        (station / "facts" / "second.toml").write_text('[[plot]]\nid = "n2"\n', "utf-8")
    shim().shim_record(None)


def append(made: Service, number: int, acknowledged: Callable[[int], object]) -> None:
    made.journal.append([entry_of(number)], lambda _: acknowledged(number))


def derived(made: Service, within_s: float = 20.0) -> None:
    """Wait until all that is committed is derived."""
    until = time.monotonic() + within_s
    while made.journal.last is not None and made.deriver.position < made.journal.last:
        assert time.monotonic() < until, "the deriver stands still"
        time.sleep(0.01)


# -- what must hold of any folder ------------------------------------------------------------


def check(station: Path, acknowledged: list[int]) -> dict[str, Any]:
    """Start, stop, `verify`, `rebuild`; what is wrong, and the seconds that the start took."""
    found: dict[str, Any] = {"wrong": [], "trouble": []}
    wrong = found["wrong"]
    begun = time.monotonic()
    with running(station / "edaphon.toml") as made:
        found["start_s"] = time.monotonic() - begun
        derived(made)
        found["trouble"] = list(made.problem.values())
    if found["start_s"] > START_S:
        wrong.append(f"a start of {found['start_s']:.0f} s")
    ledgers = orjson.loads(_printed(lambda: verify.verify(_file(station), json=True)))
    found["losses"] = ledgers["losses"]["open"]
    if not ledgers["good"]:
        wrong.append(f"verify: {_open_parts(ledgers)}")
    again = orjson.loads(_printed(lambda: recalibrate.rebuild(_file(station), json=True)))
    if again["differing"]:
        wrong.append(f"rebuild: {again}")
    wrong += _kept_wrongly(station, acknowledged)
    return found


def _kept_wrongly(station: Path, acknowledged: list[int]) -> Iterator[str]:
    kept: dict[bytes, int] = {}
    for _, entry in read_only(station / "storage" / "journal").scan(kinds={Kind.RECORD}):
        kept[entry.payload] = kept.get(entry.payload, 0) + 1
    if lost := [k for k in acknowledged if entry_of(k).payload not in kept]:
        yield f"acknowledged and lost: {lost}"
    if doubled := [payload for payload, n in kept.items() if n > 1]:
        yield f"kept more than once: {doubled}"
    if invented := kept.keys() - {entry_of(k).payload for k in range(1000)}:
        yield f"invented: {invented}"


def _open_parts(ledgers: dict[str, Any]) -> dict[str, Any]:
    found = {name: part for name, part in ledgers.items() if part is False}
    for name, part in ledgers.items():
        if isinstance(part, dict) and part.get("closes") is False:
            found[name] = part
    return found


def _file(station: Path) -> Path:
    return station / "edaphon.toml"


def _printed(command: Callable[[], None]) -> bytes:
    out = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(out), contextlib.suppress(typer.Exit):
        command()
    out.flush()
    return out.buffer.getvalue()  # type: ignore[attr-defined, no-any-return]


# -- a life whose disk refuses -----------------------------------------------------------------


def refused(station: Path, case: dict[str, Any]) -> dict[str, Any]:
    """A life in which operations fail from number `at` on; then the disk is well again."""
    library = shim()
    library.shim_folder(str(station / "storage").encode())
    library.shim_refuse(
        case["kinds"].encode(), case["errno"], _long(case["at"]), _long(case["times"])
    )
    acknowledged: list[int] = []
    found: dict[str, Any] = {"wrong": [], "status": [], "ended": False}
    try:
        with running(station / "edaphon.toml") as made:
            _live(station, made, library, acknowledged, found)
    except typer.Exit as ended:
        found["ended"] = True
        found["code"] = ended.exit_code
    return {**found, "acknowledged": acknowledged}


def _live(
    station: Path, made: Service, library: ctypes.CDLL, acknowledged: list[int], found: Any
) -> None:
    library.shim_counted.restype = ctypes.c_int64
    first = 500
    for number in range(first, first + 8):
        append(made, number, acknowledged.append)
        time.sleep(0.03)
    with contextlib.suppress(sqlite3.Error):  # as the page and the hourly job would see it
        made.flush()
    time.sleep(0.1)
    found["counted"] = library.shim_counted()
    if made.journal.is_failing:
        found["status"] = made_status(made)["trouble"]
        named = any(str(fault) in words for words in found["status"] for fault in StorageFault)
        if made.journal.is_failing and not named:  # still
            found["wrong"].append(f"commits fail and `status` shows {found['status']}")
    library.shim_refuse(b"", 0, _long(0), _long(0))
    for number in range(first + 8, first + 12):
        append(made, number, acknowledged.append)
    healed_s = time.monotonic()
    while len(acknowledged) < 12 and time.monotonic() < healed_s + COMMIT_S:
        time.sleep(0.02)
    found["again_s"] = time.monotonic() - healed_s
    if len(acknowledged) < 12:
        found["wrong"].append(f"not recorded again within {COMMIT_S:.0f} s: {acknowledged}")
    derived(made)
    _status_again(station / "storage" / "control.sock")


def _status_again(socket: Path) -> None:
    """SQLite waits up to 10 s for a log whose shared memory could not be laid out before."""
    until = time.monotonic() + COMMIT_S
    while True:
        try:
            ask(socket, {"verb": "status"}, 30.0)
        except (DaemonOff, DaemonRefuses):
            if time.monotonic() > until:
                raise
            time.sleep(TRY_AGAIN_S + 0.5)
        else:
            return


def made_status(made: Service) -> Any:
    try:
        return Requests(made).answer({"verb": "status"})
    except sqlite3.Error as error:  # the socket answers with these words
        return {"trouble": [explained(error, made.layout.control)]}


def _long(number: int) -> ctypes.c_int64:
    return ctypes.c_int64(number)


# -- one process for each case -----------------------------------------------------------------


def serve() -> None:
    """Run each case of stdin in a process of its own, as it would begin, but without imports."""
    import edaphon_drivers.links.mqtt  # noqa: F401

    with_small_files()
    for line in sys.stdin.buffer:
        case = orjson.loads(line)
        station, found = Path(case["station"]), {"wrong": [], "acknowledged": case.get("told", [])}
        if "kinds" in case:
            found = _forked(lambda at=station, each=case: refused(at, each))
        known = found.get("acknowledged", [])
        checked = _forked(lambda at=station, reported=known: check(at, reported))
        wrong = [*found["wrong"], *checked["wrong"]]
        print(orjson.dumps({**checked, **found, "wrong": wrong}).decode(), flush=True)


def _forked(life: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What it finds in a process of its own, with the log where something is wrong."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        log = io.StringIO()
        logging.basicConfig(level=logging.INFO, stream=log, force=True)
        with open(writing, "wb") as out:
            out.write(orjson.dumps(_found(life, log)))
            out.flush()
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    found: dict[str, Any] = orjson.loads(text) if text else {"wrong": ["the process died"]}
    return found


def _found(life: Callable[[], dict[str, Any]], log: io.StringIO) -> dict[str, Any]:
    try:
        with contextlib.redirect_stderr(log):
            found = life()
    except BaseException:
        found = {"wrong": [traceback.format_exc()]}
    if "Traceback" in log.getvalue():
        found["wrong"].append("a traceback in the log")
    if found["wrong"] or found.get("ended"):
        found["log"] = log.getvalue()[-4000:]
    return found


if __name__ == "__main__":
    if sys.argv[1] == "record":
        record(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        serve()
