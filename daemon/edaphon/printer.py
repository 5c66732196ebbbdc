"""The one way to a terminal, a log or a pipe: what would act there or hide is spelled out.

Texts of facts, servers, instruments and files may hold any character. A terminal obeys some of
them (ANSI and OSC sequences), turns a line around (bidirectional controls) or shows nothing
(zero-width characters). They are shown as Python writes them: `\\x1b`, `\\u202e`, `\\udc80`.
"""

import io
import logging
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from rich.progress import Progress


# Default_Ignorable_Code_Point of Unicode 15.1, DerivedCoreProperties.txt, as far as the general
# category is neither a control nor a format: fillers, joiners and variation selectors.
_IGNORED = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0\ufe00-\ufe0f"
    "\U000e0100-\U000e01ef]"
)
_ACTING = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


@lru_cache(4096)
def hidden(character: str) -> bool:
    """Whether a terminal would obey the character or show nothing in its place."""
    acts = unicodedata.category(character) in _ACTING
    return acts or _IGNORED.match(character) is not None


def visible(text: str) -> str:
    """The text in one line in which every character can be seen."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_spelled, text))


def visible_lines(text: str) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(map(visible, text.split("\n")))


def _spelled(character: str) -> str:
    if not hidden(character):
        return character
    return character.encode("unicode_escape").decode("ascii")


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def as_data(cell: str) -> str:
    """A cell of CSV or TSV that no spreadsheet takes for a formula; numbers stay numbers.

    OWASP, "CSV Injection": a cell that begins with = + - @ or a tab is computed; a quote before it
    makes it text.
    """
    is_formula = cell[:1] in tuple("=+-@\t\r") and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def visible_json(data: bytes) -> str:
    """A JSON text of the same meaning; characters that are hidden stand as JSON's escapes."""
    text = data.decode()
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(c if c == "\n" or not hidden(c) else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def guard() -> None:
    """From here on all that this process writes is visible, errors of Python and libraries too."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _Guarded):
            setattr(sys, name, _Guarded(stream))
    if logging.lastResort is not None:  # what a command without a log of its own warns of
        logging.lastResort.setFormatter(LogLine())


class _Guarded:
    """A stream of text through which nothing hidden passes; `plain` is the stream itself."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain
        if isinstance(plain, io.TextIOWrapper):  # a letter that the terminal lacks is no crash
            plain.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        self.plain.write(_layout_kept(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


def _layout_kept(text: str) -> str:
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


class LogLine(logging.Formatter):
    """A record is one line; a traceback's lines are indented, so that none looks like a record."""

    def format(self, record: logging.LogRecord) -> str:
        first, *rest = super().format(record).split("\n")
        if record.exc_info is None and record.stack_info is None:
            return visible("\n".join((first, *rest)))
        return "\n".join((visible(first), *(f"  {visible(line)}" for line in rest)))


def log_to_stderr(level: int) -> None:
    """Log lines of this process go to stderr, where systemd's journal takes them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLine("%(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def show_line(text: str = "") -> None:
    """One line on stdout."""
    _written(sys.stdout, visible(text) + "\n")


def show_error(text: str) -> None:
    """One line on stderr."""
    _written(sys.stderr, visible(text) + "\n")


def show_lines(lines: Iterable[str]) -> None:
    """Each on a line of stdout; a line break in one of them is spelled out as well."""
    _written(sys.stdout, "".join(f"{visible(line)}\n" for line in lines))


def show_text(text: str) -> None:
    """A text on stdout whose line breaks are ours."""
    _written(sys.stdout, visible_lines(text) + ("" if text.endswith("\n") else "\n"))


def show_error_text(text: str) -> None:
    """A text on stderr whose line breaks are ours."""
    _written(sys.stderr, visible_lines(text) + "\n")


def show_pieces(pieces: Iterable[str]) -> None:
    """Many lines on stdout that come one after the other."""
    for piece in pieces:
        sys.stdout.write(visible_lines(piece))


def show_json(table: Any, *, indent: bool = True) -> None:
    """JSON on stdout; a text is the same when it is read again, though no character is hidden."""
    _written(sys.stdout, json_text(table, indent=indent) + "\n")


def show_found(json: bool, table: Any, lines: Iterable[str]) -> None:
    """What a command found: as JSON, or as lines for a person."""
    if json:
        show_json(table)
    else:
        show_lines(lines)


def json_text(table: Any, *, indent: bool = True) -> str:
    return visible_json(json_bytes(table, orjson.OPT_INDENT_2 if indent else None))


def json_bytes(table: Any, option: int | None = None) -> bytes:
    """As orjson writes it; a byte of a file's name that is no UTF-8 is spelled out."""
    try:
        return orjson.dumps(table, option=option)
    except TypeError:  # orjson takes no lone surrogate
        return orjson.dumps(_as_utf8(table), option=option)


def _as_utf8(table: Any) -> Any:
    if isinstance(table, str):
        return table.encode("utf-8", "backslashreplace").decode()
    if isinstance(table, Mapping):
        return {_as_utf8(key): _as_utf8(value) for key, value in table.items()}
    return list(map(_as_utf8, table)) if isinstance(table, list | tuple) else table


def answer_to(question: str) -> str:
    """What a person types behind the question; raises EOFError at the end of the input."""
    return input(visible(question))


def overwrite(text: str) -> None:
    """A line on stderr that the next one covers; nothing where nobody looks at it."""
    if sys.stderr.isatty():
        _written(_plain(sys.stderr), f"\r\033[K{visible(text)}")


def bars(names: Iterable[str]) -> "Progress":
    """A bar on stderr for each name, counting bytes; nothing where nobody looks at them."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=_plain(sys.stderr))
    plain = TextColumn("{task.description}", markup=False)
    columns = (plain, BarColumn(), DownloadColumn(), TimeRemainingColumn())
    found = Progress(*columns, console=console, disable=not console.is_terminal)
    for name in names:
        found.add_task(visible(name), total=None)
    return found


Show = Callable[[str, int, int | None], None]


@contextmanager
def working(text: str) -> Iterator[Show]:
    """A line on stderr while something long runs; shows words, how much is done, of how much."""
    if not sys.stderr.isatty():
        yield lambda words, done, of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    console = Console(file=_plain(sys.stderr))
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(visible(text), total=None)

        def show(words: str, done: int, of: int | None) -> None:
            shown.update(task, description=visible(f"{text} {words}"), completed=done, total=of)

        yield show


def _plain(stream: Any) -> Any:
    return stream.plain if isinstance(stream, _Guarded) else stream


def _written(stream: Any, text: str) -> None:
    stream.write(text)
    stream.flush()


def show_rows(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    cells = [list(header), *([_cell(cell) for cell in row] for row in rows)]
    if sys.stdout.isatty():
        _show_aligned(cells)
        return
    for row in cells:  # apart by tabs
        _written(sys.stdout, "\t".join(visible(as_data(cell)) for cell in row) + "\n")


def _cell(cell: Any) -> str:
    """The text of one cell; lines are joined by blanks."""
    if cell is None:
        return ""
    text = f"{cell:.6g}" if isinstance(cell, float) else str(cell)
    return visible(text.replace("\t", " ").replace("\n", " "))


def _show_aligned(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    show_lines(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
