"""The way of one observation as plain data: record, reading, deployment, steps, checks, flag."""

from collections.abc import Iterator
from typing import Any

import orjson

from edaphon import __version__
from edaphon.config import why_impossible, within_physics
from edaphon.explain.case import Case, Found
from edaphon.explain.checks import checks_of, flag_name, reasons_of
from edaphon.explain.facts import fact_entry, number, period_of
from edaphon.explain.record import record_of
from edaphon.explain.steps import steps_of
from edaphon.explain.trace import Again, History, Row, derived_again
from edaphon.explain.trust import field_checks_of, why_no_chain
from edaphon.journal import read_only
from edaphon.model import EntryId
from edaphon.series import Series
from edaphon.storage.access import Storage
from edaphon.toml_input.values import about_text, instant_text
from edaphon_drivers.readings import Reading

__all__ = ["way_of"]

_COMPARED = ("value", "u_random", "u_systematic", "raw", "flag", "derivation", "start_ns")


def way_of(storage: Storage, series: Series, history: History, found: Found) -> dict[str, Any]:
    """JSON-ready; `agrees` says whether deriving again gave the stored row, bit for bit."""
    journal, place = read_only(storage.layout.journal), EntryId.of(found.row.sequence)
    again = derived_again(journal, history, found.channel, found.row)
    case = Case(journal, series, history, found, place, journal.entry(place), again)
    row = found.row
    kind = history.sources.kinds.get(case.path, "").partition(" ")[0]
    steps = list(steps_of(case)) if again else []
    way: dict[str, Any] = {
        "channel": found.channel,
        "asked": instant_text(found.time_ns),
        "time": instant_text(row.time_ns),
        "nearest": row.time_ns != found.time_ns,
        "usual_interval": about_text(found.usual_ns) if found.usual_ns else None,
        "support_s": (row.time_ns - row.start_ns) / 1e9,
        "record": record_of(place, case.entry, kind),
        "reading": _reading(case),
        "deployment": _deployment(case),
        "raw": number(row.raw),
        "raw_unit": case.reading.unit if case.reading else "",
        "steps": steps,
        "conversion": _conversion(case, steps),
        "no_chain": why_no_chain(case),
        "accuracy": _figures(again),
        "field_checks": list(field_checks_of(case)),
        "checks": list(checks_of(again)) if again else [],
        "flag": row.flag,
        "flag_name": flag_name(row.flag),
        "reasons": list(reasons_of(case, steps)) if again else [],
        **_value(case),
    }
    return {**way, **_agreement(case)}


def _value(case: Case) -> dict[str, Any]:
    row = case.found.row
    return {
        "value": number(row.value),
        "unit": case.history.plan.channels[case.found.channel].unit,
        "u_random": number(row.u_random),
        "u_systematic": number(row.u_systematic),
        "rank": row.rank,
        "derivation": row.derivation,
        "derivation_of": orjson.loads(case.series.derivation_text(row.derivation) or "{}"),
        "software": __version__,
    }


def _conversion(case: Case, steps: list[dict[str, Any]]) -> dict[str, Any] | None:
    """From the last step to the channel's unit; None where no chain leads there."""
    if case.again is None or not case.again.segment.chain.known:
        return None
    line = case.again.segment.chain.final
    begin = steps[-1]["unit_out"] if steps else case.reading.unit if case.reading else ""
    unit = case.history.plan.channels[case.found.channel].unit
    return {"from": begin, "to": unit, "scale": line.scale, "offset": line.offset}


def _figures(again: Again | None) -> dict[str, float]:
    if again is None:
        return {}
    chain = again.segment.chain
    return {
        "accuracy": chain.accuracy,
        "repeatability": chain.repeatability,
        "resolution": chain.resolution,
    }


def _reading(case: Case) -> dict[str, Any] | None:
    if case.reading is None:
        return None
    (reading,) = within_physics((case.reading,))
    return {
        "output": reading.output,
        "quantity": reading.quantity,
        "number": reading.number,
        "unit": reading.unit,
        "status": str(reading.status),
        "impossible": why_impossible(case.reading),
        "origin": str(reading.origin),
        "own_time": None if reading.time_ns is None else instant_text(reading.time_ns),
        "time_from": _time_from(case, reading),
    }


def _time_from(case: Case, reading: Reading) -> str:
    time_ns, entry = case.found.row.time_ns, case.entry
    if reading.time_ns == time_ns:
        return "the instrument's or sender's own time"
    if entry.slot_ns is not None:
        exact = time_ns == entry.slot_ns
        return "the slot" if exact else "the slot, corrected by what the clock was wrong"
    near = time_ns == entry.received_ns + reading.after_ns
    return "when it came" if near else "the server's time, or when it came by a corrected clock"


def _deployment(case: Case) -> dict[str, Any] | None:
    d = case.deployment
    if d is None:
        return None
    return {
        "id": d.id,
        "source": d.source,
        "output": d.output,
        "sensor": d.sensor,
        "factory": d.factory,
        "primary": d.primary,
        **period_of(d),
        "entered": fact_entry(case.history, d),
    }


def _agreement(case: Case) -> dict[str, Any]:
    stored, again = case.found.row, case.again
    if again is None:
        return {"agrees": False, "again": "the series has it, deriving again gives no observation"}
    if again.row.same(stored):
        return {"agrees": True, "again": ""}
    words = "; ".join(_differences(stored, again.row))
    return {"agrees": False, "again": words + _pending(case)}


def _differences(stored: Row, again: Row) -> Iterator[str]:
    for name in _COMPARED:
        had, gives = getattr(stored, name), getattr(again, name)
        if had != gives and (had == had or gives == gives):
            yield f"{name}: the series says {had!r}, deriving again gives {gives!r}"


def _pending(case: Case) -> str:
    checkpoint = orjson.loads(case.series.checkpoint("deriver") or "{}")
    if case.found.channel in checkpoint.get("pending", {}):
        return "; the channel is being derived again: ask once more later"
    return "; `edaphon rebuild` puts the series right"
