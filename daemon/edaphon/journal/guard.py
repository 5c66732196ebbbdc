"""Entries that end the service: a mark of what is worked on, and what ended it twice is set aside.

Before a step a mark is written to a small file. A mark that is found at a start, or after an
exception, was left by a step that never ended: its entries are suspects. Suspects are taken one
by one, each with a mark of its own, and one that ends the work then is set aside.

A crash and a step of 30 s leave a trace. A kill from outside leaves none and may be anybody's: it
must have met the same entry alone several times.
"""

import contextlib
import faulthandler
import os
import signal
import sqlite3
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self

import orjson

from edaphon.clock import boot_id
from edaphon.model import EntryId

if TYPE_CHECKING:
    from edaphon.journal.journal import Journal

NAME, TRACE = "guard", "guard.trace"
UNSURE_ENDS = 12  # of an entry alone, by kills of which nothing is known
# Of a step, in seconds of processor time of the process: no slow disk, sleep or clock counts.
STANDS_S = 30.0
ORDERS = (SystemExit, KeyboardInterrupt, GeneratorExit)  # an end that is no error
# What is worked on: new entries, the journal once more, the facts at a start, their plan.
LIVE, AGAIN, START, PLAN = "live", "again", "start", "plan"
_MARK_BYTES, _MOST = 256, 64
_NO_MARK = b"-" * 8
_KILLED = "the process was killed while it worked on this entry (by lack of memory, or a watchdog)"
_FATAL = "Fatal Python error: "
_HUNG = f"a step over this entry did not end within {STANDS_S:.0f} s of processor time"


class WorkMark(NamedTuple):
    """What is worked on: the numbers of the first and last entry; 0 where no entry is known."""

    boot: str
    work: str
    first: int
    last: int


class Suspect(NamedTuple):
    """Entries among which one has ended a step; `why` in words.

    `is_tried`: it was set aside before. `ends` are those of unknown cause, of one entry alone.
    """

    work: str
    first: int
    last: int
    why: str
    is_tried: bool = False
    ends: int = 0

    def holds(self, number: int) -> bool:
        return self.first <= number <= self.last


class Aside(NamedTuple):
    """An entry that is passed over; `key` names the software and configuration it ended."""

    why: str
    since_ns: int
    key: str


class SetAsideTable(NamedTuple):
    """What is known of ended steps; `aside` by the number of the entry."""

    suspects: tuple[Suspect, ...] = ()
    aside: Mapping[int, Aside] = {}
    key: str = ""


def judged(
    table: SetAsideTable, mark: WorkMark, why: str, now_ns: int, is_sure: bool = True
) -> SetAsideTable:
    """After a step that never ended: suspects, or an entry that has done it alone before.

    `is_sure`: the step itself ended the work, not somebody from outside.
    """
    if not mark.first:
        tried = [s for s in table.suspects if s.is_tried and mark.work == PLAN and is_sure]
        return _with_aside(table, [s.first for s in tried], why, now_ns)
    suspect = Suspect(mark.work, mark.first, mark.last, why)
    if mark.first == mark.last:
        same = [s for s in table.suspects if s.first == s.last == mark.first]
        ends = max((s.ends for s in same), default=0) + (not is_sure)
        is_known = any(s.holds(mark.first) for s in table.suspects)
        if (is_known and is_sure) or ends >= UNSURE_ENDS:
            return _with_aside(table, [mark.first], why, now_ns)
        suspect = suspect._replace(ends=ends, is_tried=any(s.is_tried for s in same))
    others = [s for s in table.suspects if s[:3] != suspect[:3]]
    return table._replace(suspects=(*others[1 - _MOST :], suspect))


def released(table: SetAsideTable, key: str) -> SetAsideTable:
    """By other software or another configuration each entry is tried once more, as a suspect."""
    again = {n: one for n, one in table.aside.items() if one.key != key}
    tried = [Suspect(LIVE, n, n, one.why, True) for n, one in sorted(again.items())]
    aside = {n: one for n, one in table.aside.items() if n not in again}
    return SetAsideTable((*table.suspects, *tried), aside, key)


def _with_aside(table: SetAsideTable, numbers: list[int], why: str, now_ns: int) -> SetAsideTable:
    more = {number: Aside(why, now_ns, table.key) for number in numbers}
    left = [s for s in table.suspects if not (s.first == s.last and s.first in more)]
    return SetAsideTable(tuple(left), {**table.aside, **more}, table.key)


class EntryGuard:
    """For one process and one journal folder; `Guard(None)` keeps nothing and stops nothing.

    `ended` says for people what the last life was ended by, "" if by nothing that is known.
    """

    def __init__(self, folder: Path | None, boot: str = "", is_armed: bool = False) -> None:
        """`is_armed`: a step that never ends ends the process, by SIGPROF."""
        self._path, self._boot, self._is_armed = folder and folder / NAME, boot, is_armed
        self._file = -1
        self._mark: WorkMark | None = None
        self._trace: IO[bytes] | None = None
        self.ended = ""
        self.table = SetAsideTable()
        if self._path is None:
            return
        mark, self.table = _read(self._path)
        # After a power cut or a start of the machine nothing is known against any entry.
        trace = _trace(self._path.with_name(TRACE))
        if mark is not None and mark.boot == boot:
            self.table = judged(self.table, mark, trace or _KILLED, time.time_ns(), bool(trace))
            self.ended = f"it ended while it worked on {_words(mark)} ({trace or 'killed'})"
        self._save()

    def keep_trace(self) -> None:
        """From now on a crash, or a step that never ends, leaves a trace for the next life."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._trace = self._path.with_name(TRACE).open("wb")
            faulthandler.enable(self._trace, all_threads=False)
            faulthandler.register(signal.SIGPROF, self._trace, all_threads=False, chain=True)

    @property
    def aside(self) -> Mapping[int, Aside]:
        return self.table.aside

    @property
    def suspects(self) -> tuple[Suspect, ...]:
        return self.table.suspects

    def use_key(self, key: str) -> None:
        """Name the software and configuration of this life; what others ended is tried again."""
        if key != self.table.key:
            self._change(released(self.table, key))

    def at(self, work: str, first: int = 0, last: int = 0) -> Self:
        """`with guard.at(...)`: a step over these entries."""
        self._mark = WorkMark(self._boot, work, first, last)
        return self

    def __enter__(self) -> Self:
        if self._file >= 0 and self._mark is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._file, _checked(list(self._mark)).ljust(_MARK_BYTES), 0)
            if self._is_armed:
                signal.setitimer(signal.ITIMER_PROF, STANDS_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._file >= 0 and self._is_armed:
            signal.setitimer(signal.ITIMER_PROF, 0)
        # A disk that refuses, or a person who interrupts, says nothing of the entries.
        is_theirs = kind is not None and not issubclass(kind, ORDERS)
        if not is_theirs or (kind and issubclass(kind, sqlite3.Error | OSError)):
            self.forget()

    def forget(self) -> None:
        """What is worked on is left by order: a stop is no proof of anything."""
        self._mark = None
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.pwrite(self._file, _NO_MARK, 0)

    def failed(self, error: BaseException) -> str:
        """Judge the step that this has ended: words for people, "" where no step stood."""
        mark, why = self._mark, f"{type(error).__name__}: {error}"[:500]
        if mark is None or not mark.first:
            return ""
        self._mark = None
        self._change(judged(self.table, mark, why, time.time_ns()))
        return f"expected to work on {_words(mark)}, got {why}"

    def passed(self, suspects: Iterable[Suspect]) -> None:
        """These were taken without an end."""
        gone = set(suspects)
        left = tuple(one for one in self.table.suspects if one not in gone)
        if left != self.table.suspects:
            self._change(self.table._replace(suspects=left))

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _change(self, table: SetAsideTable) -> None:
        self.table = table
        self._save()

    def _save(self) -> None:
        """Whole or not at all; on a disk that refuses, this life alone knows it."""
        if self._path is None:
            return
        new = self._path.with_name(f"{NAME}.new")
        aside = {str(number): list(one) for number, one in self.table.aside.items()}
        suspects = [list(one) for one in self.table.suspects]
        table = {"suspects": suspects, "aside": aside, "key": self.table.key}
        with contextlib.suppress(OSError):
            file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
            try:
                os.pwrite(file, _NO_MARK.ljust(_MARK_BYTES) + _checked(table), 0)
                os.fsync(file)
                os.replace(new, self._path)
            except BaseException:
                os.close(file)
                raise
            self.close()
            self._file = file


def set_aside(folder: Path) -> Mapping[int, Aside]:
    """The entries of a journal folder that are passed over, for those who only read it."""
    return _read(folder / NAME)[1].aside


def _trace(path: Path) -> str:
    """What the last life has left there, in words; "" where it left nothing."""
    text = ""
    with contextlib.suppress(OSError):
        text = path.read_bytes()[:8000].decode("utf-8", "replace")
        path.unlink()
    first = text.partition("\n")[0]
    if not first.startswith(_FATAL):
        return _HUNG if text else ""
    # one of another thread is no entry's; an abort is the machine's watchdog's
    is_theirs = "/derive/" in text or first.endswith("Aborted")
    return f"a crash: {first.removeprefix(_FATAL)}" if is_theirs else ""


def _words(mark: WorkMark) -> str:
    if not mark.first:
        return {START: "what the journal holds of facts", PLAN: "the plan"}.get(mark.work, "")
    first, last = EntryId.of(mark.first), EntryId.of(mark.last)
    return f"entry {first}" if first == last else f"one of the entries {first} to {last}"


def _checked(table: Any) -> bytes:
    data = orjson.dumps(table)
    return b"%08x %b\n" % (zlib.crc32(data), data)


def _unchecked(line: bytes) -> Any:
    """Raises ValueError where the line is not what was written."""
    crc, _, data = line.rstrip().partition(b" ")
    if int(crc, 16) != zlib.crc32(data):
        raise ValueError("expected another CRC")
    return orjson.loads(data)


def _read(path: Path) -> tuple[WorkMark | None, SetAsideTable]:
    """A damaged file is unknown: it costs that an entry is found once more, and nothing else."""
    mark, table = None, SetAsideTable()
    try:
        data = path.read_bytes()
    except OSError:
        return mark, table
    with contextlib.suppress(ValueError, TypeError):
        mark = WorkMark(*_unchecked(data[:_MARK_BYTES]))
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        found = _unchecked(data[_MARK_BYTES:])
        aside = {int(number): Aside(*one) for number, one in found["aside"].items()}
        suspects = tuple(Suspect(*one) for one in found["suspects"])
        table = SetAsideTable(suspects, aside, found["key"])
    return mark, table


def guarded(journal: "Journal", is_armed: bool) -> EntryGuard:
    """The guard of the journal's one writer, which is this process."""
    guard = journal.guard = EntryGuard(journal.folder, boot_id(), is_armed)
    return guard
