"""Payloads that are (tag, value) again and again: the tag says what follows and how long it is."""

from collections.abc import Callable, Iterator

from edaphon_drivers.faults import Garbled
from edaphon_drivers.sheets import Sheet

__all__ = ["split_tagged"]


def split_tagged(
    data: bytes, tag_bytes: int, length: Callable[[bytes, bytes], int | None], sheet: Sheet
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
            raise Garbled(f"a whole known channel at byte {at}", data, sheet.model)
        yield tag, rest[:n_bytes]
        at += tag_bytes + n_bytes
