"""A backlog waits for the deriver, and for nothing else: no stop and no dead deriver holds it."""

import threading
import time

import pytest

from edaphon.acquire import budget
from edaphon.acquire.budget import Pace
from edaphon.model import EntryId

BACKLOG = 10**9


class Deriver:
    position = EntryId(1, 0)


@pytest.fixture
def deriver():
    return Deriver()


def test_as_much_comes_in_as_the_deriver_leaves_room_for(deriver):
    pace, stop = Pace(lambda: deriver.position, ahead_bytes=100), threading.Event()
    done = [pace.appended(60), pace.appended(60)]
    assert pace.ahead_bytes == 120
    done[0]([EntryId(1, 1)])
    assert pace.ahead_bytes == 120
    threading.Timer(0.2, lambda: setattr(deriver, "position", EntryId(1, 1))).start()
    begun = time.monotonic()
    assert pace.wait(stop, BACKLOG)
    assert 0.1 < time.monotonic() - begun < 5
    assert pace.ahead_bytes == 60
    done[1]([EntryId(1, 2)])
    deriver.position = EntryId(2, 5)  # a new file of the journal lies behind all of the one before
    assert pace.ahead_bytes == 0


def test_a_stop_ends_the_wait(deriver):
    pace, stop = Pace(lambda: deriver.position, ahead_bytes=100), threading.Event()
    pace.appended(100)
    threading.Timer(0.1, stop.set).start()
    begun = time.monotonic()
    assert not pace.wait(stop, BACKLOG)
    assert time.monotonic() - begun < 5


def test_what_comes_in_does_not_depend_on_a_deriver_that_stands_still(deriver, monkeypatch):
    monkeypatch.setattr(budget, "LONGEST_WAIT_S", 0.1)
    pace = Pace(lambda: deriver.position, ahead_bytes=100)
    pace.appended(100)
    assert not pace.may_take(BACKLOG)
    assert not pace.wait(threading.Event(), BACKLOG, within_s=0.02)
    assert pace.wait(threading.Event(), BACKLOG)


def test_the_newest_rows_of_a_file_are_no_backlog(deriver):
    pace = Pace(lambda: deriver.position, lambda: False, ahead_bytes=100)
    pace.appended(1000)
    assert pace.may_take(65_536)
    assert not pace.may_take(65_537)


def test_sinks_hold_back_what_comes_in_bulk_and_no_single_piece(deriver, monkeypatch):
    """Beside a backlog that a sink can't swallow as fast, live values were a minute late there."""
    monkeypatch.setattr(budget, "LONGEST_SINK_WAIT_S", 0.3)
    up = []
    pace, stop = Pace(lambda: deriver.position, lambda: bool(up), 100), threading.Event()

    def waited_s() -> float:
        begun = time.monotonic()
        assert pace.wait(stop, BACKLOG)
        return time.monotonic() - begun

    deriver.position = EntryId(9, 9)  # all is derived
    pace.appended(60)([EntryId(1, 1)])
    assert waited_s() < 0.2
    pace.appended(60)([EntryId(1, 2)])
    assert waited_s() >= 0.3
    up.append(True)
    assert waited_s() < 0.2
    up.clear()
    pace.appended(60)([EntryId(1, 3)])
    assert waited_s() < 0.2
