"""Whatever befalls a file: recording goes on, each loss is shown, no sink gets another number."""

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.daemon.commands.calling import call, call_json
from tests.stories.harmed import (
    Row,
    build,
    fresh,
    points,
    rows_in,
    settle,
    sink_lines,
    take_fresh,
    twin,
)
from tests.stories.harms import HARMS, harms_of
from tests.stories.load import LONG, table

from edaphon.journal import Kind, read_only
from edaphon.service.process import running

START_S = 30.0
SHOWN_S = 10.0
SEEDS = 3 if LONG else 1
PARTS = ("time", "payload", "crc")
COPIED = {"FACT", "CALIBRATION", "MARK", "CONFIGURATION", "CLOCK"}
WORKERS = 16


class Case(NamedTuple):
    """`file` within the station's folder and a harm, or entries of a kind and where they flip."""

    file: str
    harm: str
    seed: int = 0


class Whole:
    """The station before any harm, and what its twin does without one."""

    def __init__(self, folder: Path) -> None:
        self.station = build(folder / "station")
        self.kept = folder / "kept"
        shutil.copytree(self.station.folder, self.kept, ignore=left_out)
        self.rows = rows_in(self.kept / "storage" / "journal")
        self.before = points(lines_of(self.kept))
        self.renew()
        twin(self.station)
        self.after = points(lines_of(self.station.folder))
        with running(self.station.file):
            self.usual = kinds_of(call_json(self.station, "status", codes=(0, 1))["trouble"])
            call(self.station, "verify")
        assert all(None not in reported and len(reported) == 1 for reported in self.after.values())
        assert len(self.after) == len(self.before) + 3 * len(fresh())

    def renew(self) -> None:
        shutil.rmtree(self.station.folder)
        shutil.copytree(self.kept, self.station.folder)


def label(row: Row) -> str:
    """Its kind; of a record also where it came from: bytes of a wire, a message, a file."""
    kind = Kind(row.kind)
    return f"{kind.name} {row.source}" if kind == Kind.RECORD else kind.name


def left_out(_: str, names: list[str]) -> set[str]:
    return {"control.sock", "page.sock"} & set(names)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [line for own in sink_lines(folder / "out").values() for line in own]


def kinds_of(problems: list[str]) -> set[str]:
    """By their first words: numbers change from one moment to the next."""
    return {words.partition(":")[0] for words in problems}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole"))


def cases(whole: Whole) -> list[Case]:
    """Every file harmed in every way, and a flipped bit in entries of every kind."""
    storage = whole.kept / "storage"
    files = [p for p in sorted(storage.rglob("*")) if p.is_file() and "reserve" not in p.parts]
    files += [storage / "reserve" / "0", whole.kept / "facts" / "first.toml"]
    found = [
        Case(str(path.relative_to(whole.kept)), name, seed)
        for path in files
        for name, seed in harms_of(path, SEEDS)
    ]
    kinds = sorted({label(row) for row in whole.rows.values()})
    found += [Case(kind, part, seed) for kind in kinds for part in PARTS for seed in range(SEEDS)]
    found += [Case(kind, "both copies", s) for kind in sorted(COPIED) for s in range(SEEDS)]
    return found


SHORT = [
    ("storage/journal/journal-000001.sqlite", "zeroed"),
    ("storage/journal/journal-000002.sqlite", "deleted"),
    ("storage/journal/NEWEST.sqlite-wal", "deleted"),
    ("storage/journal/journal.copies", "flipped"),
    ("storage/series.sqlite", "flipped"),
    ("storage/series.sqlite", "a page of zeros"),
    ("storage/state.sqlite", "a directory"),
    ("storage/releases/r1.sqlite", "flipped"),
    *((kind, "payload") for kind in ("CALIBRATION", "CONFIGURATION", "GAP", "IDENTITY")),
    *((f"RECORD {source}", "payload") for source in ("file/log", "local", "sdi12/a")),
    ("CALIBRATION", "both copies"),
]


def harm(whole: Whole, case: Case) -> None:
    chance = random.Random(repr(case))
    if case.harm not in {*PARTS, "both copies"}:
        HARMS[case.harm](whole.station.folder / case.file, chance)
        return
    place = chance.choice([p for p, row in sorted(whole.rows.items()) if label(row) == case.file])
    flip_entry(whole.station.storage / "journal", place, whole.rows[place], case.harm)


def flip_entry(folder: Path, place: tuple[int, int], row: Row, part: str) -> None:
    """Bits of one entry, found by its bytes and not by any index."""
    first, last = row.payload[:500], row.payload[-20:]  # a long one goes on in other pages
    path = next(p for p in files_of(folder, place[0]) if first in p.read_bytes())
    data = path.read_bytes()
    at = data.rindex(first)
    if part == "time":
        at = data.rindex(row.received_ns.to_bytes(8, "big"), 0, at) + 5
    elif part == "crc":
        at = data.rindex(last) + len(last) + 1
    else:
        at += len(first) // 2
    flip(path, at)
    if part == "both copies":
        copies = folder / "journal.copies"
        number = place[0] << 32 | place[1]
        flip(copies, copies.read_bytes().index(b"\n%d " % number) + 60)


def files_of(folder: Path, number: int) -> Iterator[Path]:
    path = folder / f"journal-{number:06d}.sqlite"
    yield path
    if (wal := Path(f"{path}-wal")).exists():
        yield wal


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 8
    path.chmod(path.stat().st_mode | 0o200)
    path.write_bytes(data)


class Outcome(NamedTuple):
    """What is wrong with it, how long the start took [s], and whether something was lost."""

    wrong: list[str]
    start_s: float
    lost: bool


def outcome(whole: Whole, case: Case) -> Outcome:
    whole.renew()
    harm(whole, case)
    wrong: list[str] = []
    begun = time.monotonic()
    with running(whole.station.file) as service:
        took = time.monotonic() - begun
        take_fresh(service)
        lost = not whole.rows.keys() <= readable(whole)
        wrong += [] if took < START_S else [f"the start took {took:.0f} s"]
        wrong += shown(whole, lost or released(case))
        wrong += answered(whole)
        settle(service)
        call(whole.station, "salvage", "--acknowledge", "--who", "me")
        settle(service)
        wrong += [] if released(case) else noted(whole, "noted in the same life")
    wrong += numbers(whole)
    if not released(case):
        with running(whole.station.file) as service:
            settle(service)
            wrong += noted(whole, "noted in the life before")
    wrong += numbers(whole)
    return Outcome(sorted(set(wrong)), took, lost)


def readable(whole: Whole) -> set[tuple[int, int]]:
    """The entries of before that the journal still has."""
    found = read_only(whole.station.storage / "journal").scan(on_damage=lambda _: None)
    return {
        tuple(place)
        for place, entry in found
        if (row := whole.rows.get(tuple(place))) and row.payload == entry.payload  # type: ignore[arg-type]
    }


def released(case: Case) -> bool:
    return "releases" in case.file


def shown(whole: Whole, lost: bool) -> Iterator[str]:
    """A loss is a problem in `status` and in `verify`, which the page shows as it is."""
    if not lost:
        return
    end = time.monotonic() + SHOWN_S
    problems: list[str] = []
    while time.monotonic() < end:
        problems = call_json(whole.station, "status", codes=(1,))["trouble"]
        if kinds_of(problems) & {"journal", "release r1"}:
            break
        time.sleep(0.1)
    else:
        yield f"a loss is not in status: {problems}"
    try:
        call(whole.station, "verify", codes=(1,))
    except AssertionError:
        yield "a loss is not in verify"


def answered(whole: Whole) -> Iterator[str]:
    """`query` answers; of a series that turns out to be damaged once it is made again."""
    end = time.monotonic() + SHOWN_S
    for channel in ("n1-vwc", "n1-temp"):
        while True:
            out, err = call(whole.station, "query", channel, codes=(0, 1, 75))
            if out.count("\n") > 1:
                break
            if time.monotonic() > end:
                yield f"query {channel} does not answer: {err}"
                break
            time.sleep(0.2)


def noted(whole: Whole, when: str) -> Iterator[str]:
    problems = call_json(whole.station, "status", codes=(0, 1))["trouble"]
    yield from (f"{when}: {w}" for w in problems if w.startswith(("journal:", "release")))
    end = time.monotonic() + SHOWN_S
    while True:
        try:
            call(whole.station, "verify")
        except AssertionError as error:
            if time.monotonic() < end and "again" in str(error):
                time.sleep(0.2)  # a series that is found to be damaged is made again
                continue
            yield f"{when}: verify: {error}"
        return


def numbers(whole: Whole) -> Iterator[str]:
    """No point was withdrawn or got another number, and new ones are those of the twin."""
    changed: dict[str, int] = {}
    for key, reported in points(lines_of(whole.station.folder)).items():
        if reported != whole.after.get(key):
            words = (
                "withdrawn" if None in reported else "rewritten" if key in whole.after else "new"
            )
            changed[f"{key[0]} {words}"] = changed.get(f"{key[0]} {words}", 0) + 1
    yield from (f"{n} points: {words}" for words, n in changed.items())


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(WORKERS if LONG else 1))
def test_no_harm_to_a_file_is_hidden_or_changes_a_number(
    whole: Whole, part: int, capfd: pytest.CaptureFixture[str]
) -> None:
    every = cases(whole)
    newest = max(path.stem for path in (whole.kept / "storage/journal").glob("*.sqlite"))
    named = {(file.replace("NEWEST", newest), harm) for file, harm in SHORT}
    short = [case for case in every if (case.file, case.harm) in named]
    chosen = every[part::WORKERS] if LONG else short
    assert named == {(case.file, case.harm) for case in short}
    failures, took, lost = [], [0.0], 0
    begun = time.monotonic()
    for case in chosen:
        try:
            found = outcome(whole, case)
        except BaseException as error:
            failures.append(f"{tuple(case)}: {type(error).__name__} {str(error)[:400]}")
            if not isinstance(error, (Exception, SystemExit)):
                raise
            continue
        took.append(found.start_s)
        lost += found.lost
        failures += [f"{tuple(case)}: {words[:400]}" for words in found.wrong]
    rows = [
        ("files harmed, entries flipped", len(chosen), ""),
        ("of them with a loss", lost, ""),
        ("longest start [s]", f"{max(took):.2f}", ""),
        ("took [s]", f"{time.monotonic() - begun:.0f}", ""),
        ("failed", len(failures), ""),
    ]
    table(capfd, f"harm to every file, part {part}", rows)
    assert not failures, "\n".join(failures)
