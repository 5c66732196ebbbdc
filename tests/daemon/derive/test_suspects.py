"""Entries that end the deriver: each is found, wherever it is read, and no neighbour is blamed."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.derive.lives import (
    EnteredFacts,
    Life,
    MemoryJournal,
    folders,
    reported,
    told_rows,
)
from tests.daemon.derive.test_pipeline import first, streams
from tests.daemon.sinks.samples import Notes

from edaphon.derive import rederive
from edaphon.derive.decode import Sources
from edaphon.derive.deriver import Deriver
from edaphon.derive.plan import known_facts
from edaphon.journal import Entry, Kind
from edaphon.journal.guard import TRACE, EntryGuard
from edaphon.series import Series
from edaphon.sinks.feed import SeriesFeed
from edaphon_drivers.readings import pack_message

EXAMPLES = int(os.environ.get("EDAPHON_EXAMPLES", "8"))
GARBAGE = pack_message("a", b"no JSON", 1, False, False)


class End(Exception):
    """Of the process, in the middle of a step."""


def leave_trace(folder: Path) -> None:
    """As a crash does, so that it is no kill from outside."""
    (folder / TRACE).write_bytes(b"Fatal Python error: Aborted\n")


class GuardedLife(Life):
    """Each life of it looks at the mark that the one before has left."""

    ends = 0
    key = ""

    def _begin(self) -> None:
        self.series = Series(self._folder / "series.sqlite")
        self.guard = EntryGuard(self._folder, "boot")
        if self.key:
            self.guard.use_key(self.key)
        journal: Any = self._journal
        journal.aside = self.guard.aside
        self.deriver = Deriver(
            journal, self.series, self._folder / "again.sqlite", guard=self.guard
        )
        self.feed = SeriesFeed("sink", self.series, self.deriver.channels, Notes())

    def settle(self, limit: int = 4000) -> None:
        """Begin again after each end, as a service manager does."""
        while True:
            try:
                journal: Any = self._journal
                while self.turn(limit):
                    pass
                journal.aside = self.guard.aside
                return
            except End:
                self.ends += 1
                leave_trace(self._folder)
                assert self.ends < 200
                self.restart(flushed=False)


POISONS: list[Entry] = []


@pytest.fixture(autouse=True)
def harmful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of POISONS end whoever decodes them."""
    decode = Sources.decode

    def harmed(self: Sources, entry: Entry, *rest: Any) -> Any:
        if any(entry is one for one in POISONS):
            raise End
        return decode(self, entry, *rest)

    monkeypatch.setattr(Sources, "decode", harmed)


@contextmanager
def poisoned(entries: Iterable[Entry]) -> Iterator[None]:
    POISONS[:] = entries
    try:
        yield
    finally:
        POISONS.clear()


def without(entries: list[Entry], bad: list[Entry]) -> list[Entry]:
    """The same stream, in which they are messages that mean nothing."""
    return [
        entry._replace(payload=GARBAGE) if any(entry is one for one in bad) else entry
        for entry in entries
    ]


def raw(rows: Mapping[tuple[str, int], Mapping[str, object]]) -> dict[tuple[str, int], object]:
    return {place: fields.get("raw") for place, fields in rows.items()}


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    entries=streams(),
    picked=st.sets(st.integers(0, 40), min_size=1, max_size=3),
    limits=st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_the_series_is_that_of_the_stream_without_its_poison(
    entries: list[Entry], picked: set[int], limits: list[int]
) -> None:
    """Read as it comes, held for a clock, or read once more because of a later fact."""
    records = [entry for entry in entries if entry.kind == Kind.RECORD]
    bad = [records[k % len(records)] for k in picked]
    with folders() as folder, poisoned(bad):
        journal = MemoryJournal(entries)
        life = GuardedLife(folder, journal)
        for n, limit in enumerate(limits, 1):
            journal.shown = len(entries) * n // len(limits)
            life.settle(limit)
        assert life.reported() == reported(folder / "whole", without(entries, bad))
        aside = {number & 0xFFFFFFFF for number in life.guard.aside}
        assert aside <= {n for n, e in enumerate(entries, 1) if any(e is one for one in bad)}
        assert life.ends <= 4 * len(bad)
        life.restart(flushed=True)
        life.settle()
        assert life.reported() == reported(folder / "whole2", without(entries, bad))
        POISONS.clear()  # as an update of the software does
        life.key = "another"
        life.restart(flushed=True)
        life.settle()
        assert not life.guard.aside
        assert not life.guard.suspects
        counts = life.reported()["counts"]
        assert life.deriver.state.aside == []
        assert counts.pop("records") == sum(counts.values())
        life.close()


@pytest.mark.parametrize("known_first", [True, False], ids=["as they come", "held"])
def test_what_is_tried_again_gives_the_values_that_it_had_given(known_first: bool) -> None:
    stream = EnteredFacts()
    first(stream)
    for number in range(60):
        if number == (0 if known_first else 40):
            stream.know_clock()
        stream.hear("a", float(number % 7), 1, True)
    records = [entry for entry in stream.entries if entry.kind == Kind.RECORD]
    bad = [records[3], records[30]]
    with folders() as folder, poisoned(bad):
        journal = MemoryJournal(stream.entries)
        journal.shown = len(stream.entries)
        life = GuardedLife(folder, journal)
        life.settle(25)
        assert len(life.rows()) == 58
        POISONS.clear()  # as an update of the software does
        life.key = "another"
        life.restart(flushed=True)
        life.settle()
        assert raw(life.rows()) == raw(told_rows(folder / "whole", stream.entries))
        assert life.reported()["counts"] == reported(folder / "whole2", stream.entries)["counts"]
        life.close()


@pytest.mark.parametrize("place", [3, 6])
def test_a_fact_that_ends_the_start_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """Whoever reads what was entered, at a start and for a question, goes on without it."""
    stream = EnteredFacts()
    first(stream)
    stream.know_clock()
    for number in range(20):
        stream.hear("a", float(number), 1, True)
    bad = stream.entries[place - 1]
    read = rederive.from_payload

    def harmed(payload: bytes) -> Any:
        if payload == bad.payload:
            raise End
        return read(payload)

    monkeypatch.setattr(rederive, "from_payload", harmed)
    with folders() as folder:
        journal: Any = MemoryJournal(stream.entries)
        journal.shown = len(stream.entries)
        ends, life = 0, None
        while life is None:
            try:
                life = GuardedLife(folder, journal)
            except End:
                ends += 1
                leave_trace(folder)
                assert ends <= 2
        life.settle()
        assert [number & 0xFFFFFFFF for number in life.guard.aside] == [place]
        journal.aside = life.guard.aside
        assert known_facts(journal).channels
        life.close()
