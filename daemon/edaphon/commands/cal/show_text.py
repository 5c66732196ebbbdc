"""One calibration, check or maker's curve as lines for a person."""

from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import Any

from edaphon.people import person

__all__ = ["lines_of"]

Told = Mapping[str, Any]
PAPERS = {
    "operator": "by",
    "method": "method",
    "reference": "against",
    "certificate": "certificate",
    "expires": "expires",
    "drift_per_year": "drift a year",
    "drifts_from": "drifts from",
}


def lines_of(told: Told) -> Iterator[str]:
    fact = told["fact"]
    step = f", step {fact.get('step', 1)}" if told["kind"] == "calibration" else ""
    kind = {"factory": "maker's curve"}.get(told["kind"], told["kind"])
    yield f"{kind} {told['id']}: {told['subject']}{step}"
    yield f"state         {told['state']}"
    if told["kind"] != "factory":
        yield f"valid         {_span(fact)}"
    yield from _in_force(told)
    who = person(told["who"], told["account"])
    yield f"entered       by {who} at {told['known_since']} (journal {told['place']})"
    yield f"              from {told['file']}{_hash(told['sha256'])}"
    if told["supersedes"]:
        yield f"supersedes    {told['supersedes']}"
    if told["superseded_by"]:
        yield f"superseded by {', '.join(told['superseded_by'])}"
    yield from _curve(told["curve"]) if told["curve"] else _compared(fact)
    if second := fact.get("second"):
        yield f"beside it     {', '.join(f'{key} {value}' for key, value in second.items())}"
    for key, words in PAPERS.items():
        if fact.get(key):
            yield f"{words:<13} {fact[key]}"
    for paper in told["evidence"]:
        kept = "the journal has it" if paper["journal"] else "not in the journal"
        yield f"evidence      {paper['name']}: {paper['file']}; {kept}; sha256 {paper['sha256']}"
    if told["sheet"]:
        yield f"model sheet   {told['sheet']['says']}"
        yield indent(told["sheet"]["row"].rstrip(), "    ")
    if told["text"]:
        yield "as entered"
        yield indent(told["text"].rstrip(), "    ")


def _hash(sha256: str) -> str:
    return f", sha256 {sha256}" if sha256 else ""


def _span(told: Told) -> str:
    begin = f"from {told['from']}" if told.get("from") else "from the beginning"
    return f"{begin} to {told['to']}" if told.get("to") else f"{begin} on"


def _in_force(told: Told) -> Iterator[str]:
    places = [f"{place['channel']} {_span(place)}" for place in told["in_force_at"]]
    for n, place in enumerate(places or ["for no channel"]):
        yield f"{'' if n else 'in force':<13} {place}"


def _compared(fact: Told) -> Iterator[str]:
    unit = fact.get("unit", "")
    yield (
        f"{fact['state']:<13} reading {fact['reading']:g}, reference {fact['reference_value']:g}"
        f" (u {fact['u_reference']:g}) {unit}: {fact['reading'] - fact['reference_value']:+.3g}"
    )


def _curve(curve: Told) -> Iterator[str]:
    yield f"curve         {curve['name']}: {curve['about']}"
    yield f"reference     {curve['reference']}"
    for n, parameter in enumerate(curve["parameters"]):
        yield f"{'' if n else 'parameters':<13} {_parameter(parameter)}"
    names = [parameter["name"] for parameter in curve["parameters"]]
    rows = curve.get("correlation") or []
    told = [
        f"{names[a]}, {names[b]}: {rows[a][b]:+.3f}" for a in range(len(rows)) for b in range(a)
    ]
    if told:
        yield f"correlation   {'; '.join(told)}"
    low, high = curve.get("domain") or (None, None)
    if low is not None or high is not None:
        unit = f" {curve['from_unit']}" if curve["from_unit"] else ""
        yield f"domain        {_end(low)} to {_end(high)}{unit}"


def _parameter(told: Told) -> str:
    u = "" if told["u"] is None else f"   u {told['u']:.3g}"
    own = "" if told["given"] else "   (the curve's own)"
    return f"{told['name']} = {told['value']:.10g}{u}{own}"


def _end(number: float | None) -> str:
    return "any" if number is None else f"{number:g}"
