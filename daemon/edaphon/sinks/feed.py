"""What a sink is owed, read from the series: recent changes from memory, older ones from blocks.

The newest go first: a sink that lags far is brought what comes in now between the requests of its
backlog, each row once, since a backlog holds only rows of changes up to the one it began at.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edaphon.clock import DAY_NS
from edaphon.model import Channel, Int, Observations
from edaphon.series import BlockHead, Change, Series, Withdrawal, cursor_name
from edaphon.series.rows import RECENT_BYTES
from edaphon.sinks.delivery import Batch
from edaphon.sinks.influxql import spans
from edaphon.sinks.sink import PointWithdrawal

__all__ = ["Notes", "SeriesFeed"]

EVER = -(2**62)  # from that time on [UTC ns]
_NO_TIMES = np.empty(0, np.int64)


NEAR_BYTES = RECENT_BYTES // 3


class Notes(Protocol):
    """Small facts that outlive the service (journal.StateFile)."""

    def get(self, key: str, default: Any = None) -> Any: ...

    def put(self, key: str, value: Any) -> None: ...

    def remove(self, key: str) -> None: ...


class _Memory(dict[str, Any]):
    """Notes of a feed that has no file."""

    def put(self, key: str, value: Any) -> None:
        self[key] = value

    def remove(self, key: str) -> None:
        self.pop(key, None)


@dataclass(frozen=True, slots=True)
class _Live:
    """A place to go on from: the last change of a batch."""

    change: int


@dataclass(frozen=True, slots=True)
class _FeedPlace:
    """A place in a backlog: all of it before that time in that block is delivered."""

    block: int
    time_ns: int = EVER


class _Backlog:
    """One way through all blocks with rows of the changes after `cursor` up to `target`.

    The block that settles first comes first. Bounded memory: the rows of one batch at a time.
    After block i everything is delivered below the first change of the blocks that remain, so a
    long backlog loses little when it is interrupted.
    """

    def __init__(self, series: Series, cursor: int, target: int, since_ns: int = EVER) -> None:
        self.cursor, self.target, self.since_ns = cursor, target, since_ns
        heads = [h for h in series.changed_heads(cursor) if (h.day + 1) * DAY_NS > since_ns]
        self.heads = sorted(heads, key=lambda head: head.last_change)
        self.place = _FeedPlace(-1)  # the withdrawals come first

    @property
    def settled(self) -> int:
        """The change up to which all is delivered."""
        if self.place.block < 0:
            return self.cursor
        rest = self.heads[self.place.block :]
        if not rest:
            return self.target
        first = min(head.first_change for head in rest) - 1
        return min(max(self.cursor, first), self.target)

    @property
    def left(self) -> int:
        return len(self.heads) + 1 - max(self.place.block, 0)

    def batch(self, series: Series, limit: int) -> tuple[list[Observations], _FeedPlace]:
        """At most `limit` rows from the place on, and the place after them."""
        found: list[Observations] = []
        block, time_ns, room = self.place.block, self.place.time_ns, limit
        while block < len(self.heads) and room > 0:
            for run in self._rows(series, self.heads[block], time_ns):
                if len(run) > room:
                    found.append(run.take(slice(0, room)))
                    return found, _FeedPlace(block, int(run.time_ns[room]))
                found.append(run)
                room -= len(run)
            block, time_ns = block + 1, EVER
        return found, _FeedPlace(block)

    def _rows(self, series: Series, head: BlockHead, from_ns: int) -> Iterator[Observations]:
        begin = max(from_ns, self.since_ns)
        return series.rows_above(head.channel, head.day, self.cursor, self.target, begin)


class SeriesFeed:
    """The Feed of one sink; `cursor` is the last change that the sink holds."""

    def __init__(
        self,
        sink: str,
        series: Series,
        channels: Mapping[str, Channel],
        notes: Notes | None = None,
    ) -> None:
        """`notes`: where it is kept that all is sent again; without, it ends with this feed."""
        self.sink = sink
        self._series = series
        self._channels = channels
        self._notes = notes or _Memory()
        self._note = f"sink {sink} again"
        self._backlogs: list[_Backlog] = []  # at most two; the last one is of the newest changes
        self._again: _Backlog | None = None  # what is sent once more
        self._asked: int | None = self._notes.get(self._note)
        self._live_next = True
        self.cursor = int(series.checkpoint(cursor_name(sink)) or 0)
        self._live = self.cursor

    def send_again(self, since_ns: int = EVER) -> None:
        """Send all observations from that time on once more; from any thread, kept over a stop."""
        if self._asked is not None:
            since_ns = min(since_ns, self._asked)
        self._notes.put(self._note, since_ns)
        self._asked, self._again = since_ns, None

    @property
    def keeps_up(self) -> bool:
        """Whether what the sink is owed is in memory yet, and far from leaving it."""
        if self._backlogs:
            return False
        behind = self._series.recent_bytes(self._live)
        return behind is not None and behind < NEAR_BYTES

    def next_batch(self, limit: int) -> Batch | None:
        if self._asked is not None and self._again is None:
            self._again = _Backlog(self._series, -1, self._series.change, self._asked)
            self._again.place = _FeedPlace(0)
        if self._live_next or self._older() is None:
            batch = self._newest(limit)
            if batch is not None:
                return batch
        older = self._older()
        return self._of_blocks(older, limit) if older is not None else None

    def _newest(self, limit: int) -> Batch | None:
        """Changes since the last batch; where memory does not reach back so far, a backlog."""
        if self._backlogs and self._backlogs[-1].place.block < 0:
            return None  # its withdrawals come first, or they would take back what is newer
        recent = self._series.recent(self._live, limit)
        if recent is not None:
            return self._of_changes(recent)
        self._lag()
        return None

    def _lag(self) -> None:
        """One more backlog; of three the newer two become one."""
        after = self._live
        if len(self._backlogs) > 1:
            after = self._backlogs.pop().settled
        self._live = self._series.change
        self._backlogs.append(_Backlog(self._series, after, self._live))

    def _older(self) -> _Backlog | None:
        return self._backlogs[-1] if self._backlogs else self._again

    def _of_changes(self, changes: list[Change]) -> Batch | None:
        if not changes:
            return None
        # A point withdrawn in one change and written by a later one must end written.
        first_gone = next((i for i, c in enumerate(changes) if c.withdrawals), len(changes))
        changes = changes[: max(first_gone, 1)]
        gone = [w for change in changes for w in change.withdrawals]
        runs = [run for change in changes for run in change.observations]
        return Batch(runs, self._named(gone), _Live(changes[-1].number))

    def _of_blocks(self, backlog: _Backlog, limit: int) -> Batch:
        if backlog.place.block < 0:
            gone = self._series.withdrawn_above(backlog.cursor)
            return Batch([], self._named(gone), (backlog, _FeedPlace(0)))
        runs, place = backlog.batch(self._series, limit)
        return Batch(runs, [], (backlog, place))

    def _named(self, gone: list[Withdrawal]) -> list[PointWithdrawal]:
        return [
            PointWithdrawal(
                self._channels[w.channel], w.times_ns, self._spans(w.channel, w.times_ns)
            )
            for w in gone
        ]

    def _spans(self, channel: str, times_ns: Int) -> list[tuple[int, int]]:
        """Spans that hold these times and nothing else that stands; a day in memory at a time."""
        wanted = np.unique(times_ns)
        found: list[tuple[int, int]] = []
        days = np.unique(wanted // DAY_NS).tolist()
        for i, day in enumerate(days):
            start, end = day * DAY_NS, (day + 1) * DAY_NS
            runs = self._series.read(channel, start, end)
            kept = np.concatenate([run.time_ns for run in runs]) if runs else _NO_TIMES
            inside = wanted[(wanted >= start) & (wanted < end)]
            kept = np.setdiff1d(kept, inside)
            here = spans(inside, kept)
            if found and self._empty(channel, found[-1][1], days[i - 1], here[0][0], day, kept):
                found[-1] = found[-1][0], here.pop(0)[1]
            found += here
        return found

    def _empty(
        self, channel: str, last_ns: int, last_day: int, first_ns: int, day: int, kept: Int
    ) -> bool:
        """Whether nothing stands between the last time of a day and the first of a later one."""
        if np.any(kept < first_ns):
            return False
        if self._series.days(channel, (last_day + 1) * DAY_NS, day * DAY_NS):
            return False
        return not self._series.read(channel, last_ns + 1, (last_day + 1) * DAY_NS)

    def current(self, keys: Sequence[tuple[str, int]]) -> list[Observations]:
        by_channel: dict[str, list[int]] = {}
        for channel, time_ns in keys:
            by_channel.setdefault(channel, []).append(time_ns)
        found: list[Observations] = []
        for channel, times in by_channel.items():
            for day in sorted({time_ns // DAY_NS for time_ns in times}):
                for run in self._series.read(channel, day * DAY_NS, (day + 1) * DAY_NS):
                    rows = np.flatnonzero(np.isin(run.time_ns, times))
                    if len(rows):
                        found.append(run.take(rows))
        return found

    def between(self, channel: str, first_ns: int, last_ns: int) -> list[Observations]:
        return self._series.read(channel, first_ns, last_ns + 1)

    def delivered(self, upto: Any) -> None:
        if isinstance(upto, _Live):
            self._live = upto.change
            self._live_next = False
        else:
            self._passed(*upto)
            self._live_next = True
        self.cursor = max(self.cursor, self._backlogs[0].settled if self._backlogs else self._live)

    def _passed(self, backlog: _Backlog, place: _FeedPlace) -> None:
        backlog.place = place
        if place.block < len(backlog.heads):
            return
        if backlog in self._backlogs:
            self._backlogs.remove(backlog)
        elif backlog is self._again:
            self._asked = self._again = None
            self._notes.remove(self._note)

    def waiting(self) -> int:
        """How many changes and blocks the sink is behind; 0 when it holds everything."""
        backlog = self._again
        again = backlog.left if backlog is not None else int(self._asked is not None)
        return self._series.change - self.cursor + again
