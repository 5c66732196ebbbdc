"""A line that the service itself receives: the newest of its own source, or the next one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.daemon.journal.entries import NOON_NS, SetClock, commit, record

from edaphon.acquire.line_tools import modbus_presence
from edaphon.acquire.stream import CHUNK_S, StreamListener
from edaphon.journal import Journal, Kind, Purpose
from edaphon.model import EntryId
from edaphon_drivers.readings import Turn

OWN, OTHER = "serial/a", "serial/b"
SECOND_NS = 10**9


@pytest.fixture
def journal(tmp_path: Path):
    with Journal(tmp_path, SetClock()) as journal:
        yield journal


def listener(journal: Journal, now_ns: int = NOON_NS) -> StreamListener:
    keeper: Any = SimpleNamespace(now_ns=lambda: now_ns)
    config: Any = None
    return StreamListener(config, journal, keeper)


def test_the_next_record_of_the_source_is_waited_for_and_nothing_else(journal):
    entries = [
        record(1, source=OTHER),
        record(2, source=OWN)._replace(kind=Kind.GAP),
        record(3, source=OWN),
        record(4, source=OWN),
    ]
    commit(journal, entries)
    assert listener(journal)._next(OWN, None, 5) == entries[2]
    assert listener(journal)._next(OWN, EntryId(1, 3), 5) == entries[3]
    assert listener(journal)._next(OWN, EntryId(1, 4), 0.05) is None
    assert listener(journal)._next(OTHER, EntryId(1, 1), 0.05) is None


@pytest.mark.parametrize("fresh_s", [0.0, 60.0])
def test_the_newest_routine_record_counts_while_it_is_fresh(journal, fresh_s):
    entries = [
        record(1, source=OWN),
        record(5, source=OWN),
        record(3, source=OWN),
        record(9, source=OTHER),
        record(9, source=OWN)._replace(purpose=Purpose.TEST),
    ]
    commit(journal, entries)
    last = journal.last
    limit = NOON_NS + 5 + int((fresh_s + CHUNK_S) * SECOND_NS)
    for now_ns, found in ((NOON_NS, entries[1]), (limit, entries[1]), (limit + 1000, None)):
        assert listener(journal, now_ns)._newest(OWN, last, fresh_s) == found
    assert listener(journal)._newest("serial/c", last, fresh_s) is None


def test_a_unit_answers_is_silent_or_is_two_by_its_turns():
    ask = bytes.fromhex("010300000001840a")
    answer = bytes.fromhex("0103020001") + bytes.fromhex("7984")
    spoilt = answer[:-1] + b"\0"

    def turns(*answers: bytes) -> list[Turn]:
        return [
            Turn(k, sent, data)
            for k, reply in enumerate(answers)
            for sent, data in ((True, ask), *([(False, reply)] if reply else []))
        ]

    assert modbus_presence(turns(answer)) == modbus_presence(turns(b"", answer))
    found = [modbus_presence(turns(*came)) for came in ((b"",), (answer,), (spoilt, spoilt))]
    assert len({one.state for one in found}) == 3
    assert modbus_presence(turns(spoilt)) == modbus_presence([]) == found[0]
    assert "2 garbled answers" in found[2].words
