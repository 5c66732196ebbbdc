"""What is wrong at one moment: each kind of condition is one small function of a situation.

The names in `numbers` are what the texts of a kind may use:

    SILENT          interval_s, detail          NO_NUMBER         interval_s
    FAILURE_CODE    code, times, interval_s     LOW_SUPPLY        last_v, least_v
    SUPPLY_FALLS    last_v, least_v, begins_ns  UPLINKS_MISSED    missed, received
    PORT_LOST, BROKER_LOST, JOURNAL_FAILS, PART_FAILS, RECEIVER_REFUSES    why
    SINK_AWAY, SINK_BLOCKED    why, waiting, oldest_ns
    SET_ASIDE       points                      DISK_FILLS        days, begins_ns
    ENTRIES_LOST    losses                      WRONG_SENSOR      found, expected
    CALIBRATION_ENDS    begins_ns               FLOOD             items
"""

import math
from collections.abc import Callable, Iterator, Sequence

from edaphon.alerts.look import (
    SPEAKS_INTERVALS,
    ChannelState,
    Look,
    LookResult,
    Situation,
    SourceState,
    SupplyState,
    Verdict,
    judged,
)
from edaphon.alerts.model import LOGGER, NodeKind, Numbers, What
from edaphon.clock import DAY_NS, HOUR_NS

SILENT_INTERVALS = 3  # without data for longer: silent
NUMBERED_SILENT_INTERVALS = 6  # where frames carry a counter, and some are always missed
CODES = 2  # a single failure code wakes nobody
CODES_WITHIN_NS, CODES_WITHIN_INTERVALS = 6 * HOUR_NS, 3
NO_CODE_NS, NO_CODE_INTERVALS = 6 * HOUR_NS, 6
SUPPLY_MARGIN = 0.02  # of the least voltage: so far above it the supply is well again
SUPPLY_STALE_NS = DAY_NS  # a voltage that is older says nothing of now
MINIMA = 3  # days that make a line
FALLS_DAYS, HOLDS_DAYS = 7.0, 14.0  # until the line reaches the least voltage
FAR_DAYS = 3650.0
FILLS_DAYS, FREE_DAYS = 14.0, 21.0  # until the disk is full
MISSED_SHARE, MISSED_SHARE_ENDS = 0.5, 0.25  # of the frames of a day
FRAMES = 10  # fewer make no share
CALIBRATION_DAYS = 30
SWAPS_SEEN_NS = 29 * DAY_NS  # so far the tests look back: an older one can no longer be seen


def conditions(situation: Situation, before: LookResult) -> LookResult:
    """Look at a situation; `before` is what the last look found."""
    look = Look(situation, {one.key: one for one in before.standing})
    return judged(look, (one for rule in RULES for one in rule(look)), before)


def _silent_after(source: SourceState) -> int:
    return NUMBERED_SILENT_INTERVALS if source.numbered else SILENT_INTERVALS


def silence(look: Look) -> Iterator[Verdict]:
    """A source gives no data for some intervals; one that spoke before it fell silent is back.

    All intervals but the first also pass by the monotonic clock: no step of a clock is a silence.
    """
    for one in look.situation.sources:
        if not one.interval_ns:
            continue
        stood = look.before.get((one.node, What.SILENT))
        age_ns = look.missed_ns(one.node, one.age_ns)
        if stood:
            speaks = one.last_ns not in (None, stood.since_ns)
            speaks = speaks and one.age_ns < SPEAKS_INTERVALS * one.interval_ns
            wrong = False if speaks else None
        else:
            wrong = age_ns > one.interval_ns
        after_ns = _silent_after(one) * one.interval_ns
        holds_ns, ripe = (after_ns - one.interval_ns, one.interval_ns), age_ns > after_ns
        numbers: Numbers = {"interval_s": one.interval_ns / 1e9, "detail": one.detail}
        yield look.verdict(
            one.node, What.SILENT, wrong, numbers, one.last_ns, holds_ns, ripe, one.last_ns
        )


def no_number(look: Look) -> Iterator[Verdict]:
    """A source speaks, and for some intervals from then on brings no number of a channel."""
    for channel in look.situation.channels:
        source = look.source_of(channel.node)
        interval_ns = channel.interval_ns or (source and source.interval_ns)
        if source is None or source.last_ns is None or not interval_ns:
            continue
        since_ns = channel.last_number_ns or channel.since_ns
        later = _silent_after(source) - 1  # intervals, after the one in which it was due
        if (channel.node, What.NO_NUMBER) in look.before:
            wrong = False if _has_numbers(look, channel, source, interval_ns) else None
        else:
            age_ns = look.missed_ns(channel.node, _number_age(look, source, since_ns))
            speaks = source.age_ns <= later * (source.interval_ns or interval_ns)
            wrong = speaks and age_ns > interval_ns
        numbers = {"interval_s": interval_ns / 1e9}
        holds_ns, data_ns = (later * interval_ns, interval_ns), channel.last_number_ns
        yield look.verdict(
            channel.node, What.NO_NUMBER, wrong, numbers, since_ns, holds_ns, data_ns=data_ns
        )


def _number_age(look: Look, source: SourceState, time_ns: int | None) -> int:
    """How old a number is, by the times of data and the monotonic clock: no clock step counts."""
    if time_ns is None or source.last_ns is None:
        return look.situation.listening_ns
    return max(0, source.last_ns - time_ns) + source.age_ns


def _has_numbers(look: Look, channel: ChannelState, source: SourceState, interval_ns: int) -> bool:
    """Whether numbers flow, and a new one came since they were missed."""
    if channel.last_number_ns is None:
        return False
    stood = look.before.get((channel.node, What.NO_NUMBER))
    if stood and stood.since_ns == channel.last_number_ns:
        return False
    age_ns = _number_age(look, source, channel.last_number_ns)
    return age_ns < SPEAKS_INTERVALS * interval_ns


def failure_codes(look: Look) -> Iterator[Verdict]:
    """An instrument says repeatedly that it failed; one code alone wakes nobody."""
    for channel in look.situation.channels:
        stood = (channel.node, What.FAILURE_CODE) in look.before
        source = look.source_of(channel.node)
        if not (channel.failed_ns or stood) or source is None:
            continue
        interval_ns = channel.interval_ns or source.interval_ns or 0
        ages = [_number_age(look, source, at) for at in channel.failed_ns]
        if stood:
            quiet_ns = max(NO_CODE_NS, NO_CODE_INTERVALS * interval_ns)
            over = all(age > quiet_ns for age in ages)
            over = over and _has_numbers(look, channel, source, interval_ns or HOUR_NS)
            wrong = False if over else None
        else:
            within_ns = max(CODES_WITHIN_NS, CODES_WITHIN_INTERVALS * interval_ns)
            within_ns = look.missed_ns(channel.node, within_ns)  # codes of a pause are expected
            wrong = sum(age <= within_ns for age in ages) >= CODES
        first_ns = channel.failed_ns[0] if channel.failed_ns else None
        codes: Numbers = {"code": channel.code, "times": len(channel.failed_ns)}
        numbers = {**codes, "interval_s": interval_ns / 1e9}
        data_ns = channel.last_number_ns
        yield look.verdict(
            channel.node, What.FAILURE_CODE, wrong, numbers, first_ns, data_ns=data_ns
        )


def low_supply(look: Look) -> Iterator[Verdict]:
    """A voltage is below what the instruments need."""
    for one in look.situation.supplies:
        if one.least_v is None:
            continue
        wrong = None
        if abs(look.situation.now_ns - one.last_ns) < SUPPLY_STALE_NS:
            well = one.last_v > one.least_v * (1 + SUPPLY_MARGIN)
            wrong = True if one.last_v < one.least_v else False if well else None
        numbers = _volts(one, one.least_v)
        yield look.verdict(one.node, What.LOW_SUPPLY, wrong, numbers, since_ns=one.last_ns)


def supply_falls(look: Look) -> Iterator[Verdict]:
    """The daily minima of a voltage reach what the instruments need within days."""
    for one in look.situation.supplies:
        days = one.least_v and days_left(one.daily_minima_v[-MINIMA:], one.least_v)
        if one.least_v is None or days is None:
            continue
        wrong = True if days <= FALLS_DAYS else False if days > HOLDS_DAYS else None
        numbers = {**_begins(look, days), **_volts(one, one.least_v)}
        yield look.verdict(one.node, What.SUPPLY_FALLS, wrong, numbers)


def _volts(supply: SupplyState, least_v: float) -> Numbers:
    return {"last_v": supply.last_v, "least_v": least_v}


def _begins(look: Look, days: float) -> Numbers:
    """When data begin to be lost, if that is ever."""
    return {"begins_ns": look.situation.now_ns + int(days * DAY_NS)} if days < FAR_DAYS else {}


def days_left(minima_v: Sequence[float], least_v: float) -> float | None:
    """Days until a line through daily minima reaches a voltage; inf: never, None: too few days."""
    n = len(minima_v)
    if n < MINIMA:
        return None
    middle, mean = (n - 1) / 2, sum(minima_v) / n
    spread = sum((day - middle) ** 2 for day in range(n))
    slope = sum((day - middle) * (v - mean) for day, v in enumerate(minima_v)) / spread
    left_v = mean + slope * (n - 1 - middle) - least_v
    if slope >= 0:
        return math.inf
    return max(0.0, left_v / -slope)


def ports(look: Look) -> Iterator[Verdict]:
    """A port or a broker can't be used."""
    for node, (since_ns, why) in look.situation.down.items():
        known = look.situation.nodes.get(node)
        if known is not None:
            what = What.BROKER_LOST if known.kind is NodeKind.BROKER else What.PORT_LOST
            yield look.verdict(node, what, True, {"why": why}, since_ns=since_ns)


def uplinks(look: Look) -> Iterator[Verdict]:
    """Many of the frames of a day are missed, by their counter."""
    for one in look.situation.sources:
        frames = one.missed + one.received
        if one.numbered and frames:
            share = one.missed / frames
            wrong = share > MISSED_SHARE and frames >= FRAMES
            verdict = True if wrong else False if share < MISSED_SHARE_ENDS else None
            numbers = {"missed": one.missed, "received": one.received}
            yield look.verdict(one.node, What.UPLINKS_MISSED, verdict, numbers)


def sinks(look: Look) -> Iterator[Verdict]:
    """Data are recorded and don't arrive where they should."""
    for one in look.situation.sinks:
        away = not one.up and not one.blocked
        oldest_ns = one.oldest_waiting_ns
        oldest = {} if oldest_ns is None else {"oldest_ns": oldest_ns}
        state: Numbers = {"why": one.why, "waiting": one.waiting, **oldest}
        yield look.verdict(one.node, What.SINK_AWAY, away, state, one.since_ns)
        yield look.verdict(one.node, What.SINK_BLOCKED, one.blocked, state, one.since_ns)
        aside = one.set_aside
        yield look.verdict(one.node, What.SET_ASIDE, aside > 0, {"points": aside})


def disk(look: Look) -> Iterator[Verdict]:
    """The disk is full, or will be within days; where nobody knows when, it does not fill now."""
    node, days = look.of_kind(NodeKind.DISK), look.situation.disk_days
    yield look.verdict(node, What.DISK_FULL, look.situation.disk_full)
    days = math.inf if days is None else days
    wrong = True if days < FILLS_DAYS else False if days > FREE_DAYS else None
    numbers = {"days": round(days, 1), **_begins(look, days)} if wrong else {}
    yield look.verdict(node, What.DISK_FILLS, wrong, numbers)


def journal(look: Look) -> Iterator[Verdict]:
    """Records can't be written, or entries are lost that nobody has noted yet."""
    node, why = look.of_kind(NodeKind.JOURNAL), look.situation.journal_fails
    yield look.verdict(node, What.JOURNAL_FAILS, bool(why), {"why": why})
    losses = len(look.situation.losses)
    yield look.verdict(node, What.ENTRIES_LOST, losses > 0, {"losses": losses})


def clock(look: Look) -> Iterator[Verdict]:
    """Nobody knows what time it is."""
    node = look.of_kind(NodeKind.CLOCK)
    yield look.verdict(node, What.CLOCK_UNKNOWN, not look.situation.clock_known)


def wrong_sensors(look: Look) -> Iterator[Verdict]:
    """An instrument has another serial number than the facts say."""
    for node, (found, expected) in look.situation.wrong_sensors.items():
        yield look.verdict(node, What.WRONG_SENSOR, True, {"found": found, "expected": expected})


def calibrations(look: Look) -> Iterator[Verdict]:
    """A calibration ends soon."""
    for node, end_ns in look.situation.calibrations_end.items():
        days = (end_ns - look.situation.now_ns) / DAY_NS
        wrong = days < CALIBRATION_DAYS if look.situation.clock_known else None
        yield look.verdict(node, What.CALIBRATION_ENDS, wrong, {"begins_ns": end_ns})


def parts(look: Look) -> Iterator[Verdict]:
    """A part of the service fails."""
    for name, why in look.situation.failing.items():
        node = next(
            (id_ for id_ in (name, f"service {name}") if id_ in look.situation.nodes),
            look.of_kind(NodeKind.SERVICE),
        )
        yield look.verdict(node, What.PART_FAILS, True, {"why": why})


def receivers(look: Look) -> Iterator[Verdict]:
    """A receiver takes no messages: the others are to know."""
    for name, why in look.situation.receivers_refuse.items():
        node = name if name in look.situation.nodes else f"receiver {name}"
        node = node if node in look.situation.nodes else LOGGER
        yield look.verdict(node, What.RECEIVER_REFUSES, True, {"why": why})


def doubtful_values(look: Look) -> Iterator[Verdict]:
    """Values fail tests that know their context; cables that were swapped long ago still are."""
    doubtful = look.situation.doubtful
    for node, (what, since_ns, why) in doubtful.items():
        if node in look.situation.nodes:
            yield look.verdict(node, what, True, {"why": why}, since_ns=since_ns)
    for (node, what), stood in look.before.items():
        if what is What.CABLES_SWAPPED and doubtful.get(node, (None,))[0] is not what:
            seen = look.situation.now_ns - stood.since_ns < SWAPS_SEEN_NS
            yield look.verdict(node, what, False if seen else None, stood.numbers)


def source_clocks(look: Look) -> Iterator[Verdict]:
    """The times of a source are not those at which it sends."""
    for one in look.situation.sources:
        off_ns = one.clock_ahead_ns
        wrong = None if off_ns is None else off_ns != 0
        yield look.verdict(
            one.node, What.CLOCK_OFF, wrong, {"why": f"{(off_ns or 0) / 1e9:+.0f} s"}
        )


def floods(look: Look) -> Iterator[Verdict]:
    """More comes of a source, or of strangers at a broker, than is kept."""
    for node, (since_ns, items) in look.situation.floods.items():
        if node in look.situation.nodes:
            yield look.verdict(node, What.FLOOD, True, {"items": items}, since_ns=since_ns)


RULES: tuple[Callable[[Look], Iterator[Verdict]], ...] = (
    silence, no_number, failure_codes, low_supply, supply_falls, ports, uplinks, sinks, disk,
    journal, clock, wrong_sensors, calibrations, parts, receivers, doubtful_values, source_clocks,
    floods,
)  # fmt: skip
