"""What a sink is owed, read from the series: recent changes from memory, older ones from blocks."""

from collections.abc import Mapping
from dataclasses import dataclass

from edaphon.nouns import Channel, Observations
from edaphon.series import BlockHead, Change, Series
from edaphon.series import Withdrawal as Gone
from edaphon.sinks.delivery import Batch, Withdrawal

__all__ = ["SeriesFeed", "cursor_name"]


def cursor_name(sink: str) -> str:
    """The checkpoint of the series that keeps the last change a sink holds."""
    return f"sink:{sink}"


@dataclass(frozen=True, slots=True)
class _Token:
    """A place to go on from: a change, or a block of a backlog."""

    change: int
    block: int = -1


class _Backlog:
    """One way through all blocks with rows above `cursor`, the block that settles first, first.

    Bounded memory: the blocks of one batch at a time. After block i everything is delivered below
    the first change of the blocks that remain, so a long backlog loses little when it is
    interrupted.
    """

    def __init__(self, series: Series, cursor: int) -> None:
        self.cursor = cursor
        self.target = series.change
        self.heads = sorted(series.changed_heads(cursor), key=lambda head: head.last_change)
        self.at = -1  # the withdrawals come first

    def settled(self, block: int) -> int:
        """The change up to which all is delivered once that block is."""
        rest = self.heads[block + 1 :]
        if not rest:
            return self.target
        return max(self.cursor, min(head.first_change for head in rest) - 1)

    def rows(self, series: Series, head: BlockHead) -> list[Observations]:
        return series.rows_above(head.channel, head.day, self.cursor)


class SeriesFeed:
    """The Feed of one sink; `cursor` is the last change that the sink holds."""

    def __init__(self, sink: str, series: Series, channels: Mapping[str, Channel]) -> None:
        self.sink = sink
        self._series = series
        self._channels = channels
        self._backlog: _Backlog | None = None
        self.cursor = int(series.checkpoint(cursor_name(sink)) or 0)

    def next_batch(self, limit: int) -> Batch | None:
        if self._backlog is None:
            recent = self._series.recent(self.cursor, limit)
            if recent is not None:
                return self._of_changes(recent)
            self._backlog = _Backlog(self._series, self.cursor)
        return self._of_blocks(self._backlog, limit)

    def _of_changes(self, changes: list[Change]) -> Batch | None:
        if not changes:
            return None
        # A point withdrawn in one change and written by a later one must end written.
        gone = [w for change in changes for w in change.withdrawals]
        if gone and len(changes) > 1:
            return self._of_changes(changes[:1])
        runs = [run for change in changes for run in change.observations]
        return Batch(runs, self._named(gone), _Token(changes[-1].number))

    def _of_blocks(self, backlog: _Backlog, limit: int) -> Batch:
        """As many blocks as fit into `limit` rows, at least one: a day of a slow channel is few."""
        if backlog.at < 0:
            gone = self._series.withdrawn_above(backlog.cursor)
            return Batch([], self._named(gone), _Token(backlog.cursor, -1))
        if backlog.at >= len(backlog.heads):
            return Batch([], [], _Token(backlog.target, backlog.at))
        last, rows = backlog.at, backlog.heads[backlog.at].n
        while last + 1 < len(backlog.heads) and rows + backlog.heads[last + 1].n <= limit:
            last += 1
            rows += backlog.heads[last].n
        heads = backlog.heads[backlog.at : last + 1]
        runs = [run for head in heads for run in backlog.rows(self._series, head)]
        return Batch(runs, [], _Token(backlog.settled(last), last))

    def _named(self, gone: list[Gone]) -> list[Withdrawal]:
        return [Withdrawal(self._channels[w.channel], w.times_ns) for w in gone]

    def delivered(self, upto: _Token) -> None:
        self.cursor = max(self.cursor, upto.change)
        if self._backlog is None:
            return
        self._backlog.at = upto.block + 1
        if self._backlog.at >= max(len(self._backlog.heads), 1):
            self._backlog = None

    def waiting(self) -> int:
        """How many changes of the series the sink is behind; 0 when it holds everything."""
        return self._series.change - self.cursor
