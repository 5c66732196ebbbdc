"""Checks and all else that decides about a flag, for a person: what said what, by which limit."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from edaphon.config import why_impossible
from edaphon.explain.case import Case
from edaphon.explain.trace import Again
from edaphon.explain.trust import why_no_chain
from edaphon.model import DEMOTED_RANKS
from edaphon.toml_input.values import instant_text
from edaphon_calibration.flags import Flag
from edaphon_drivers.faults import Garbled
from edaphon_drivers.payloads import unpack_piece
from edaphon_drivers.readings import Status

__all__ = ["checks_of", "flag_name", "reasons_of"]

_SUSPECT, _FAIL, _MISSING = int(Flag.SUSPECT), int(Flag.FAIL), int(Flag.MISSING)

Step = Mapping[str, Any]


def flag_name(flag: int) -> str:
    return Flag(flag).name.lower().replace("_", " ")


def checks_of(again: Again) -> Iterator[dict[str, Any]]:
    """Each level of each check with its limits; they see the neighbours as the line did."""
    seen = again.seen
    value = again.segment.chain.apply(seen.raw, seen.time_ns, seen.second_input).value
    for check in again.segment.checks:
        results = check.flags_by_level(seen.time_ns, value)
        for (effect, limits), result in zip(check.levels, results, strict=True):
            flag = int(result[seen.at])
            yield {
                "check": check.rule.name,
                "effect": int(effect),
                "limits": dict(limits),
                "flag": flag,
                "result": _result(flag),
                "reference": check.rule.reference,
            }


def _result(flag: int) -> str:
    words = {int(Flag.PASSED): "passed", int(Flag.NOT_EVALUATED): "not evaluable"}
    return words.get(flag, f"failed: {flag} {flag_name(flag)}")


def reasons_of(case: Case, steps: Iterable[Step]) -> Iterator[dict[str, Any]]:
    """All that speaks against the value, whether or not something worse decided.

    `steps` are as `steps_of` tells them.
    """
    again = case.again
    if again is None:
        return
    if again.row.value != again.row.value:
        yield _reason(_MISSING, _why_no_value(case, again))
    for check in checks_of(again):
        if check["flag"] >= _SUSPECT:
            limits = ", ".join(f"{name} = {limit:g}" for name, limit in check["limits"].items())
            yield _reason(check["flag"], f"check {check['check']} failed ({limits})")
    yield from _of_the_chain(again, steps)
    for mark in again.segment.marks:
        if mark.covers(again.row.time_ns):
            yield _reason(mark.flag, f"mark {mark.id} by {mark.who}: {mark.cause}")
    yield from _of_the_record(case, again)


def _reason(flag: int, why: str) -> dict[str, Any]:
    return {"flag": flag, "why": why}


def _of_the_chain(again: Again, steps: Iterable[Step]) -> Iterator[dict[str, Any]]:
    segment, time_ns = again.segment, again.row.time_ns
    for step in steps:
        yield from (_reason(_SUSPECT, beyond) for beyond in step["beyond"])
    if segment.expires_ns is not None and time_ns >= segment.expires_ns:
        expired = instant_text(segment.expires_ns)
        yield _reason(_SUSPECT, f"a calibration expired at {expired}")


def _of_the_record(case: Case, again: Again) -> Iterator[dict[str, Any]]:
    stated, told_ns = case.history.serial_at(case.place, case.path)
    deployed = again.segment.sensor
    if stated and again.segment.contradicted_by(stated, told_ns):
        yield _reason(_SUSPECT, f"the instrument said serial {stated}, deployed is {deployed}")
    if file := _replaced_file(case):
        yield _reason(
            _FAIL, f"a later copy of {file} replaces the one that it stands in, without it"
        )
    reading, row = case.reading, again.row
    if reading is not None and reading.time_ns not in {None, row.time_ns}:
        own = instant_text(reading.time_ns or 0)
        yield _reason(
            _SUSPECT, f"the sender's own time {own} is not plausible: when it came stands"
        )


def _replaced_file(case: Case) -> str:
    """The file of whose replaced copy the row is, "" for any other."""
    known = case.history.plan.replaced
    if not known or case.again is None or case.again.row.rank < DEMOTED_RANKS:
        return ""
    try:
        piece = unpack_piece(case.entry.payload)
    except Garbled:
        return ""
    return piece.name if piece.copy < known.get((case.path, piece.name), 0) else ""


def _why_no_value(case: Case, again: Again) -> str:
    if again.row.raw != again.row.raw:
        if case.reading and (why := why_impossible(case.reading)):
            return f"the number as received is impossible: {why}"
        status = case.reading.status if case.reading else Status.INVALID
        return f"the instrument reported no number: {status}"
    if not again.segment.chain.known:
        return why_no_chain(case)
    if np.isnan(again.seen.second_input[:, again.seen.at]).any():
        return "a second input is not there, or too old"
    return "a curve has no value there"
