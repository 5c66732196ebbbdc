"""Cayenne LPP: the owner declares a device's channels, and so does the vector by its rows."""

from collections.abc import Iterable, Iterator, Mapping

from tests.conformance.entries import Decoder, Entry, Given, entry_bytes

from edaphon_drivers.lorawan import decode_uplink
from edaphon_drivers.lorawan.codecs.cayenne import KINDS
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet, parse_sheet

__all__ = ["DEVICES"]

_PRINTED = {"standard_gravity": "g", "degree": "°", "degree/s": "°/s"}


def _lpp(entry: Entry) -> list[Given]:
    channels = {row.get("channel") for row in entry["expected"]}
    sheet = _sheet(range(256) if None in channels else sorted(channels))
    readings = decode_uplink(entry_bytes(entry), entry.get("f_port", 1), sheet)
    return list(
        _given(readings, {str(row.get("channel")): row["unit"] for row in entry["expected"]})
    )


def _sheet(channels: Iterable[int]) -> Sheet:
    """A sheet that names every type a channel could have; outputs are `channel/type/axis`."""
    rows = [{"id": c, "type": t, "outputs": _names(c, t)} for c in channels for t in KINDS]
    outputs = [
        {"name": name, "quantity": "unnamed_value", "unit": unit}
        for row in rows
        for name, unit in zip(row["outputs"], KINDS[row["type"]].units, strict=True)
    ]
    table = {"title": "", "engine": "lorawan", "checked": "", "source": "", "output": outputs}
    return parse_sheet("owner.lpp", {**table, "frame": {"codec": "cayenne", "channel": rows}})


def _names(channel: int, kind: int) -> list[str]:
    return [f"{channel}/{kind}/{axis}" for axis in range(len(KINDS[kind].units))]


def _given(readings: Iterable[Reading], declared: Mapping[str, str | None]) -> Iterator[Given]:
    """Each number, and those of one type together; parts with several units have the declared."""
    together: dict[str, list[Reading]] = {}
    for r in readings:
        yield Given(r.output, r.number, _PRINTED.get(r.unit, r.unit))
        together.setdefault(r.output.rpartition("/")[0], []).append(r)
    for name, axes in together.items():
        units = {_PRINTED.get(r.unit, r.unit) for r in axes}
        if len(axes) > 1:
            numbers = tuple(r.number for r in axes if r.number is not None)
            own = units.pop() if len(units) == 1 else declared.get(name.partition("/")[0])
            yield Given(name, numbers, own)


DEVICES: dict[str, Decoder] = {"Cayenne LPP": _lpp, "Cayenne LPP vs Milesight": _lpp}
