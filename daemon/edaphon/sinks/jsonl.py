"""A folder of text files, one per UTC day of measured time, one JSON object on each line.

The last line of a (channel, time) stands; a line with `"withdrawn": true` takes it back. A retry
adds the same lines again. Numbers that are missing are null; times are ISO 8601 and UTC ns.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
from pydantic import Field

from edaphon.clock import DAY_NS, full_instant_text
from edaphon.databases import make_folder, sync_folder
from edaphon.model import Channel, EntryId, Int, Observations, Small
from edaphon.sinks.sink import Later, PointWithdrawal, SinkKind
from edaphon.toml_input.values import AbsolutePath, Table
from edaphon_drivers.outside import append_file

ROWS = 1000  # turned into text at a time
NUMBERS = ("value", "raw", "u_random", "u_systematic")


class JsonlSettings(Table):
    """Where the files go."""

    kind: Literal["jsonl"] = "jsonl"
    folder: AbsolutePath = Field(description="made when it is not there")

    @property
    def place(self) -> str:
        """Where the lines are: with another place all of them are sent again."""
        return str(self.folder)

    @property
    def reaches(self) -> Iterator[tuple[str, Path]]:
        """What is written, by its key."""
        yield "folder", self.folder


class JsonlSink:
    """See Sink; returns after fsync of every file it wrote to."""

    notices: Sequence[str] = ()
    server = ""
    read = None

    def __init__(self, settings: JsonlSettings, channels: Mapping[str, Channel]) -> None:
        """Touches no file yet."""
        self._folder, self._channels = settings.folder, channels

    def write(self, batch: Sequence[Observations]) -> None:
        for run in batch:
            for day, rows in _days(run.time_ns):
                self._append(day, (self._lines(run, part) for part in _parts(rows)))

    def withdraw(self, withdrawal: PointWithdrawal) -> None:
        channel, times_ns, _ = withdrawal
        for day, rows in _days(times_ns):
            texts = (_withdrawn(channel.id, times_ns[part]) for part in _parts(rows))
            self._append(day, texts)

    def close(self) -> None:
        """No file stays open between two calls."""

    def _append(self, day: int, texts: Iterator[bytes]) -> None:
        name = f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}.jsonl"
        with _clear_words(self._folder):
            if not self._folder.is_dir():
                make_folder(self._folder)
            with append_file(self._folder / name) as file:
                _drop_torn_line(file)
                for text in texts:
                    file.write(text)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._folder)

    def _lines(self, run: Observations, rows: Int) -> bytes:
        channel = self._channels.get(run.channel)
        quantity, unit = (channel.quantity, channel.unit) if channel else ("", "")
        names = {"channel": run.channel, "quantity": quantity, "unit": unit}
        numbers = [getattr(run, name)[rows].tolist() for name in NUMBERS]
        columns: list[Int | Small] = [run.time_ns, run.start_ns, run.flag, run.sequence]
        lines = []
        for row in zip(*(column[rows].tolist() for column in columns), *numbers, strict=True):
            time_ns, start_ns, flag, sequence, *found = row
            times = {"time": full_instant_text(time_ns), "time_ns": time_ns, "start_ns": start_ns}
            words = names | times | dict(zip(NUMBERS, found, strict=True))
            place = str(EntryId.of(sequence))
            lines.append(_line(**words, flag=flag, sequence=place, derivation=run.derivation))
        return b"".join(lines)


class HeldLines:
    """See Held; a (channel, time) counts once, and not when its last line takes it back."""

    def __init__(self, settings: JsonlSettings) -> None:
        self._folder = settings.folder
        self._days: dict[date, dict[str, int]] = {}

    def counts(self, channel: Channel, days: Sequence[date]) -> dict[date, int]:
        return {day: self._of_day(day).get(channel.id, 0) for day in days}

    def close(self) -> None:
        self._days.clear()

    def _of_day(self, day: date) -> dict[str, int]:
        """By channel; all channels of a day are in one file."""
        if day not in self._days:
            stands: dict[tuple[str, int], bool] = {}
            path = self._folder / f"{day:%Y-%m-%d}.jsonl"
            with (
                _clear_words(self._folder, "read"),
                suppress(FileNotFoundError),
                path.open("rb") as file,
            ):
                for line in file:
                    self._take(line, stands)
            counted = self._days[day] = {}
            for (channel, _), held in stands.items():
                counted[channel] = counted.get(channel, 0) + held
        return self._days[day]

    def _take(self, line: bytes, stands: dict[tuple[str, int], bool]) -> None:
        try:
            row = orjson.loads(line)
            stands[row["channel"], row["time_ns"]] = "withdrawn" not in row
        except (ValueError, TypeError, KeyError):
            if line.endswith(b"\n"):
                raise Later(f"{self._folder} holds a line that is none of this sink") from None


def _withdrawn(channel: str, times_ns: Int) -> bytes:
    return b"".join(
        _line(channel=channel, time=full_instant_text(t), time_ns=t, withdrawn=True)
        for t in times_ns.tolist()
    )


def _line(**words: Any) -> bytes:
    return orjson.dumps(words, option=orjson.OPT_APPEND_NEWLINE)


def _days(times_ns: Int) -> Iterator[tuple[int, Int]]:
    """Each UTC day since 1970 with the rows that fall on it."""
    days = times_ns // DAY_NS
    for day in np.unique(days).tolist():
        yield day, np.flatnonzero(days == day)


def _parts(rows: Int) -> Iterator[Int]:
    for first in range(0, len(rows), ROWS):
        yield rows[first : first + ROWS]


def _drop_torn_line(file: Any) -> None:
    """Cut off what a power cut left behind the last newline; that batch was never confirmed."""
    end = place = file.seek(0, os.SEEK_END)
    while place:
        first = max(0, place - 4096)
        file.seek(first)
        newline = file.read(place - first).rfind(b"\n")
        if newline >= 0:
            place = first + newline + 1
            break
        place = first
    if place != end:
        file.truncate(place)
    file.seek(0, os.SEEK_END)


@contextmanager
def _clear_words(folder: Path, done: str = "written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = f"{folder} can't be {done}: {error.strerror or error}"
        raise Later(why, blocked=isinstance(error, PermissionError)) from None


KIND = SinkKind(JsonlSettings, JsonlSink, held=HeldLines, reads_all=True)
