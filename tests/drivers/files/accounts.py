"""What the account of a piece says, and small sheets to read one by."""

from edaphon_drivers.files.engine import read_piece
from edaphon_drivers.files.lines import FIRST
from edaphon_drivers.readings import Piece
from edaphon_drivers.sheets import parse_sheet

__all__ = ["counts", "csv_sheet", "read", "refusals", "sums"]


def csv_sheet(time=None, **frame):
    """Time, T5, VWC with commas between them."""
    dated = {"columns": ["Time"], "formats": ["%Y-%m-%d %H:%M:%S"], "utc_offset": "+00:00"}
    return parse_sheet(
        "own.csv",
        {
            "title": "own",
            "engine": "file",
            "checked": "unverified",
            "source": "its program",
            "frame": {
                "form": "table",
                "separator": "comma",
                "column": [{"name": "T5", "output": "t5"}, {"name": "VWC", "output": "vwc"}],
                "time": dated if time is None else time,
                **frame,
            },
            "output": [
                {"name": "t5", "quantity": "soil_temperature", "unit": "degC"},
                {"name": "vwc", "quantity": "volumetric_water_content", "unit": "m3/m3"},
            ],
        },
    )


def read(data, sheet, context=FIRST, header=b"", offset=0):
    """(readings, (rows, headers, blank, refused), refused lines, context) of bytes."""
    text = data if isinstance(data, bytes) else data.encode()
    parts = list(read_piece(Piece("f", offset, header, text), sheet, context))
    return (
        [reading for part in parts for reading in part.readings],
        sums(parts),
        [line for part in parts for line in part.refused],
        parts[-1].context,
    )


def sums(parts):
    return tuple(sum(numbers) for numbers in zip(*(part.counts for part in parts), strict=True))


def counts(data, sheet):
    return read(data, sheet)[1]


def refusals(data, sheet):
    """(number, reason) of each refused line."""
    return [(line.line, line.reason) for line in read(data, sheet)[2]]
