"""All that one page says, as text ready to print; the template only places it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edaphon.web import view
from edaphon.web.column import Column, columns, count, latest_ns

MOST_MEMBERS = 30


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """`text` is the message as it is sent, `acknowledge` what to type, "" where that is known."""

    number: int
    sign: view.Sign
    title: str
    since: str
    cause: str
    members: tuple[str, ...]
    more: int
    state: str
    text: str
    acknowledge: str


def incidents(status: view.Status, now_ns: int) -> tuple[IncidentRow, ...]:
    """In the order of the recorder: what nobody acknowledged first."""
    offset_s = status.site.utc_offset_s
    return tuple(_incident(one, now_ns, offset_s) for one in status.incidents)


def _incident(one: view.IncidentNow, now_ns: int, offset_s: int) -> IncidentRow:
    acknowledged = now_ns < one.acknowledged_until_ns
    words = f"edaphon alert ack {one.number}"
    is_shown = acknowledged or words in one.text
    members = tuple(map(view.shortened, one.members[:MOST_MEMBERS]))
    return IncidentRow(
        number=one.number,
        sign=_sign(one),
        title=view.shortened(one.title),
        since=f"{view.moment(one.since_ns, now_ns, offset_s)}, {view.age(now_ns - one.since_ns)}",
        cause=view.shortened(one.cause_label),
        members=members,
        more=len(one.members) - len(members),
        state=_acknowledged_state(one, now_ns, offset_s) if acknowledged else "",
        text=one.text.strip(),
        acknowledge="" if is_shown else f'{words} --why "..."',
    )


def _sign(one: view.IncidentNow) -> view.Sign:
    if not one.wrong:
        return view.Sign("well again, watched for a while", "ring")
    return view.Sign(
        view.shortened(one.severity), "cross" if one.severity == "lost" else "triangle"
    )


def _acknowledged_state(one: view.IncidentNow, now_ns: int, offset_s: int) -> str:
    until = view.moment(one.acknowledged_until_ns, now_ns, offset_s)
    by = f" by {view.shortened(one.acknowledged_by)}" if one.acknowledged_by else ""
    why = f": {view.shortened(one.why)}" if one.why else ""
    return f"acknowledged{by} until {until}{why}"


@dataclass(frozen=True, slots=True)
class Account:
    """One ledger: its total, its parts in words, whether they make the total, and notes."""

    title: str
    total: str
    parts: tuple[tuple[str, str], ...]
    sign: view.Sign
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Backlog:
    """One sink: its state, and its points by what became of them."""

    name: str
    kind: str
    sign: view.Sign
    since: str
    why: str
    parts: tuple[tuple[str, str], ...]


def accounts(
    ledgers: view.Ledgers,
    files: Sequence[view.FileNow] = (),
    sources: Sequence[view.SourceNow] = (),
) -> tuple[Account, ...]:
    entries = ledgers.entries
    records = _account(
        "Records",
        entries.records,
        (
            (entries.decoded, "read into values"),
            (entries.dead, "could not be read, kept as they came"),
            (entries.duplicates, "came twice, counted once"),
            (entries.held, "held until the clock is known"),
            *_if_any(entries.conflicts, "uplinks that came again with other bytes"),
        ),
    )
    values = _account(
        "Values",
        ledgers.derived,
        (
            (ledgers.current, "stand"),
            (ledgers.conflicts, "contradict another one of the same time, kept for you to judge"),
            *_if_any(ledgers.repeats, "repeat another one of the same time"),
            *_if_any(ledgers.replaced, "were replaced by a later copy of their line"),
        ),
    )
    records = replace(records, notes=tuple(_notes(sources)))
    return _taken(ledgers), records, values, *_lines(files)


def _notes(sources: Sequence[view.SourceNow]) -> Iterator[tuple[str, str]]:
    """What of the records that were read made no value."""
    for source in sources:
        for what, n in sorted(source.notes.items()):
            yield count(n), f"{view.shortened(what)}, of {view.shortened(source.path)}: no value"


def _lines(files: Sequence[view.FileNow]) -> Iterator[Account]:
    """One account for all files of a source."""
    for path in dict.fromkeys(file.source for file in files):
        own = [file for file in files if file.source == path]
        parts = (
            (sum(file.rows for file in own), "rows"),
            (sum(file.headers for file in own), "headers"),
            (sum(file.blank for file in own), "blank"),
            (sum(file.refused for file in own), "refused: no row could be read"),
        )
        yield _account(f"Lines of {view.shortened(path)}", sum(file.lines for file in own), parts)


def _if_any(n: int, words: str) -> tuple[tuple[int, str], ...]:
    return ((n, words),) if n else ()


def gap_sentence(ledgers: view.Ledgers) -> str:
    """Slots of scheduled sources without a record, by cause."""
    causes = sorted(ledgers.gaps.items(), key=lambda gap: (-gap[1], gap[0]))
    if not causes:
        return "No measurement is missing."
    listed = ", ".join(f"{count(n)} {view.shortened(cause)}" for cause, n in causes)
    return f"Missing measurements by cause: {listed}."


def backlogs(status: view.Status, now_ns: int) -> tuple[Backlog, ...]:
    return tuple(_backlog(sink, status, now_ns) for sink in status.sinks)


def _account(title: str, total: int, parts: tuple[tuple[int, str], ...]) -> Account:
    counted = tuple((count(n), words) for n, words in parts)
    return Account(title, count(total), counted, _closes(total - sum(n for n, _ in parts)))


def _closes(missing: int) -> view.Sign:
    if missing == 0:
        return view.Sign("adds up", "dot")
    return view.Sign(
        f"does not add up: {count(abs(missing))} too {'few' if missing > 0 else 'many'}", "cross"
    )


def _taken(ledgers: view.Ledgers) -> Account:
    """What is on its way to the disk is no fault: it is not yet acknowledged either."""
    parts = (
        (count(ledgers.journalled), "safe on the disk"),
        (count(ledgers.taken - ledgers.journalled), "on the way to the disk"),
    )
    sign = view.Sign("adds up", "dot")
    if ledgers.journalled > ledgers.taken:
        sign = _closes(ledgers.taken - ledgers.journalled)
    return Account("Taken in", count(ledgers.taken), parts, sign)


def _backlog(sink: view.SinkNow, status: view.Status, now_ns: int) -> Backlog:
    ledgers, offset_s = status.ledgers, status.site.utc_offset_s
    parts = (
        (count(ledgers.waiting.get(sink.name, 0)), "changes wait"),
        (count(ledgers.delivered.get(sink.name, 0)), "delivered"),
        (count(ledgers.set_aside.get(sink.name, 0)), "set aside: refused for good by the server"),
    )
    since = (
        f"since {view.moment(sink.since_ns, now_ns, offset_s)} ({view.age(now_ns - sink.since_ns)})"
    )
    return Backlog(
        view.shortened(sink.name),
        view.shortened(sink.kind),
        _sink_state(sink),
        since,
        view.shortened(sink.why),
        parts,
    )


def _sink_state(sink: view.SinkNow) -> view.Sign:
    if sink.blocked:
        return view.Sign("stopped, needs a person", "cross")
    return view.Sign("takes values", "dot") if sink.up else view.Sign("does not answer", "triangle")


_SOURCE_SIGNS = {
    "ok": view.Sign("answers", "dot"),
    "held": view.Sign("answers, held until the clock is known", "ring"),
    "late": view.Sign("late", "triangle"),
    "silent": view.Sign("silent", "cross"),
    "never": view.Sign("never received", "ring"),
}
_WORST_FIRST = ("silent", "never", "late", "held", "ok")


@dataclass(frozen=True, slots=True)
class Source:
    path: str
    model: str
    sign: view.Sign
    last: str
    detail: str


@dataclass(frozen=True, slots=True)
class Strip:
    """The head of the page."""

    site: str
    utc: str
    local: str
    offset: str
    clock: view.Sign
    recording: view.Sign
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
    """`problem`: the sentences of the red strip; incidents come before it, except in silence."""

    incidents: tuple[IncidentRow, ...]
    problem: tuple[str, ...]
    report: Report | None
    why: str
    silent: bool = False


def make_page(look: view.PageLook) -> Page:
    report = (
        _report(look.seen, look.now_ns, look.silent_since_ns is not None) if look.seen else None
    )
    found = incidents(look.seen.status, look.now_ns) if look.seen else ()
    if look.silent_since_ns is not None:
        silence = (_silence(look, look.silent_since_ns),)
        return Page(found, silence, report, view.shortened(look.why), silent=True)
    problem = _problem(look.seen.status, look.now_ns) if look.seen else ()
    return Page(found, tuple(map(view.shortened, problem)), report, "")


def _silence(look: view.PageLook, since_ns: int) -> str:
    act = "on the logger type: systemctl status edaphon"
    if look.seen is None:
        since = view.moment(since_ns, look.now_ns)
        words = f"The recorder does not answer since {since} UTC"
        return f"{words} (last value: none seen since this page started); {act}"
    offset_s, status = look.seen.status.site.utc_offset_s, look.seen.status
    since = view.moment(since_ns, look.now_ns, offset_s)
    seen = view.moment(status.now_ns, look.now_ns, offset_s)
    words = (
        f"The recorder does not answer since {since} site time; what follows is as seen at {seen}"
    )
    last_ns, last = latest_ns(status), "none"
    if last_ns is not None:
        last = f"{view.moment(last_ns, look.now_ns, offset_s)}, {view.age(look.now_ns - last_ns)}"
    return f"{words} (last value: {last}); {act}"


def _problem(status: view.Status, now_ns: int) -> tuple[str, ...]:
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


def _since(source: view.SourceNow, now_ns: int) -> str:
    return "" if source.last_ns is None else f", last received {view.age(now_ns - source.last_ns)}"


def _report(seen: view.LastStatus, now_ns: int, silent: bool) -> Report:
    status = seen.status
    offset_s = status.site.utc_offset_s
    return Report(
        strip=_strip(status, now_ns, silent),
        columns=columns(seen, now_ns),
        accounts=accounts(status.ledgers, status.file_lines, status.sources),
        gaps=gap_sentence(status.ledgers),
        backlogs=backlogs(status, now_ns),
        sources=_sources(status, now_ns),
        logger=view.shortened(status.logger),
        version=view.shortened(status.version),
        running=view.moment(status.since_ns, now_ns, offset_s),
        journal=view.shortened(status.journal.position),
    )


def _strip(status: view.Status, now_ns: int, silent: bool) -> Strip:
    offset_s = status.site.utc_offset_s
    received = [s.last_ns for s in status.sources if s.last_ns is not None]
    last_ns = max(received, default=None if status.sources else status.journal.last_ns)
    last = "no record yet"
    if last_ns is not None:
        last = (
            f"last record {view.age(now_ns - last_ns)}, at {view.moment(last_ns, now_ns, offset_s)}"
        )
    return Strip(
        site=view.shortened(status.site.name or status.site.id),
        utc=view.moment(now_ns, now_ns),
        local=view.moment(now_ns, now_ns, offset_s),
        offset=view.offset_words(offset_s),
        clock=_clock(status.clock),
        recording=view.Sign("state unknown", "ring") if silent else _recording(status.sources),
        last=last,
        visits=tuple(_visit(one, now_ns, offset_s) for one in status.visits),
    )


def _visit(one: view.VisitNow, now_ns: int, offset_s: int) -> str:
    until = view.moment(one.end_ns, now_ns, offset_s)
    why = f": {one.why}" if one.why else ""
    return view.shortened(f"visit of {one.who} at {one.plot} until {until}{why}")


def _recording(sources: tuple[view.SourceNow, ...]) -> view.Sign:
    """All sources answer, some do, none does."""
    well = sum(s.state in {"ok", "held"} for s in sources)
    if not sources:
        return view.Sign("no source configured", "ring")
    if well == len(sources):
        return view.Sign("recording", "dot")
    if well == 0:
        return view.Sign("no source answers", "cross")
    return view.Sign(f"recording {well} of {len(sources)} sources", "triangle")


def _clock(clock: view.ClockNow) -> view.Sign:
    if not clock.known:
        return view.Sign("clock not set", "cross")
    how = view.NAMES["clocks"].get(clock.how) or view.shortened(clock.how)
    return view.Sign(f"clock {how}", "dot")


def _sources(status: view.Status, now_ns: int) -> tuple[Source, ...]:
    """Those that need a look come first."""
    ordered = sorted(status.sources, key=lambda s: (_WORST_FIRST.index(s.state), s.path))
    return tuple(_source(s, now_ns, status.site.utc_offset_s) for s in ordered)


def _source(source: view.SourceNow, now_ns: int, offset_s: int) -> Source:
    last = "received since the start" if source.state == "held" else "no record yet"
    if source.last_ns is not None:
        at = view.moment(source.last_ns, now_ns, offset_s)
        last = f"last record {view.age(now_ns - source.last_ns)}, at {at}"
    path, model, detail = map(view.shortened, (source.path, source.model, source.detail))
    return Source(path, model, _source_sign(source), last, detail)


def _source_sign(source: view.SourceNow) -> view.Sign:
    """A silence that a person planned is no alarm."""
    sign = _SOURCE_SIGNS[source.state]
    if not source.planned or source.state in {"ok", "held"}:
        return sign
    return view.Sign(f"{sign.word}, planned ({view.shortened(source.planned)})", "ring")
