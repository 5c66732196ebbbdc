"""Tektelic payloads: (channel u8, type u8, value big endian)*, all of them in the sheet.

The sheet's `frame.channel` rows give id, type, bytes and the numbers; one without numbers is passed
over.
"""

from collections.abc import Iterator
from functools import cached_property

from edaphon_drivers.lorawan.codecs import TaggedFrame, TypedRow, row_errors
from edaphon_drivers.sheets import ListOf, Sheet, takes


class TektelicFrame(TaggedFrame):
    """[frame] with codec "tektelic"."""

    channel: ListOf[TypedRow] = takes("a list of tables [[frame.channel]]")

    @cached_property
    def rows(self) -> dict[bytes, TypedRow]:
        return {row.tag: row for row in self.channel}

    def errors(self, sheet: Sheet) -> Iterator[str]:
        return row_errors("channel", self.channel, sheet)
