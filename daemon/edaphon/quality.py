"""What the quality tests with context say of a channel: which context it has, and what failed.

Context channels are found by facts: the same depth of the same profile, else of the same plot; rain
of the plot, else of the site. Nothing is written: the answer is made of the rows that are there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from edaphon.clock import DAY_NS, SECOND_NS, instant_text
from edaphon.facts import Horizon, Knowledge
from edaphon.model import Channel, Float, Int, Observations, Small
from edaphon.tables import FLAGS, Times
from edaphon_calibration.checks import Flag, worst_flag
from edaphon_calibration.errors import CalibrationError
from edaphon_calibration.nomenclature import quantity
from edaphon_calibration.quality.judge import TESTS, Case, Context, Judged, Rows, judge
from edaphon_calibration.quality.rules import RuleSet, usual_rules
from edaphon_calibration.units import conversion

if TYPE_CHECKING:
    import pandas

MOST_OF_CONTEXT = 500_000  # rows: a channel that is faster is no context
BEFORE_NS, AFTER_NS = 30 * DAY_NS, DAY_NS  # rows around the asked ones that the tests may need
_SHALLOW_CM = 30.0  # down to it others move when one should
_FLUXES = {"soil_co2_efflux", "soil_ch4_efflux", "soil_n2o_efflux"}
_MOVING = {"soil_temperature", "air_temperature", "volumetric_water_content"}

ReadRows = Callable[[str, int, int], Iterable[Observations]]  # of a channel from, until before [ns]


@dataclass(frozen=True, slots=True)
class ContextChannels:
    """The ids of what is held against a channel; None where there is none."""

    temperature: str | None = None
    rain: str | None = None
    replicate: str | None = None
    above: str | None = None
    fit_r2: str | None = None
    others: tuple[str, ...] = ()

    def named(self) -> dict[str, str]:
        """What there is, by role."""
        own = {
            "temperature at the same depth": self.temperature,
            "rain": self.rain,
            "replicate": self.replicate,
            "temperature above": self.above,
            "r2 of the fit": self.fit_r2,
            "others": ", ".join(self.others) or None,
        }
        return {role: id for role, id in own.items() if id}


@dataclass(frozen=True, slots=True, eq=False)
class QualityReport:
    """The rows of a channel, the tests that failed in each, and what they were held against.

    `flag` is the worst of the row's own flag and of all tests; `reason` names the failed tests,
    sorted, "" for none. `evaluated` and `failed` count the rows by test.
    """

    channel: Channel
    context: ContextChannels
    horizon: Horizon | None
    rules: str
    time_ns: Int
    value: Float
    own_flag: Small
    flag: Small
    reason: tuple[str, ...]
    evaluated: Mapping[str, int]
    failed: Mapping[str, int]

    @property
    def time(self) -> Times:
        return self.time_ns.astype("datetime64[ns]")

    def spans(self) -> Iterator[dict[str, Any]]:
        """The runs of rows with one reason: from, to (both rows), n, flag and reason."""
        for reason, group in groupby(range(len(self.reason)), self.reason.__getitem__):
            rows = list(group)
            if reason:
                yield {
                    "from": instant_text(int(self.time_ns[rows[0]])),
                    "to": instant_text(int(self.time_ns[rows[-1]])),
                    "n": len(rows),
                    "flag": int(self.flag[rows].max()),
                    "reason": reason,
                }

    def flags(self) -> dict[int, int]:
        """How many rows have each flag."""
        counts = np.bincount(self.flag, minlength=10)
        return {flag: int(counts[flag]) for flag in FLAGS}

    def as_json(self) -> dict[str, Any]:
        """Counts and spans, for a program."""
        return {
            "channel": self.channel.id,
            "rules": self.rules,
            "context": self.context.named(),
            "horizon": self.horizon.id if self.horizon else None,
            "rows": len(self.time_ns),
            "flags": {str(flag): n for flag, n in self.flags().items()},
            "evaluated": dict(self.evaluated),
            "failed": dict(self.failed),
            "spans": list(self.spans()),
        }

    def to_pandas(self) -> "pandas.DataFrame":
        """Indexed by time (UTC): value, own_flag, flag, reason."""
        import pandas

        own = {"value": self.value, "own_flag": self.own_flag, "flag": self.flag}
        index = pandas.DatetimeIndex(self.time, tz="UTC", name="time")
        return pandas.DataFrame({**own, "reason": list(self.reason)}, index=index)


def quality_of(
    knowledge: Knowledge,
    id: str,
    start_ns: int,
    end_ns: int,
    read: ReadRows,
    rules: RuleSet | None = None,
    before_ns: int = BEFORE_NS,
) -> QualityReport:
    """The tests of the rows from `start_ns` until before `end_ns` [UTC ns]; raises KeyError.

    `before_ns` is how far tests with memory look back.
    """
    channels = {one: knowledge.channel(one, "") for one in knowledge.channels}
    own = _joined(read(id, start_ns - before_ns, end_ns + AFTER_NS)) or _nothing(id)
    first, last = (int(own.time_ns[at]) if len(own) else 0 for at in (0, -1))
    rules = rules or usual_rules()
    evidence = Evidence(knowledge, channels, read, first - DAY_NS, last + DAY_NS, rules)
    evidence.take(id, own)
    inside = np.flatnonzero((own.time_ns >= start_ns) & (own.time_ns < end_ns))
    own, judged = own.take(inside), evidence.judged(id).take(inside)
    return QualityReport(
        channels[id],
        context_of(channels, id),
        evidence.horizon(channels[id]),
        rules.name,
        own.time_ns,
        own.value,
        own.flag,
        worst_flag([own.flag, judged.flag], len(own)),
        _reasons(judged),
        _counts(judged.evaluated),
        _counts(judged.failed),
    )


def _reasons(judged: Judged) -> tuple[str, ...]:
    """Few rows have a pattern of their own: each is put into words once."""
    _, rows, pattern = np.unique(judged.failed, return_index=True, return_inverse=True)
    words = ["; ".join(sorted(judged.names(int(row)))) for row in rows]
    return tuple(words[n] for n in pattern)


def _counts(bits: Int) -> dict[str, int]:
    """The tests of which some rows have the bit, with their number."""
    return {name: n for bit, name in enumerate(TESTS) if (n := int((bits >> bit & 1).sum()))}


@dataclass(frozen=True, eq=False)
class Evidence:
    """The rows of all channels that a question needs, each read once, and what they show."""

    knowledge: Knowledge
    channels: Mapping[str, Channel]
    read: ReadRows
    start_ns: int
    end_ns: int
    rules: RuleSet
    found: dict[str, Rows | None] = field(default_factory=dict)
    sound: dict[str, Rows | None] = field(default_factory=dict)

    def rows(self, id: str | None) -> Rows | None:
        """As they came, in the canonical unit of the quantity; flag 9 is missing."""
        if id is None:
            return None
        if id not in self.found:
            run = _joined(self.read(id, self.start_ns, self.end_ns), MOST_OF_CONTEXT)
            self.found[id] = None
            if run is not None:
                self.take(id, run)
        return self.found[id]

    def take(self, id: str, run: Observations) -> None:
        """Keep of these what the tests need: two numbers a row."""
        channel = self.channels[id]
        try:
            value = conversion(channel.unit, quantity(channel.quantity).unit).apply(run.value)
        except CalibrationError:  # no unit of that quantity: nothing can be tested
            value = np.full(len(run), np.nan)
        value = np.where(run.flag == Flag.MISSING, np.nan, value)
        self.found[id] = Rows((run.time_ns - self.start_ns) / SECOND_NS, value)

    def sound_rows(self, id: str | None) -> Rows | None:
        """Without the values that fail their own tests: a bad thermometer thaws no soil."""
        rows = self.rows(id)
        if id is None or rows is None:
            return None
        if id not in self.sound:
            flag = self.judged(id).flag
            self.sound[id] = Rows(rows.time_s, np.where(flag >= Flag.SUSPECT, np.nan, rows.value))
        return self.sound[id]

    def judged(self, id: str) -> Judged:
        channel = self.channels[id]
        depth = float(channel.depth_cm) if channel.depth_cm else None
        return judge(self.case(id), self.rules.of(channel.quantity, depth))

    def case(self, id: str) -> Case:
        """The rows of a channel with their context, as the tests take them."""
        channel, rows = self.channels[id], self.rows(id) or Rows(np.zeros(0), np.zeros(0))
        return Case(
            rows,
            self.context(channel),
            interval_of(rows.time_s),
            _resolution(rows.value),
            day_offset_s=self.start_ns % DAY_NS / SECOND_NS,
        )

    def context(self, channel: Channel) -> Context:
        near, horizon = context_of(self.channels, channel.id), self.horizon(channel)
        return Context(
            self.sound_rows(near.temperature),
            self.rows(near.rain),
            self.rows(near.replicate),
            self.sound_rows(near.above),
            tuple(rows for other in near.others if (rows := self.rows(other)) is not None),
            _number(horizon.pores if horizon else None),
            _number(horizon.wilting_point if horizon else None),
            tuple(self._seconds(_explained(self.knowledge, channel))),
            tuple(self._seconds(_paused(self.knowledge, channel))),
            self.rows(near.fit_r2),
        )

    def horizon(self, channel: Channel) -> Horizon | None:
        return self.knowledge.horizon(channel.profile, depth_of(channel), self.end_ns)

    def _seconds(self, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[float, float]]:
        for start, end in spans:
            yield (start - self.start_ns) / SECOND_NS, (end - self.start_ns) / SECOND_NS


def _nothing(id: str) -> Observations:
    times, numbers, flags = np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int8)
    return Observations(
        id, "", times, times, numbers, numbers, numbers, numbers, flags, flags, times
    )


def context_of(channels: Mapping[str, Channel], id: str) -> ContextChannels:
    """By facts alone: quantity, place, depth and statistic of the channels."""
    own = channels[id]
    near = [one for one in channels.values() if one.id != id and one.plot == own.plot]
    near.sort(key=lambda one: (one.profile != own.profile, one.replicate, one.id))
    soil = [one for one in near if one.quantity == "soil_temperature"]
    air = _first([*near, *channels.values()], "air_temperature")
    shallower = [one for one in soil if depth_of(one) < depth_of(own)]
    above = max(shallower, key=depth_of).id if shallower else air
    same = [one for one in near if (one.quantity, one.depth_cm) == (own.quantity, own.depth_cm)]
    is_soil = own.quantity == "soil_temperature"
    at_depth = [one.id for one in soil if own.depth_cm and one.depth_cm == own.depth_cm]
    return ContextChannels(
        next(iter(at_depth), None) if not is_soil else None,
        _first([*near, *channels.values()], "precipitation"),
        next((one.id for one in same if one.statistic == own.statistic), None),
        above if is_soil else None,
        _first(near, "flux_fit_r2") if own.quantity in _FLUXES else None,
        tuple(
            one.id
            for one in near
            if one.quantity in _MOVING
            and (one.quantity == own.quantity or own.quantity not in _MOVING or is_soil)
            and depth_of(one) <= _SHALLOW_CM
        ),
    )


def _first(channels: Iterable[Channel], wanted: str) -> str | None:
    return next((one.id for one in channels if one.quantity == wanted), None)


def depth_of(channel: Channel) -> float:
    """The nominal depth [cm], 0 for what has none."""
    return float(channel.depth_cm) if channel.depth_cm else 0.0


def _joined(runs: Iterable[Observations], most: int | None = None) -> Observations | None:
    """One run of all, whatever their derivations; None without a row, or with more than `most`."""
    found: list[Observations] = []
    for run in runs:
        if len(run):
            found.append(replace(run, derivation=""))
        if most is not None and sum(map(len, found)) > most:
            return None
    return Observations.concat(found) if found else None


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def interval_of(time_s: Float) -> float:
    """How far rows are apart, mostly [s]."""
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 600.0


def _resolution(value: Float) -> float:
    """The smallest step between two of the values; 0 where there is none."""
    steps = np.diff(np.unique(value[np.isfinite(value)]))
    return float(steps.min()) if len(steps) else 0.0


def _explained(knowledge: Knowledge, channel: Channel) -> Iterator[tuple[int, int]]:
    """Visits of the plot, and marks that speak of irrigation."""
    for visit in knowledge.visits:
        if visit.plot == channel.plot:
            yield visit.from_ns, visit.to_ns
    for mark in knowledge.marks:
        if "irrigat" in mark.cause.lower() and mark.from_ns is not None and mark.to_ns is not None:
            yield mark.from_ns, mark.to_ns


def _paused(knowledge: Knowledge, channel: Channel) -> Iterator[tuple[int, int]]:
    sources = {d.source for d in knowledge.deployments if d.channel == channel.id}
    for pause in knowledge.pauses:
        if pause.plot == channel.plot or sources & set(pause.sources):
            yield pause.from_ns, pause.to_ns
