"""However the stream is split, interrupted, or taught in the middle, the same series comes out."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.derive.lives import (
    CONFIGURATIONS,
    EnteredFacts,
    Life,
    MemoryJournal,
    folders,
    reported,
)

from edaphon.derive import rederive as deriver_module
from edaphon.journal import Entry

EXAMPLES = int(os.environ.get("EDAPHON_EXAMPLES", "60"))
Step = Callable[[EnteredFacts], None]

CHECKS: list[dict[str, dict[str, float]]] = [
    {"range": {"fail_lowest": -30, "fail_highest": 50}, "spike": {"difference": 5}},
    {"rate": {"rise_per_hour": 60, "fall_per_hour": 60}},
    {"spike": {"difference": 2}, "rate": {"rise_per_hour": 200}},
]


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is derived again from the series, so that much comes between two of them."""
    monkeypatch.setattr(deriver_module, "ROWS_FOR_ENTRY", 1)


def fact(kind: str, id: str, **keys: Any) -> dict[str, Any]:
    return {"kind": kind, "id": id, **{k.rstrip("_"): v for k, v in keys.items() if v is not None}}


def instant(minute: int | None) -> str | None:
    if minute is None:
        return None
    hours, minutes = divmod(13 * 60 + 33 + minute, 60)
    return f"2026-09-{21 + hours // 24}T{hours % 24:02}:{minutes:02}:20Z"


def channel(name: str, depth: int, checks: int, again: bool) -> dict[str, Any]:
    own = {"plot": "p", "depth_cm": str(depth), "checks": CHECKS[checks]}
    supersedes = name if again else None
    return fact(
        "channel", name, quantity="soil_temperature", unit="degC", supersedes=supersedes, **own
    )


FIRST = [
    fact("plot", "p"),
    channel("c1", 5, 0, again=False),
    channel("c2", 10, 1, again=False),
    fact("deployment", "da", channel="c1", source="local/a", output="x"),
    fact("deployment", "db", channel="c2", source="local/b", output="x"),
    fact("deployment", "dc", channel="c1", source="local/b", output="x", primary=False),
]


def first(reported: EnteredFacts) -> None:
    reported.configure(0)
    for table in FIRST:
        reported.learn(table)


@st.composite
def spans(draw: st.DrawFn) -> dict[str, str | None]:
    ends = sorted(draw(st.sets(st.integers(0, 240), min_size=2, max_size=2)))
    kept = [end if draw(st.booleans()) else None for end in ends]
    return {"from_": instant(kept[0]), "to": instant(kept[1])}


@st.composite
def facts(draw: st.DrawFn) -> dict[str, Any]:
    """Any fact about the plot; most are new, some put an earlier one right or take one back."""
    number = draw(st.integers(1, 6))
    place = draw(st.sampled_from(["c1", "c2"]))
    earlier = draw(st.sampled_from(["da", "db", "dc", *(f"d{n}" for n in range(1, 7))]))
    kinds = ["deployment", "calibration", "mark", "visit", "channel", "revocation"]
    kind = draw(st.sampled_from(kinds))
    match kind:
        case "deployment":
            node = draw(st.sampled_from("ab"))
            supersedes = draw(st.sampled_from([None, earlier, earlier]))
            output = draw(st.sampled_from("xxz"))
            keys = {"channel": place, "source": f"local/{node}", "output": output}
            primary = draw(st.booleans())
            return fact(
                kind, f"d{number}", supersedes=supersedes, primary=primary, **keys, **draw(spans())
            )
        case "calibration":
            supersedes = draw(st.sampled_from([None, None, *(f"k{n}" for n in range(1, 7))]))
            keys = {"curve": "polynomial", "to_unit": "degC", "supersedes": supersedes}
            parameters = {"c0": number / 8, "c1": 1.0 + number / 64}
            return fact(
                kind, f"k{number}", channel=place, parameters=parameters, **keys, **draw(spans())
            )
        case "mark":
            flag = draw(st.sampled_from([3, 4, 9]))
            keys = {"channels": [place], "cause": "visit", "who": "me", "flag": flag}
            return fact(kind, f"m{number}", **keys, **draw(spans()))
        case "visit":
            begin, end = sorted(draw(st.sets(st.integers(0, 240), min_size=2, max_size=2)))
            span = {"from_": instant(begin), "to": instant(end)}
            return fact(kind, f"v{number}", plot="p", who="me", **span)
        case "channel":
            depth = 5 if place == "c1" else 10
            return channel(place, depth, draw(st.integers(0, 2)), again=True)
        case _:
            of = draw(st.sampled_from([earlier, f"k{number}", f"m{number}", f"v{number}", place]))
            return fact("revocation", f"r{draw(st.integers(1, 99))}", of=of, why="it was wrong")


NUMBERS = st.sampled_from([10.0, 10.5, 11.0, 9.0, 30.0, -127.0, 60.0, None, float("inf"), 1e300])


@st.composite
def messages(draw: st.DrawFn) -> Step:
    node = draw(st.sampled_from("aab"))
    number = draw(NUMBERS)
    later = draw(st.sampled_from([1, 1, 2, 5, 20, 0, 0, -1, -7]))
    own_time = draw(st.sampled_from([True, True, True, False]))
    if number == float("inf"):
        number = None
    return lambda reported: reported.hear(node, number, later, own_time)


def learning(table: dict[str, Any]) -> Step:
    return lambda reported: reported.learn(table)


@st.composite
def clocks(draw: st.DrawFn) -> Step:
    boot, wrong = draw(st.integers(0, 2)), draw(st.sampled_from([0, -500, 90]))
    known = draw(st.booleans())
    return lambda reported: reported.know_clock() if known else reported.start(boot, wrong)


def configuring(number: int) -> Step:
    return lambda reported: reported.configure(number)


CONFIGURING = st.integers(0, len(CONFIGURATIONS) - 1).map(configuring)
LEARNING = facts().map(learning)
HEARD = st.lists(messages(), min_size=1, max_size=8)


@st.composite
def streams(draw: st.DrawFn) -> list[Entry]:
    """The entries of a small plot's life."""
    reported = EnteredFacts()
    first(reported)
    reported.know_clock()
    rare = st.one_of(LEARNING, LEARNING, LEARNING, LEARNING, clocks(), CONFIGURING)
    for received, step in draw(st.lists(st.tuples(HEARD, rare), min_size=1, max_size=8)):
        for message in received:
            message(reported)
        step(reported)
    for message in draw(HEARD):
        message(reported)
    reported.know_clock()
    return reported.entries


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None)
@given(entries=streams(), limits=st.lists(st.integers(1, 7), min_size=1, max_size=9))
def test_a_stream_split_anyhow_gives_the_series_of_one_batch(
    entries: list[Entry], limits: list[int]
) -> None:
    with folders() as folder:
        journal = MemoryJournal(entries)
        journal.shown = len(entries)
        life = Life(folder, journal)
        turns = 0
        while life.turn(limits[turns % len(limits)]):
            turns += 1
        assert life.reported() == reported(folder / "whole", entries)
        life.close()


def test_stretches_around_a_calibration_are_judged_apart_however_the_stream_is_split() -> None:
    """The first and the last are derived alike; late data go back and forth between them."""
    stream = EnteredFacts()
    stream.configure(0)
    for table in [FIRST[0], channel("c1", 5, 1, again=False), FIRST[3]]:
        stream.learn(table)
    between = {"from_": "2026-09-21T14:16:20Z", "to": "2026-09-21T14:18:20Z"}
    keys = {"channel": "c1", "curve": "polynomial", "to_unit": "degC", "parameters": {"c1": 2.0}}
    stream.learn(fact("calibration", "k", **keys, **between))
    stream.know_clock()
    for number, later in [(10.0, 1), (10.0, 6), (30.0, -5), (10.5, 1), (31.0, -5)]:
        stream.hear("a", number, later, True)
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        journal.shown = len(stream.entries)
        life = Life(folder, journal)
        while life.turn(1):
            pass
        assert life.reported() == reported(folder / "whole", stream.entries)
        life.close()


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    entries=streams(),
    lives=st.lists(
        st.tuples(
            st.integers(1, 9),  # entries that are committed
            st.integers(0, 6),  # turns
            st.integers(1, 9),  # entries in a turn
            st.integers(0, 5),  # batches that the sink takes
            st.integers(1, 9),  # observations in a batch
            st.sampled_from([None, None, True, False]),  # stopped, killed, or going on
        ),
        min_size=1,
    ),
)
def test_facts_learned_on_the_way_give_what_they_give_from_the_start(
    entries: list[Entry], lives: list[tuple[int, int, int, int, int, bool | None]]
) -> None:
    with folders() as folder:
        journal = MemoryJournal(entries)
        life = Life(folder, journal)
        for committed, turns, limit, batches, size, ending in lives:
            journal.shown = min(journal.shown + committed, len(entries))
            for _ in range(turns):
                life.turn(limit)
            life.deliver(batches, size)
            if ending is not None:
                life.restart(flushed=ending)
        journal.shown = len(entries)
        life.settle()
        life.deliver()
        assert life.reported() == reported(folder / "whole", entries)
        assert life.sink.points == life.rows()
        life.close()


def test_channels_are_taken_over_one_at_a_time_and_a_kill_between_them_loses_none() -> None:
    """All at once, ten years of twelve channels let nothing else happen for 20 s."""
    stream = EnteredFacts()
    first(stream)
    stream.know_clock()
    for k in range(20):
        stream.hear("a", 10.0 + k % 3, 1, True)
    with folders() as folder:
        journal = MemoryJournal(stream.entries)
        journal.shown = len(stream.entries)
        life = Life(folder, journal)
        life.settle()
        life.deriver.derive_all_again()
        left = [len(life.deriver.pending)]
        while life.deriver.turn():
            left.append(len(life.deriver.pending))
            if left[-1] == left[0] - 1:
                life.restart(flushed=False)
        assert left[0] > 1
        assert set(left) == set(range(left[0] + 1))
        assert life.reported() == reported(folder / "whole", stream.entries)
        life.close()
