"""Files that a logger or instrument program writes while the service follows them."""

from edaphon_drivers.files.engine import (
    Cut,
    Rest,
    completed,
    cut,
    decode_piece,
    sheet_troubles,
)

__all__ = ["Cut", "Rest", "completed", "cut", "decode_piece", "sheet_troubles"]
