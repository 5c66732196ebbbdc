"""What facts would change if they were put in force: per channel, nothing is written by it."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from edaphon.derive.calibrate import Segment
from edaphon.derive.plan import Plan, changed_ranges, plan_of, whole_segments
from edaphon.derive.projection import Comparison, derived_by, previewed, readings_suffice
from edaphon.facts import Calibration, FactRow, Knowledge
from edaphon.facts.model import open_steps
from edaphon.journal import JournalReader, read_only
from edaphon.model import Range
from edaphon.printer import show_error
from edaphon.series import Series
from edaphon.storage.access import Storage
from edaphon.storage.entered_facts import EnteredFacts


class LostStretch(NamedTuple):
    """From the first to the last time of values that lose their number [UTC ns], and why."""

    first_ns: int
    last_ns: int
    why: str


def lost_stretches(
    plan: Plan, knowledge: Knowledge, channel: str, found: Comparison
) -> tuple[LostStretch, ...]:
    """One for each stretch of the plan without a value; nothing where no value is lost."""
    if not found.lost or found.first_ns is None or found.last_ns is None:
        return ()
    first, last = found.first_ns, found.last_ns
    own = [s for s in plan.segments() if s.channel == channel and not s.chain.known]
    reached = [s for s in own if s.start_ns <= last and first < s.end_ns]
    stretches = [
        LostStretch(max(first, s.start_ns), min(last, s.end_ns), _why(plan, knowledge, s))
        for s in sorted(reached, key=lambda s: s.start_ns)
    ]
    return tuple(stretches) or (LostStretch(first, last, _otherwise(plan, channel)),)


def _why(plan: Plan, knowledge: Knowledge, segment: Segment) -> str:
    basis = orjson.loads(plan.texts[segment.derivation])
    known = knowledge.calibrations
    mine = [c for c in known if c.concerns(segment.channel, segment.sensor, basis["output"][0])]
    uncovered = list(open_steps(mine, segment.start_ns, maker=bool(basis["factory"])))
    if not uncovered:
        return "no factory curve or calibration leads to the channel's quantity then"
    return "; ".join(_uncovered(own, segment) for own in uncovered)


def _uncovered(own: list[Calibration], segment: Segment) -> str:
    """The calibration nearest in time is the one that could be meant for all of it."""
    later = [c for c in own if c.from_ns is not None and c.from_ns >= segment.end_ns]
    key, nearest = "to", max(own, key=lambda c: c.to_ns or 0)
    if later:
        key, nearest = "from", min(later, key=lambda c: c.from_ns or 0)
    subject = " ".join(nearest.subject)
    return (
        f"no calibration of step {nearest.place} of {subject} covers them;"
        f" leave out `{key}` of {nearest.id} if it holds for all time"
    )


def _otherwise(plan: Plan, channel: str) -> str:
    if not any(segment.channel == channel for segment in plan.segments()):
        return "no deployment feeds the channel any more"
    return "no deployment feeds the channel then, or a second input is not there"


MANY = 20_000  # entries, which take some seconds to read
Ranges = Mapping[str, list[Range]]


class ChannelPreview(NamedTuple):
    """A channel with rows that would be derived again; `unit` is that of its values."""

    channel: str
    unit: str
    found: Comparison
    lost: tuple[LostStretch, ...]


class Preview(NamedTuple):
    """Channels with what would become of their rows; `bare` those of which no row was looked at.

    `behind`: channels whose rows are not all derived by what is known already. `unread`: of the
    bare ones those for which the whole journal would have to be read.
    """

    channels: tuple[ChannelPreview, ...]
    bare: Ranges
    behind: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()


def preview_of(
    storage: Storage,
    reported: EnteredFacts,
    new: Sequence[FactRow],
    most_entries: int | None = None,
) -> Preview:
    """With `most_entries` a longer journal is not read for channels that would need it."""
    after = reported.knowledge.with_new(new)
    bare = _by_this_configuration(storage, reported.knowledge, after)
    if not new or not storage.layout.journal.exists() or not storage.layout.series.exists():
        return Preview((), bare)
    journal, series = read_only(storage.layout.journal), storage.series()
    try:
        plan = plan_of(after, reported.sources)
        ranges = changed_ranges(reported.plan.intervals, plan.intervals)
        unread = _too_long(journal, series, plan, ranges, most_entries)
        wanted = {channel: own for channel, own in ranges.items() if channel not in unread}
        found = _previewed(storage, journal, series, reported, after, wanted)
        behind = _behind(series, reported.plan) & ranges.keys()
    finally:
        series.close()
    units = {channel: own.unit for channel, own in after.channels.items()}
    channels = tuple(
        ChannelPreview(id, units.get(id, ""), one, lost_stretches(plan, after, id, one))
        for id, one in sorted(found.items())
    )
    rest = {c: own for c, own in {**ranges, **bare}.items() if c not in found}
    return Preview(channels, rest, tuple(sorted(behind)), unread)


def preview_ranges(
    storage: Storage, reported: EnteredFacts, ranges: Ranges
) -> dict[str, Comparison]:
    """By channel, how much deriving these again would change."""
    journal, series = read_only(storage.layout.journal), storage.series()
    try:
        return _previewed(storage, journal, series, reported, reported.knowledge, ranges)
    finally:
        series.close()


def _previewed(
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
    """The channels that need a longer journal than that; where it is read, a terminal shows why."""
    if journal.length <= (MANY if most_entries is None else most_entries):
        return frozenset()
    hard = frozenset(_of_the_journal(series, plan, ranges))
    if most_entries is not None:
        return hard
    if hard and sys.stderr.isatty():
        show_error(f"reading the whole journal for {', '.join(sorted(hard))} ...")
    return frozenset()


def _of_the_journal(series: Series, plan: Plan, ranges: Ranges) -> Iterator[str]:
    """Channels of which the series lacks something that the pipeline would see."""
    derived = derived_by(series)
    for channel, own in whole_segments(ranges, derived.intervals, plan.intervals).items():
        if not readings_suffice(derived, plan, series, channel, own):
            yield channel


def _behind(series: Series, plan: Plan) -> set[str]:
    """Channels that are being derived again, or will be once the daemon runs."""
    derived = derived_by(series)
    return {*derived.pending, *changed_ranges(derived.intervals, plan.intervals)}
