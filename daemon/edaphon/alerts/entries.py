"""Events as entries of kind ALERT, and back."""

from typing import Any

import orjson

from edaphon.alerts.model import Event

__all__ = ["event_of", "payload_of"]

_OWN = frozenset({"did", "number", "time_ns"})


def payload_of(event: Event) -> bytes:
    table = {**event.table, "did": event.did, "number": event.number, "time_ns": event.time_ns}
    return orjson.dumps(table, option=orjson.OPT_SORT_KEYS)


def event_of(payload: bytes) -> Event | None:
    """None where it is no event that any version wrote."""
    try:
        table: dict[str, Any] = orjson.loads(payload)
        own = str(table["did"]), int(table["number"]), int(table["time_ns"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    return Event(*own, {name: value for name, value in table.items() if name not in _OWN})
