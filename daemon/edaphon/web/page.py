"""All that one page says, as text ready to print; the template only places it."""

from dataclasses import dataclass

from edaphon.web.column import Column, columns, latest_ns
from edaphon.web.incidents import Incident, incidents
from edaphon.web.ledger import Account, Backlog, accounts, backlogs, gap_sentence
from edaphon.web.view import ClockNow, SourceNow, Status, VisitNow
from edaphon.web.watch import Look, Seen
from edaphon.web.words import Sign, age, moment, offset_words, shortened

__all__ = ["Page", "make_page"]

_SOURCE_SIGNS = {
    "ok": Sign("answers", "dot"),
    "held": Sign("answers, held until the clock is known", "ring"),
    "late": Sign("late", "triangle"),
    "silent": Sign("silent", "cross"),
    "never": Sign("never heard", "ring"),
}
_WORST_FIRST = ("silent", "never", "late", "held", "ok")
_CLOCKS = {
    "ntp": "set by network time",
    "gps": "set by GPS",
    "rtc": "set by the clock chip",
    "typed": "set by hand",
    "assumed": "assumed to be right",
}


@dataclass(frozen=True, slots=True)
class Source:
    path: str
    model: str
    sign: Sign
    last: str
    detail: str


@dataclass(frozen=True, slots=True)
class Strip:
    """The head of the page."""

    site: str
    utc: str
    local: str
    offset: str
    clock: Sign
    recording: Sign
    last: str
    visits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of the recorder; all of it is old while the recorder is silent."""

    strip: Strip
    columns: tuple[Column, ...]
    accounts: tuple[Account, ...]
    gaps: str
    backlogs: tuple[Backlog, ...]
    sources: tuple[Source, ...]
    logger: str
    version: str
    running: str
    journal: str


@dataclass(frozen=True, slots=True)
class Page:
    """`trouble` holds the sentences of the red strip, the most urgent one first.

    Incidents are shown before it, except while the recorder is silent: all else is old then.
    """

    incidents: tuple[Incident, ...]
    problem: tuple[str, ...]
    report: Report | None
    why: str
    silent: bool = False


def make_page(look: Look) -> Page:
    report = (
        _report(look.seen, look.now_ns, look.silent_since_ns is not None) if look.seen else None
    )
    found = incidents(look.seen.status, look.now_ns) if look.seen else ()
    if look.silent_since_ns is not None:
        silence = (_silence(look, look.silent_since_ns),)
        return Page(found, silence, report, shortened(look.why), silent=True)
    problem = _trouble(look.seen.status, look.now_ns) if look.seen else ()
    return Page(found, tuple(map(shortened, problem)), report, "")


def _silence(look: Look, since_ns: int) -> str:
    act = "on the logger type: systemctl status edaphon"
    if look.seen is None:
        since = moment(since_ns, look.now_ns)
        words = f"The recorder does not answer since {since} UTC"
        return f"{words} (last value: none seen since this page started); {act}"
    offset_s, status = look.seen.status.site.utc_offset_s, look.seen.status
    since = moment(since_ns, look.now_ns, offset_s)
    seen = moment(status.now_ns, look.now_ns, offset_s)
    words = (
        f"The recorder does not answer since {since} site time; what follows is as seen at {seen}"
    )
    last_ns, last = latest_ns(status), "none"
    if last_ns is not None:
        last = f"{moment(last_ns, look.now_ns, offset_s)}, {age(look.now_ns - last_ns)}"
    return f"{words} (last value: {last}); {act}"


def _trouble(status: Status, now_ns: int) -> tuple[str, ...]:
    """The clock, then the recorder's own sentences; without any, what its numbers say."""
    found = []
    if not status.clock.known:
        found.append("The clock is not set: records are kept, values wait until it is.")
    if status.problems or status.incidents:
        return (*found, *status.problems)
    found += [
        f"Source {s.path} is silent{_since(s, now_ns)}: check power, cable and address."
        for s in status.sources
        if s.state == "silent" and not s.planned
    ]
    found += [f"{s.name} is stopped and needs a person: {s.why}" for s in status.sinks if s.blocked]
    return tuple(found)


def _since(source: SourceNow, now_ns: int) -> str:
    return "" if source.last_ns is None else f", last heard {age(now_ns - source.last_ns)}"


def _report(seen: Seen, now_ns: int, silent: bool) -> Report:
    status = seen.status
    offset_s = status.site.utc_offset_s
    return Report(
        strip=_strip(status, now_ns, silent),
        columns=columns(seen, now_ns),
        accounts=accounts(status.ledgers, status.file_lines, status.sources),
        gaps=gap_sentence(status.ledgers),
        backlogs=backlogs(status, now_ns),
        sources=_sources(status, now_ns),
        logger=shortened(status.logger),
        version=shortened(status.version),
        running=moment(status.since_ns, now_ns, offset_s),
        journal=shortened(status.journal.position),
    )


def _strip(status: Status, now_ns: int, silent: bool) -> Strip:
    offset_s = status.site.utc_offset_s
    received = [s.last_ns for s in status.sources if s.last_ns is not None]
    last_ns = max(received, default=None if status.sources else status.journal.last_ns)
    last = "no record yet"
    if last_ns is not None:
        last = f"last record {age(now_ns - last_ns)}, at {moment(last_ns, now_ns, offset_s)}"
    return Strip(
        site=shortened(status.site.name or status.site.id),
        utc=moment(now_ns, now_ns),
        local=moment(now_ns, now_ns, offset_s),
        offset=offset_words(offset_s),
        clock=_clock(status.clock),
        recording=Sign("state unknown", "ring") if silent else _recording(status.sources),
        last=last,
        visits=tuple(_visit(one, now_ns, offset_s) for one in status.visits),
    )


def _visit(one: VisitNow, now_ns: int, offset_s: int) -> str:
    until = moment(one.end_ns, now_ns, offset_s)
    why = f": {one.why}" if one.why else ""
    return shortened(f"visit of {one.who} at {one.plot} until {until}{why}")


def _recording(sources: tuple[SourceNow, ...]) -> Sign:
    """All sources answer, some do, none does."""
    well = sum(s.state in {"ok", "held"} for s in sources)
    if not sources:
        return Sign("no source configured", "ring")
    if well == len(sources):
        return Sign("recording", "dot")
    if well == 0:
        return Sign("no source answers", "cross")
    return Sign(f"recording {well} of {len(sources)} sources", "triangle")


def _clock(clock: ClockNow) -> Sign:
    if not clock.known:
        return Sign("clock not set", "cross")
    return Sign(f"clock {_CLOCKS.get(clock.how, shortened(clock.how))}", "dot")


def _sources(status: Status, now_ns: int) -> tuple[Source, ...]:
    """Those that need a look come first."""
    ordered = sorted(status.sources, key=lambda s: (_WORST_FIRST.index(s.state), s.path))
    return tuple(_source(s, now_ns, status.site.utc_offset_s) for s in ordered)


def _source(source: SourceNow, now_ns: int, offset_s: int) -> Source:
    last = "heard since the start" if source.state == "held" else "no record yet"
    if source.last_ns is not None:
        at = moment(source.last_ns, now_ns, offset_s)
        last = f"last record {age(now_ns - source.last_ns)}, at {at}"
    path, model, detail = map(shortened, (source.path, source.model, source.detail))
    return Source(path, model, _source_sign(source), last, detail)


def _source_sign(source: SourceNow) -> Sign:
    """A silence that a person planned is no alarm."""
    sign = _SOURCE_SIGNS[source.state]
    if not source.planned or source.state in {"ok", "held"}:
        return sign
    return Sign(f"{sign.word}, planned ({shortened(source.planned)})", "ring")
