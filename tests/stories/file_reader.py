"""What a person would call a row: an own reading of files, which shares no code with edaphon's."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = ["ABSENT", "FORMS", "Form", "Line", "Row", "lines_of", "read", "waits"]

Row = tuple[int, tuple[float | str | None, ...]]  # UTC second, the numbers of both columns
ABSENT = "absent"  # a column that the header lacks

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_EDGES = "\x00\x0c\x1a\r\ufeff"
_PREAMBLE = 30


class Form(NamedTuple):
    """A format; `cells` is where a row has its time and its two numbers."""

    name: str
    frame: str
    head: tuple[str, ...]
    separator: str
    stamp: str
    cells: tuple[tuple[int, ...], int, int]
    width: int
    decimal: str = "."
    comment: str = ""
    missing: tuple[str, ...] = ()
    zone: str = ""
    names: str = ""  # the cell by which a line of names is known

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def row(self, when: datetime, n: int, x: str, y: str) -> str:
        """A line as the logger writes it."""
        stamp = f"{when:{self.stamp}}"
        x, y = (text.replace(".", self.decimal) for text in (x, y))
        if self.name == "toa5":
            return f'"{stamp}",{n},{x},{y}'
        return self.separator.join((stamp, x, y))

    def local(self, utc_s: int) -> datetime:
        zone = ZoneInfo(self.zone) if self.zone else timezone(timedelta(hours=1))
        return datetime.fromtimestamp(utc_s, UTC).astimezone(zone)


_TIME = 'time = {{ columns = {}, formats = ["{}"]{} }}\n'
_COLUMNS = 'column = [{ name = "X", output = "x" }, { name = "Y", output = "y" }]\n'
_FIXED, _MISSING = ', utc_offset = "+01:00"', 'missing = ["NAN", "-999.9"]\n'

FORMS = (
    Form(
        "toa5",
        'form = "toa5"\n'
        + _MISSING
        + _COLUMNS
        + _TIME.format('["TIMESTAMP"]', "%Y-%m-%d %H:%M:%S", _FIXED),
        (
            '"TOA5","Plot1","CR1000","12345","CR1000.Std.32","CPU:soil.CR1","4711","Soil"',
            '"TIMESTAMP","RECORD","X","Y"',
            '"TS","RN","Deg C","Deg C"',
            '"","","Smp","Smp"',
        ),
        ",",
        "%Y-%m-%d %H:%M:%S",
        ((0,), 2, 3),
        4,
        missing=("nan", "-999.9"),
        names="TIMESTAMP",
    ),
    Form(
        "comma",
        'form = "table"\nseparator = "comma"\ncomment = "#"\n'
        + _MISSING
        + _COLUMNS
        + _TIME.format('["Time"]', "%Y-%m-%d %H:%M:%S", _FIXED),
        ("Time,X,Y",),
        ",",
        "%Y-%m-%d %H:%M:%S",
        ((0,), 1, 2),
        3,
        comment="#",
        missing=("nan", "-999.9"),
        names="Time",
    ),
    Form(
        "semicolon",
        'form = "table"\nseparator = "semicolon"\ndecimal = ","\n'
        + 'missing = ["NAN", "-999,9"]\n'
        + 'column = [{ name = "X °C", output = "x" }, { name = "Y °C", output = "y" }]\n'
        + _TIME.format('["Datum"]', "%d.%m.%Y %H:%M:%S", _FIXED),
        ("Logger Süd", "Datum;X °C;Y °C"),
        ";",
        "%d.%m.%Y %H:%M:%S",
        ((0,), 1, 2),
        3,
        decimal=",",
        missing=("nan", "-999.9"),
        names="Datum",
    ),
    Form(
        "numbered",
        'form = "table"\nseparator = "tab"\n'
        + _MISSING
        + 'column = [{ number = 3, output = "x" }, { number = 4, output = "y" }]\n'
        + _TIME.format("[1, 2]", "%Y/%m/%d %H:%M:%S", _FIXED),
        (),
        "\t",
        "%Y/%m/%d\t%H:%M:%S",
        ((0, 1), 2, 3),
        0,
        missing=("nan", "-999.9"),
    ),
    Form(
        "zoned",
        'form = "table"\nseparator = "tab"\n'
        + _MISSING
        + _COLUMNS
        + _TIME.format('["when"]', "%Y-%m-%d %H:%M", ', zone = "Europe/Berlin"'),
        ("when\tX\tY",),
        "\t",
        "%Y-%m-%d %H:%M",
        ((0,), 1, 2),
        3,
        missing=("nan", "-999.9"),
        zone="Europe/Berlin",
        names="when",
    ),
)


class Line(NamedTuple):
    """What became of a line: row, header, blank or refused."""

    kind: str
    row: Row | None = None


def lines_of(data: bytes) -> list[bytes]:
    """The lines of a file with their ends."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return _wide_lines(data)
    end = b"\r" if by_carriage_return(data) else b"\n"
    return [line for line in re.split(b"(?<=" + end + b")", data) if line]


def _wide_lines(data: bytes) -> list[bytes]:
    order = "little" if data[:2] == b"\xff\xfe" else "big"
    units = [int.from_bytes(data[at : at + 2], order) for at in range(2, len(data) - 1, 2)]
    end = 13 if 13 in units[:-1] and 10 not in units else 10
    lines, start = [], 2
    for n, unit in enumerate(units, 1):
        if unit == end:
            lines.append(data[start : 2 + 2 * n])
            start = 2 + 2 * n
    return [*lines, data[start:]] if start < len(data) else lines


def text_of(line: bytes, mark: bytes) -> str:
    if mark == b"\xff\xfe":
        return line.decode("utf-16-le", "replace").rstrip("\r\n")
    if mark == b"\xfe\xff":
        return line.decode("utf-16-be", "replace").rstrip("\r\n")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    return text.rstrip("\r\n")


def mark_of(data: bytes) -> bytes:
    return data[:2] if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else b""


def ended(line: bytes, data: bytes) -> bool:
    """Whether a line of a file has its end."""
    mark = mark_of(data)
    if mark:
        order = "little" if mark == b"\xff\xfe" else "big"
        return len(line) % 2 == 0 and int.from_bytes(line[-2:], order) in _ends(data)
    return bool(line) and line[-1] in _ends(data)


def last_character(data: bytes) -> str:
    """That of what was read of a file."""
    mark = mark_of(data)
    if not mark:
        return data[-1:].decode("latin-1")
    text = data[2:].decode("utf-16-le" if mark == b"\xff\xfe" else "utf-16-be", "replace")
    return text[-1:] if len(data) % 2 == 0 else ""


def _ends(data: bytes) -> set[int]:
    if mark_of(data):
        text = data[2 : len(data) // 2 * 2].decode(
            "utf-16-le" if data[:2] == b"\xff\xfe" else "utf-16-be", "replace"
        )
        return {13} if "\r" in text[:-1] and "\n" not in text else {10}
    return {13} if b"\r" in data[:-1] and b"\n" not in data else {10}


def by_carriage_return(data: bytes) -> bool:
    return _ends(data) == {13}


def _cells(text: str, form: Form) -> list[str]:
    """As a spreadsheet parts them."""
    if '"' not in text:
        return [cell.strip() for cell in text.split(form.separator)]

    try:
        rows = list(csv.reader([text], delimiter=form.separator, skipinitialspace=True))
    except csv.Error:
        return []
    return [cell.strip() for cell in rows[0]] if rows else []


def is_names(text: str, form: Form) -> bool:
    """Whether a line begins or is a header: it names the column of the time."""
    bare = text.strip(_EDGES)
    if form.comment:
        bare = bare.removeprefix(form.comment)
    if form.name == "toa5":
        return bare.startswith(('"TOA5"', "TOA5,"))
    return bool(form.names) and form.names in _cells(bare, form)


def header_size(texts: list[str], at: int, form: Form) -> tuple[int, bool]:
    """(lines of a header, whether it is whole or broken off before a row or another one)."""
    if form.name != "toa5":
        return 1, True
    for n, text in enumerate(texts[at + 1 : at + 4], 1):
        times = (_local_time(cell, form) for cell in _cells(text, form)[:16])
        if is_names(text, form) or any(times):
            return n, True
    return 4, at + 4 <= len(texts)


def read(data: bytes, form: Form) -> list[Line]:
    """What a person makes of each line of a file."""
    mark = mark_of(data)
    texts = [_bare(text_of(line, mark)) for line in lines_of(data)]
    return list(_Reading(form).lines(texts))


def _bare(text: str) -> str:
    bare = text.strip(_EDGES)
    return bare if bare or "\x00" not in text else "\x00"


class _Reading:
    def __init__(self, form: Form) -> None:
        self.form = form
        self.fresh = True
        self.width: int | None = None
        self.places: tuple[tuple[int, ...], list[int | None]] | None = None
        if not form.head:
            times, *numbers = form.cells
            self.places = times, list(numbers)
        self.local: datetime | None = None
        self.later = False

    def lines(self, texts: list[str]) -> Iterator[Line]:
        at = self._preamble(texts)
        yield from [Line("header")] * at
        while at < len(texts):
            n = self._header(texts, at)
            if n:
                self._head(texts[at : at + n])
                yield from [Line("header")] * n
            else:
                yield self._line(texts[at])
            at += max(n, 1)

    def _preamble(self, texts: list[str]) -> int:
        """Lines above the first line of names."""
        form = self.form
        if not form.names or form.name == "toa5":
            return 0
        for n, text in enumerate(texts[:_PREAMBLE]):
            if is_names(text, form):
                self._head([text])
                return n + 1
            if self._time(_cells(text, form)) is not None:
                return 0
        return 0

    def _head(self, texts: list[str]) -> None:
        """A line of names: where the columns are."""
        form, self.fresh, self.places = self.form, True, None
        if form.name == "toa5" and len(texts) < 4:
            return  # broken off
        text = texts[1] if form.name == "toa5" else texts[-1]
        bare = text.removeprefix(form.comment) if form.comment else text
        names = _cells(bare, form)
        while names and not names[-1]:
            names.pop()
        head = _cells(form.head[1 if form.name == "toa5" else -1], form)
        x, y = (_index(names, head[at]) for at in form.cells[1:])
        time = _index(names, form.names)
        self.places = None if time is None or x is y is None else ((time,), [x, y])
        self.width = len(names)

    def _header(self, texts: list[str], at: int) -> int:
        if not is_names(texts[at], self.form):
            return 0
        size, whole = header_size(texts, at, self.form)
        return size if whole else 0

    def _line(self, text: str) -> Line:
        form = self.form
        if not text or text.isspace():
            return Line("blank")
        if form.comment and text.startswith(form.comment):
            return Line("header")
        cells = _cells(text, form)
        if self.places is None or "\x00" in text or not cells:
            return Line("refused")
        if not any(cells):
            return Line("blank")
        cells = self._fitted(cells)
        if cells is not None and (when := self._time(cells)) is not None:
            row = self._row(cells, when)
            if row is None:
                return Line("refused")
            self.fresh = False
            self._know_width(len(cells))
            return Line("row", row)
        return self._no_row(_cells(text, form))

    def _no_row(self, cells: list[str]) -> Line:
        assert self.places is not None
        times, numbers = self.places[0], [at for at in self.places[1] if at is not None]
        if len(cells) <= max(*times, *numbers):
            return Line("refused")
        at_time = "".join(cells[at] for at in times)
        at_numbers = [cells[at] for at in numbers]
        above = self.fresh and not re.search(r"\d", at_time)
        if above and not any(_NUMBER.match(text) for text in at_numbers):
            self._know_width(len(cells))
            return Line("header")
        if not self.form.head and all(
            map(self._is_word, [*(cells[t] for t in times), *at_numbers])
        ):
            self._know_width(len(cells))
            return Line("header")
        return Line("refused")

    def _is_word(self, text: str) -> bool:
        word = any(c.isalpha() for c in text) and not _NUMBER.match(text)
        return word and text.lower() not in self.form.missing

    def _know_width(self, cells: int) -> None:
        if self.width is None:
            self.width = cells

    def _fitted(self, cells: list[str]) -> list[str] | None:
        least = max(self.form.cells[1:]) + 1
        width = len(cells) if self.width is None else self.width
        if self.form.head:
            least = width
        elif self.width is not None:
            least = max(least, width - 1)
        while len(cells) > width and not cells[-1]:
            cells.pop()
        return cells if least <= len(cells) <= max(width, least) else None

    def _time(self, cells: list[str]) -> datetime | None:
        """Local time, None for no time."""
        form = self.form
        places = self.places[0] if self.places else form.cells[0]
        if len(cells) <= max(places):
            return None
        return _local_time(" ".join(cells[at] for at in places), form)

    def _row(self, cells: list[str], when: datetime) -> Row | None:
        second = self._utc(when)
        if second is None or second < 0:
            return None
        self.local = when
        assert self.places is not None
        numbers = (ABSENT if at is None else self._number(cells[at]) for at in self.places[1])
        return second, tuple(numbers)

    def _utc(self, when: datetime) -> int | None:
        if not self.form.zone:
            return int(when.replace(tzinfo=timezone(timedelta(hours=1))).timestamp())
        zone = ZoneInfo(self.form.zone)
        first, second = (when.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        a, b = first.utcoffset(), second.utcoffset()
        if a == b:
            self.later = False
            return int(first.timestamp())
        if a is None or b is None or a < b:
            return None  # summer time skips it
        self.later |= self.local is not None and when <= self.local
        return int((second if self.later else first).timestamp())

    def _number(self, text: str) -> float | None:
        if self.form.decimal == ",":
            text = text.replace(",", ".") if "." not in text else ""
        if text.lower() in self.form.missing or not _NUMBER.fullmatch(text):
            return None
        number = float(text)
        return number if -100 <= number <= 300 else None  # no soil is as cold or hot


def _index(names: list[str], name: str) -> int | None:
    return names.index(name) if name in names else None


def _local_time(text: str, form: Form) -> datetime | None:
    found = re.fullmatch(_stamp_pattern(form.stamp), text, re.ASCII)
    if found is None:
        return None
    part = {name: int(number) for name, number in found.groupdict().items()}
    midnight = part["H"] == 24 and not part["M"] and not part.get("S", 0)
    try:
        when = datetime(  # noqa: DTZ001  local time
            part["Y"],
            part["m"],
            part["d"],
            0 if midnight else part["H"],
            part["M"],
            part.get("S", 0),
        )
    except ValueError:
        return None
    return when + timedelta(days=midnight)


def _stamp_pattern(stamp: str) -> str:
    pattern = re.escape(stamp.replace("\t", " ")).replace(r"\ ", r"\s+").replace("%", "%")
    for letter in "YmdHMS":
        width = r"\d{4}" if letter == "Y" else r"\d{1,2}"
        pattern = pattern.replace(f"%{letter}", f"(?P<{letter}>{width})")
    return pattern


def torn_lines(data: bytes, form: Form) -> int:
    """How many lines at the end are one thing without its end: a header, or the last line."""
    kinds = [line.kind for line in read(data, form)]
    names = [is_names(_bare(text_of(line, mark_of(data))), form) for line in lines_of(data)]
    if form.name == "toa5":
        whole = names[-4:-3] == [True] and kinds[-4:] == ["header"] * 4
        return 4 if whole else 1
    above = names[-1] and not any(names[:-1]) and set(kinds) == {"header"}
    return len(kinds) if above else 1


def waits(data: bytes, start: int, form: Form, quiet_s: float, gone: bool, headed: bool) -> int:
    """How many bytes from `start` on count after the file was quiet for so long, or is gone.

    `headed`: a header was read before.
    """
    mark = mark_of(data)
    begin = start or len(mark)
    lines, at = [], len(mark)
    for line in lines_of(data):
        if at >= begin:
            lines.append(line)
        at += len(line)
    if not lines:
        return 0
    whole = [line for line in lines if ended(line, data)]
    last = lines[-1] if len(whole) < len(lines) else b""
    if by_carriage_return(data) and quiet_s < 10 and not gone:
        whole = lines[:-1]  # an LF may be on its way
    at_end = gone or quiet_s >= 3600
    if last and at_end:
        if not gone and not mark:
            last = last.rstrip(b"\0")
    elif last:
        last = b""
    texts = [_bare(text_of(line, mark)) for line in whole]
    seen = [*texts, _bare(text_of(last, mark))] if last else texts
    n = _whole_blocks(texts, seen, form, at_end, gone, headed)
    size = sum(map(len, whole[:n]))
    if n == len(whole) and last and (gone or not _may_be_header(texts, last, mark, form, headed)):
        size += len(last)
    return size + (begin - start if size else 0)


def _whole_blocks(
    texts: list[str], seen: list[str], form: Form, at_end: bool, gone: bool, headed: bool
) -> int:
    """Lines before a header that is not whole, or below which no row stands yet."""
    n, at, bare = len(texts), 0, False
    while at < len(texts):
        if is_names(texts[at], form):
            bare, n = True, at if headed else 0
            size, whole = header_size(seen, at, form)
            if (not whole or at + size > len(texts)) and not gone:
                return n
            at += size
            headed = True
        elif not headed and form.names and not bare and _may_be_preamble(seen, form):
            # what stands above a line of names waits for it
            if any(is_names(t, form) for t in texts[at:]):
                at += 1
                continue
            if any(is_names(t, form) for t in seen[at:]) and not gone:
                return 0
            return len(texts) if at_end else 0
        else:
            bare, at = False, at + 1
            n = len(texts)
    return len(texts) if at_end or not bare else n


def _may_be_preamble(seen: list[str], form: Form) -> bool:
    """Whether lines above the names, not a file without them: no row stands there."""
    for text in seen[:_PREAMBLE]:
        if form.name == "toa5" or is_names(text, form):
            break
        cells = _cells(text, form)[:16]
        if any(_local_time(cell, form) for cell in cells):
            return False
    return form.name != "toa5"


def _may_be_header(texts: list[str], last: bytes, mark: bytes, form: Form, headed: bool) -> bool:
    """Whether a last line without end is part of a header: its names may go on."""
    if form.name == "toa5":
        starts = [at for at, text in enumerate(texts) if is_names(text, form)]
        text = _bare(text_of(last, mark))
        if not starts or is_names(text, form):
            return is_names(text, form)
        size, _ = header_size([*texts, text], starts[-1], form)
        return starts[-1] + size > len(texts)
    return is_names(_bare(text_of(last, mark)), form)
