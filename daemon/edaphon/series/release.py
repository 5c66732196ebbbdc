"""A release: a copy of observations in a series file of its own, which is never changed again.

Its table `checkpoint` has two rows more than a series: `channels`, a JSON list of what the channels
are, and `release`, a JSON object with what else the release says of itself.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import orjson

from edaphon.clock import DAY_NS
from edaphon.model import Channel, Observations
from edaphon.printer import json_bytes
from edaphon.series.reader import Extent, WrongFile
from edaphon.series.rows import digest, runs_of
from edaphon.series.store import BlockHead, SeriesStore

_RELEASE, _CHANNELS = "release", "channels"
LONGEST_WORDS = 100_000  # of one text that a release says of itself
MOST_ROWS = 10**12
LAST_DAY = 2**63 // DAY_NS  # whose times 64 bits hold
_ID_DIGITS = 12  # of SHA-256 over a derivation's text

T = TypeVar("T")


class DamagedBlock(Exception):
    """A day block whose rows are not those that its digest was made of."""


@dataclass(frozen=True, slots=True)
class Release:
    """What a release says of itself. Times are UTC as text, "" where there is no bound.

    `known_sequence` is the last entry of the journal that the numbers know of, `known_time` when
    that was received; `digest` is over the channels and the digests of all blocks.
    """

    name: str
    made: str
    who: str
    note: str
    version: str  # of edaphon
    known_sequence: str
    known_time: str
    start: str
    end: str
    channels: tuple[Channel, ...]
    rows: int = 0
    digest: str = ""


def write_release(
    path: Path, source: SeriesStore, about: Release, start_ns: int, end_ns: int
) -> Release:
    """Copy start_ns <= time < end_ns of the channels into a new file, a day at a time."""
    with closing(SeriesStore(path, alone=True)) as target:
        target.begin()
        ids = source.derivations()
        used: set[int] = set()
        for channel in about.channels:
            for head in source.heads(channel.id):
                if head.day * DAY_NS < end_ns and start_ns < (head.day + 1) * DAY_NS:
                    used |= _copy(source, target, head, (start_ns, end_ns), ids)
        for number in sorted(used):
            text = source.derivation_text(ids[number]) or ""
            target.add_derivation(number, ids[number], text)
        channels = _json(about.channels)
        heads = target.heads()
        about = replace(about, rows=sum(h.n for h in heads), digest=_digest(channels, heads))
        reported = {n: getattr(about, n) for n in Release.__slots__ if n != _CHANNELS}
        target.set_checkpoint(_CHANNELS, channels)
        target.set_checkpoint(_RELEASE, _json(reported))
        target.commit()
    return about


def _copy(
    source: SeriesStore,
    target: SeriesStore,
    head: BlockHead,
    span: tuple[int, int],
    ids: dict[int, str],
) -> set[int]:
    """Copy what lies in the span of a block; the derivations' numbers in it."""
    rows = source.sound_rows(head, ids)
    if rows is None:
        raise DamagedBlock(
            f"expected the rows of {head.channel} on {_date(head.day)} that were derived, got"
            " others; run `edaphon rebuild` and release then"
        )
    rows = rows[(rows["time_ns"] >= span[0]) & (rows["time_ns"] < span[1])]
    rows["change"] = 0  # sinks find by it what is new in a series; in a release nothing is
    if len(rows):
        target.put(head.channel, head.day, rows, digest(rows, ids.__getitem__))
    return set(np.unique(rows["derivation"]).tolist())


def read_release(path: Path) -> Release:
    """What a release says of itself; raises WrongFile for a file that is none."""
    with _opened(path) as store:
        return _read(store)


def release_problems(path: Path) -> list[str]:
    """What is not as it was released, every digest made again from the rows; none if all is."""
    try:
        with _opened(path) as store:
            return list(_problems(store, _read(store)))
    except WrongFile as wrong:
        return [str(wrong)]


class OpenRelease:
    """A release to read values of; everything of it that is read is held against its digests."""

    def __init__(self, path: Path) -> None:
        """Raises WrongFile for a file that is none, or says of itself what its blocks do not."""
        with _opened(path) as store:
            self.about = _read(store)
            self._ids = store.derivations()
            heads = store.heads()
            found = _digest(store.checkpoint(_CHANNELS) or "", heads)
            if found != self.about.digest:
                raise WrongFile(f"blocks that are not those of its digest {self.about.digest}")
            if wrong := [h.day for h in heads if abs(h.day) > LAST_DAY]:
                raise WrongFile(f"a block of the day {wrong[0]}")
        self._path = path
        self._heads = [(head, head.day * DAY_NS) for head in heads]

    def runs(self, channel: str, start_ns: int, end_ns: int) -> Iterator[Observations]:
        """With start_ns <= time < end_ns; raises WrongFile at a day that was altered."""
        with _opened(self._path) as store:
            for head, first_ns in self._heads:
                if head.channel != channel or first_ns >= end_ns or first_ns + DAY_NS <= start_ns:
                    continue
                rows = store.sound_rows(head, self._ids)
                if rows is None:
                    raise WrongFile(f"other rows of {channel} on {_date(head.day)} than released")
                inside = (rows["time_ns"] >= start_ns) & (rows["time_ns"] < end_ns)
                yield from runs_of(channel, rows[inside], self._ids.__getitem__)

    def extent(self, channel: str) -> Extent:
        """How many values there are of a channel, and the times of the first and last."""
        own = [head for head, _ in self._heads if head.channel == channel]
        if not own:
            return Extent()
        ends = [
            self.runs(channel, head.day * DAY_NS, (head.day + 1) * DAY_NS)
            for head in (own[0], own[-1])
        ]
        begin, *_ = ends[0]
        *_, end = ends[1]
        return Extent(sum(h.n for h in own), int(begin.time_ns[0]), int(end.time_ns[-1]))

    def derivation_text(self, id: str) -> str | None:
        """What a derivation's hash was made of, as JSON; raises WrongFile for another text."""
        with _opened(self._path) as store:
            text = store.derivation_text(id)
            if text is not None and _id_of(text) != id:
                raise WrongFile(f"another text of derivation {id} than released")
            return text


@contextmanager
def _opened(path: Path) -> Iterator[SeriesStore]:
    """Whatever can't be read of it, or is no number or text where there is one, is a WrongFile."""
    try:
        with closing(SeriesStore(path, read_only=True, alone=True)) as store:
            yield store
    except WrongFile as error:
        raise WrongFile(_other(path, error)) from None
    except (sqlite3.Error, ValueError, TypeError, KeyError, OverflowError) as error:
        raise WrongFile(_other(path, f"a damaged one ({error})")) from None


def _other(path: Path, got: object) -> str:
    begin = f"expected a release in {path.name}, got "
    text = str(got)
    return text if text.startswith(begin) else begin + text


def _read(store: SeriesStore) -> Release:
    reported, channels = store.checkpoint(_RELEASE), store.checkpoint(_CHANNELS)
    if reported is None or channels is None:
        raise WrongFile("a series that says nothing of itself")
    try:
        known = tuple(_typed(Channel, channel) for channel in orjson.loads(channels))
        return _typed(Release, {**orjson.loads(reported), _CHANNELS: known})
    except (ValueError, TypeError) as error:
        raise WrongFile(f"words of a later version, or changed ones: {error}") from None


def _typed(kind: type[T], table: Mapping[str, Any]) -> T:
    """Raises TypeError or ValueError where a field is missing, of another type, or too large."""
    made = kind(**table)
    for field in fields(made):  # type: ignore[arg-type]
        value = getattr(made, field.name)
        if field.type is str:
            good = type(value) is str and len(value) <= LONGEST_WORDS
        elif field.type is int:
            good = type(value) is int and 0 <= value <= MOST_ROWS
        else:
            good = field.name == _CHANNELS  # each is of this kind too
        if not good:
            raise ValueError(f"{field.name} is {str(value)[:80]!r}")
    return made


def _id_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]


def _problems(store: SeriesStore, about: Release) -> Iterator[str]:
    names = store.derivations()
    for id in names.values():
        text = store.derivation_text(id) or ""
        if _id_of(text) != id:
            yield f"the text of derivation {id} is another one"
    heads = store.heads()
    for head in heads:
        rows = store.sound_rows(head, names)
        if rows is None:
            yield f"{head.channel} on {_date(head.day)} has other rows"
        elif not store.same_numbers(head.channel, head.day, rows):
            yield f"{head.channel} on {_date(head.day)} has other numbers in its header"
    if sum(head.n for head in heads) != about.rows:
        yield f"it holds {sum(head.n for head in heads)} rows, of {about.rows}"
    if (found := _digest(store.checkpoint(_CHANNELS) or "", heads)) != about.digest:
        yield f"its digest is {found}"


def _digest(channels: str, heads: Iterable[BlockHead]) -> str:
    """SHA-256 over the channels as they are written and a line for each block, in order."""
    lines = [channels, *(f"{h.channel} {h.day} {h.n} {h.digest}" for h in heads)]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _json(table: object) -> str:
    return json_bytes(table, orjson.OPT_SORT_KEYS).decode()


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))
