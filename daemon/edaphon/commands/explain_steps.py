"""The steps of a chain for a person: curve, parameters, where it is from, the number behind it."""

import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import orjson

from edaphon.commands.explain_case import Case
from edaphon.derive.chains import Beside
from edaphon.derive.explaining import Again, History, Row, after_step, row_at
from edaphon.facts import Calibration, Fact, from_payload
from edaphon.nouns import Sequence
from edaphon.written.values import duration_text, instant_text
from edaphon_calibration.chain import Step
from edaphon_drivers.sheets import Factory, Output

__all__ = ["fact_entry", "number", "steps_of"]


_BEHIND_THE_FORMULA = re.compile(r"^(?:References?:|Notes?:|>>>)", re.MULTILINE)


def number(x: float) -> float | None:
    """None for NaN, which JSON has not."""
    return x if x == x else None


def fact_entry(history: History, fact: Fact) -> dict[str, Any] | None:
    """Who entered a fact, when it became known, and the file that it came from."""
    known = next((k for k in history.knowledge.entered if k.fact is fact), None)
    entry = dict(history.meanings).get(known.sequence) if known else None
    if known is None or entry is None:
        return None
    told = from_payload(entry.payload)
    return {
        "who": told.who,
        "known_since": instant_text(entry.received_ns),
        "file": told.file,
        "sha256": told.sha256,
        "place": str(known.sequence),
    }


def steps_of(case: Case) -> Iterator[dict[str, Any]]:
    """One row for each step, in order; nothing where the channel has no chain then."""
    again = case.again
    if again is None or not again.segment.chain.known:
        return
    output = _output(case)
    unit, rows = output.unit, 0
    chain = again.segment.chain
    for n, (step, side, source) in enumerate(
        zip(chain.steps, chain.beside, _sources(case, again, output), strict=True)
    ):
        into, gives = _units(step, source, unit)
        before, after = after_step(chain, again.seen, n), after_step(chain, again.seen, n + 1)
        told = {
            **_origin(case.history, source),
            **_curve(step),
            "unit_in": into,
            "unit_out": gives,
            "input": number(float(step.conversion.apply(before.value)[0])),
            "value": number(float(after.value[0])),
            "u_random": number(float(after.u_random[0])),
            "u_systematic": number(float(after.u_systematic[0])),
            "outside": bool(after.outside[0]) and not bool(before.outside[0]),
            "second": None,
        }
        if side is not None:
            told["second"] = _second(case, again, step, side, rows)
            rows += 3
        yield told
        unit = gives


def _output(case: Case) -> Output:
    d = case.deployment
    assert d is not None  # noqa: S101  a chain is that of a deployment
    return case.history.sources.outputs[d.source][d.output]


def _sources(case: Case, again: Again, output: Output) -> list[Calibration | Factory]:
    """What each step was made of: the same choice that the plan made, told by its derivation."""
    known = {c.id: c for c in case.history.knowledge.calibrations}
    text = case.history.plan.texts[again.segment.derivation]
    basis = orjson.loads(text)
    factory = [f for f in output.factory if basis["factory"] and f.name == basis["factory"][0]]
    return [*factory, *(known[told["id"]] for told in basis["calibrations"])]


def _units(step: Step, source: Calibration | Factory, unit: str) -> tuple[str, str]:
    """(the unit that goes into the curve, the unit that comes out)."""
    if isinstance(source, Factory):
        return step.curve.from_unit or unit, source.unit
    into = source.from_unit or step.curve.from_unit or unit
    return into, source.to_unit or step.curve.to_unit or into


def _curve(step: Step) -> dict[str, Any]:
    names = list(step.curve.parameters)
    lowest, highest = step.domain or step.curve.domain
    return {
        "curve": step.curve.name,
        "formula": _formula(step.curve.name),
        "reference": step.curve.reference,
        "parameters": dict(zip(names, step.parameters.tolist(), strict=True)),
        "covariance": None if step.covariance is None else step.covariance.tolist(),
        "curve_uncertainty": step.model,
        "drift_per_year": step.drift_per_year,
        "domain": [x if np.isfinite(x) else None for x in (lowest, highest)],
    }


def _formula(name: str) -> str:
    """What the curve's own file says before its references."""
    text = inspect.getdoc(import_module(f"edaphon_calibration.curves.{name}")) or ""
    return _BEHIND_THE_FORMULA.split(text, maxsplit=1)[0].strip()


def _origin(history: History, source: Calibration | Factory) -> dict[str, Any]:
    if isinstance(source, Factory):
        return {"step_of": "factory", "id": source.name}
    return {
        "step_of": "sensor" if source.channel is None else "channel",
        "id": source.id,
        "from": None if source.from_ns is None else instant_text(source.from_ns),
        "to": None if source.to_ns is None else instant_text(source.to_ns),
        "expires": None if source.expires_ns is None else instant_text(source.expires_ns),
        "certificate": source.certificate,
        "standard": source.reference,
        "operator": source.operator,
        "method": source.method,
        "entered": fact_entry(history, source),
    }


def _second(case: Case, again: Again, step: Step, side: Beside, row: int) -> dict[str, Any]:
    """What the step takes beside its input, in the unit of the curve and as it stands there."""
    value, u_random, u_systematic = again.seen.beside[row : row + 3, again.seen.at].tolist()
    told: dict[str, Any] = {
        "value": number(value),
        "u_random": number(u_random),
        "u_systematic": number(u_systematic),
        "unit": step.curve.second.unit if step.curve.second else "",
    }
    if side.output:
        said = next((r for r in case.readings if r.output == side.output), None)
        own = {"number": said.number, "number_unit": said.unit} if said else {}
        return {**told, "output": side.output, **own}
    told |= {"channel": side.channel, "max_age": duration_text(side.max_age_ns)}
    return told | _taken(case, again.row, side, value)


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
        "record": str(Sequence.of(taken.sequence)),
        "time": instant_text(taken.time_ns),
        "age_s": (row.time_ns - taken.time_ns) / 1e9,
        "flag": taken.flag,
        "number": taken.value,
        "number_unit": channels[side.channel].unit,
    }
