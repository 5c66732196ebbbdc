"""Which channels give values that a person should look at, and what the tests of all of them show.

One odd value is no reason. What explains the doubts of several channels takes their place: two
cables that were swapped, a rain gauge that misses rain, the one of two probes that has changed.
Nothing is written: the answer is made of the rows that are there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from edaphon.clock import DAY_NS, HOUR_NS, SECOND_NS
from edaphon.facts import Knowledge, Mark
from edaphon.model import Channel, Float, Int
from edaphon.quality import (
    BEFORE_NS,
    Evidence,
    QualityReport,
    ReadRows,
    context_of,
    depth_of,
    interval_of,
    quality_of,
)
from edaphon_calibration.nomenclature import quantity
from edaphon_calibration.quality import water
from edaphon_calibration.quality.results import FAILS
from edaphon_calibration.quality.rules import usual_rules
from edaphon_calibration.units import conversion

STEP, SWAPPED, NO_RAIN = "step", "cables swapped", "soil gets wet without rain"
REPORT_NS = 14 * DAY_NS  # a step is reported for so long
MOST_A_DAY, MOST_ROWS = 20_000, 60_000  # rows of a channel that is tested each day, and looked at
_LASTING = {"flat", "noise", "rail", "offset", "range", "temperature_sensitivity", "diagnostics"}
_LASTING |= {"replicate", "drift", "amplitude", "rise_without_water"}
_SHORT = {"spike_single", "spike_mad", "sentinel"}
_OF_TWO = {"replicate", "drift"}
_LOST = {"flat", "rail", "diagnostics"}  # such numbers say nothing of the soil
_LONG_S, _LEAST = 3600.0, 3  # what lasts for an hour, or comes three times, is no chance
_DRY = 0.1  # m3/m3: what fails `range` below it is a probe that has lost the soil
_SIDE = 36  # rows of 10 minutes before and after a step
_LEVELS = {STEP, "offset", *_SHORT}
_STEP_LEAST = 0.03  # m3/m3
_SWAP_LEAST = {"volumetric_water_content": 0.02, "soil_temperature": 0.4}
_SWAP_ROWS, _SWAP_SHARE = 3, 0.3  # of the distance of two: what may be left of it at the change
_RISE, _EVENTS, _EVENT_NS = 0.02, 2, 6 * HOUR_NS  # m3/m3 in an hour; of at least two probes
_GAUGE_NS = 28 * DAY_NS


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why values of a channel are doubtful: the tests, and since when [UTC ns].

    `lost`: the numbers say nothing of what they should measure. `of_probe`: the whole probe is
    where it should not be. `against` is the second channel of what two of them show.
    """

    since_ns: int
    tests: tuple[str, ...]
    against: str | None = None
    lost: bool = False
    of_probe: bool = False

    @property
    def text(self) -> str:
        names = ", ".join(self.tests)
        return names if self.against is None else f"{names}, against {self.against}"

    @property
    def of_two(self) -> bool:
        """Whether only a comparison of two probes shows it: either may be wrong."""
        return set(self.tests) <= _OF_TWO

    @property
    def swapped(self) -> bool:
        """Whether `against` is the channel that it changed places with."""
        return SWAPPED in self.tests


def doubt_of(
    report: QualityReport, known: Sequence[Mark] = (), since_ns: int | None = None
) -> Doubt | None:
    """Whether so many rows fail that somebody should look; one odd value is no reason.

    What a person has marked already (`known`), a visit too, is nothing new. Only rows from
    `since_ns` on count.
    """
    rows: dict[str, list[int]] = {}
    for row, reason in enumerate(report.reason):
        time_ns = int(report.time_ns[row])
        late = since_ns is None or time_ns >= since_ns
        if reason and late and not any(mark.covers(time_ns) for mark in known):
            for test in reason.split("; "):
                rows.setdefault(test, []).append(row)
    interval_s = interval_of(report.time_ns / SECOND_NS)
    lasting = max(_LEAST, round(_LONG_S / interval_s))
    found = {
        test: own
        for test, own in rows.items()
        if (test in _LASTING and len(own) >= lasting) or (test in _SHORT and len(own) >= _LEAST)
    }
    if not found:
        return None
    tests = tuple(sorted(found, key=lambda test: (-len(found[test]), test)))
    first = min(own[0] for own in found.values())
    out = "range" in found and _is_dry(report, found["range"])
    return Doubt(
        int(report.time_ns[first]),
        tests,
        report.context.replicate if set(tests) <= _OF_TWO else None,
        out or not _LOST.isdisjoint(tests),
        out,
    )


def _is_dry(report: QualityReport, rows: Sequence[int]) -> bool:
    own = report.channel
    if own.quantity != "volumetric_water_content":
        return False
    to_canonical = conversion(own.unit, quantity(own.quantity).unit)
    return bool(np.median(to_canonical.apply(report.value[list(rows)])) < _DRY)


def last_step(report: QualityReport, known: Sequence[Mark] = ()) -> int | None:
    """When the level changed within one row and stayed [UTC ns]; None where it did not.

    Water, frost and visits explain a step: `rate` knows of the first two. A step back ends it,
    whatever explains that one.
    """
    own, far, since_ns = report.channel, 0.0, None
    if own.quantity != "volumetric_water_content":
        return None
    value = conversion(own.unit, quantity(own.quantity).unit).apply(report.value)
    with np.errstate(invalid="ignore"):
        jumps = np.flatnonzero(np.abs(np.diff(value)) > _STEP_LEAST / 2) + 1
    for row in jumps.tolist():
        around = slice(max(row - _SIDE, 0), row + _SIDE)
        if any("frozen" in why or "saturated" in why for why in report.reason[around]):
            continue
        size = _stays(value[around.start : row], value[row : around.stop])
        time_ns = int(report.time_ns[row])
        begins = "rate" in report.reason[row] and not _is_known(time_ns, known)
        if abs(size) > _STEP_LEAST and (begins or size * far < 0):
            far, since_ns = far + size, time_ns
    return since_ns if abs(far) > _STEP_LEAST else None


def _is_known(time_ns: int, known: Sequence[Mark]) -> bool:
    return any(mark.covers(time_ns) or mark.covers(time_ns - HOUR_NS) for mark in known)


def _stays(before: Float, after: Float) -> float:
    """How far two stretches of rows lie apart; 0 where that is little against what each moves."""
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if min(len(before), len(after)) < _SIDE // 2:
        return 0.0
    apart = float(np.median(after) - np.median(before))
    spread = max(float(np.ptp(np.percentile(side, (10, 90)))) for side in (before, after))
    return apart if spread < abs(apart) / 2 else 0.0


def doubts_of(
    knowledge: Knowledge,
    read: ReadRows,
    now_ns: int,
    rest: Callable[[], bool] = lambda: False,
    before: Set[str] = frozenset(),
) -> dict[str, Doubt] | None:
    """By channel what is doubtful of the day before `now_ns` [UTC ns].

    `rest` is called after each channel; where it returns True, nothing is known: None. `before` are
    the channels that the last call found: of two probes the one in it stays.
    """
    found: dict[str, Doubt] = {}
    steps: dict[str, int] = {}
    for id in knowledge.channels:
        rows = sum(map(len, read(id, now_ns - DAY_NS, now_ns)))
        if not 0 < rows < MOST_A_DAY:
            continue
        before_ns = min(BEFORE_NS, MOST_ROWS * DAY_NS // rows)
        span = now_ns - min(REPORT_NS, before_ns), now_ns
        report = quality_of(knowledge, id, *span, read, before_ns=before_ns - span[1] + span[0])
        known = [mark for mark in knowledge.marks if id in mark.channels]
        doubt = doubt_of(report, known, now_ns - DAY_NS)
        if (step_ns := last_step(report, known)) is not None:
            steps[id] = step_ns
        if doubt is not None:
            found[id] = doubt
            if "diagnostics" in doubt.tests and report.context.fit_r2:
                found[report.context.fit_r2] = doubt
        if rest():
            return None
    levels = steps | {id: doubt.since_ns for id, doubt in found.items() if "offset" in doubt.tests}
    found = {id: Doubt(step_ns, (STEP,)) for id, step_ns in steps.items()} | found
    alone = {
        id: doubt
        for id, doubt in found.items()
        if not (set(doubt.tests) <= _LEVELS and _is_shared(knowledge, id, levels))
    }
    return dict(_explained(knowledge, read, now_ns, alone, before))


def _is_shared(knowledge: Knowledge, id: str, levels: Mapping[str, int]) -> bool:
    """Whether another probe changed its level at the same time: then the soil has changed."""
    own = probe_of(knowledge, id)
    return id in levels and any(
        abs(other_ns - levels[id]) < _EVENT_NS and probe_of(knowledge, other) != own
        for other, other_ns in levels.items()
    )


def _explained(
    knowledge: Knowledge,
    read: ReadRows,
    now_ns: int,
    found: Mapping[str, Doubt],
    before: Set[str],
) -> Iterator[tuple[str, Doubt]]:
    """The doubts that stay, and those of several channels together."""
    channels = {id: knowledge.channel(id, "") for id in knowledge.channels}
    evidence = Evidence(knowledge, channels, read, now_ns - BEFORE_NS, now_ns, usual_rules())
    exchanged = {pair: times for pair, times in _exchanged(evidence).items() if times}
    swapped = dict(_swapped(exchanged))
    touched = set(_on_the_same(knowledge, {id for pair in exchanged for id in pair}))
    profiles = {channels[id].profile for pair in exchanged for id in pair}
    shared, gauges = _without_rain(evidence, now_ns)
    for id, doubt in found.items():
        own, other = channels[id], found.get(doubt.against or "")
        by_cables = "amplitude" in doubt.tests and own.profile in profiles
        by_gauge = doubt.tests == ("rise_without_water",) and id in shared
        if touched & {id, doubt.against} or by_cables or by_gauge:
            continue
        if doubt.of_two and other is not None:
            pair = id, doubt.against or ""
            if not other.of_two or _changed_one(evidence, *pair, before) == pair[1]:
                continue
        yield id, doubt
    yield from swapped.items()
    yield from gauges.items()


def _on_the_same(knowledge: Knowledge, ids: set[str]) -> Iterator[str]:
    """All channels of the sensors that give these."""
    sensors = {d.sensor for d in knowledge.deployments if d.channel in ids and d.sensor}
    yield from ids
    yield from (d.channel for d in knowledge.deployments if d.sensor in sensors)


Pair = tuple[str, str]


def _exchanged(evidence: Evidence) -> dict[Pair, list[int]]:
    """When two probes of a plot went on with each other's values [UTC ns], by channels of both."""
    groups: dict[tuple[str, str], list[str]] = {}
    for id, own in evidence.channels.items():
        if own.quantity in _SWAP_LEAST:
            groups.setdefault((own.plot, own.quantity), []).append(id)
    names: dict[frozenset[str], Pair] = {}
    found: dict[Pair, list[int]] = {}
    for (_, name), ids in groups.items():
        jumped = {id: _jumps(evidence, id, _SWAP_LEAST[name] / 2) for id in ids}
        for pair in combinations(ids, 2):
            probes = frozenset(probe_of(evidence.knowledge, id) for id in pair)
            if len(probes) == 2 and not jumped[pair[0]].isdisjoint(jumped[pair[1]]):
                times = found.setdefault(names.setdefault(probes, pair), [])
                times += _exchanges_of(evidence, *pair, _SWAP_LEAST[name])
    return {pair: _once(sorted(times)) for pair, times in found.items()}


def _jumps(evidence: Evidence, id: str, least: float) -> frozenset[float]:
    """The times [s] of rows that are further than that from the row before."""
    rows = evidence.rows(id)
    if rows is None:
        return frozenset()
    known = np.isfinite(rows.value)
    far = np.abs(np.diff(rows.value[known])) > least
    return frozenset(rows.time_s[known][1:][far].tolist())


def _once(times_ns: Sequence[int]) -> list[int]:
    """The first of those that lie within an hour."""
    found: list[int] = []
    for time_ns in times_ns:
        if not found or time_ns - found[-1] > HOUR_NS:
            found.append(time_ns)
    return found


def _swapped(exchanged: Mapping[Pair, Sequence[int]]) -> Iterator[tuple[str, Doubt]]:
    """The pairs that are not as they were: two exchanges are none."""
    for (one, other), times in exchanged.items():
        if len(times) % 2:
            yield one, Doubt(times[-1], (SWAPPED,), other)


def probe_of(knowledge: Knowledge, id: str) -> str:
    """The sensor that was deployed last for a channel; the channel itself where none is named."""
    own = (d.sensor for d in reversed(knowledge.deployments) if d.channel == id and d.sensor)
    return next(own, id)


def _exchanges_of(evidence: Evidence, one: str, other: str, least: float) -> list[int]:
    a, b = evidence.rows(one), evidence.rows(other)
    if a is None or b is None:
        return []
    time, in_a, in_b = np.intersect1d(a.time_s, b.time_s, return_indices=True)
    values = np.array([a.value[in_a], b.value[in_b]])
    both = np.isfinite(values).all(axis=0)
    at = exchanges(values[:, both], least)
    return [evidence.start_ns + int(time_s * SECOND_NS) for time_s in time[both][at]]


def exchanges(values: Float, least: float) -> Int:
    """The rows from which on two channels (2 x n) have each other's level, by medians of 3 rows.

    They lie apart by more than `least`, and what one ends with is near to what the other begins
    with: within 0.3 of that distance, both together.
    """
    n = values.shape[1] - 2 * _SWAP_ROWS + 1
    if n < 1:
        return np.zeros(0, np.int64)
    spans = np.lib.stride_tricks.sliding_window_view(values, _SWAP_ROWS, axis=1)
    level = np.median(spans, axis=2)
    before, after = level[:, :n], level[:, _SWAP_ROWS : _SWAP_ROWS + n]
    apart = np.abs(before[0] - before[1])
    left = np.abs(after[0] - before[1]) + np.abs(after[1] - before[0])
    jump = np.abs(np.diff(values, axis=1))[:, _SWAP_ROWS - 1 : _SWAP_ROWS - 1 + n].min(axis=0)
    hit = (apart > least) & (left < _SWAP_SHARE * apart) & (jump > apart / 2)
    return np.flatnonzero(hit) + _SWAP_ROWS


def _changed_one(evidence: Evidence, one: str, other: str, before: Set[str]) -> str:
    """Which of two has changed: that of the last time, else the one further from a third."""
    if (one in before) != (other in before):
        return one if one in before else other
    witness = _witness(evidence.channels, one, other)
    moved = [_moved(evidence, id, witness) for id in (one, other)] if witness else []
    if len(moved) == 2 and np.isfinite(moved).all():
        return one if moved[0] > moved[1] else other
    return min(one, other)


def _witness(channels: Mapping[str, Channel], one: str, other: str) -> str | None:
    """The nearest third channel of the same quantity in the plot."""
    own = channels[one]
    same = [
        channel
        for channel in channels.values()
        if channel.id not in {one, other}
        and (channel.plot, channel.quantity) == (own.plot, own.quantity)
    ]
    near = min(same, key=lambda c: (abs(depth_of(c) - depth_of(own)), c.id), default=None)
    return near.id if near else None


def _moved(evidence: Evidence, id: str, witness: str) -> float:
    """How far the difference to the witness is from what it was two weeks ago."""
    own, third = evidence.rows(id), evidence.rows(witness)
    if own is None or third is None:
        return float("nan")
    end_s = (evidence.end_ns - evidence.start_ns) / SECOND_NS
    difference = own.value - third.at(own.time_s)
    age_d = (end_s - own.time_s) / 86400.0
    now, then = difference[age_d < 2], difference[(age_d > 7) & (age_d < 21)]
    now, then = now[np.isfinite(now)], then[np.isfinite(then)]
    if not len(now) or not len(then):
        return float("nan")
    return abs(float(np.median(now) - np.median(then)))


def _without_rain(evidence: Evidence, now_ns: int) -> tuple[set[str], dict[str, Doubt]]:
    """(channels that rose together with others without rain, the gauges that missed two rains)."""
    shared: set[str] = set()
    gauges: dict[str, Doubt] = {}
    rises: dict[str, list[tuple[int, str]]] = {}
    for id, own in evidence.channels.items():
        gauge = context_of(evidence.channels, id).rain
        if own.quantity == "volumetric_water_content" and gauge is not None:
            events = rises.setdefault(gauge, [])
            events += [(ns, id) for ns in _rises(evidence, id) if ns >= now_ns - _GAUGE_NS]
    for gauge, events in rises.items():
        together = list(_together(sorted(events), evidence.knowledge))
        shared |= {id for _, ids in together for id in ids}
        if len(together) >= _EVENTS:
            gauges[gauge] = Doubt(together[0][0], (NO_RAIN,))
    return shared, gauges


def _rises(evidence: Evidence, id: str) -> Iterator[int]:
    """Times [UTC ns] at which water content rose and no rain, thaw or irrigation explains it."""
    case = evidence.case(id)
    rows = case.time_s, case.good, case.water, case.temperature
    found = water.rise_without_water(*rows, rise=_RISE)
    for time_s in case.time_s[found == FAILS]:
        yield evidence.start_ns + int(time_s * SECOND_NS)


def _together(
    events: Iterable[tuple[int, str]], knowledge: Knowledge
) -> Iterator[tuple[int, set[str]]]:
    """(begin, channels) of the rises of at least two probes within some hours."""
    begin, ids = 0, set[str]()
    for time_ns, id in [*events, (2**62, "")]:
        if time_ns - begin > _EVENT_NS:
            if len({probe_of(knowledge, one) for one in ids}) > 1:
                yield begin, ids
            begin, ids = time_ns, set()
        ids.add(id)
