"""Files that hold the very lines an instrument sends (LI-78xx .data): read by its ASCII sheet.

frame.like names that sheet; its checks (CHK) and its own times hold for the file as well.
"""

from edaphon_drivers.ascii.engine import decode_stream
from edaphon_drivers.faults import Refused
from edaphon_drivers.files.tables import joined
from edaphon_drivers.payloads import Piece, Turn
from edaphon_drivers.readings import Reading
from edaphon_drivers.sheets import Sheet, UnknownModel, load_sheet

__all__ = ["decode_heard", "like_trouble"]


def decode_heard(piece: Piece, sheet: Sheet) -> tuple[Reading, ...]:
    """Raises Garbled where no line is good and some line is bad."""
    if trouble := like_trouble(sheet):
        raise Refused(f"a sheet without troubles ({trouble})", sheet.model)
    readings = decode_stream([Turn(0, False, joined(piece))], load_sheet(sheet.frame["like"]))
    return tuple(reading for reading in readings if reading.output in sheet.outputs)


def like_trouble(sheet: Sheet) -> str:
    """What is wrong with frame.like; "" for a heard ASCII sheet with its own times."""
    like = sheet.frame.get("like")
    try:
        heard = load_sheet(like) if isinstance(like, str) else None
    except UnknownModel:
        heard = None
    if heard is None or heard.engine != "ascii" or "time" not in heard.frame:
        return f"frame.like names an ASCII sheet whose lines say their time, not {like!r}"
    return ""
