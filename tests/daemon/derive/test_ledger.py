"""What the line counts: gaps by cause, what waits for its clock, and the state that it writes."""

import orjson
from tests.daemon.derive.lives import T0

from edaphon.derive.decode import Sources
from edaphon.derive.pipeline import Pipeline
from edaphon.derive.plan import Plan
from edaphon.derive.state import PipelineState
from edaphon.journal import Entry, Kind
from edaphon.model import EntryId
from edaphon_drivers.readings import pack_message


def at(n: int) -> EntryId:
    return EntryId(1, n)


def gap(cause: str, n: int, state: str) -> Entry:
    table = {"cause": cause, "first_ns": T0, "last_ns": T0 + n, "n": n, "state": state}
    return Entry(Kind.GAP, T0, 0, "boot", "sdi12/a", orjson.dumps(table))


def record(boot: str) -> Entry:
    payload = pack_message("plot/node", b"{}", 0, False, False)
    return Entry(Kind.RECORD, T0, 0, boot, "local", payload)


def clock(boot: str) -> Entry:
    return Entry(Kind.CLOCK, T0, 0, boot, "", orjson.dumps({"offset_ns": T0, "error_ns": 1}))


def line_over(*entries: Entry) -> PipelineState:
    items = [(at(n), entry) for n, entry in enumerate(entries, 1)]
    known = dict(items)

    def recall(places):
        return [(place, known[place]) for place in places]

    line = Pipeline(PipelineState(), Plan(), Sources(), recall)
    line.step(items)
    return line.state


def test_slots_of_closed_gaps_add_up_by_cause_and_what_is_taken_back_is_subtracted():
    state = line_over(
        gap("no answer", 3, "open"),
        gap("no answer", 7, "closed"),
        gap("garbled", 2, "closed"),
        gap("no answer", 5, "closed"),
        gap("no answer", 4, "withdrawn"),
        gap("clock step", 9, "leapt"),
    )
    assert state.gaps == {"no answer": 8, "garbled": 2}


def test_records_wait_for_the_clock_of_their_boot_and_are_counted_so():
    state = line_over(record("a"), record("b"), record("a"))
    assert (state.counts.records, state.counts.held, state.counts.dead) == (3, 3, 0)
    assert state.held == {"a": [at(1).number, at(3).number], "b": [at(2).number]}
    state = line_over(record("a"), record("b"), record("a"), clock("a"))
    assert (state.counts.held, state.held) == (1, {"b": [at(2).number]})
    assert state.waited == [(at(1).number, at(3).number, at(4).number)]
    assert (state.counts.records, state.counts.dead) == (3, 2)  # no such source


def test_a_clock_for_which_nothing_waited_is_remembered_alone():
    state = line_over(clock("a"), record("a"), clock("a"))
    assert state.waited == []
    assert state.boots == {"a": (T0, at(3).number)}
