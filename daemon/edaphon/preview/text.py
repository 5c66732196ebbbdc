"""What facts would change, in words for a person, as a table for a pipe, as JSON."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from edaphon.clock import instant_text
from edaphon.derive.projection import Comparison
from edaphon.model import ALWAYS, Range
from edaphon.preview import ChannelPreview, Preview
from edaphon.tables import FLAGS

COLUMNS = (
    "channel", "unit", "first", "last", "rows", "changed", "moved", "mean_change",
    "largest_change", "largest_at", "lost", "gained", "same_value", "flags",
)  # fmt: skip
NO_ROW = 0


def lines_of(found: Preview) -> Iterator[str]:
    for one in found.channels:
        yield from _channel(one)
    yield from bare_lines(found)
    yield from warnings_of(found)


def bare_lines(found: Preview) -> Iterator[str]:
    """Channels of which no row was looked at, mostly since there is none."""
    for channel, ranges in sorted(found.bare.items()):
        more = ""
        if channel in found.unread:
            more = "; --dry-run reads the journal and shows by how much"
        for start, end in ranges:
            yield f"  {channel}: recalculated {_since(start)}{_until(end)}{more}"


def warnings_of(found: Preview) -> Iterator[str]:
    """What must not be overlooked, for people and next to a table."""
    for one in found.channels:
        yield from _lost(one)
    if found.behind:
        channels = ", ".join(found.behind)
        yield (
            f"  {channels}: not all values are derived by what is known already; the values"
            " before are partly older ones. Ask again when `edaphon status` is still,"
            " or start `edaphon run`"
        )


def _channel(one: ChannelPreview) -> Iterator[str]:
    found = one.found
    if not found.changed:
        yield f"  {one.channel}: none of {found.rows} rows changes"
        return
    period = f"{_time(found.first_ns)} to {_time(found.last_ns)}"
    yield f"  {one.channel}: {found.changed} of {found.rows} rows change, {period}"
    if found.moved:
        yield (
            f"      {found.moved} values change, by {found.mean:+.4g} {one.unit} in the mean,"
            f" by {found.largest:+.4g} at most (at {_time(found.largest_ns)})"
        )
    if found.gained:
        yield f"      {found.gained} rows gain a value"
    if kept := same_value(found):
        other = "another uncertainty or flag" if flags_of(found) else "another uncertainty"
        yield f"      {kept} keep their value and get {other}"
    flags = ", ".join(f"{n} from {_flag(a)} to {_flag(b)}" for a, b, n in flags_of(found))
    if flags:
        yield f"      flags: {flags}"


def _lost(one: ChannelPreview) -> Iterator[str]:
    n = f"{one.found.lost} values"
    for lost in one.lost:
        if len(one.lost) > 1:
            n = f"of {one.found.lost} values those"
        yield (
            f"  {one.channel}: {n} from {_time(lost.first_ns)} to {_time(lost.last_ns)}"
            f" lose their number: {lost.why}"
        )


def same_value(found: Comparison) -> int:
    """Rows with the same value, or none, that differ all the same."""
    return found.changed - found.moved - found.lost - found.gained


def flags_of(found: Comparison) -> list[tuple[int, int, int]]:
    """(flag before, flag after, how many rows), where these differ."""
    pairs = np.argwhere(found.flags)
    return [(int(a), int(b), int(found.flags[a, b])) for a, b in pairs if a != b]


def _flag(flag: int) -> str:
    return "no row" if flag == NO_ROW else f"{flag} {FLAGS[flag].replace('_', ' ')}"


def _time(time_ns: int | None) -> str:
    return "" if time_ns is None else instant_text(time_ns)


def _since(start_ns: int) -> str:
    return "from the beginning" if start_ns <= ALWAYS[0] else f"from {instant_text(start_ns)}"


def _until(end_ns: int) -> str:
    return "" if end_ns >= ALWAYS[1] else f" to {instant_text(end_ns)}"


def row_of(one: ChannelPreview) -> tuple[Any, ...]:
    """The cells of COLUMNS."""
    found = one.found
    flags = ",".join(f"{a}>{b}:{n}" for a, b, n in flags_of(found))
    return (
        one.channel, one.unit, _time(found.first_ns), _time(found.last_ns), found.rows,
        found.changed, found.moved, found.mean, found.largest, _time(found.largest_ns),
        found.lost, found.gained, same_value(found), flags,
    )  # fmt: skip


def as_json(found: Preview) -> dict[str, Any]:
    return {
        "channels": [_table(one) for one in found.channels],
        "derived_anew": {c: [_range(r) for r in own] for c, own in sorted(found.bare.items())},
        "behind": list(found.behind),
    }


def _table(one: ChannelPreview) -> dict[str, Any]:
    table = {name: cell or None for name, cell in zip(COLUMNS, row_of(one), strict=True)}
    counts = ("rows", "changed", "moved", "lost", "gained", "same_value")
    table |= {name: table[name] or 0 for name in counts}
    table["flags"] = [{"before": a, "after": b, "n": n} for a, b, n in flags_of(one.found)]
    table["lost_because"] = [
        {"first": _time(lost.first_ns), "last": _time(lost.last_ns), "why": lost.why}
        for lost in one.lost
    ]
    return table


def _range(own: Range) -> dict[str, str | None]:
    start = None if own[0] <= ALWAYS[0] else instant_text(own[0])
    return {"from": start, "to": None if own[1] >= ALWAYS[1] else instant_text(own[1])}
