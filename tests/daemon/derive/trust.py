"""Rows of facts about one probe and one channel, and what becomes of a number under them."""

from typing import Any, NamedTuple

import numpy as np

from edaphon.clock import instant_text
from edaphon.derive.calibrate import Segment
from edaphon.derive.plan import Plan, changed_ranges
from edaphon.facts import Knowledge
from edaphon.model import EntryId
from edaphon.toml_input.values import instant_ns
from edaphon_drivers.sheets import Factory, Output

__all__ = [
    "AFTER",
    "BEFORE",
    "BY_MAKER",
    "CHANNEL",
    "DAY_NS",
    "DEPLOYED",
    "MAKER",
    "MODEL",
    "NEW_YEAR_NS",
    "OF_SENSOR",
    "OUTPUTS",
    "PAIR",
    "POINTS",
    "Row",
    "START",
    "T",
    "TRUE",
    "Value",
    "apply",
    "at",
    "by_calendar",
    "calibration",
    "changed",
    "check",
    "fact",
    "known",
    "nothing",
    "plan_of",
    "segment_at",
    "value",
]

DAY_NS = 86_400 * 10**9
NEW_YEAR_NS = instant_ns("2026-01-01T00:00:00Z")
MAKER = Factory("maker", "linear", "soil_temperature", "degC", {"c0": 0.25, "c1": 1.0})
T = Output("t", "soil_temperature", "degC", factory=(MAKER,))
OUTPUTS = {
    "t": T,
    "n": Output("n", "raw_counts", "count"),
    "x": Output("x", "soil_temperature", "K"),
}
MODEL = "maker.probe"
Row = dict[str, Any]


class Value(NamedTuple):
    """One value of the channel, by the segment that holds then."""

    value: float
    u_random: float
    u_systematic: float
    outside: bool
    derivation: str


def at(day: float) -> int:
    return NEW_YEAR_NS + round(day * DAY_NS)


def fact(
    kind: str, id: str, begin: float | None = None, end: float | None = None, **keys: Any
) -> Row:
    """A table as it stands in the journal; `begin` and `end` are days of 2026."""
    times = {"from": begin, "to": end}
    reported = {key: instant_text(at(day)) for key, day in times.items() if day is not None}
    return {"kind": kind, "id": id, **reported, **keys}


def calibration(
    id: str, begin: float | None = None, end: float | None = None, c0: float = 0.0, **keys: Any
) -> Row:
    """A line c0 + x for the channel, if nothing else is given."""
    subject = {} if "sensor" in keys else {"channel": "c"}
    line = {"curve": "linear", "parameters": {"c0": c0, "c1": 1.0}}
    return fact("calibration", id, begin, end, **{**subject, **line, **keys})


def check(id: str, state: str, day: float, reading: float, **keys: Any) -> Row:
    """A check against 20.0 with a reference known to 0.1, of the channel by default."""
    visit = {"end": day} if state == "as found" else {"begin": day}
    subject = {} if "sensor" in keys else {"channel": "c"}
    numbers = {"reading": reading, "reference_value": 20.0, "u_reference": 0.1, **subject}
    return fact("check", id, **{"state": state, **visit, **numbers, **keys})


CHANNEL = fact("channel", "c", quantity="soil_temperature", unit="degC")
OF_SENSOR = {"sensor": "S1", "output": "t"}
DEPLOYED = fact("deployment", "d", channel="c", source="b/x", output="t", sensor="S1")
BY_MAKER = {**DEPLOYED, "factory": "maker"}
START = [CHANNEL, DEPLOYED]


def known(*rows: Row) -> Knowledge:
    return Knowledge.of((EntryId(1, n), row) for n, row in enumerate(rows, 1))


def plan_of(*rows: Row, output: Output = T) -> Plan:
    outputs = {**OUTPUTS, output.name: output}
    return Plan.of(known(*rows), {"b/x": outputs, "b/y": outputs}, "s", {"b/x": MODEL})


def segment_at(plan: Plan, day: float, channel: str = "c") -> Segment:
    own = [s for s in plan.segments() if s.channel == channel and s.start_ns <= at(day) < s.end_ns]
    assert len(own) == 1
    return own[0]


def apply(segment: Segment, day: float, raw: float, second_input: list[float]) -> Value:
    rows = np.array(second_input, np.float64).reshape(-1, 1)
    found = segment.chain.apply(np.array([raw]), np.array([at(day)]), rows)
    number, u_random, u_systematic = (float(column[0]) for column in found[:3])
    derivation = segment.derivation_at(at(day))
    return Value(number, u_random, u_systematic, bool(found.outside[0]), derivation)


def value(
    rows: list[Row],
    day: float,
    raw: float = 20.0,
    second_input: tuple[float, ...] = (),
    channel: str = "c",
    output: Output = T,
) -> Value:
    segment = segment_at(plan_of(*rows, output=output), day, channel)
    return apply(segment, day, raw, [x for number in second_input for x in (number, 0.0, 0.0)])


def nothing(found: Value) -> bool:
    return bool(np.isnan([found.value, found.u_random, found.u_systematic]).all())


def changed(before: list[Row], after: list[Row]) -> bool:
    return bool(changed_ranges(plan_of(*before).intervals, plan_of(*after).intervals))


# A sensor calibrated before it was deployed and after it came back, on days 10 and 110.

BEFORE = calibration("before", None, 10, 1.0, **OF_SENSOR)
AFTER = calibration("after", 10, 110, 3.0, drifts_from="before", **OF_SENSOR)
PAIR = [*START, BEFORE, AFTER]

# A curve that goes by the calendar.

POINTS = {"raw_zero": 3.2, "raw_span": 1004.8, "raw_zero_2": 5.8, "raw_span_2": 1012.0}
TRUE = {"zero_gas": 0.5, "span_gas": 998.0}


def by_calendar(begin: float, end: float, **keys: Any) -> Row:
    reported = {"curve": "zero_span_drift", "parameters": {**POINTS, **TRUE}, **keys}
    return calibration("drift", begin, end, **reported)
