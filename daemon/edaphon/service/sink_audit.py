"""What a sink says that it holds, compared with the series, for `edaphon verify`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

from edaphon.clock import DAY_NS
from edaphon.config.model import SinkTable
from edaphon.derive.fact_log import known_facts
from edaphon.journal import StateFile, read_only
from edaphon.model import Channel
from edaphon.series import BlockHead, Series
from edaphon.sinks.feed import cursor_name
from edaphon.sinks.influxql import Readback, same_numbers
from edaphon.sinks.sink import Held, Later, sink_kind
from edaphon.storage.access import Storage

NOT_PROMISED = (
    "InfluxDB 3 does not promise that the later of two writes of a point wins: counts prove that"
    " a point is there, not which of its values"
)


def sink_ledger(
    storage: Storage, series: Series, config: SinkTable, deep: bool, running: bool
) -> dict[str, Any]:
    """current = read back + set aside + waiting, where the sink says what it holds.

    `delivered` is what it should hold, by the ledger of this side.
    """
    cursor = int(series.checkpoint(cursor_name(config.name)) or 0)
    with StateFile(storage.layout.folder) as state:
        aside = {(p.channel, p.time_ns) for p in state.set_aside(config.name)}
    waiting = _waiting(series, cursor)
    current = series.count()
    found: dict[str, Any] = {
        "current": current,
        "set_aside": len(aside),
        "waiting": sum(waiting.values()),
        "delivered": current - len(aside) - sum(waiting.values()),
        "read_back": None,
        "differs": [],
        "notes": [],
        "closes": True,
    }
    kind = sink_kind(config.kind)
    if kind.held is None:
        found["notes"] = [f"a sink of kind {config.kind} can't be read back"]
        return found | {"delivered": None}
    held = kind.held(kind.settings.model_validate(config.settings))
    found.update(_read_back(storage, series, held, aside, waiting, deep, running))
    if config.kind == "influxdb" and config.settings.get("version") == 3:
        found["notes"] = [NOT_PROMISED if deep else f"{NOT_PROMISED}; --deep compares them"]
    return found


def _waiting(series: Series, cursor: int) -> dict[tuple[str, int], int]:
    """Rows not delivered yet, by block; only a block that was delivered in part is read."""
    return {
        (head.channel, head.day): head.n
        if head.first_change > cursor
        else sum(map(len, series.rows_above(head.channel, head.day, cursor)))
        for head in series.changed_heads(cursor)
    }


def _read_back(
    storage: Storage,
    series: Series,
    readback: Held,
    aside: set[tuple[str, int]],
    waiting: Mapping[tuple[str, int], int],
    deep: bool,
    running: bool,
) -> dict[str, Any]:
    """What the server has of each block; where the service runs, perhaps what came since too."""
    channels = _channels(storage, series)
    numbers = readback if deep and isinstance(readback, Readback) else None
    try:
        differs: list[str] = []
        more: dict[tuple[str, int], int] = {}
        total = 0
        refused_on = Counter((channel, time_ns // DAY_NS) for channel, time_ns in aside)
        for id, channel in sorted(channels.items()):
            heads = [head for head in series.heads(id) if (id, head.day) not in waiting]
            counted = readback.counts(channel, [_date(head) for head in heads])
            total += sum(counted.values())
            for head in heads:
                refused = refused_on[id, head.day]
                if running and counted[_date(head)] > head.n - refused:
                    more[id, head.day] = counted[_date(head)] + refused
                elif counted[_date(head)] != head.n - refused:
                    differs.append(
                        f"{id} {_date(head)}: expected {head.n - refused} points,"
                        f" the server has {counted[_date(head)]}"
                    )
                elif numbers is not None and not same_numbers(
                    series, numbers, channel, head, aside
                ):
                    differs.append(f"{id} {_date(head)}: the server has other numbers")
        differs += _too_many(storage, more)
        return {"read_back": total, "differs": differs, "closes": not differs}
    except Later as later:
        return {"differs": [f"can't be read back: {later.why}"], "closes": False}
    finally:
        readback.close()


def _too_many(storage: Storage, more: Mapping[tuple[str, int], int]) -> Iterator[str]:
    """Blocks of which the server has more rows than there are by now."""
    if not more:
        return
    with closing(storage.series()) as series:
        for (channel, day), n in more.items():
            found = next((h for h in series.heads(channel) if h.day == day), None)
            if found is None or n > found.n:
                rows = found.n if found else 0
                yield f"{channel} day {day}: expected {rows} points, the server has {n}"


def _channels(storage: Storage, series: Series) -> dict[str, Channel]:
    knowledge = known_facts(read_only(storage.layout.journal), series)
    site = storage.config.site.id
    return {id: knowledge.channel(id, site) for id in knowledge.channels}


def _date(head: BlockHead) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=head.day)).date()
