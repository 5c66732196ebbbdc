"""The way of one number as lines for a person: from the bytes down to the value."""

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from edaphon.people import person

__all__ = ["lines_of"]

EnteredFacts = Mapping[str, Any]


def lines_of(way: EnteredFacts) -> Iterator[str]:
    yield f"{way['channel']} at {way['time']}{_nearest(way)}"
    yield from _record(way["record"])
    yield from _reading(way)
    yield from _deployment(way["deployment"])
    yield from _steps(way)
    for check in way["field_checks"]:
        yield ""
        yield from _field_check(check)
    yield from _checks(way)
    yield from _end(way)


def _nearest(way: EnteredFacts) -> str:
    if not way["nearest"]:
        return ""
    usual = f"; the usual interval is {way['usual_interval']}" if way["usual_interval"] else ""
    return f" (nearest to {way['asked']}{usual})"


def _record(record: EnteredFacts) -> Iterator[str]:
    slot = f", slot {record['slot']}" if record["slot"] else ""
    yield ""
    yield (
        f"record        {record['place']} of {record['source']}, {record['purpose']},"
        f" received {record['received']}{slot}, {record['bytes']} bytes"
    )
    yield from (f"              {line}" for line in record["payload"])


def _reading(way: EnteredFacts) -> Iterator[str]:
    reading = way["reading"]
    if reading is None:
        yield "reading       not found: the record's bytes mean nothing to the software now"
        return
    value = "no number" if reading["number"] is None else _shown(reading["number"])
    yield (
        f"reading       {reading['output']} = {value} {reading['unit']}"
        f" ({reading['quantity']}), status {reading['status']}, {reading['origin']}"
    )
    yield from _wrapped("              ", reading["impossible"])
    own = f", own time {reading['own_time']}" if reading["own_time"] else ""
    yield f"              time from {reading['time_from']}{own}"
    if way["support_s"]:
        yield f"              stands for the {way['support_s']:g} s before"


def _deployment(deployment: EnteredFacts | None) -> Iterator[str]:
    if deployment is None:
        yield "deployment    not found"
        return
    sensor = f"sensor {deployment['sensor']}, " if deployment["sensor"] else ""
    second = "" if deployment["primary"] else ", a second opinion"
    yield (
        f"deployment    {deployment['id']}: {sensor}{deployment['source']}"
        f" {deployment['output']}, {_span(deployment)}{second}"
    )
    yield from _entered(deployment["entered"])


def _entered(entered: EnteredFacts | None) -> Iterator[str]:
    if entered is not None:
        who = person(entered["who"], entered["account"])
        yield (
            f"              entered by {who} at {entered['known_since']}"
            f" (journal {entered['place']})"
        )
        yield f"              from {entered['file']}, sha256 {entered['sha256']}"


def _span(reported: EnteredFacts) -> str:
    begin = f"from {reported['from']}" if reported["from"] else "from the beginning"
    return f"{begin} to {reported['to']}" if reported["to"] else f"{begin} on"


def _steps(way: EnteredFacts) -> Iterator[str]:
    figures = ", ".join(f"{name} {x:g}" for name, x in way["accuracy"].items() if x)
    raw = "no number" if way["raw"] is None else f"{_shown(way['raw'])} {way['raw_unit']}"
    yield f"as reported   {raw}; of the instrument [{way['raw_unit']}]: {figures or 'no figures'}"
    for n, step in enumerate(way["steps"], 1):
        yield ""
        yield from _step(n, step)
    yield from _wrapped("conversion    ", _conversion(way["conversion"], way["no_chain"]))


def _conversion(reported: EnteredFacts | None, no_chain: str) -> str:
    if reported is None:
        return f"none: {no_chain}"
    if reported["scale"] == 1.0 and reported["offset"] == 0.0:
        return f"none: it is in {reported['to']} already"
    line = f"{reported['scale']:.10g} x {reported['offset']:+.10g}"
    return f"from {reported['from']} to {reported['to']}: {line}"


def _step(n: int, step: EnteredFacts) -> Iterator[str]:
    yield f"step {n}        {step['step_of']} {step['id']}: curve {step['curve']}"
    for paragraph in step["formula"].split("\n\n"):
        yield from (f"              {line}" for line in wrap(paragraph, 84))
    yield f"              reference: {step['reference']}"
    yield from _numbers(step)
    yield from _papers(step)
    if step["drifts_from"] is not None:
        yield from _pair(step, step["drifts_from"])
    elif step["progress"] is not None:
        yield f"              {_way_gone(step['progress'])}"
    yield from _second(step["second"])
    outside = "   OUTSIDE the domain" if step["outside"] else ""
    yield f"              {_shown(step['input'])} {step['unit_in']} -> {_whole(step)}{outside}"
    for beyond in step["beyond"]:
        yield from _wrapped("              ", beyond)


def _numbers(step: EnteredFacts) -> Iterator[str]:
    yield f"              parameters {_parameters(step['parameters'])}"
    if step["covariance"] is not None:
        yield f"              covariance {step['covariance']}"
    for name in ("curve_uncertainty", "drift_per_year"):
        if step[name]:
            yield f"              {name.replace('_', ' ')} {step[name]:g} {step['unit_out']}"
    if step["own_domain"]:
        lowest, highest = step["domain"]
        yield f"              holds from {lowest:g} to {highest:g} {step['unit_in']}"


def _parameters(given: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {x!r}" for name, x in given.items()) or "none"


def _papers(step: EnteredFacts) -> Iterator[str]:
    if step["step_of"] == "factory":
        yield from _pin(step["pinned"])
        return
    expires = f", expires {step['expires']}" if step["expires"] else ""
    yield f"              valid {_span(step)}{expires}"
    yield from _rests_on(step)


def _rests_on(reported: EnteredFacts) -> Iterator[str]:
    evidence = ("certificate", "standard", "operator", "method")
    stated = [f"{name} {reported[name]}" for name in evidence if reported[name]]
    if stated:
        yield f"              {'; '.join(stated)}"
    for name, sha256 in reported["evidence"].items():
        yield f"              evidence {name}, sha256 {sha256}"
    yield from _entered(reported["entered"])


def _pin(pin: EnteredFacts | None) -> Iterator[str]:
    """The fact that keeps a maker's curve, and whether the model sheet has changed since."""
    if pin is None:
        return
    yield f"              as it was when it was first used, kept in {pin['id']}"
    yield from _entered(pin["entered"])
    if pin["sheet_is_the_same"]:
        yield f"              the sheet of {pin['model']} says the same now"
    elif pin["sheet_says"] is None:
        yield f"              the sheet of {pin['model']} has no such curve now"
    else:
        says = pin["sheet_says"]
        otherwise = f"curve {says['curve']} to {says['unit']}, {_parameters(says['parameters'])}"
        yield f"              the sheet of {pin['model']} says otherwise now: {otherwise}"


def _pair(step: EnteredFacts, earlier: EnteredFacts) -> Iterator[str]:
    yield f"              drifts from {earlier['id']}: curve {earlier['curve']}"
    yield from (f"  {line}" for line in (*_numbers(earlier), *_papers(earlier)))
    yield f"              {_way_gone(step['progress'])}"
    for one in (earlier, step):
        alone = _shown(one["value_alone"])
        yield f"              {one['id']} alone gives {alone} {one['unit_out']}"


def _way_gone(progress: EnteredFacts) -> str:
    gone, begin, end = progress["share"], progress["from"], progress["to"]
    return f"{gone:.6g} of the time from {begin} to {end} has passed"


def _field_check(check: EnteredFacts) -> Iterator[str]:
    unit = check["check_unit"]
    yield f"field check   {check['id']} of {check['of']}, {check['state']} at {check['visit']}"
    yield (
        f"              read {_shown(check['reading'])} {unit}, reference"
        f" {_shown(check['reference_value'])} {unit} (u {_shown(check['u_reference'])})"
    )
    yield f"              speaks for the time {_span(check)}"
    yield from _rests_on(check)
    yield f"              {_verdict(check)}"


def _verdict(check: EnteredFacts) -> str:
    if check["result"] == "left out":
        return f"left out: {check['why']}"
    unit, before = check["unit"], _shown(check["u_systematic_before"])
    limit = f"{check['limit']:.4g} {unit}, 2 u of both"
    what = f"deviation {_shown(check['deviation'])} {unit}"
    if check["result"] == "confirmed":
        return f"{what}, within {limit}: it confirms u_systematic {before} {unit}"
    after = _shown(check["u_systematic"])
    return f"{what}, beyond {limit}: it widens u_systematic from {before} to {after} {unit}"


def _wrapped(head: str, text: str) -> Iterator[str]:
    """The text behind the head, further lines below its begin."""
    for n, line in enumerate(wrap(text, 84, break_long_words=False, break_on_hyphens=False)):
        yield (" " * len(head) if n else head) + line


def _second(second: EnteredFacts | None) -> Iterator[str]:
    if second is None:
        return
    place = f"channel {second['channel']}" if "channel" in second else f"output {second['output']}"
    value = "nothing, or nothing new enough"
    if second["value"] is not None:
        value = _whole({**second, "unit_out": second["unit"]})
    yield f"              beside it: {place} = {value}"
    if "record" in second:
        yield (
            f"              of {second['time']}, {_age(second['age_s'])}, record"
            f" {second['record']}, flag {second['flag']}; at most {second['max_age']} old"
        )


def _age(age_s: float) -> str:
    return f"{abs(age_s):g} s {'before' if age_s >= 0 else 'after'}"


def _checks(way: EnteredFacts) -> Iterator[str]:
    yield ""
    for check in way["checks"]:
        limits = ", ".join(f"{name} {x:g}" for name, x in check["limits"].items())
        what = f"{check['check']} (flag {check['effect']})"
        yield f"check         {what}: {check['result']}; {limits}"
    if not way["checks"]:
        yield "check         none"
    because = [r["why"] for r in way["reasons"] if r["flag"] == way["flag"]]
    yield f"flag          {way['flag']} {way['flag_name']}" + "".join(f"; {w}" for w in because)
    for reason in way["reasons"]:
        if reason["flag"] != way["flag"]:
            yield f"              also {reason['flag']}: {reason['why']}"


def _end(way: EnteredFacts) -> Iterator[str]:
    yield f"value         {_whole({**way, 'unit_out': way['unit']})}"
    basis = ", ".join(sorted(way["derivation_of"]))
    yield f"derivation    {way['derivation']}, the hash of: {basis}"
    verdict = "the same, bit for bit" if way["agrees"] else f"ANOTHER: {way['again']}"
    yield f"derived again {verdict} (edaphon {way['software']})"


def _whole(reported: EnteredFacts) -> str:
    if reported["value"] is None:
        return "no value"
    return (
        f"{_shown(reported['value'])} {reported['unit_out']}"
        f" (u_random {_shown(reported['u_random'])},"
        f" u_systematic {_shown(reported['u_systematic'])})"
    )


def _shown(x: float | None) -> str:
    """All digits of a value that a person could miss, none of the binary rest."""
    return "nothing" if x is None else f"{x:.10g}"
