"""Files of every sheet, spoilt in every way: each line is accounted for, wherever they are cut."""

import json
import os
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.drivers.files.accounts import sums
from tests.drivers.files.test_sheets import OWNER
from tests.readers import lines_of_piece
from tests.simulated_files import SimulatedLogger, SimulatedRespirometer

from edaphon_drivers.files.engine import read_piece
from edaphon_drivers.files.lines import FIRST
from edaphon_drivers.files.sheet import completed
from edaphon_drivers.readings import Piece, Status
from edaphon_drivers.sheets import load_sheet, model_names

MODELS = [name for name in model_names() if load_sheet(name).engine == "file"]
LINES = [name for name in MODELS if load_sheet(name).frame["form"] != "li8200"]
EXAMPLES = 20_000 if os.environ.get("EDAPHON_FAULTS") == "long" else 150
NOON = datetime(2026, 3, 7, 12)  # noqa: DTZ001 local text
ROWS = 6


@cache
def sheet_of(model):
    form = load_sheet(model).frame["form"]
    return load_sheet(model) if form in {"heard", "li8200"} else completed(load_sheet(model), OWNER)


@cache
def good_file(model):
    """(header, lines below it) of a file without a bad line."""
    form = load_sheet(model).frame["form"]
    header, lines = {
        "toa5": _logger,
        "li81x": _respirometer,
        "li8200": _chamber,
        "heard": _instrument,
    }.get(form, _table)(load_sheet(model))
    return header, tuple(lines)


def _parted(path, header_lines):
    lines = path.read_bytes().splitlines(keepends=True)
    return b"".join(lines[:header_lines]), lines[header_lines:]


def _logger(_):
    with TemporaryDirectory() as folder:
        fields = [("BattV_Min", "Volts", "Min"), ("PTemp_C_Avg", "Deg C", "Avg")]
        logger = SimulatedLogger(Path(folder) / "a", fields, NOON, timedelta(minutes=30))
        for n in range(ROWS):
            logger.step([12.5 + n, 21.25])
        return _parted(logger.path, 4)


def _respirometer(_):
    with TemporaryDirectory() as folder:
        meter = SimulatedRespirometer(Path(folder) / "a", NOON)
        meter.observe(1, [400.0 + n for n in range(ROWS)], 0.96)
        return _parted(meter.path, 6)


def _chamber(_):
    rows = {"timestamp": list(range(ROWS)), "co2": [400.0 + n for n in range(ROWS)]}
    header = {"Date": "2026-06-13 08:15:03", "TimeZone": "America/New_York"}
    reps = {f"REP_{n}": {"header": header, "data": rows} for n in (1, 2)}
    whole = json.dumps({"datasets": [{"47": {"reps": reps}}]}, indent=1).encode()
    return b"", whole.splitlines(keepends=True)


def _instrument(sheet):
    names = load_sheet(sheet.frame["like"]).frame["columns"]
    head = "Model:\tLI-78xx\nSN:\tTG10-01087\n" + "\t".join(names) + "\n"
    return head.encode(), [_checked(names, n) for n in range(ROWS)]


def _checked(names, n):
    texts = {"DATAH": "DATA", "SECONDS": f"{1666884942 + n}", "NANOSECONDS": "313442945"}
    body = "".join(texts.get(name, f"{n}.5") + "\t" for name in names[:-1]).encode()
    return body + f"{sum(body) % 256}\n".encode()


_SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "blanks": "  "}
_TIMES = {
    "Date": "07/03/26",
    "Day": "07",
    "Month": "03",
    "Hour": "12",
    "EPOCH_TIME": "1772884800.5",
}


def _table(sheet):
    frame = sheet.frame
    separator, order = _SEPARATORS[frame["separator"]], frame.get("order", [])
    names = separator.join(order[: frame.get("width", len(order))])
    mark = frame["comment"] if isinstance(frame.get("comment"), str) else ""
    lines = [separator.join(_cells(sheet, n)) + "\r\n" for n in range(ROWS)]
    return (f"{mark}{names}\r\n".encode() if order else b""), [line.encode() for line in lines]


def _cells(sheet, n):
    frame = sheet.frame
    if "order" not in frame:
        cells = [f"{n}.5" for _ in range(frame["width"])]
        if sheet.model.startswith("tomst"):
            cells[1], cells[8] = f"2026.03.07 12:{n:02}", "0"
        else:
            cells[0], cells[1] = "2026-03-07", f"12:00:{n // 2:02}"
        return cells
    stamps = {
        "Time": f"07/03/2026 12:00:{n:02}",
        "Min": f"{n // 3:02}",
        "EPOCH_TIME": f"177288480{n}",
    }
    if "Date" in frame["order"]:
        stamps["Time"] = f"12:00:{n:02}"
    return [stamps.get(name, _TIMES.get(name, f"{n}.25")) for name in frame["order"]]


def number_of_lines(data):
    """As a person counts them in an editor."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        data = data.decode("utf-16", "replace").encode()
    end = b"\r" if b"\r" in data and b"\n" not in data else b"\n"
    return data.count(end) + (not data.endswith(end)) if data else 0


@pytest.mark.parametrize("model", MODELS)
def test_a_good_file_of_each_sheet_has_no_refused_line(model):
    header, lines = good_file(model)
    data = header + b"".join(lines)
    parts = list(read_piece(Piece("f", 0, b"", data), sheet_of(model)))
    rows, headers, blank, refused = sums(parts)
    assert refused == 0
    assert rows + headers + blank == number_of_lines(data)
    assert rows >= ROWS
    assert any(part.readings for part in parts)


@st.composite
def spoilt(draw, models=MODELS, whole=True):
    """(model, header, lines) after a few faults of power, programs and people."""
    model = draw(st.sampled_from(models))
    header, good = good_file(model)
    lines = list(good)
    for fault in draw(st.lists(st.sampled_from(_FAULTS), max_size=5)):
        at = draw(st.integers(0, max(len(lines) - 1, 0)))
        if lines:
            lines[at : at + 1] = fault(lines[at], draw, header if whole else b"", tuple(lines))
    return model, header, lines


def _cut(line, draw, *_):
    return [line[: draw(st.integers(0, len(line)))]]


def _cut_with_its_end(line, draw, *_):
    return [line[: draw(st.integers(0, len(line)))].rstrip(b"\r\n") + b"\n"]


def _double(line, *_):
    return [line, line]


def _swap(line, draw, _, lines):
    return [draw(st.sampled_from(lines)), line]


def _turn_bits(line, draw, *_):
    turned = bytearray(line)
    if turned:
        turned[draw(st.integers(0, len(turned) - 1))] ^= draw(st.integers(1, 255))
    return [bytes(turned)]


def _nul(line, draw, *_):
    at = draw(st.sampled_from([0, len(line) // 2, max(len(line) - 2, 0)]))
    return [line[:at] + b"\0" * draw(st.integers(1, 600)) + line[at:]]


def _insert(_, draw, header, lines):
    odd = [b"\n", b" \t\n", b";;;;\n", b",,,\n", b"\x1a", b"\x0c\n", b"\xff\xfe\n", b"x\n", header]
    return [draw(st.sampled_from(odd)), draw(st.sampled_from(lines))]


def _replace(line, draw, *_):
    pairs = [(b".", b","), (b"\r\n", b"\r"), (b"\n", b"\r"), (b"2", b"\xb2"), (b"07", b"31")]
    return [line.replace(*draw(st.sampled_from(pairs)))]


_FAULTS = [_cut, _cut_with_its_end, _double, _swap, _turn_bits, _nul, _insert, _replace]


def read_checked(piece, model, context=FIRST):
    """The readings and the context behind a piece, whose account holds."""
    parts = list(read_piece(piece, sheet_of(model), context))
    assert sum(sums(parts)) == lines_of_piece(piece)
    for part in parts:
        assert len(part.refused) == part.counts.refused
        assert all(line.reason.startswith("expected ") for line in part.refused)
        assert all(len(line.text) <= 80 and len(line.reason) < 200 for line in part.refused)
    numbers = [line.line for part in parts for line in part.refused]
    assert numbers == sorted(set(numbers))
    readings = [reading for part in parts for reading in part.readings]
    for r in readings:
        assert (r.number is None) == (r.status is not Status.OK)
        assert r.time_ns is not None
    return readings, parts[-1].context


@pytest.mark.timeout(900)
@settings(max_examples=EXAMPLES, deadline=None)
@given(spoilt(), st.sampled_from(["utf-8", "utf-16", "utf-16-be", "latin-1"]), st.booleans())
def test_the_lines_of_any_file_are_rows_headers_blank_or_refused(file, encoding, alone):
    model, header, lines = file
    data = header + b"".join(lines)
    if encoding.startswith("utf-16"):
        text = data.decode("latin-1").encode(encoding)
        data = text if encoding == "utf-16" else b"\xfe\xff" + text
    piece = Piece("f", 0, b"", data) if alone else Piece("f", len(header), header, b"".join(lines))
    if alone:
        assert lines_of_piece(piece) == number_of_lines(data)
    read_checked(piece, model)


@pytest.mark.timeout(900)
@settings(max_examples=EXAMPLES, deadline=None)
@given(spoilt(LINES, whole=False), st.data())
def test_a_file_in_pieces_gives_the_readings_of_the_whole_file(file, data):
    model, header, lines = file
    body = b"".join(lines).removesuffix(b"\n") + b"\n"  # else its last line may seem to end at CR
    rows = body.split(b"\n")
    rows = [row + b"\n" for row in rows[:-1]] + [row for row in rows[-1:] if row]
    assume(header or body[:2] not in {b"\xff\xfe", b"\xfe\xff"})  # its mark would be the header
    whole, _ = read_checked(Piece("f", len(header), header, body), model)
    cuts = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    pieces, offset, context, found = [b""], len(header), FIRST, []
    for row, cut in zip(rows, cuts, strict=True):
        pieces[-1] += row
        if cut:
            pieces.append(b"")
    for piece in filter(None, pieces):
        readings, context = read_checked(Piece("f", offset, header, piece), model, context)
        found += readings
        offset += len(piece)
    assert found == whole
