"""The choice of calibration against the rule in plain words, over histories that nobody foresaw.

EDAPHON_FAULTS=long makes 10,000 histories of it; EDAPHON_EXAMPLES says how many otherwise.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphon.clock import instant_text
from edaphon.derive.calibrate import Segment
from edaphon.derive.segments import PlannedDeployment, segments_of
from edaphon.facts import Deployment, Knowledge, fact_of
from edaphon.model import ALWAYS, EntryId
from edaphon_drivers.sheets import Factory, Output

LONG = os.environ.get("EDAPHON_FAULTS") == "long"
EXAMPLES = 10_000 if LONG else int(os.environ.get("EDAPHON_EXAMPLES", "500"))
T0, HOUR_NS = 1_790_000_000_000_000_000, 3600 * 10**9
HOURS = 9
FACTORY_OFFSET = 0.25
OUTPUTS = {
    "t": Output(
        "t",
        "soil_temperature",
        "degC",
        factory=(
            Factory("maker", "linear", "soil_temperature", "degC", {"c0": FACTORY_OFFSET, "c1": 1}),
        ),
    ),
    "n": Output("n", "raw_counts", "count"),
}
Row = dict[str, Any]


# The rule: plain rows in the order of entry; `from` and `to` are hours, None is open.


def in_force(history: list[Row]) -> list[tuple[int, Row]]:
    """(place in the order of entry, row) of those that stand.

    The last revocation stands unless a later row supersedes it; then it and the row that it takes
    back were never there. So on to the first. What is left is superseded by later rows only.
    """
    rows, reported = list(enumerate(history)), set[int]()
    while waiting := [
        (at, r) for at, r in rows if r["kind"] == "revocation" and at not in reported
    ]:
        last, revocation = waiting[-1]
        reported.add(last)
        if not superseded(rows, last, revocation):
            mentioned = [at for at, row in rows if row["id"] == revocation["of"] and at < last]
            rows = [(at, row) for at, row in rows if at not in mentioned[-1:]]
    return [(at, row) for at, row in rows if not superseded(rows, at, row)]


def superseded(rows: list[tuple[int, Row]], at: int, row: Row) -> bool:
    return any(later > at and other["supersedes"] == row["id"] for later, other in rows)


def covers(row: Row, half_hours: int) -> bool:
    begun = row["from"] is None or 2 * row["from"] <= half_hours
    return begun and (row["to"] is None or half_hours < 2 * row["to"])


def chosen_at(standing: list[tuple[int, Row]], deployment: Row, half_hours: int) -> list[Row]:
    """The steps of the sensor's output 1 to 3, then those of the channel, each the last entered."""
    sensor = ("sensor", deployment["sensor"], deployment["output"])
    found = []
    for subject in (sensor, ("channel", deployment["channel"])):
        for step in (1, 2, 3):
            fitting = [
                (at, row)
                for at, row in standing
                if row["kind"] == "calibration"
                and row["subject"] == subject
                and (row["step"] or 1) == step
                and covers(row, half_hours)
            ]
            if fitting:
                found.append(max(fitting, key=lambda pair: pair[0])[1])
    return found


def value_of(deployment: Row, chosen: list[Row], standing: list[tuple[int, Row]]) -> float | None:
    """What 20 becomes; None where a step has calibrations, and none of that time.

    The maker's curve stands in for all of the sensor's own. None also where a unit does not fit.
    """
    unit, number = OUTPUTS[deployment["output"]].unit, 20.0
    maker = deployment["factory"] and not any(row["subject"][0] == "sensor" for row in chosen)
    if maker:
        number += FACTORY_OFFSET
    subjects = [("channel", deployment["channel"])]
    if not maker:
        subjects.append(("sensor", deployment["sensor"], deployment["output"]))
    steps = {
        (row["subject"], row["step"] or 1)
        for _, row in standing
        if row["kind"] == "calibration" and row["subject"] in subjects
    }
    if steps - {(row["subject"], row["step"] or 1) for row in chosen}:
        return None
    for row in chosen:
        if row["units"][0] != unit:
            return None
        unit, number = row["units"][1], number + row["offset"]
    return number if unit == "degC" else None


# The histories.

BOUNDS = (None, *range(HOURS + 1))
PERIODS = [(a, b) for a in BOUNDS for b in BOUNDS if a is None or b is None or a < b]
SENSORS = [("sensor", serial, output) for serial, output in ("At", "At", "Bt", "Bt", "An")]
SUBJECTS = [*SENSORS, ("channel", "c"), ("channel", "c"), ("channel", "d")]
KINDS = ["calibration"] * 10 + ["deployment"] * 3 + ["revocation"] * 4 + ["channel"] * 2


def calibration(draw: st.DrawFn, n: int) -> Row:
    subject = draw(st.sampled_from(SUBJECTS))
    step = draw(st.sampled_from([None, 1, 2, 3]))
    counts = subject[0] == "sensor" and subject[2] == "n" and step in {None, 1}
    return {
        "subject": subject,
        "step": step,
        "offset": float(2**n),
        "units": ("count" if counts else "degC", "degC"),
        "expires": draw(st.sampled_from(BOUNDS)),
    }


def deployment(draw: st.DrawFn, n: int) -> Row:
    _, sensor, output = draw(st.sampled_from(SENSORS))
    factory = output == "t" and draw(st.booleans())
    channel = "d" if output == "n" else draw(st.sampled_from("ccd"))
    return {"channel": channel, "sensor": sensor, "output": output, "factory": factory}


def named(draw: st.DrawFn, rows: list[Row], kinds: set[str]) -> str | None:
    ids = [row["id"] for row in rows if row["kind"] in kinds]
    return draw(st.sampled_from(ids)) if ids else None


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Rows as they were entered; corrections and revocations name whatever came before them.

    A channel says something new about itself under its own id, so each revocation goes one back.
    """
    rows: list[Row] = []
    for n in range(draw(st.integers(4, 14))):
        kind = draw(st.sampled_from(KINDS)) if n else "deployment"
        row: Row = {"kind": kind, "id": f"f{n}", "supersedes": None, "number": n}
        if kind == "channel":
            row |= {"id": "c", "supersedes": named(draw, rows, {kind})}
        elif draw(st.integers(0, 9)) < 3:
            row["supersedes"] = named(draw, rows, {kind})
        if kind == "revocation":
            row["of"] = named(draw, rows, {row["kind"] for row in rows})
        elif kind != "channel":
            row["from"], row["to"] = draw(st.sampled_from(PERIODS))
            row |= calibration(draw, n) if kind == "calibration" else deployment(draw, n)
        rows.append(row)
    return rows


# The same histories as facts.


def table(row: Row) -> Row:
    kept: Row = {"kind": row["kind"], "id": row["id"]}
    if row["supersedes"] is not None:
        kept["supersedes"] = row["supersedes"]
    if row["kind"] == "revocation":
        return {**kept, "of": row["of"], "why": "wrong"}
    if row["kind"] == "channel":
        checks = {"range": {"fail": [-50, 50 + row["number"]]}}
        return {**kept, "quantity": "soil_temperature", "unit": "degC", "checks": checks}
    times = {key: row.get(key) for key in ("from", "to", "expires")}
    kept |= {k: instant_text(T0 + h * HOUR_NS) for k, h in times.items() if h is not None}
    if row["kind"] == "deployment":
        kept |= {key: row[key] for key in ("channel", "output", "sensor")}
        return {**kept, "source": "b/x", **({"factory": "maker"} if row["factory"] else {})}
    what, *names = row["subject"]
    kept |= (
        {"channel": names[0]}
        if what == "channel"
        else dict(zip(("sensor", "output"), names, strict=True))
    )
    kept |= {} if row["step"] is None else {"step": row["step"]}
    parameters = {"c0": row["offset"], "c1": 1.0}
    units = dict(zip(("from_unit", "to_unit"), row["units"], strict=True))
    return {**kept, "curve": "linear", "parameters": parameters, "drift_per_year": 0.1, **units}


def sequence(n: int) -> EntryId:
    """Five entries in each file of the journal."""
    return EntryId(1 + n // 5, 1 + n % 5)


def planned(knowledge: Knowledge, deployment: Deployment, texts: dict[str, str]) -> list[Segment]:
    row = {"id": deployment.channel, "quantity": "soil_temperature", "unit": "degC"}
    fact: Any = fact_of({"kind": "channel", **row})
    output = OUTPUTS[deployment.output]
    place = PlannedDeployment(deployment, fact, output, 0, 0, {}, {}, knowledge=knowledge)
    return list(segments_of(knowledge, place, texts))


def moments(row: Row) -> Iterator[int]:
    """Half hours of a deployment: every bound that a row can have, and between."""
    return (h for h in range(-1, 2 * HOURS + 2) if covers(row, h))


@settings(max_examples=EXAMPLES, deadline=None)
@given(histories(), st.data())
def test_of_each_step_the_calibration_entered_last_of_those_that_cover_the_time_as_known_then(
    history, data
):
    shuffled = data.draw(st.permutations(range(len(history))))
    everything = Knowledge.of((sequence(n), table(history[n])) for n in shuffled)
    for known in {len(history), data.draw(st.integers(1, len(history)))}:
        knowledge = everything.as_known_at(sequence(known - 1))
        standing = in_force(history[:known])
        assert [k.sequence for k in knowledge.in_force] == [sequence(at) for at, _ in standing]
        assert [c.id for c in knowledge.calibrations] == [
            row["id"] for _, row in standing if row["kind"] == "calibration"
        ]
        fed = [row for _, row in standing if row["kind"] == "deployment"]
        for row, deployment in zip(fed, knowledge.deployments, strict=True):
            texts: dict[str, str] = {}
            judge(planned(knowledge, deployment, texts), texts, row, standing)


def judge(
    segments: list[Segment], texts: dict[str, str], deployment: Row, standing: list[tuple[int, Row]]
) -> None:
    cuts = [deployment["from"], deployment["to"]]
    ends = [a if h is None else T0 + h * HOUR_NS for h, a in zip(cuts, ALWAYS, strict=True)]
    assert [segments[0].start_ns, segments[-1].end_ns] == ends
    assert [s.end_ns for s in segments[:-1]] == [s.start_ns for s in segments[1:]]
    names: dict[tuple[str, ...], str] = {}
    for half_hours in moments(deployment):
        time_ns = T0 + half_hours * HOUR_NS // 2
        (segment,) = [s for s in segments if s.start_ns <= time_ns < s.end_ns]
        chosen = chosen_at(standing, deployment, half_hours)
        ids = tuple(row["id"] for row in chosen)
        reported = orjson.loads(texts[segment.derivation_at(time_ns)])
        assert tuple(c["id"] for c in reported["calibrations"]) == ids
        assert names.setdefault(ids, segment.derivation) == segment.derivation
        compare(segment, time_ns, deployment, chosen, standing)
    assert len(set(names.values())) == len(names)


def compare(
    segment: Segment,
    time_ns: int,
    deployment: Row,
    chosen: list[Row],
    standing: list[tuple[int, Row]],
) -> None:
    """The numbers are those of the chosen ones too: value, begin of the drift, expiry."""
    expiries = [T0 + row["expires"] * HOUR_NS for row in chosen if row["expires"] is not None]
    assert segment.expires_ns == min(expiries, default=None)
    expected = value_of(deployment, chosen, standing)
    times, nothing = np.array([time_ns]), np.empty((0, 1))
    found = segment.chain.apply(np.array([20.0]), times, nothing).value[0]
    if expected is None:
        assert np.isnan(found)
        return
    assert found == expected
    begins = [ALWAYS[0] if r["from"] is None else T0 + r["from"] * HOUR_NS for r in chosen]
    assert list(segment.chain.since_ns)[len(segment.chain.steps) - len(chosen) :] == begins
