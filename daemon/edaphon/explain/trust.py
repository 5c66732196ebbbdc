"""Why a chain leads to no value, and what checks in the field found, for a person."""

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt
from typing import Any, TypeVar

import numpy as np
import orjson

from edaphon.derive.segments import says_of
from edaphon.explain.case import Case
from edaphon.explain.facts import fact_entry, papers_of, period_of, subject_of
from edaphon.explain.trace import Again
from edaphon.facts import Calibration, Deployment, FieldCheck, Knowledge, Revocation
from edaphon.people import person
from edaphon.toml_input.values import instant_text

__all__ = ["field_checks_of", "why_no_chain"]

_About = TypeVar("_About", Calibration, FieldCheck)


def why_no_chain(case: Case) -> str:
    """Why the chain leads to no value then; "" where it leads to one."""
    again, deployment = case.again, case.deployment
    if again is None:
        return "not known, as deriving again gives no observation"
    if again.segment.chain.known or deployment is None:
        return ""
    if again.segment.chain.problem:
        return "; ".join([again.segment.chain.problem, *_taken_back(case, again)])
    uncovered = list(_uncovered(case, again, deployment))
    return "; ".join(uncovered) or "no factory curve or calibration leads to the channel's quantity"


def _concerning(facts: tuple[_About, ...], deployment: Deployment) -> list[_About]:
    own = {(deployment.channel,), (deployment.sensor, deployment.output)}
    return [fact for fact in facts if fact.subject in own]


def _basis(case: Case, again: Again) -> dict[str, Any]:
    """What the derivation was made of, as data."""
    reported: dict[str, Any] = orjson.loads(case.history.plan.texts[again.segment.derivation])
    return reported


def _uncovered(case: Case, again: Again, deployment: Deployment) -> Iterator[str]:
    """A sentence for each step that has calibrations, and none of that time."""
    time_ns, maker = again.row.time_ns, bool(_basis(case, again)["factory"])
    steps: dict[tuple[bool, int], list[Calibration]] = {}
    for calibration in _concerning(case.history.knowledge.calibrations, deployment):
        of_channel = calibration.channel is not None
        if of_channel or not maker:
            steps.setdefault((of_channel, calibration.place), []).append(calibration)
    for (_, place), own in sorted(steps.items()):
        if not any(calibration.covers(time_ns) for calibration in own):
            none = f"no calibration of step {place} of {subject_of(own[0])} covers this time"
            yield "; ".join([none, *_around(own, time_ns)])


def _around(calibrations: list[Calibration], time_ns: int) -> Iterator[str]:
    """The one that ended last before a time, and the one that begins first after it."""
    ended = [(c.to_ns, c.id) for c in calibrations if c.to_ns is not None and c.to_ns <= time_ns]
    to_come = [
        (c.from_ns, c.id) for c in calibrations if c.from_ns is not None and c.from_ns > time_ns
    ]
    if ended:
        end_ns, id = max(ended)
        yield f"{'the one before' if to_come else 'the last'} ended {instant_text(end_ns)} ({id})"
    if to_come:
        begin_ns, id = min(to_come)
        yield f"the {'next' if ended else 'first'} begins {instant_text(begin_ns)} ({id})"


def _taken_back(case: Case, again: Again) -> Iterator[str]:
    """Who took back what a calibration of that time drifts from, and why."""
    knowledge = case.history.knowledge
    chosen = {reported["id"] for reported in _basis(case, again)["calibrations"]}
    for calibration in (c for c in knowledge.calibrations if c.id in chosen):
        earlier = calibration.drifts_from
        if earlier is None or knowledge.standing(earlier) is not None:
            continue
        names = {earlier, *_followers(knowledge, earlier)}
        for revocation in knowledge.current(Revocation):
            if revocation.of in names:
                entered = fact_entry(case.history, revocation)
                by = ""
                if entered:
                    who = person(entered["who"], entered["account"])
                    by = f" by {who} at {entered['known_since']}"
                yield f"{revocation.of} was taken back{by} ({revocation.id}): {revocation.why}"


def _followers(knowledge: Knowledge, id: str) -> Iterator[str]:
    """Those that put it right, one after the other."""
    for known in knowledge.entered:
        if known.fact.supersedes == id and known.fact.id != id:
            id = known.fact.id
            yield id


def field_checks_of(case: Case) -> Iterator[dict[str, Any]]:
    """Each check in the field that speaks for the value, in the order in which they are asked."""
    again, deployment = case.again, case.deployment
    if again is None or deployment is None or again.row.value != again.row.value:
        return
    reported = _concerning(case.history.knowledge.field_checks, deployment)
    checks = {check.id: check for check in reported}
    for n, (id, *_) in enumerate(_basis(case, again).get("field checks", [])):
        yield {**_said(case, checks[id]), **_found(case, again, n)}
    unit = _unit(case)
    for check in reported:
        if check.covers(again.row.time_ns) and not says_of(check, unit):
            yield {**_said(case, check), "result": "left out", "why": f"{check.unit} is not {unit}"}


def _unit(case: Case) -> str:
    return case.history.plan.channels[case.found.channel].unit


def _said(case: Case, check: FieldCheck) -> dict[str, Any]:
    """The check in its own unit, as it was written."""
    return {
        "id": check.id,
        "of": subject_of(check),
        "state": check.state,
        "visit": instant_text(check.visit_ns),
        **period_of(check),
        "reading": check.reading,
        "reference_value": check.reference_value,
        "u_reference": check.u_reference,
        "check_unit": check.unit or _unit(case),
        **papers_of(case.history, check),
    }


def _found(case: Case, again: Again, n: int) -> dict[str, Any]:
    """What the nth check made of u_systematic [all: the channel's unit]."""
    deviation, u_reference = again.segment.chain.deviations[n]
    before, after = _u_systematic(again, n), _u_systematic(again, n + 1)
    return {
        "deviation": deviation,
        "limit": 2.0 * sqrt(before * before + u_reference * u_reference),
        "u_systematic_before": before,
        "u_systematic": after,
        "unit": _unit(case),
        "result": "confirmed" if after == before else "widened",
    }


def _u_systematic(again: Again, n: int) -> float:
    """Behind the first n checks."""
    seen = again.seen
    part = replace(again.segment.chain, deviations=again.segment.chain.deviations[:n])
    row = np.array([seen.at])
    return float(
        part.apply(seen.raw[row], seen.time_ns[row], seen.second_input[:, row]).u_systematic[0]
    )
