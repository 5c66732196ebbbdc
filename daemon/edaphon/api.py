"""The values of a site, for programs: a storage folder, a copy of one, or a release file.

>>> import edaphon
>>> site = edaphon.open("/var/lib/edaphon")  # doctest: +SKIP
"""

import os
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Self, overload

import numpy as np
import orjson

from edaphon.clock import DAY_NS, FAR_NS, SECOND_NS, given_ns
from edaphon.databases import AT_FAULT, StorageFault, explained, fault_of
from edaphon.errors import (
    DamagedError,
    IncompleteWarning,
    NoExplanation,
    NothingKnown,
    StaleError,
    StorageError,
    TimeError,
)
from edaphon.journal import DamagedRow, JournalReader
from edaphon.journal.fact_log import CHECKPOINT, FACT_KINDS, fact_log_items, lost_facts, trusted
from edaphon.model import Channel, EntryId, FactName, Observations, in_force
from edaphon.printer import visible
from edaphon.series import Extent, OpenRelease, SeriesReader, WrongFile
from edaphon.storage.client import DaemonOff, DaemonRefuses, flush, is_behind
from edaphon.storage.paths import Layout
from edaphon.tables import FLAGS, ChannelRow, ChannelTable, Means, Values, means_of, unknown_channel

if TYPE_CHECKING:  # these import the drivers
    from edaphon.explain import Explanation
    from edaphon.facts import Knowledge
    from edaphon.quality import QualityReport

Say = Callable[[str], None]
Settle = Callable[[Layout, Say], None]


@dataclass(frozen=True, slots=True)
class ValueOrigin:
    """Where the values of one channel come from: rows from one time until before another."""

    channel: ChannelRow
    runs: Callable[[int, int], Iterable[Observations]]
    derivation_text: Callable[[str], str | None]


def warn(text: str) -> None:
    warnings.warn(visible(text), IncompleteWarning, stacklevel=5)


def open_site(
    path: str | os.PathLike[str], say: Say = warn, settle: Settle | None = None
) -> "Site":
    """A storage folder, a copy of one, or a release file; raises StorageError.

    `say` gets what an answer lacks, for a person. `settle` is called where no daemon runs and the
    newest records are not derived: it derives them, or raises StaleError.
    """
    place = Path(path).expanduser().absolute()
    if place.is_dir():
        return Site(place, _Folder(Layout(place), say, settle or _refuse))
    if not place.exists():
        raise StorageError(
            f"nothing at {place}: expected a storage folder, which `edaphon run` makes, or a"
            " release file"
        )
    return open_release(place)


def open_release(path: Path) -> "Site":
    """A release file; raises DamagedError for one that is none, or was changed since."""
    return Site(path, _ReleaseFile(path))


class Site:
    """The values of a site. Every call sees what is known then; nothing is written."""

    def __init__(self, path: Path, source: "_Folder | _ReleaseFile") -> None:
        self.path, self._source = path, source

    def __repr__(self) -> str:
        return f"edaphon.open({str(self.path)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Files are open during a call only."""

    def channels(self) -> ChannelTable:
        """All channels, each with its place and how many values there are.

        >>> site.channels()["P1-vwc-5"].unit  # doctest: +SKIP
        'm3/m3'
        """
        with _readable(self.path):
            return ChannelTable(self._source.channels())

    @overload
    def read(
        self,
        channels: str | Sequence[str],
        start: Any = None,
        end: Any = None,
        *,
        flags: Iterable[int] | None = (1, 2),
        as_of: Any = None,
        every: None = None,
    ) -> Values: ...
    @overload
    def read(
        self,
        channels: str | Sequence[str],
        start: Any = None,
        end: Any = None,
        *,
        flags: Iterable[int] | None = (1, 2),
        as_of: Any = None,
        every: str,
        utc_offset: str = "+00:00",
    ) -> Means: ...
    def read(
        self,
        channels: str | Sequence[str],
        start: Any = None,
        end: Any = None,
        *,
        flags: Iterable[int] | None = (1, 2),
        as_of: Any = None,
        every: str | None = None,
        utc_offset: str = "+00:00",
    ) -> Values | Means:
        """The values of channels with start <= time < end, in columns.

        Times are texts with their zone, dates (UTC), aware datetimes or numpy.datetime64 (UTC);
        None is no bound. `flags` are those that are wanted: 1 passed, 2 not evaluated, 3 suspect,
        4 fail, 9 missing; None is all. `as_of`: values as they were known at that time.
        `every`: "1d", "1h", "30min": instead the means, extremes and totals of such windows, which
        begin at whole multiples of it of the clock UTC + `utc_offset`.

        Raises UnknownChannel, TimeError, StaleError or StorageError; ValueError for a flag, a
        window or an offset that there is not.
        """
        ids = [channels] if isinstance(channels, str) else list(channels)
        start_ns = -FAR_NS if start is None else given_ns(start)
        end_ns = FAR_NS if end is None else given_ns(end)
        then_ns = None if as_of is None else given_ns(as_of)
        wanted = None if flags is None else [_flag(flag) for flag in flags]
        window = None if every is None else (window_of(every), offset_of(utc_offset))
        with _readable(self.path), self.origins(dict.fromkeys(ids), then_ns) as origins:
            if window is not None:
                rows = ((each.channel, each.runs(start_ns, end_ns)) for each in origins)
                return means_of(rows, *window, list(FLAGS) if wanted is None else wanted)
            found = [(each.channel, list(each.runs(start_ns, end_ns))) for each in origins]
        return Values.of(found, wanted)

    def explain(self, channel: str, time: Any) -> "Explanation":
        """How one value was calculated, from the bytes that came to the number with its flag.

        The value of that time, or the nearest that is less than an interval away. Raises
        NoExplanation where there is none.
        """
        with _readable(self.path):
            return self._source.explain(channel, given_ns(time))

    def quality(
        self, channel: str, start: Any = None, end: Any = None, *, rules: str = ""
    ) -> "QualityReport":
        """What the quality tests with context say of the values with start <= time < end.

        Times as for `read`. `rules`: a text in the form of edaphon's own rules; its rules stand in
        place of the usual ones. Nothing is written. Raises UnknownChannel, TimeError, StaleError
        or StorageError, and ValueError for rules that are wrong.
        """
        start_ns = -FAR_NS if start is None else given_ns(start)
        end_ns = FAR_NS if end is None else given_ns(end)
        with _readable(self.path):
            return self._source.quality(channel, start_ns, end_ns, rules)

    @contextmanager
    def origins(
        self, ids: Iterable[str], then_ns: int | None = None
    ) -> Iterator[list[ValueOrigin]]:
        """The origin of each channel at one moment; raises WrongFile or OSError too."""
        with self._source.origins(list(ids), then_ns) as found:
            yield found


_WINDOW = re.compile(r"([1-9][0-9]{0,5}) ?(min|h|d)")
_OFFSET = re.compile(r"([+-])(0[0-9]|1[0-4]):([0-5][0-9])")
_UNITS_NS = {"min": 60 * SECOND_NS, "h": 3600 * SECOND_NS, "d": DAY_NS}


def window_of(text: str) -> int:
    """The length of a window [ns]; raises ValueError."""
    found = _WINDOW.fullmatch(text)
    ns = int(found[1]) * _UNITS_NS[found[2]] if found else 0
    if not ns or (DAY_NS % ns and ns % DAY_NS):
        raise ValueError(
            f'expected a part of a day or whole days, such as "1h" or "1d", got {text!r}'
        )
    return ns


def offset_of(text: str) -> int:
    """A fixed offset from UTC [ns]; raises ValueError."""
    found = _OFFSET.fullmatch(text)
    if not found:
        raise ValueError(f'expected an offset from UTC such as "+01:00", got {text!r}')
    ns = (int(found[2]) * 60 + int(found[3])) * 60 * SECOND_NS
    return -ns if found[1] == "-" else ns


def _flag(flag: int) -> int:
    if flag not in FLAGS:
        raise ValueError(f"expected flags of {', '.join(map(str, FLAGS))}, got {flag!r}")
    return int(flag)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What a file refuses, as the errors of who reads."""
    try:
        yield
    except (WrongFile, DamagedRow) as wrong:
        raise DamagedError(str(wrong)) from None
    except sqlite3.Error as error:
        kind = DamagedError if fault_of(error, path) in AT_FAULT else StorageError
        raise kind(explained(error, path)) from None
    except PermissionError as error:
        raise StorageError(f"this account may not read {error.filename}: {error}") from None


def _refuse(layout: Layout, say: Say) -> None:
    from edaphon.storage.offline import expect_complete

    expect_complete(layout, say)


class _Stored(NamedTuple):
    """A series and its journal as they are at one moment, and the deriver's checkpoint."""

    series: SeriesReader
    journal: JournalReader
    checkpoint: dict[str, Any] | None
    lost: str  # what can't be read any more of what was entered


Facts = Mapping[str, Mapping[str, Mapping[str, Any]]]  # as they were entered, by kind and id


def facts_in(
    journal: JournalReader, checkpoint: dict[str, Any] | None, until: EntryId | None = None
) -> Facts:
    """The facts in force, once the entry of that place had been written."""
    found = fact_log_items(journal, trusted(journal, checkpoint))
    rows = [
        orjson.loads(entry.payload)["fact"]
        for place, entry in found
        if entry.kind in FACT_KINDS and (until is None or place <= until)
    ]
    names = [FactName(row["id"], row.get("supersedes"), row.get("of")) for row in rows]
    known: dict[str, dict[str, Mapping[str, Any]]] = {"channel": {}, "plot": {}, "profile": {}}
    for place in in_force(names):
        known.setdefault(rows[place]["kind"], {})[rows[place]["id"]] = rows[place]
    return known


def channels_in(facts: Facts, checkpoint: dict[str, Any] | None, site: str) -> list[Channel]:
    """The channels in force; `checkpoint` has the one spelling of their units."""
    units = {own["id"]: own["unit"] for own in (checkpoint or {}).get("channels", ())}
    profiles = facts["profile"]
    return [
        Channel(
            id,
            own["quantity"],
            units.get(id) or canonical_unit(own["unit"]),
            site,
            own.get("plot") or profiles.get(own.get("profile", ""), {}).get("plot", ""),
            own.get("profile", ""),
            own.get("depth_cm", ""),
            own.get("statistic", "instant"),
            own.get("replicate", 1),
        )
        for id, own in facts["channel"].items()
    ]


class _Folder:
    """A storage folder, whether a daemon writes there or not."""

    def __init__(self, layout: Layout, say: Say, settle: Settle) -> None:
        self._layout, self._say, self._settle = layout, say, settle

    def channels(self) -> list[ChannelRow]:
        with self._stored() as stored:
            return [with_extent(row, stored.series.extent(row.id)) for row in _channels_in(stored)]

    @contextmanager
    def origins(self, ids: list[str], then_ns: int | None) -> Iterator[list[ValueOrigin]]:
        with self._stored() as stored:
            if then_ns is not None:
                yield self._then(stored, ids, then_ns)
                return
            known, series = {row.id: row for row in _channels_in(stored)}, stored.series
            text = series.derivation_text
            yield [ValueOrigin(_row_of(id, known), partial(series.runs, id), text) for id in ids]

    @contextmanager
    def _stored(self) -> Iterator[_Stored]:
        """All that is derived so far; raises StaleError where more is known."""
        layout = self._layout
        if not layout.journal.is_dir():
            raise StorageError(layout.why_no_values())
        if self._is_off() and is_behind(layout):
            self._settle(layout, self._say)
        if not layout.series.exists():
            raise StorageError(layout.why_no_values())
        with SeriesReader(layout.series) as series, series.snapshot():
            journal = JournalReader(layout.journal)
            table = orjson.loads(series.checkpoint(CHECKPOINT) or b"null")
            stored = _Stored(series, journal, table, lost_facts(journal, table))
            if stored.lost:
                self._say(f"warning: this answer lacks a fact: {stored.lost}")
            yield stored

    def _is_off(self) -> bool:
        """Whether no daemon answers; one that does writes out all that it has derived."""
        try:
            if flush(self._layout.control):
                self._say(f"{self._layout.folder}: {StorageFault.FULL}; later values are missing")
        except DaemonOff:
            return True
        except DaemonRefuses as refusal:
            raise StaleError(str(refusal)) from None
        return False

    def _then(self, stored: _Stored, ids: list[str], then_ns: int) -> list[ValueOrigin]:
        """Derived from what was kept by then, with the facts and the configuration of then."""
        from edaphon.derive.projection import known_as_of, values_then
        from edaphon.series import Series

        if stored.lost:
            raise StorageError(f"expected all facts, to derive what was known then: {stored.lost}")
        series = Series(self._layout.series, read_only=True)
        known = known_as_of(stored.journal, series, then_ns)
        if known is None:
            raise NothingKnown(
                "expected a time behind the first entry of the journal: nothing was known then"
            )

        def runs(channel: str, start_ns: int, end_ns: int) -> Iterator[Observations]:
            with TemporaryDirectory(prefix="edaphon-") as folder:
                scratch = Path(folder) / "then.sqlite"
                yield from values_then(
                    stored.journal, series, known, channel, start_ns, end_ns, scratch
                )

        rows = {row.id: row for row in _channels_then(known.knowledge)}
        texts = known.plan.texts.get
        return [ValueOrigin(_row_of(id, rows), partial(runs, id), texts) for id in ids]

    def explain(self, channel: str, time_ns: int) -> "Explanation":
        from edaphon.explain import CannotExplain, NoObservation, explain
        from edaphon.series import Series

        with self._stored() as stored, closing(Series(self._layout.series, read_only=True)) as own:
            _row_of(channel, {row.id: row for row in _channels_in(stored)})
            try:
                return explain(self._layout, own, channel, time_ns)
            except (CannotExplain, NoObservation) as error:
                raise NoExplanation(str(error)) from None

    def quality(self, channel: str, start_ns: int, end_ns: int, rules: str) -> "QualityReport":
        from edaphon.facts import Knowledge
        from edaphon.quality import quality_of
        from edaphon_calibration.quality.rules import usual_rules, usual_rules_with

        chosen = usual_rules_with(rules) if rules else usual_rules()

        with self._stored() as stored:
            _row_of(channel, {row.id: row for row in _channels_in(stored)})
            items = fact_log_items(stored.journal, trusted(stored.journal, stored.checkpoint))
            known = [
                (place, orjson.loads(entry.payload)["fact"])
                for place, entry in items
                if entry.kind in FACT_KINDS
            ]
            read = stored.series.runs
            return quality_of(Knowledge.of(known), channel, start_ns, end_ns, read, chosen)


class _ReleaseFile:
    """A release: all of it is read from its one file and held against its digests."""

    def __init__(self, path: Path) -> None:
        with _readable(path):
            self._release = OpenRelease(path)

    def channels(self) -> list[ChannelRow]:
        return [with_extent(row, self._release.extent(row.id)) for row in self._rows()]

    @contextmanager
    def origins(self, ids: list[str], then_ns: int | None) -> Iterator[list[ValueOrigin]]:
        if then_ns is not None:
            raise TimeError(
                f"a release has what was known at {self._release.about.known_time}: leave as_of out"
            )
        known, release = {row.id: row for row in self._rows()}, self._release
        yield [
            ValueOrigin(_row_of(id, known), partial(release.runs, id), release.derivation_text)
            for id in ids
        ]

    def explain(self, channel: str, time_ns: int) -> "Explanation":
        raise StorageError(
            "expected a storage folder: a release has values, and not the bytes they came from"
        )

    def quality(self, channel: str, start_ns: int, end_ns: int, rules: str) -> "QualityReport":
        raise StorageError(
            "expected a storage folder: a release has no facts of horizons, visits and pauses"
        )

    def _rows(self) -> list[ChannelRow]:
        """Others may have made the file: a unit that is none is damage."""
        from edaphon_calibration.errors import UnitError
        from edaphon_calibration.units import canonical

        found = []
        for own in self._release.about.channels:
            try:
                unit = canonical(own.unit)
            except UnitError as error:
                raise DamagedError(f"expected a unit of {own.id}: {error}") from None
            found.append(_row(replace(own, unit=unit), {}))
        return found


def _row_of(id: str, known: Mapping[str, ChannelRow]) -> ChannelRow:
    if id not in known:
        raise unknown_channel(id, known)
    return known[id]


def _channels_in(stored: _Stored) -> list[ChannelRow]:
    """The channels in force, each with its plot as that is described now."""
    facts = facts_in(stored.journal, stored.checkpoint)
    found = channels_in(facts, stored.checkpoint, "")
    return [_row(channel, facts["plot"].get(channel.plot, {})) for channel in found]


def _row(channel: Channel, plot: Mapping[str, str]) -> ChannelRow:
    return ChannelRow(
        channel.id,
        channel.quantity,
        shown_unit(channel.unit),
        channel.plot,
        plot.get("treatment", ""),
        plot.get("block", ""),
        channel.profile,
        float(channel.depth_cm) if channel.depth_cm else None,
        channel.statistic,
        channel.replicate,
    )


def _channels_then(knowledge: "Knowledge") -> Iterator[ChannelRow]:
    for id in knowledge.channels:
        channel = knowledge.channel(id, "")
        plot = knowledge.plots.get(channel.plot)
        about = {"treatment": plot.treatment, "block": plot.block} if plot else {}
        yield _row(channel, about)


def with_extent(row: ChannelRow, extent: Extent) -> ChannelRow:
    first, last = (
        None if ns is None else np.datetime64(ns, "ns") for ns in (extent.first_ns, extent.last_ns)
    )
    return replace(row, first=first, last=last, n=extent.n)


def shown_unit(unit: str) -> str:
    """As tables show it: m3/m3."""
    return unit.replace("**", "")


def canonical_unit(unit: str) -> str:
    """The one spelling of a unit; raises ValueError for a text that is none."""
    from edaphon_calibration.units import canonical

    return canonical(unit)
