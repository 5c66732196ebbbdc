"""Why values would lose their number: the time that no calibration covers, and the remedy."""

from typing import Any, NamedTuple

import orjson

from edaphon.derive.calibrate import Segment
from edaphon.derive.plan import Plan
from edaphon.derive.projection import Comparison
from edaphon.facts import Calibration, Knowledge

__all__ = ["Lost", "lost_stretches"]


class Lost(NamedTuple):
    """From the first to the last time of values that lose their number [UTC ns], and why."""

    first_ns: int
    last_ns: int
    why: str


def lost_stretches(
    plan: Plan, knowledge: Knowledge, channel: str, found: Comparison
) -> tuple[Lost, ...]:
    """One for each stretch of the plan without a value; nothing where no value is lost."""
    if not found.lost or found.first_ns is None or found.last_ns is None:
        return ()
    first, last = found.first_ns, found.last_ns
    own = [s for s in plan.segments() if s.channel == channel and not s.chain.known]
    reached = [s for s in own if s.start_ns <= last and first < s.end_ns]
    stretches = [
        Lost(max(first, s.start_ns), min(last, s.end_ns), _why(plan, knowledge, s))
        for s in sorted(reached, key=lambda s: s.start_ns)
    ]
    return tuple(stretches) or (Lost(first, last, _otherwise(plan, channel)),)


def _why(plan: Plan, knowledge: Knowledge, segment: Segment) -> str:
    basis = orjson.loads(plan.texts[segment.derivation])
    mine = [c for c in knowledge.calibrations if _concerns(c, segment, basis)]
    steps: dict[tuple[bool, int], list[Calibration]] = {}
    for calibration in mine:
        steps.setdefault((calibration.channel is not None, calibration.place), []).append(
            calibration
        )
    open_steps = {
        step: all_of
        for step, all_of in sorted(steps.items())
        if not any(c.covers(segment.start_ns) for c in all_of)
        and not (basis["factory"] and not step[0])
    }
    if not open_steps:
        return "no factory curve or calibration leads to the channel's quantity then"
    return "; ".join(_uncovered(step[1], own, segment) for step, own in open_steps.items())


def _concerns(calibration: Calibration, segment: Segment, basis: dict[str, Any]) -> bool:
    if calibration.channel is not None:
        return calibration.channel == segment.channel
    return (calibration.sensor, calibration.output) == (segment.sensor, basis["output"][0])


def _uncovered(step: int, own: list[Calibration], segment: Segment) -> str:
    """The calibration nearest in time is the one that could be meant for all of it."""
    later = [c for c in own if c.from_ns is not None and c.from_ns >= segment.end_ns]
    key, nearest = "to", max(own, key=lambda c: c.to_ns or 0)
    if later:
        key, nearest = "from", min(later, key=lambda c: c.from_ns or 0)
    subject = " ".join(nearest.subject)
    return (
        f"no calibration of step {step} of {subject} covers them;"
        f" leave out `{key}` of {nearest.id} if it holds for all time"
    )


def _otherwise(plan: Plan, channel: str) -> str:
    if not any(segment.channel == channel for segment in plan.segments()):
        return "no deployment feeds the channel any more"
    return "no deployment feeds the channel then, or a second input is not there"
