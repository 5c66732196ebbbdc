"""The account of a file's lines, by the name that the file engines use for it."""

from edaphon_drivers.line_account import (
    FIRST,
    TEXT_BYTES,
    Context,
    LineCounts,
    RefusedLine,
    Slice,
)

__all__ = ["FIRST", "TEXT_BYTES", "Context", "LineCounts", "RefusedLine", "Slice"]
