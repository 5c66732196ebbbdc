"""Payloads that are (tag, value) again and again: the tag says what follows and how long it is."""

from collections.abc import Callable, Iterable, Iterator

from edaphon_drivers.faults import Garbled, Incomplete
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet

Length = Callable[[bytes, bytes], int | None]


def tagged_readings(
    data: bytes,
    tag_bytes: int,
    length: Length,
    read: Callable[[bytes, bytes], Iterable[Reading]],
    sheet: Sheet,
) -> tuple[Reading, ...]:
    """What `read(tag, value)` makes of each value, in order.

    Raises Incomplete when only some of them can be read: a value that `read` refuses costs itself,
    an unknown tag or a cut value all that stands behind it. Garbled when none can be read.
    """
    readings: list[Reading] = []
    unread: list[_Unread] = []
    known = 0
    try:
        for tag, value in split_tagged(data, tag_bytes, length, sheet):
            try:
                readings.extend(read(tag, value))
                known += 1
            except Garbled as fault:
                unread.append(_Unread(f"channel {_hex(tag)} without {fault.expected}", fault))
    except _Unread as fault:
        unread.append(fault)
    if unread and not known:
        raise unread[0]
    if unread:
        detail = "; ".join(one.detail for one in unread)
        names = tuple(one.what for one in unread)
        raise Incomplete(tuple(readings), names, detail, data, sheet.model)
    return tuple(readings)


def split_tagged(
    data: bytes, tag_bytes: int, length: Length, sheet: Sheet
) -> Iterator[tuple[bytes, bytes]]:
    """Tags and values in order; `length(tag, rest)` is the value's, None for an unknown tag.

    Raises Garbled for an unknown tag or a cut value: nothing behind it can be found any more.
    """
    if not data:
        raise Garbled("at least one value", data, sheet.model)
    at = 0
    while at < len(data):
        tag, rest = data[at : at + tag_bytes], data[at + tag_bytes :]
        n_bytes = length(tag, rest) if len(tag) == tag_bytes else None
        if n_bytes is None or len(rest) < n_bytes:
            cut = n_bytes is not None or len(tag) < tag_bytes
            what = f"{'cut' if cut else 'unknown'} channel {_hex(tag)}"
            fault = Garbled(f"a whole known channel at byte {at}", data, sheet.model)
            raise _Unread(what, fault, f" at byte {at}: {len(data) - at} bytes not read")
        yield tag, rest[:n_bytes]
        at += tag_bytes + n_bytes


class _Unread(Garbled):
    """A channel that can't be read, `what` of it is alike in every frame, and where it stands."""

    def __init__(self, what: str, fault: Garbled, place: str = "") -> None:
        super().__init__(fault.expected, fault.came, fault.where)
        self.what, self.detail = what, what + place


def _hex(tag: bytes) -> str:
    return tag.hex(" ").upper()
