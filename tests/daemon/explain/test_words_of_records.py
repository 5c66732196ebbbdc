"""Records and gaps in words: bytes, turns, messages; which observation stands for a time."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.daemon.derive.test_compare import rows

from edaphon.acquire.slots import Gap
from edaphon.clock import instant_text
from edaphon.explain.build import (
    Absent,
    _differences,
    _elsewhere,
    _neighbours,
    _records,
    _silence,
    _time_from,
    find_observation,
    gap_at,
    record_of,
    shown_bytes,
)
from edaphon.explain.trace import Case, FoundRow, _start, number, row_at
from edaphon.facts import Knowledge
from edaphon.journal import Entry, Kind
from edaphon.model import EntryId
from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import (
    Piece,
    Reading,
    Status,
    Turn,
    pack_exchange,
    pack_message,
    pack_piece,
)

DAY_NS, MINUTE_NS = 86_400 * 10**9, 60 * 10**9
NAN = float("nan")


def record(payload: bytes, **more: Any) -> Entry:
    return Entry(Kind.RECORD, 5000, 0, "boot", "sdi12/a", payload)._replace(**more)


def lines(payload: bytes, kind: str) -> tuple[str, ...]:
    return record_of(EntryId(1, 2), record(payload), kind).payload


def test_an_exchange_has_a_line_for_each_turn_up_to_many():
    assert lines(pack_exchange((Turn(0, True, b"aM!"), Turn(9, False, b"\x01\xff"))), "") == (
        "     0 ms > aM!",
        "     9 ms < 01 FF",
    )
    for n in (1, 500):
        shown = lines(pack_exchange(tuple(Turn(k, True, b"x") for k in range(n))), "")
        cut = shown[-1].startswith("...")
        assert cut == (len(shown) - cut < n)
        assert not cut or shown[-1] == f"... ({n} turns in all)"


def test_a_message_and_a_piece_of_a_file_say_where_they_are_from():
    packed = pack_message("plot/a", b"12", 1, True, False)
    assert lines(packed, "JsonSource") == ("topic plot/a (QoS 1, retained)", "12")
    packed = pack_message("plot/a", b"12", 0, False, False)
    assert lines(packed, "LorawanSource") == ("topic plot/a (QoS 0)", "12")
    piece = {"name": "/a.csv", "offset": 7, "data": b"1\n", "line": 2, "lines": 1}
    assert lines(pack_piece(Piece(header=b"t\n", **piece)), "FileSource")[:2] == (
        "file /a.csv from byte 7 on",
        f"header {shown_bytes(b't' + bytes([10]))}",
    )
    assert len(lines(pack_piece(Piece(header=b"", **piece)), "FileSource")) == 2


def test_what_is_no_payload_of_its_kind_is_shown_as_bytes():
    assert lines(b"\xff\xfe", "JsonSource") == ("FF FE",)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a b~", "a b~"),
        (b"abcd\x7f", "abcd\\x7F"),
        (b"abc\x7f", "61 62 63 7F"),
        (b"\x1f", "1F"),
        (b"\x80\x81", "80 81"),
    ],
)
def test_bytes_are_text_where_most_of_them_are(data, text):
    assert shown_bytes(data) == text


def test_bytes_are_cut_where_there_are_many():
    shown = shown_bytes(b"a" * 100_000)
    assert shown.endswith(" ... (100000 bytes in all)")
    n = shown.index(" ")
    assert shown_bytes(b"a" * n) == "a" * n
    assert shown_bytes(b"a" * (n + 1)) == "a" * n + f" ... ({n + 1} bytes in all)"


@pytest.mark.parametrize(
    ("own", "slot", "time", "words"),
    [
        (5000, None, 5000, "the instrument's or sender's own time"),
        (4000, 5000, 5000, "the slot"),
        (None, 5000, 5001, "the slot, corrected by what the clock was wrong"),
        (None, None, 5007, "when it came"),
        (None, None, 5000, "the server's time, or when it came by a corrected clock"),
    ],
)
def test_it_is_known_where_the_time_of_an_observation_is_from(own, slot, time, words):
    row = row_at(rows([time], [1.0]), 0)
    case = SimpleNamespace(found=SimpleNamespace(row=row), entry=record(b"", slot_ns=slot))
    reading = Reading("t", "soil_temperature", 1.0, "degC", time_ns=own, after_ns=7)
    assert _time_from(case, reading) == words  # type: ignore[arg-type]


def test_rows_are_the_same_bit_for_bit_and_a_missing_number_equals_one():
    row = row_at(rows([10, 20], [1.0, NAN]), 1)
    assert row.same(row._replace(value=float("nan")))
    assert list(_differences(row, row._replace(value=float("nan")))) == []
    for other in (row._replace(value=2.0), row._replace(flag=3), row._replace(time_ns=21)):
        assert not row.same(other)
        assert not other.same(row)
    (words,) = _differences(row, row._replace(value=2.0))
    assert words == "value: the series says nan, deriving again gives 2.0"
    assert (number(1.5), number(NAN)) == (1.5, None)


@pytest.mark.parametrize(
    ("file", "n", "back", "begin"),
    [
        (1, 5, None, (0, 0)),
        (1, 5, 5, (0, 0)),
        (1, 6, 5, (1, 0)),
        (1, 9, 5, (1, 3)),
        (3, 9, None, (0, 0)),
        (3, 9, 5, (3, 3)),
        (3, 5, 5, (2, 0)),
        (2, 1, 5, (1, 0)),
    ],
)
def test_so_many_entries_before_a_record_are_read_or_the_file_before(file, n, back, begin):
    assert _start(EntryId(file, n), back) == EntryId(*begin)


class _Series:
    def __init__(self, *times: int) -> None:
        self.times = times

    def read(self, channel: str, start_ns: int, end_ns: int):
        own = [time for time in self.times if start_ns <= time < end_ns]
        return [rows([time], [1.0]) for time in own]

    def heads(self, channel: str):
        return [SimpleNamespace(day=day) for day in sorted({t // DAY_NS for t in self.times})]


FACTS = [
    {"kind": "channel", "id": "t", "quantity": "soil_temperature", "unit": "degC"},
    {"kind": "deployment", "id": "d", "channel": "t", "source": "local/a", "output": "t"},
]
KNOWLEDGE = Knowledge.of([(EntryId(1, n), table) for n, table in enumerate(FACTS, 1)])


def history(*gaps: tuple[str, Gap], interval_ns: int = 0) -> Any:
    items = [(EntryId(1, n), Entry(Kind.GAP, 0, 0, "boot", source, gap.payload()))
             for n, (source, gap) in enumerate(gaps, 5)]  # fmt: skip
    intervals = {"local/a": interval_ns} if interval_ns else {}
    return SimpleNamespace(knowledge=KNOWLEDGE, gaps=items, intervals=intervals)


@pytest.mark.parametrize(
    ("asked", "found"),
    [(100, 100), (101, 100), (104, 100), (105, 100), (106, 110), (109, 110), (120, None)],
)
def test_the_nearest_observation_less_than_an_interval_away_stands_for_a_time(asked, found):
    series: Any = _Series(100 * MINUTE_NS, 110 * MINUTE_NS)
    own = find_observation(series, history(interval_ns=10 * MINUTE_NS), "t", asked * MINUTE_NS)
    if found is None:
        assert own == Absent("t", asked * MINUTE_NS, 10 * MINUTE_NS)
    else:
        assert isinstance(own, FoundRow)
        assert own.row.time_ns == found * MINUTE_NS


def test_without_an_interval_that_of_the_times_about_then_is_taken():
    series: Any = _Series(0, 10 * MINUTE_NS, 20 * MINUTE_NS, 70 * MINUTE_NS)
    assert find_observation(series, history(), "t", 40 * MINUTE_NS).usual_ns == 10 * MINUTE_NS
    lone: Any = _Series(0)
    assert find_observation(lone, history(), "t", MINUTE_NS) == Absent("t", MINUTE_NS, 0)
    assert isinstance(find_observation(lone, history(), "t", 0), FoundRow)


def gap(first: int, last: int, state: str = "closed", cause: str = "no answer") -> Gap:
    return Gap(cause, first * MINUTE_NS, last * MINUTE_NS, 3, state)


def over(minute: float, *gaps: tuple[str, Gap]) -> bool:
    absent = Absent("t", int(minute * MINUTE_NS), 10 * MINUTE_NS)  # half of it is its reach
    return bool(gap_at(history(*gaps), absent))


def test_a_gap_lies_over_the_times_from_half_an_interval_before_to_half_after():
    own = ("local/a", gap(100, 120))
    assert [over(minute, own) for minute in (95, 95.1, 110, 125, 125.1)] == [
        False, True, True, True, False
    ]  # fmt: skip
    still = ("local/a", gap(100, 120, "open"))
    assert [over(minute, still) for minute in (95, 96, 10_000)] == [False, True, True]


def test_gaps_of_the_broker_count_and_those_of_others_do_not():
    assert over(110, ("local", gap(100, 120)))
    assert not over(110, ("local/b", gap(100, 120)))
    assert not over(110, ("local", gap(100, 120, cause="flood")))
    assert over(110, ("local/a", gap(100, 120, cause="flood")))


def test_a_gap_that_was_withdrawn_counts_no_more():
    own = ("local/a", gap(100, 120))
    assert not over(110, own, ("local/a", gap(100, 130, "withdrawn")))
    assert not over(110, own, ("local/a", gap(90, 95, "withdrawn")))
    assert over(110, own, ("local/a", gap(101, 130, "withdrawn")))
    assert over(110, own, ("local", gap(90, 130, "withdrawn")))


def test_the_nearest_observations_on_both_sides_are_named():
    series: Any = _Series(MINUTE_NS, 2 * MINUTE_NS, 5 * MINUTE_NS, 9 * DAY_NS)
    for minute, before, after in ((3, 2, 5), (2, 1, 5)):
        absent = Absent("t", minute * MINUTE_NS, 0)
        assert list(_neighbours(series, absent)) == [
            f"the nearest before: {instant_text(before * MINUTE_NS)}",
            f"the nearest after: {instant_text(after * MINUTE_NS)}",
        ]
    (alone,) = _neighbours(series, Absent("t", 30 * DAY_NS, 0))
    assert alone == f"the nearest before: {instant_text(9 * DAY_NS)}"


def test_a_row_of_a_run_has_its_own_columns():
    run = rows([10, 20], [1.0, 2.0], flag=3)
    row = row_at(run, 1)
    assert (row.time_ns, row.start_ns, row.value, row.flag, row.sequence) == (20, 20, 2.0, 3, 20)
    assert np.isclose(row.u_random, 0.5)


def test_one_nearer_to_the_next_slot_stands_for_no_time_that_a_gap_lies_over():
    series: Any = _Series(100 * MINUTE_NS)
    over = ("local/a", gap(110, 120))
    for gaps, found in (((), True), ((over,), False)):
        own = find_observation(
            series, history(*gaps, interval_ns=10 * MINUTE_NS), "t", 108 * MINUTE_NS
        )
        assert isinstance(own, FoundRow) is found


def test_without_a_deployment_those_that_there_were_are_named():
    tables = [*FACTS, {**FACTS[1], "id": "e", "from": "2026-01-01T00:00:00Z",
                       "to": "2027-01-01T00:00:00Z", "primary": False}]  # fmt: skip
    known = Knowledge.of([(EntryId(1, n), table) for n, table in enumerate(tables, 1)])
    absent = Absent("t", 0, 0)
    assert list(_elsewhere(SimpleNamespace(knowledge=known), absent)) == [
        "no deployment fed the channel then",
        "  d: local/a t from the beginning to now",
        "  e: local/a t from 2026-01-01T00:00:00Z to 2027-01-01T00:00:00Z",
    ]
    none: Any = SimpleNamespace(knowledge=Knowledge())
    assert list(_elsewhere(none, absent)) == [
        "no deployment fed the channel then, and none ever did"
    ]


class _Journal:
    last = EntryId(1, 9)

    def __init__(self, *entries: Entry) -> None:
        self.entries = entries

    def scan(self, sources: Any, kinds: Any, on_damage: Any):
        return [(EntryId(1, n), e) for n, e in enumerate(self.entries, 1) if e.source in sources]

    def entry(self, place: EntryId) -> Entry:
        return self.entries[-1]


DEPLOYED = KNOWLEDGE.deployments


@pytest.mark.parametrize(("received", "ends"), [(99, True), (100, False), (101, False)])
def test_a_journal_that_ended_before_a_time_says_so(received, ends):
    journal: Any = _Journal(record(b"", received_ns=received))
    found = list(_silence(journal, Absent("t", 100, 0), DEPLOYED))
    assert found[0] == "no record of local/a and no gap was journalled then"
    assert (len(found) == 2) is ends


def test_what_came_about_a_time_is_named_with_what_it_became():
    def decode(place: EntryId, entry: Entry) -> Any:
        if not entry.payload:
            raise Garbled("a message", "nothing")
        path, *outputs = entry.payload.decode().split()
        readings = [Reading(output, "soil_temperature", 1.0, "degC") for output in outputs]
        return SimpleNamespace(path=path, readings=readings)

    def came(payload: bytes, minute: float, boot: str = "boot", slot: int | None = None) -> Entry:
        entry = record(payload, source="local", boot=boot, received_ns=int(minute * MINUTE_NS))
        return entry._replace(slot_ns=slot and slot * MINUTE_NS)

    journal: Any = _Journal(
        came(b"local/a x z", 100),
        came(b"local/a t", 105),
        came(b"local/a", 95, slot=104),
        came(b"local/b t", 100),
        came(b"local/b x", 100),
        came(b"local/a x", 94.9),
        came(b"local/a x", 105.1),
        came(b"local/a x", 100, slot=120),
        came(b"", 101),
        came(b"local/a t", 500, boot="dark"),
        came(b"local/a t", 600, boot="dark"),
    )
    own: Any = SimpleNamespace(
        decode=decode, known_from=lambda place, entry: place if entry.boot == "boot" else None
    )
    absent = Absent("t", 100 * MINUTE_NS, 10 * MINUTE_NS)
    found = list(_records(journal, own, absent, DEPLOYED))
    assert [line.split(",")[0] for line in found] == [
        "record 1.1 of local/a holds no t: it says x",
        "record 1.2 of local/a (purpose routine) holds t",
        "record 1.3 of local/a holds no t: it says nothing",
        "record 1.9 of local is a dead letter: expected a message",
        "record 1.10 of local",
    ]
    assert "waits: the clock of its boot" in found[4]


def case(readings: tuple[Reading, ...], time_ns: int, raw: float, path: str = "local/a") -> Case:
    row = row_at(rows([time_ns], [raw]), 0)
    nothing: Any = None
    own = Case(
        nothing, nothing, history(), FoundRow("t", time_ns, row, 0), EntryId(1, 1), record(b""),
        nothing,
    )  # fmt: skip
    own.__dict__["readings"] = readings
    object.__setattr__(own, "_extent", lambda: (path, "t"))
    return own


def reading(output: str, number: float | None, time_ns: int | None = None) -> Reading:
    status = Status.OK if number is not None else Status.INVALID
    return Reading(output, "soil_temperature", number, "degC", status, time_ns=time_ns)


@pytest.mark.parametrize(
    ("time", "raw", "index"),
    [
        (10, 1.0, 0),
        (20, 1.0, 1),
        (20, 2.0, 2),
        (30, 7.0, 3),
        (30, NAN, 4),
        (40, 2.0, 2),
        (40, 9.0, 0),
    ],
)
def test_of_several_readings_it_is_that_of_the_time_and_number(time, raw, index):
    several = (
        reading("t", 1.0, 10),
        reading("t", 1.0, 20),
        reading("t", 2.0, 20),
        reading("t", 5.0, 30),
        reading("t", None, 30),
    )
    other = (reading("x", raw, time),)
    assert case(other + several, time, raw).reading is several[index]
    assert case(other, time, raw).reading is None


def test_an_impossible_number_is_none():
    impossible, fine = reading("t", -1e6, 10), reading("t", 3.0, 10)
    assert case((fine, impossible), 10, NAN).reading is impossible


def test_the_deployment_is_the_one_of_the_channel_that_fed_it():
    assert case((), 10, 1.0).deployment == DEPLOYED[0]
    assert case((), 10, 1.0, "local/b").deployment is None
