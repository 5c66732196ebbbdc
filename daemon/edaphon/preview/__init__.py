"""What facts would change if they were put in force: per channel, nothing is written by it."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from edaphon.derive.plan import Plan, changed_ranges, plan_of, whole_segments
from edaphon.derive.projection import Comparison, derived_by, previewed, readings_suffice
from edaphon.facts import FactRow, Knowledge
from edaphon.journal import JournalReader, read_only
from edaphon.model import EntryId, Range
from edaphon.preview.uncovered import Lost, lost_stretches
from edaphon.printer import show_error
from edaphon.series import Series
from edaphon.storage.access import Storage
from edaphon.storage.entered_facts import EnteredFacts

__all__ = ["Foreseen", "MANY", "Foresight", "foresee_ranges", "foresight", "learned"]

MANY = 20_000  # entries, which take some seconds to read
AFTER_ALL = 2**31  # a file number that no journal reaches: new facts come last
Ranges = Mapping[str, list[Range]]


class Foreseen(NamedTuple):
    """A channel with rows that would be derived again; `unit` is that of its values."""

    channel: str
    unit: str
    found: Comparison
    lost: tuple[Lost, ...]


class Foresight(NamedTuple):
    """Channels with what would become of their rows; `bare` those of which no row was looked at.

    `behind`: channels whose rows are not all derived by what is known already. `unread`: of the
    bare ones those for which the whole journal would have to be read.
    """

    channels: tuple[Foreseen, ...]
    bare: Ranges
    behind: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()


def learned(knowledge: Knowledge, new: Sequence[FactRow]) -> Knowledge:
    for number, row in enumerate(new, 1):
        knowledge = knowledge.learn(EntryId(AFTER_ALL, number), row.fact)
    return knowledge


def foresight(
    storage: Storage,
    reported: EnteredFacts,
    new: Sequence[FactRow],
    most_entries: int | None = None,
) -> Foresight:
    """With `most_entries` a longer journal is not read for channels that would need it."""
    after = learned(reported.knowledge, new)
    bare = _by_this_configuration(storage, reported.knowledge, after)
    if not new or not storage.layout.journal.exists() or not storage.layout.series.exists():
        return Foresight((), bare)
    journal, series = read_only(storage.layout.journal), storage.series()
    try:
        plan = plan_of(after, reported.sources)
        ranges = changed_ranges(reported.plan.intervals, plan.intervals)
        unread = _too_long(journal, series, plan, ranges, most_entries)
        wanted = {channel: own for channel, own in ranges.items() if channel not in unread}
        found = _foreseen(storage, journal, series, reported, after, wanted)
        behind = _behind(series, reported.plan) & ranges.keys()
    finally:
        series.close()
    channels = tuple(
        Foreseen(
            channel,
            after.channels[channel].unit if channel in after.channels else "",
            one,
            lost_stretches(plan, after, channel, one),
        )
        for channel, one in sorted(found.items())
    )
    rest = {c: own for c, own in {**ranges, **bare}.items() if c not in found}
    return Foresight(channels, rest, tuple(sorted(behind)), unread)


def foresee_ranges(
    storage: Storage, reported: EnteredFacts, ranges: Ranges
) -> dict[str, Comparison]:
    """By channel, how much deriving these again would change."""
    journal, series = read_only(storage.layout.journal), storage.series()
    try:
        return _foreseen(storage, journal, series, reported, reported.knowledge, ranges)
    finally:
        series.close()


def _foreseen(
    storage: Storage,
    journal: JournalReader,
    series: Series,
    reported: EnteredFacts,
    knowledge: Knowledge,
    ranges: Ranges,
) -> dict[str, Comparison]:
    own = storage.layout.folder if os.access(storage.layout.folder, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="preview-", dir=own) as folder:
        scratch = Path(folder) / "series.sqlite"
        return previewed(journal, series, knowledge, reported.sources, scratch, ranges)


def _by_this_configuration(storage: Storage, before: Knowledge, after: Knowledge) -> Ranges:
    """Sources that the daemon has not been started with yet are planned for too."""
    config = storage.config
    outputs = config.outputs()
    plans = [Plan.of(knowledge, outputs, config.site.id) for knowledge in (before, after)]
    return changed_ranges(plans[0].intervals, plans[1].intervals)


def _too_long(
    journal: JournalReader, series: Series, plan: Plan, ranges: Ranges, most_entries: int | None
) -> frozenset[str]:
    """The channels that need the journal, where it is longer than that; else nothing.

    Where it is read all the same, a person at a terminal is told what takes so long.
    """
    if journal.length <= (MANY if most_entries is None else most_entries):
        return frozenset()
    hard = frozenset(_of_the_journal(series, plan, ranges))
    if most_entries is not None:
        return hard
    if hard and sys.stderr.isatty():
        show_error(f"reading the whole journal for {', '.join(sorted(hard))} ...")
    return frozenset()


def _of_the_journal(series: Series, plan: Plan, ranges: Ranges) -> Iterator[str]:
    """Channels of which the series does not tell all that the line would see."""
    derived = derived_by(series)
    for channel, own in whole_segments(ranges, derived.intervals, plan.intervals).items():
        if not readings_suffice(derived, plan, series, channel, own):
            yield channel


def _behind(series: Series, plan: Plan) -> set[str]:
    """Channels that are being derived again, or will be once the daemon runs."""
    derived = derived_by(series)
    return {*derived.pending, *changed_ranges(derived.intervals, plan.intervals)}
