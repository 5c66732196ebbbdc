"""SDI-12 answers that came as text in an uplink: a probe's sheet or the owner names the values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.reported import reported, without_number
from edaphon_drivers.sdi12.parse import parse_relayed
from edaphon_drivers.sheets import Output, Sheet, load_sheet


def relayed_readings(
    texts: Sequence[bytes], named: Mapping[str, Any], sheet: Sheet, time_ns: int | None = None
) -> Iterator[Reading]:
    """The values of answers, one after another, by `named`: a `probe` or a list of `outputs`.

    A probe's sheet names them by the outputs of its first command, so their number must be right;
    of `outputs` the first ones are used. No value at all is a failure of every output. Garbled for
    a text that is no SDI-12 answer.
    """
    values = [value for text in texts for value in parse_relayed(text)[1]]
    known = _outputs(named, sheet)
    if values and "probe" in named and len(values) != len(known):
        raise Garbled(f"{len(known)} values of {named['probe']}", b"\r\n".join(texts), sheet.model)
    if not values:
        yield from (without_number(o, Status.FAILURE, time_ns) for o in known if o is not None)
    for output, value in zip(known, values, strict=False):
        if output is not None:
            yield reported(output, value, time_ns)


def _outputs(named: Mapping[str, Any], sheet: Sheet) -> list[Output | None]:
    """In order; None for a value that is read and not used."""
    if "probe" not in named:
        return [sheet.outputs.get(name) for name in named["outputs"]]
    probe = load_sheet(named["probe"])
    outputs = {**probe.outputs, **sheet.outputs}
    return [outputs.get(name) for name in probe.commands[0].outputs]
