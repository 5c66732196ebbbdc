"""The state of the recorder as Prometheus reads it, at /metrics.

Text format 0.0.4: prometheus.io/docs/instrumenting/exposition_formats. Only what never falls within
a life is a counter: to `rate()` a counter that falls began again at zero. What nobody knows is
absent, never zero; while the recorder does not answer there is `edaphon_up 0` and nothing else.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, TypeGuard

from edaphon.printer import visible, visible_lines
from edaphon.web.view import ChannelNow, DiskNow, FloodNow, SinkNow, SourceNow, Status
from edaphon_calibration.checks import Flag

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_SERIES = 2000  # of one metric; a recorder with more is cut, and says so
SEVERITIES = ("lost", "will be lost", "doubtful", "late", "cosmetic")
SOURCE_STATES = ("ok", "held", "late", "silent", "never")
_FLAGS = {flag.value: flag.name.lower() for flag in Flag}
_LABEL = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
Labels = Mapping[str, str]
Sample = tuple[Labels, float | None]  # None: not known


@dataclass(frozen=True, slots=True)
class Metric:
    """One name without its prefix; of samples with the same labels the last counts."""

    name: str
    help: str
    samples: Iterable[Sample] = field(default=())
    kind: Literal["gauge", "counter"] = "gauge"


def status_text(status: Status) -> str:
    """All that the recorder says of itself, without its values."""
    metrics = [_one("up", "1 while the recorder answers.", 1), *_all(status)]
    return "".join(_written(metrics))


def silent_text(why: str) -> str:
    """The recorder does not answer; `why` is a comment, for a person."""
    up = _one("up", "1 while the recorder answers.", 0)
    return f"# edaphon does not answer: {visible(' '.join(why.split()))}\n" + "".join(
        _written([up])
    )


def _all(status: Status) -> Iterator[Metric]:
    yield from _recorder(status)
    yield from _sources(status.sources, status.now_ns)
    yield from _ledgers(status)
    yield from _floods(status.floods)
    yield from _sinks(status.sinks, status)
    yield from _incidents(status)
    yield from _disk(status.disk)
    yield Metric("channels", "Channels by the flag of their newest value.", _flags(status.channels))


def _recorder(status: Status) -> Iterator[Metric]:
    about = {"version": status.version, "logger": status.logger, "site": status.site.id}
    yield Metric("build_info", "Version, logger and site.", [(about, 1)])
    yield _one(
        "start_time_seconds", "When the recorder began [s since 1970].", status.since_ns / 1e9
    )
    yield _one(
        "clock_known", "1 while the time is known; values wait otherwise.", status.clock.known
    )
    yield _one("journal_entries", "Entries in the journal.", status.journal.entries)
    yield _one(
        "journal_last_entry_age_seconds",
        "Time since the newest entry of the journal.",
        _age_s(status.journal.last_ns, status.now_ns),
    )
    wrong = sum(one.wrong for one in status.incidents)
    words = "What makes `edaphon status` exit 1: incidents that are wrong now, and other problems."
    yield _one("problems", words, len(status.problems) + wrong)


def _sources(sources: tuple[SourceNow, ...], now_ns: int) -> Iterator[Metric]:
    ages = [(_of(s), _age_s(s.last_ns, now_ns)) for s in sources]
    yield Metric("source_age_seconds", "Time since a source spoke last; absent: never.", ages)
    intervals = [(_of(s), _seconds(s.interval_ns)) for s in sources]
    yield Metric("source_interval_seconds", "How often a source is to speak.", intervals)
    states = [
        ({**_of(s), "state": state}, float(s.state == state))
        for s in sources
        for state in SOURCE_STATES
    ]
    yield Metric("source_state", "1 at the state that a source is in.", states)
    missed = [(_of(s), s.missed_uplinks) for s in sources if s.missed_uplinks]
    yield Metric("source_uplinks_missed", "Radio messages that never came.", missed)


def _ledgers(status: Status) -> Iterator[Metric]:
    ledgers, entries = status.ledgers, status.ledgers.entries
    yield _count("records_taken", "Records taken in since the journal began.", ledgers.taken)
    yield _count("records_journalled", "Records that are safe on the disk.", ledgers.journalled)
    records = {
        "decoded": entries.decoded,
        "dead": entries.dead,
        "duplicate": entries.duplicates,
        "conflict": entries.conflicts,
        "held": entries.held,
    }
    yield Metric("records", "Records by what became of them.", _by("state", records))
    observations = {
        "current": ledgers.current,
        "conflict": ledgers.conflicts,
        "repeat": ledgers.repeats,
        "replaced": ledgers.replaced,
    }
    yield Metric("observations", "Values by what became of them.", _by("state", observations))
    missed = _by("cause", ledgers.gaps)
    yield Metric("slots_missed", "Planned measurements without a record.", missed)
    lines = Counter({path: 0 for path in {file.source for file in status.file_lines}})
    for file in status.file_lines:
        lines[file.source] += file.refused
    yield Metric("file_lines_refused", "Lines that are no rows.", _by("source", lines))


def _floods(floods: tuple[FloodNow, ...]) -> Iterator[Metric]:
    """Known for each source that ever had one; they go on over restarts."""
    items = _by("source", {one.source: one.n for one in floods})
    sizes = _by("source", {one.source: one.size for one in floods})
    words = "above the budget of a source, which were counted and not kept"
    yield Metric("flood_items", f"Messages or pieces {words}.", items)
    yield Metric("flood_bytes", f"Bytes {words}.", sizes)


def _sinks(sinks: tuple[SinkNow, ...], status: Status) -> Iterator[Metric]:
    ledgers = status.ledgers
    up = [({"sink": s.name}, float(s.up)) for s in sinks]
    yield Metric("sink_up", "1 while a sink takes values.", up)
    blocked = [({"sink": s.name}, float(s.blocked)) for s in sinks]
    yield Metric("sink_blocked", "1 where a person must act first.", blocked)
    yield Metric("sink_waiting_points", "Changes that wait.", _by("sink", ledgers.waiting))
    aside = _by("sink", ledgers.set_aside)
    yield Metric("sink_set_aside_points", "Points that the server refused for good.", aside)
    delivered = _by("sink", ledgers.delivered)
    words = "Points that the server took since the recorder began."
    yield Metric("sink_delivered_points_total", words, delivered, "counter")


def _incidents(status: Status) -> Iterator[Metric]:
    """Every severity is there: no incident is known to be none."""
    wrong = [one for one in status.incidents if one.wrong]
    seen = [one for one in wrong if status.now_ns < one.acknowledged_until_ns]
    for name, words, some in (
        ("incidents", "Open incidents.", wrong),
        ("incidents_acknowledged", "Open incidents that a person has acknowledged.", seen),
    ):
        counted = Counter({severity: 0 for severity in SEVERITIES})
        counted.update(one.severity for one in some)
        yield Metric(name, words, _by("severity", counted))


def _disk(disk: DiskNow | None) -> Iterator[Metric]:
    if disk is None:
        return
    yield _one("disk_free_bytes", "Free bytes where the journal is.", disk.free_bytes)
    yield _one("disk_size_bytes", "Size of the disk where the journal is.", disk.total_bytes)
    yield _one("disk_reserve_bytes", "Bytes kept for a full disk.", disk.reserve_bytes)
    yield _one("disk_full", "1 while nothing can be written.", disk.full)
    yield _one("disk_days_left", "Days to a full disk; absent: not known, or none.", disk.days)


def _flags(channels: tuple[ChannelNow, ...]) -> Iterable[Sample]:
    counted = Counter({name: 0 for name in (*_FLAGS.values(), "none")})
    for channel in channels:
        flag = channel.latest.flag if channel.latest else None
        counted["none" if flag is None else _FLAGS.get(flag, "other")] += 1
    return _by("flag", counted)


def _of(source: SourceNow) -> Labels:
    return {"source": source.path}


def _by(label: str, counts: Mapping[str, int]) -> list[Sample]:
    return [({label: key}, n) for key, n in counts.items()]


def _one(name: str, help: str, value: float | None) -> Metric:
    return Metric(name, help, [({}, value)])


def _count(name: str, help: str, value: int) -> Metric:
    return Metric(f"{name}_total", help, [({}, value)], "counter")


def _age_s(last_ns: int | None, now_ns: int) -> float | None:
    return None if last_ns is None else (now_ns - last_ns) / 1e9


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9


def _written(metrics: Iterable[Metric]) -> Iterator[str]:
    """The lines; a metric without any known sample is absent."""
    left_out = 0
    for metric in metrics:
        lines = {_labels(labels): v for labels, v in metric.samples if _is_known(v)}
        left_out += max(0, len(lines) - MOST_SERIES)
        if lines:
            yield from _lines(metric, lines)
    about = Metric("series_left_out", f"Series beyond {MOST_SERIES} of one metric, not shown.")
    yield from _lines(about, {"": left_out})


def _lines(metric: Metric, lines: Mapping[str, float]) -> Iterator[str]:
    name = f"edaphon_{metric.name}"
    yield f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"
    for labels, value in list(lines.items())[:MOST_SERIES]:
        yield f"{name}{labels} {_number(value)}\n"


def _is_known(value: float | None) -> TypeGuard[float]:
    return value is not None and isfinite(value)


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(float(value))


def _labels(labels: Labels) -> str:
    written = ",".join(f'{name}="{_text(text)}"' for name, text in labels.items())
    return f"{{{written}}}" if written else ""


def _text(text: str) -> str:
    return visible_lines(text).translate(_LABEL)
