"""Makers' curves as they are now, to be kept as facts where deployments begin to use them."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Rows

from edaphon.facts.conflicts import new_rows
from edaphon.facts.files import FactRow
from edaphon.facts.knowledge import Knowledge
from edaphon.facts.model import Deployment, FactoryCurve
from edaphon_calibration.curves import find_curve
from edaphon_drivers.sheets import Factory, Output

__all__ = ["pin_id", "pin_of", "pins_needed"]

_LONGEST = 60  # an id has at most 64; room for a number


def pin_id(model: str, output: str, name: str) -> str:
    """The same id for the same curve; a hash at its end where the names are no ids or too long."""
    names = (model, output, name)
    plain = ":".join(("factory", *names))
    if len(plain) <= _LONGEST and all(re.fullmatch(r"[A-Za-z0-9._-]+", n) for n in names):
        return plain
    tail = hashlib.sha256("\0".join(names).encode()).hexdigest()[:12]
    return re.sub(r"[^A-Za-z0-9._:-]+", "-", plain)[: _LONGEST - 13] + f"-{tail}"


def pin_of(model: str, output: str, factory: Factory) -> FactoryCurve:
    return FactoryCurve(
        id=pin_id(model, output, factory.name),
        model=model,
        output=output,
        name=factory.name,
        curve=factory.curve,
        parameters=_written_out(factory),
        quantity=factory.quantity,
        unit=factory.unit,
    )


def _written_out(factory: Factory) -> dict[str, float]:
    """Every number of the curve: one that the sheet leaves to the curve could change there."""
    known = find_curve(factory.curve)
    numbers = known.parameter_vector(factory.parameters).tolist()
    return dict(zip(known.spelled(factory.parameters), numbers, strict=True))


def pins_needed(
    rows: Rows[FactRow],
    knowledge: Knowledge,
    sources: Mapping[str, Mapping[str, Output]],
    models: Mapping[str, str],
) -> tuple[FactoryCurve, ...]:
    """The curves that new deployments among `rows` name and nobody has kept yet, each once.

    `sources` are the outputs of each source path, `models` its model sheet. A curve that stands
    among `rows` itself needs none.
    """
    new = [row.fact for row in new_rows(rows, knowledge)]
    written = {fact.key for fact in new if isinstance(fact, FactoryCurve)}
    found: dict[tuple[str, str, str], FactoryCurve] = {}
    for deployment in (fact for fact in new if isinstance(fact, Deployment)):
        for pin in _named(deployment, sources, models):
            if pin.key not in written and knowledge.factory(*pin.key) is None:
                found[pin.key] = _fresh(pin, knowledge)
    return tuple(found.values())


def _named(
    deployment: Deployment,
    sources: Mapping[str, Mapping[str, Output]],
    models: Mapping[str, str],
) -> Iterator[FactoryCurve]:
    output = sources.get(deployment.source, {}).get(deployment.output)
    model = models.get(deployment.source)
    if output is not None and model:
        for factory in output.factory:
            if factory.name == deployment.factory:
                yield pin_of(model, output.name, factory)


def _fresh(pin: FactoryCurve, knowledge: Knowledge) -> FactoryCurve:
    """With an id that was never used: that of a curve that was taken back stays its own."""
    number, id = 1, pin.id
    while id in knowledge.ever:
        number += 1
        id = f"{pin.id}-{number}"
    return pin.model_copy(update={"id": id})
