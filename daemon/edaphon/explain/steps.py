"""The steps of a chain for a person: curve, parameters, where it is from, the number behind it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from edaphon.derive.chains import Beside
from edaphon.explain.case import Case
from edaphon.explain.facts import fact_entry, number, papers_of, period_of
from edaphon.explain.trace import Again, Row, after_step, row_at
from edaphon.facts import Calibration, FactoryCurve
from edaphon.model import EntryId
from edaphon.toml_input.values import duration_text, instant_text
from edaphon_calibration.chain import Step
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_calibration.units import canonical
from edaphon_drivers.sheets import Factory, Output

__all__ = ["steps_of"]

Source = Calibration | Factory


def steps_of(case: Case) -> Iterator[dict[str, Any]]:
    """One row for each step, in order; nothing where the channel has no chain then."""
    again = case.again
    if again is None or not again.segment.chain.known:
        return
    output = _output(case)
    unit, rows = output.unit, 0
    chain = again.segment.chain
    for n, (step, side, source) in enumerate(
        zip(chain.steps, chain.second_input, _sources(case, again, output), strict=True)
    ):
        after = after_step(chain, again.seen, n + 1)
        second = None
        if side is not None:
            second = _second(case, again, step, side, rows)
            rows += 3
        progress = _progress(again, n)
        reported = {
            **_one(case, again, n, step, source, unit),
            "value": number(float(after.value[0])),
            "u_random": number(float(after.u_random[0])),
            "u_systematic": number(float(after.u_systematic[0])),
            "second": second,
            "progress": progress,
            "drifts_from": _earlier(case, again, n, unit),
        }
        shares = progress["share"] if progress and step.curve.second else None
        reported["beyond"] = list(_beyond(reported, second["value"] if second else shares))
        reported["outside"] = bool(reported["beyond"])
        yield reported
        unit = reported["unit_out"]


def _one(case: Case, again: Again, n: int, step: Step, source: Source, unit: str) -> dict[str, Any]:
    """The nth step as one calibration alone, with what goes in and what it alone makes of it."""
    into, gives = _units(step, source, unit)
    before = after_step(again.segment.chain, again.seen, n)
    return {
        **_origin(case, source),
        **_curve(step, source),
        "unit_in": into,
        "unit_out": gives,
        "input": number(float(step.conversion.apply(before.value)[0])),
        "value_alone": number(_alone(again, n, step)),
    }


def _alone(again: Again, n: int, step: Step) -> float:
    """The value behind the nth step if no other calibration counted there."""
    chain = again.segment.chain
    if step.before is None and step is chain.steps[n]:
        return float(after_step(chain, again.seen, n + 1).value[0])
    calendar = (*chain.calendar[:n], None)
    part = replace(chain, steps=(*chain.steps[:n], replace(step, before=None)), calendar=calendar)
    return float(after_step(part, again.seen, n + 1).value[0])


def _progress(again: Again, n: int) -> dict[str, Any] | None:
    """How much of the time from one calibration to the other has passed, where that counts."""
    span = again.segment.chain.calendar[n]
    if span is None:
        return None
    begin, end = span
    share = (again.row.time_ns - begin) / (end - begin)
    return {"share": share, "from": instant_text(begin), "to": instant_text(end)}


def _earlier(case: Case, again: Again, n: int, unit: str) -> dict[str, Any] | None:
    """Of a pair, the calibration before deployment: what it says of itself and of this number."""
    step = again.segment.chain.steps[n].before
    source = _sources(case, again, _output(case))[n]
    if step is None or isinstance(source, Factory):
        return None
    earlier = case.history.knowledge.standing(source.drifts_from or "")
    assert isinstance(earlier, Calibration)  # noqa: S101  the step was made of it
    return _one(case, again, n, step, earlier, unit)


def _beyond(reported: dict[str, Any], second: float | None) -> Iterator[str]:
    """What lies outside of where each calibration of a step holds."""
    for one in (reported["drifts_from"], reported):
        if (
            one is not None
            and one["input"] is not None
            and not _within(one["input"], one["domain"])
        ):
            whose = f"calibration {one['id']}" if one["own_domain"] else f"the curve {one['curve']}"
            yield f"{one['input']:.6g} {one['unit_in']} is outside the domain of {whose}, " + (
                f"{_range(one['domain'])}"
            )
    domain = reported["second_domain"]
    if second is not None and domain is not None and not _within(second, domain):
        yield (
            f"the second input {second:.6g} is outside the domain of the curve"
            f" {reported['curve']}, " + (f"{_range(domain)}")
        )


def _within(x: float, domain: list[float | None]) -> bool:
    lowest, highest = domain
    return (lowest is None or lowest <= x) and (highest is None or x <= highest)


def _range(domain: list[float | None]) -> str:
    lowest, highest = domain
    if highest is None:
        return f"{lowest:g} and more"
    return f"{highest:g} and less" if lowest is None else f"{lowest:g} to {highest:g}"


def _output(case: Case) -> Output:
    d = case.deployment
    assert d is not None  # noqa: S101  a chain is that of a deployment
    return case.history.sources.outputs[d.source][d.output]


def _sources(case: Case, again: Again, output: Output) -> list[Source]:
    """What each step was made of: the same choice that the plan made, told by its derivation."""
    known = {c.id: c for c in case.history.knowledge.calibrations}
    basis = orjson.loads(case.history.plan.texts[again.segment.derivation])
    chosen: list[Source] = [known[reported["id"]] for reported in basis["calibrations"]]
    if not basis["factory"]:
        return chosen
    pinned = _pinned(case, output)
    maker = pinned.as_on_a_sheet() if pinned is not None else _on_the_sheet(case, output)
    return [maker, *chosen] if maker is not None else chosen


def _pinned(case: Case, output: Output) -> FactoryCurve | None:
    """The fact that keeps the maker's curve as it was when it was first used."""
    d = case.deployment
    if d is None or d.factory is None or output.meaning:
        return None
    model = case.history.sources.models.get(d.source, "")
    return case.history.knowledge.factory(model, output.name, d.factory)


def _on_the_sheet(case: Case, output: Output) -> Factory | None:
    d = case.deployment
    return next((f for f in output.factory if d is not None and f.name == d.factory), None)


def _units(step: Step, source: Source, unit: str) -> tuple[str, str]:
    """(the unit that goes into the curve, the unit that comes out)."""
    if isinstance(source, Factory):
        return step.curve.from_unit or unit, source.unit
    into = source.from_unit or step.curve.from_unit or unit
    return into, source.to_unit or step.curve.to_unit or into


def _curve(step: Step, source: Source) -> dict[str, Any]:
    names = step.curve.spelled(source.parameters)
    return {
        "curve": step.curve.name,
        "formula": step.curve.about,
        "reference": step.curve.reference,
        "parameters": dict(zip(names, step.parameters.tolist(), strict=True)),
        "covariance": None if step.covariance is None else step.covariance.tolist(),
        "curve_uncertainty": step.model,
        "drift_per_year": step.drift_per_year,
        "domain": _domain(step.domain or step.curve.domain),
        "own_domain": step.domain is not None,
        "second_domain": _domain(step.curve.second.domain) if step.curve.second else None,
    }


def _domain(bounds: tuple[float, float]) -> list[float | None]:
    return [x if np.isfinite(x) else None for x in bounds]


def _origin(case: Case, source: Source) -> dict[str, Any]:
    if isinstance(source, Factory):
        return {"step_of": "factory", "id": source.name, "pinned": _pin(case)}
    return {
        "step_of": "sensor" if source.channel is None else "channel",
        "id": source.id,
        "place": source.place,
        **period_of(source),
        "expires": None if source.expires_ns is None else instant_text(source.expires_ns),
        **papers_of(case.history, source),
    }


def _pin(case: Case) -> dict[str, Any] | None:
    output = _output(case)
    pinned, sheet = _pinned(case, output), _on_the_sheet(case, output)
    if pinned is None:
        return None
    kept, stated = (None if f is None else _of_maker(f) for f in (pinned.as_on_a_sheet(), sheet))
    return {
        "id": pinned.id,
        "model": pinned.model,
        "entered": fact_entry(case.history, pinned),
        "sheet_is_the_same": stated == kept,
        "sheet_says": stated,
    }


def _of_maker(factory: Factory) -> dict[str, Any]:
    """With the parameters that a sheet leaves to the curve; a name that is not there has none."""
    parameters = dict(factory.parameters)
    if factory.curve in curve_names():
        own = find_curve(factory.curve)
        numbers = own.parameter_vector(factory.parameters).tolist()
        parameters = dict(zip(own.spelled(factory.parameters), numbers, strict=True))
    return {
        "curve": factory.curve,
        "parameters": parameters,
        "quantity": factory.quantity,
        "unit": canonical(factory.unit),
    }


def _second(case: Case, again: Again, step: Step, side: Beside, row: int) -> dict[str, Any]:
    """What the step takes beside its input, in the unit of the curve and as it stands there."""
    value, u_random, u_systematic = again.seen.second_input[row : row + 3, again.seen.at].tolist()
    reported: dict[str, Any] = {
        "value": number(value),
        "u_random": number(u_random),
        "u_systematic": number(u_systematic),
        "unit": step.curve.second.unit if step.curve.second else "",
    }
    if side.output:
        stated = case.second_reading(side.output)
        own = {"number": stated.number, "number_unit": stated.unit} if stated else {}
        return {**reported, "output": side.output, **own}
    reported |= {"channel": side.channel, "max_age": duration_text(side.max_age_ns)}
    return reported | _taken(case, again.row, side, value)


def _taken(case: Case, row: Row, side: Beside, value: float) -> dict[str, Any]:
    """The observation of the other channel that was taken: the latest placed before, and equal."""
    begin, end = row.time_ns - side.max_age_ns, row.time_ns + side.max_age_ns + 1
    runs = [run for run in case.series.read(side.channel, begin, end) if run.rank == 0]
    rows = [row_at(run, index) for run in runs for index in range(len(run))]
    own = [r for r in rows if float(side.conversion.apply(np.array([r.value]))[0]) == value]
    taken = max(own, key=lambda r: (r.sequence <= row.sequence, r.sequence), default=None)
    if taken is None:
        return {}
    channels: Mapping[str, Any] = case.history.plan.channels
    return {
        "record": str(EntryId.of(taken.sequence)),
        "time": instant_text(taken.time_ns),
        "age_s": (row.time_ns - taken.time_ns) / 1e9,
        "flag": taken.flag,
        "number": taken.value,
        "number_unit": channels[side.channel].unit,
    }
