"""One calibration, check or maker's curve as lines for a person."""

from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import Any

from edaphon.people import person

__all__ = ["lines_of"]

EnteredFacts = Mapping[str, Any]
PAPERS = {
    "operator": "by",
    "method": "method",
    "reference": "against",
    "certificate": "certificate",
    "expires": "expires",
    "drift_per_year": "drift a year",
    "drifts_from": "drifts from",
}


def lines_of(reported: EnteredFacts) -> Iterator[str]:
    fact = reported["fact"]
    step = f", step {fact.get('step', 1)}" if reported["kind"] == "calibration" else ""
    kind = {"factory": "maker's curve"}.get(reported["kind"], reported["kind"])
    yield f"{kind} {reported['id']}: {reported['subject']}{step}"
    yield f"state         {reported['state']}"
    if reported["kind"] != "factory":
        yield f"valid         {_span(fact)}"
    yield from _in_force(reported)
    who = person(reported["who"], reported["account"])
    yield f"entered       by {who} at {reported['known_since']} (journal {reported['place']})"
    yield f"              from {reported['file']}{_hash(reported['sha256'])}"
    if reported["supersedes"]:
        yield f"supersedes    {reported['supersedes']}"
    if reported["superseded_by"]:
        yield f"superseded by {', '.join(reported['superseded_by'])}"
    yield from _curve(reported["curve"]) if reported["curve"] else _compared(fact)
    if second := fact.get("second"):
        yield f"beside it     {', '.join(f'{key} {value}' for key, value in second.items())}"
    for key, words in PAPERS.items():
        if fact.get(key):
            yield f"{words:<13} {fact[key]}"
    for paper in reported["evidence"]:
        kept = "the journal has it" if paper["journal"] else "not in the journal"
        yield f"evidence      {paper['name']}: {paper['file']}; {kept}; sha256 {paper['sha256']}"
    if reported["sheet"]:
        yield f"model sheet   {reported['sheet']['says']}"
        yield indent(reported["sheet"]["row"].rstrip(), "    ")
    if reported["text"]:
        yield "as entered"
        yield indent(reported["text"].rstrip(), "    ")


def _hash(sha256: str) -> str:
    return f", sha256 {sha256}" if sha256 else ""


def _span(reported: EnteredFacts) -> str:
    begin = f"from {reported['from']}" if reported.get("from") else "from the beginning"
    return f"{begin} to {reported['to']}" if reported.get("to") else f"{begin} on"


def _in_force(reported: EnteredFacts) -> Iterator[str]:
    places = [f"{place['channel']} {_span(place)}" for place in reported["in_force_at"]]
    for n, place in enumerate(places or ["for no channel"]):
        yield f"{'' if n else 'in force':<13} {place}"


def _compared(fact: EnteredFacts) -> Iterator[str]:
    unit = fact.get("unit", "")
    yield (
        f"{fact['state']:<13} reading {fact['reading']:g}, reference {fact['reference_value']:g}"
        f" (u {fact['u_reference']:g}) {unit}: {fact['reading'] - fact['reference_value']:+.3g}"
    )


def _curve(curve: EnteredFacts) -> Iterator[str]:
    yield f"curve         {curve['name']}: {curve['about']}"
    yield f"reference     {curve['reference']}"
    for n, parameter in enumerate(curve["parameters"]):
        yield f"{'' if n else 'parameters':<13} {_parameter(parameter)}"
    names = [parameter["name"] for parameter in curve["parameters"]]
    rows = curve.get("correlation") or []
    reported = [
        f"{names[a]}, {names[b]}: {rows[a][b]:+.3f}" for a in range(len(rows)) for b in range(a)
    ]
    if reported:
        yield f"correlation   {'; '.join(reported)}"
    low, high = curve.get("domain") or (None, None)
    if low is not None or high is not None:
        unit = f" {curve['from_unit']}" if curve["from_unit"] else ""
        yield f"domain        {_end(low)} to {_end(high)}{unit}"


def _parameter(reported: EnteredFacts) -> str:
    u = "" if reported["u"] is None else f"   u {reported['u']:.3g}"
    own = "" if reported["given"] else "   (the curve's own)"
    return f"{reported['name']} = {reported['value']:.10g}{u}{own}"


def _end(number: float | None) -> str:
    return "any" if number is None else f"{number:g}"
