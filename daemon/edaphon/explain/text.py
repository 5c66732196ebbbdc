"""An explanation as lines for a person: from the bytes down to the value."""

from collections.abc import Iterator, Mapping
from textwrap import wrap

from edaphon.explain import explanation as shown
from edaphon.people import person


def lines_of(way: shown.Explanation) -> Iterator[str]:
    yield f"{way.channel} at {way.time}{_nearest(way)}"
    yield from _record(way.record)
    yield from _reading(way)
    yield from _deployment(way.deployment)
    yield from _steps(way)
    for check in way.field_checks:
        yield ""
        yield from _field_check(check)
    yield from _checks(way)
    yield from _end(way)


def _nearest(way: shown.Explanation) -> str:
    if not way.nearest:
        return ""
    usual = f"; the usual interval is {way.usual_interval}" if way.usual_interval else ""
    return f" (nearest to {way.asked}{usual})"


def _record(record: shown.ShownRecord) -> Iterator[str]:
    slot = f", slot {record.slot}" if record.slot else ""
    yield ""
    yield (
        f"record        {record.place} of {record.source}, {record.purpose},"
        f" received {record.received}{slot}, {record.bytes} bytes"
    )
    yield from (f"              {line}" for line in record.payload)


def _reading(way: shown.Explanation) -> Iterator[str]:
    reading = way.reading
    if reading is None:
        yield "reading       not found: the record's bytes mean nothing to the software now"
        return
    value = "no number" if reading.number is None else _shown(reading.number)
    yield (
        f"reading       {reading.output} = {value} {reading.unit}"
        f" ({reading.quantity}), status {reading.status}, {reading.origin}"
    )
    yield from _wrapped("              ", reading.impossible)
    own = f", own time {reading.own_time}" if reading.own_time else ""
    yield f"              time from {reading.time_from}{own}"
    if way.support_s:
        yield f"              covers the {way.support_s:g} s before"


def _deployment(deployment: shown.ShownDeployment | None) -> Iterator[str]:
    if deployment is None:
        yield "deployment    not found"
        return
    sensor = f"sensor {deployment.sensor}, " if deployment.sensor else ""
    second = "" if deployment.primary else ", a second opinion"
    yield (
        f"deployment    {deployment.id}: {sensor}{deployment.source}"
        f" {deployment.output}, {_span(deployment.span)}{second}"
    )
    yield from _entered(deployment.entered)


def _entered(entered: shown.EnteredBy | None) -> Iterator[str]:
    if entered is not None:
        who = person(entered.who, entered.account)
        yield (f"              entered by {who} at {entered.known_since} (journal {entered.place})")
        yield f"              from {entered.file}, sha256 {entered.sha256}"


def _span(span: shown.ShownSpan) -> str:
    begin = f"from {span.from_}" if span.from_ else "from the beginning"
    return f"{begin} to {span.to}" if span.to else f"{begin} on"


def _steps(way: shown.Explanation) -> Iterator[str]:
    figures = ", ".join(f"{name} {x:g}" for name, x in way.accuracy.items() if x)
    raw = "no number" if way.raw is None else f"{_shown(way.raw)} {way.raw_unit}"
    yield f"as reported   {raw}; of the instrument [{way.raw_unit}]: {figures or 'no figures'}"
    for n, step in enumerate(way.steps, 1):
        yield ""
        yield from _step(n, step)
    yield from _wrapped("conversion    ", _conversion(way.conversion, way.no_chain))


def _conversion(line: shown.ToUnit | None, no_chain: str) -> str:
    if line is None:
        return f"none: {no_chain}"
    if line.scale == 1.0 and line.offset == 0.0:
        return f"none: it is in {line.to} already"
    return f"from {line.from_} to {line.to}: {line.scale:.10g} x {line.offset:+.10g}"


def _step(n: int, step: shown.ShownStep) -> Iterator[str]:
    own = step.own
    yield f"step {n}        {own.origin.step_of} {own.origin.id}: curve {own.used.curve}"
    for paragraph in own.used.formula.split("\n\n"):
        yield from (f"              {line}" for line in wrap(paragraph, 84))
    yield f"              reference: {own.used.reference}"
    yield from _numbers(own)
    yield from _origin(own)
    if step.drifts_from is not None:
        yield from _pair(own, step.drifts_from, step.progress)
    elif step.progress is not None:
        yield f"              {_way_gone(step.progress)}"
    yield from _second(step.second)
    outside = "   OUTSIDE the domain" if step.outside else ""
    whole = _whole(step.value, step.u_random, step.u_systematic, own.unit_out)
    yield f"              {_shown(own.input)} {own.unit_in} -> {whole}{outside}"
    for beyond in step.beyond:
        yield from _wrapped("              ", beyond)


def _numbers(own: shown.Alone) -> Iterator[str]:
    used = own.used
    yield f"              parameters {_parameters(used.parameters)}"
    if used.covariance is not None:
        yield f"              covariance {used.covariance}"
    for name, x in (
        ("curve uncertainty", used.curve_uncertainty),
        ("drift per year", used.drift_per_year),
    ):
        if x:
            yield f"              {name} {x:g} {own.unit_out}"
    if used.own_domain:
        lowest, highest = used.domain
        yield f"              holds from {lowest:g} to {highest:g} {own.unit_in}"


def _parameters(given: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {x!r}" for name, x in given.items()) or "none"


def _origin(own: shown.Alone) -> Iterator[str]:
    origin = own.origin
    if isinstance(origin, shown.FactoryOrigin):
        yield from _pin(origin.pinned)
        return
    expires = f", expires {origin.expires}" if origin.expires else ""
    yield f"              valid {_span(origin.span)}{expires}"
    yield from _rests_on(origin.rests_on)


def _rests_on(own: shown.RestsOn) -> Iterator[str]:
    named = {
        "certificate": own.certificate,
        "standard": own.standard,
        "operator": own.operator,
        "method": own.method,
    }
    stated = [f"{name} {text}" for name, text in named.items() if text]
    if stated:
        yield f"              {'; '.join(stated)}"
    for name, sha256 in own.evidence.items():
        yield f"              evidence {name}, sha256 {sha256}"
    yield from _entered(own.entered)


def _pin(pin: shown.PinnedCurve | None) -> Iterator[str]:
    """The fact that keeps a maker's curve, and whether the model sheet has changed since."""
    if pin is None:
        return
    yield f"              as it was when it was first used, kept in {pin.id}"
    yield from _entered(pin.entered)
    if pin.sheet_is_the_same:
        yield f"              the sheet of {pin.model} says the same now"
    elif pin.sheet_says is None:
        yield f"              the sheet of {pin.model} has no such curve now"
    else:
        says = pin.sheet_says
        otherwise = f"curve {says.curve} to {says.unit}, {_parameters(says.parameters)}"
        yield f"              the sheet of {pin.model} says otherwise now: {otherwise}"


def _pair(
    own: shown.Alone, earlier: shown.Alone, progress: shown.PairProgress | None
) -> Iterator[str]:
    yield f"              drifts from {earlier.origin.id}: curve {earlier.used.curve}"
    yield from (f"  {line}" for line in (*_numbers(earlier), *_origin(earlier)))
    if progress is not None:
        yield f"              {_way_gone(progress)}"
    for one in (earlier, own):
        alone = _shown(one.value_alone)
        yield f"              {one.origin.id} alone gives {alone} {one.unit_out}"


def _way_gone(progress: shown.PairProgress) -> str:
    gone, begin, end = progress.share, progress.from_, progress.to
    return f"{gone:.6g} of the time from {begin} to {end} has passed"


def _field_check(check: shown.ShownFieldCheck) -> Iterator[str]:
    unit = check.check_unit
    yield f"field check   {check.id} of {check.of}, {check.state} at {check.visit}"
    yield (
        f"              read {_shown(check.reading)} {unit}, reference"
        f" {_shown(check.reference_value)} {unit} (u {_shown(check.u_reference)})"
    )
    yield f"              speaks for the time {_span(check.span)}"
    yield from _rests_on(check.rests_on)
    yield f"              {_verdict(check.outcome)}"


def _verdict(found: shown.Compared | shown.LeftOut) -> str:
    if isinstance(found, shown.LeftOut):
        return f"left out: {found.why}"
    unit, before = found.unit, _shown(found.u_systematic_before)
    limit = f"{found.limit:.4g} {unit}, 2 u of both"
    what = f"deviation {_shown(found.deviation)} {unit}"
    if found.result == "confirmed":
        return f"{what}, within {limit}: it confirms u_systematic {before} {unit}"
    after = _shown(found.u_systematic)
    return f"{what}, beyond {limit}: it widens u_systematic from {before} to {after} {unit}"


def _wrapped(head: str, text: str) -> Iterator[str]:
    """The text behind the head, further lines below its begin."""
    for n, line in enumerate(wrap(text, 84, break_long_words=False, break_on_hyphens=False)):
        yield (" " * len(head) if n else head) + line


def _second(second: shown.SecondValue | None) -> Iterator[str]:
    if second is None:
        return
    origin = second.origin
    if isinstance(origin, shown.OfChannel):
        place, taken = f"channel {origin.channel}", origin.taken
    else:
        place, taken = f"output {origin.output}", None
    value = "nothing, or nothing new enough"
    if second.value is not None:
        value = _whole(second.value, second.u_random, second.u_systematic, second.unit)
    yield f"              second input: {place} = {value}"
    if isinstance(origin, shown.OfChannel) and taken is not None:
        yield (
            f"              of {taken.time}, {_age(taken.age_s)}, record"
            f" {taken.record}, flag {taken.flag}; at most {origin.max_age} old"
        )


def _age(age_s: float) -> str:
    return f"{abs(age_s):g} s {'before' if age_s >= 0 else 'after'}"


def _checks(way: shown.Explanation) -> Iterator[str]:
    yield ""
    for check in way.checks:
        limits = ", ".join(f"{name} {x:g}" for name, x in check.limits.items())
        what = f"{check.check} (flag {check.effect})"
        yield f"check         {what}: {check.result}; {limits}"
    if not way.checks:
        yield "check         none"
    because = [r.why for r in way.reasons if r.flag == way.flag]
    yield f"flag          {way.flag} {way.flag_name}" + "".join(f"; {w}" for w in because)
    for reason in way.reasons:
        if reason.flag != way.flag:
            yield f"              also {reason.flag}: {reason.why}"


def _end(way: shown.Explanation) -> Iterator[str]:
    own = way.stored
    yield f"value         {_whole(own.value, own.u_random, own.u_systematic, own.unit)}"
    yield f"derivation    {own.derivation}, the hash of: {', '.join(sorted(own.derivation_of))}"
    packages = own.derivation_of.get("packages")
    if isinstance(packages, list):
        yield f"packages      {', '.join(packages)}"
    verdict = "the same, bit for bit" if way.agrees else f"ANOTHER: {way.again}"
    yield f"derived again {verdict} (edaphon {own.software})"


def _whole(value: float | None, random: float | None, systematic: float | None, unit: str) -> str:
    if value is None:
        return "no value"
    return f"{_shown(value)} {unit} (u_random {_shown(random)}, u_systematic {_shown(systematic)})"


def _shown(x: float | None) -> str:
    """All digits of a value that a person could miss, none of the binary rest."""
    return "nothing" if x is None else f"{x:.10g}"
