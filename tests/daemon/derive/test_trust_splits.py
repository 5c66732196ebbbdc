"""Pairs, checks in the field and curves of the calendar give the same bits however data come."""

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.daemon.derive.lives import EnteredFacts, Life, MemoryJournal, folders, reported
from tests.daemon.derive.test_pipeline import FIRST, fact, instant
from tests.daemon.derive.trust import (
    PAIR,
    POINTS,
    TRUE,
    at,
    by_calendar,
    calibration,
    check,
    plan_of,
    segment_at,
)

from edaphon.journal import Entry

EXAMPLES = int(os.environ.get("EDAPHON_EXAMPLES", "60"))
COVARIANCE = [[0.013, -0.0004], [-0.0004, 0.000021]]
LINE = {"channel": "c1", "curve": "linear", "covariance": COVARIANCE}


def line(id: str, c0: float, **keys: Any) -> dict[str, Any]:
    return fact("calibration", id, parameters={"c0": c0, "c1": 1.017}, **{**LINE, **keys})


def comparison(id: str, reading: float, state: str, minute: int) -> dict[str, Any]:
    numbers = {"reading": reading, "reference_value": 10.0, "u_reference": 0.07}
    visit = {"to" if state == "as found" else "from_": instant(minute)}
    return fact("check", id, channel="c1", state=state, **numbers, **visit)


@st.composite
def trusts(draw: st.DrawFn) -> dict[str, Any]:
    """A fact that says how far values can be trusted; some put right or take back another."""
    begin = draw(st.integers(0, 60))
    end = begin + draw(st.integers(20, 200))
    own = {"from_": instant(begin), "to": instant(end)}
    c0, number = draw(st.floats(-2, 2)), draw(st.integers(0, 3))
    match draw(st.sampled_from(["before", "right", "after", "after", "drift", "check", "back"])):
        case "before":
            return line("before", c0, to=instant(begin))
        case "right":
            return line(f"right{number}", c0, supersedes="before")
        case "after":
            return line(f"after{number}", c0, drifts_from="before", **own)
        case "drift":
            keys = {"channel": "c1", "step": 2, "curve": "zero_span_drift"}
            return fact("calibration", "drift", parameters={**POINTS, **TRUE}, **keys, **own)
        case "check":
            state = draw(st.sampled_from(["as found", "as left"]))
            return comparison(f"check{number}", 10.0 + c0, state, begin)
        case _:
            of = draw(st.sampled_from(["before", "after0", "after1", "drift", "check0", "right0"]))
            return fact("revocation", f"r{number}", of=of, why="it was wrong")


@st.composite
def streams(draw: st.DrawFn) -> list[Entry]:
    plot = EnteredFacts()
    plot.configure(0)
    for table in (FIRST[0], FIRST[1], FIRST[3], line("before", 0.5, to=instant(30))):
        plot.learn(table)
    plot.know_clock()
    for table in draw(st.lists(trusts(), min_size=1, max_size=8)):
        for number in draw(st.lists(st.floats(-20, 40), max_size=6)):
            plot.hear("a", number, draw(st.sampled_from([1, 3, 20, -2])), True)
        plot.learn(table)
    plot.hear("a", 10.25, 1, True)
    return plot.entries


@pytest.mark.timeout(300)
@settings(max_examples=EXAMPLES, deadline=None)
@given(entries=streams(), limits=st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_a_stream_taught_and_split_anyhow_gives_the_series_of_one_batch(
    entries: list[Entry], limits: list[int]
) -> None:
    with folders() as folder:
        journal = MemoryJournal(entries)
        life = Life(folder, journal)
        turns = 0
        while journal.shown < len(entries) or life.turn(limits[turns % len(limits)]):
            journal.shown = min(len(entries), journal.shown + limits[turns % len(limits)])
            turns += 1
            life.turn(limits[turns % len(limits)])
        assert life.reported() == reported(folder / "whole", entries)
        life.close()


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.floats(10, 109), min_size=2, max_size=40), st.data())
def test_any_split_of_a_column_has_the_same_bits(days: list[float], data: st.DataObject) -> None:
    drift = by_calendar(0, 200, step=2, covariance=np.diag([0.01, 0.02, 0.04, 0.05, 0, 0]).tolist())
    soil = calibration("soil", None, None, 0.3, covariance=COVARIANCE, step=3)
    left = check("k", "as left", 0, 20.9)
    pair = [{**row, "covariance": COVARIANCE} for row in PAIR[2:]]
    chain = segment_at(plan_of(*PAIR[:2], *pair, drift, soil, left), 50).chain
    times = np.array([at(day) for day in days])
    raw = np.linspace(-20, 40, len(days)) * 1.0000001
    cut = data.draw(st.integers(1, len(days) - 1))
    none = np.zeros((0, len(days)))
    whole = chain.apply(raw, times, none)
    parts = [chain.apply(raw[a], times[a], none[:, a]) for a in (slice(cut), slice(cut, None))]
    for column, *split in zip(whole, *parts, strict=True):
        assert column.tobytes() == np.concatenate(split).tobytes()
    assert np.isfinite(whole.value).all()
