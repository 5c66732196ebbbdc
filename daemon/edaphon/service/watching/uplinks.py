"""Devices over radio: uplinks received and missed in the last day, and by which gateway."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edaphon.clock import HOUR_NS
from edaphon.derive.state import PipelineState, Uplink
from edaphon.journal import Entry
from edaphon_drivers.faults import Fault
from edaphon_drivers.lorawan import read_envelope
from edaphon_drivers.payloads import unpack_message

__all__ = ["Uplinks", "only_gateway"]

HOURS = 24


@dataclass(slots=True)
class _Device:
    last: Uplink | None = None
    missed: int = 0  # as the line counted them until now
    hours: dict[int, list[int]] = field(default_factory=dict)  # hour -> [received, missed]


class Uplinks:
    """By source path, from what the line counts; `save` and `restore` carry it over a restart."""

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}

    def look(self, state: PipelineState, now_ns: int) -> None:
        """Count what came since the last look; what came before the first one is not counted."""
        hour = now_ns // HOUR_NS
        for path, known in list(state.uplinks.items()):
            device = self._devices.setdefault(path, _Device())
            uplinks, missed = list(known), state.uplinks_missed.get(path, 0)
            if device.last is not None:
                counts = device.hours.setdefault(hour, [0, 0])
                counts[0] += _behind(uplinks, device.last)
                counts[1] += missed - device.missed
            device.last = uplinks[-1] if uplinks else None
            device.missed = missed
            device.hours = {h: n for h, n in device.hours.items() if hour - HOURS < h <= hour}

    def of(self, path: str) -> tuple[int, int]:
        """(received, missed) in the last day."""
        device = self._devices.get(path, _Device())
        received, missed = (sum(n[i] for n in device.hours.values()) for i in (0, 1))
        return received, max(0, missed)

    def save(self) -> dict[str, Any]:
        return {
            path: [list(d.last or ()), d.missed, list(map(list, d.hours.items()))]
            for path, d in self._devices.items()
        }

    def restore(self, table: Mapping[str, Any]) -> None:
        for path, (last, missed, hours) in table.items():
            known = {int(hour): list(counts) for hour, counts in hours}
            self._devices[path] = _Device(Uplink(*last) if last else None, missed, known)


def _behind(uplinks: list[Uplink], last: Uplink) -> int:
    return len(uplinks) - 1 - uplinks.index(last) if last in uplinks else len(uplinks)


def only_gateway(envelope: str, entry: Entry) -> str:
    """The gateway by which an uplink came; "" where several received it, or none is named."""
    try:
        message = unpack_message(entry.payload)
        uplink = read_envelope(envelope, message.topic, message.data)
    except Fault:
        return ""
    named = uplink.received_by if uplink is not None else ()
    return named[0] if len(named) == 1 else ""
