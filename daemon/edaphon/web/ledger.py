"""The ledgers in sentences: what was taken in, what became of it, what waits for whom."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edaphon.web.numbers import count
from edaphon.web.view import FileNow, Ledgers, SinkNow, SourceNow, Status
from edaphon.web.words import Sign, age, moment, shortened

__all__ = ["Account", "Backlog", "accounts", "backlogs", "gap_sentence"]


@dataclass(frozen=True, slots=True)
class Account:
    """One ledger: a total, its parts in words, and whether the parts make the total.

    `notes` count what is within the parts.
    """

    title: str
    total: str
    parts: tuple[tuple[str, str], ...]
    sign: Sign
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Backlog:
    """One sink: its state, and its points by what became of them."""

    name: str
    kind: str
    sign: Sign
    since: str
    why: str
    parts: tuple[tuple[str, str], ...]


def accounts(
    ledgers: Ledgers, files: Sequence[FileNow] = (), sources: Sequence[SourceNow] = ()
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


def _notes(sources: Sequence[SourceNow]) -> Iterator[tuple[str, str]]:
    """What of the records that were read made no value."""
    for source in sources:
        for what, n in sorted(source.notes.items()):
            yield count(n), f"{shortened(what)}, of {shortened(source.path)}: no value"


def _lines(files: Sequence[FileNow]) -> Iterator[Account]:
    """One account for all files of a source."""
    for path in dict.fromkeys(file.source for file in files):
        own = [file for file in files if file.source == path]
        parts = (
            (sum(file.rows for file in own), "rows"),
            (sum(file.headers for file in own), "headers"),
            (sum(file.blank for file in own), "blank"),
            (sum(file.refused for file in own), "refused: no row could be read"),
        )
        yield _account(f"Lines of {shortened(path)}", sum(file.lines for file in own), parts)


def _if_any(n: int, words: str) -> tuple[tuple[int, str], ...]:
    return ((n, words),) if n else ()


def gap_sentence(ledgers: Ledgers) -> str:
    """Slots of scheduled sources without a record, by cause."""
    causes = sorted(ledgers.gaps.items(), key=lambda gap: (-gap[1], gap[0]))
    if not causes:
        return "No measurement is missing."
    listed = ", ".join(f"{count(n)} {shortened(cause)}" for cause, n in causes)
    return f"Missing measurements by cause: {listed}."


def backlogs(status: Status, now_ns: int) -> tuple[Backlog, ...]:
    return tuple(_backlog(sink, status, now_ns) for sink in status.sinks)


def _account(title: str, total: int, parts: tuple[tuple[int, str], ...]) -> Account:
    counted = tuple((count(n), words) for n, words in parts)
    return Account(title, count(total), counted, _closes(total - sum(n for n, _ in parts)))


def _closes(missing: int) -> Sign:
    if missing == 0:
        return Sign("adds up", "dot")
    return Sign(
        f"does not add up: {count(abs(missing))} too {'few' if missing > 0 else 'many'}", "cross"
    )


def _taken(ledgers: Ledgers) -> Account:
    """What is on its way to the disk is no fault: it is not yet acknowledged either."""
    parts = (
        (count(ledgers.journalled), "safe on the disk"),
        (count(ledgers.taken - ledgers.journalled), "on the way to the disk"),
    )
    sign = Sign("adds up", "dot")
    if ledgers.journalled > ledgers.taken:
        sign = _closes(ledgers.taken - ledgers.journalled)
    return Account("Taken in", count(ledgers.taken), parts, sign)


def _backlog(sink: SinkNow, status: Status, now_ns: int) -> Backlog:
    ledgers, offset_s = status.ledgers, status.site.utc_offset_s
    parts = (
        (count(ledgers.waiting.get(sink.name, 0)), "changes wait"),
        (count(ledgers.delivered.get(sink.name, 0)), "delivered"),
        (count(ledgers.set_aside.get(sink.name, 0)), "set aside: refused for good by the server"),
    )
    since = f"since {moment(sink.since_ns, now_ns, offset_s)} ({age(now_ns - sink.since_ns)})"
    return Backlog(
        shortened(sink.name),
        shortened(sink.kind),
        _state(sink),
        since,
        shortened(sink.why),
        parts,
    )


def _state(sink: SinkNow) -> Sign:
    if sink.blocked:
        return Sign("stopped, needs a person", "cross")
    return Sign("takes values", "dot") if sink.up else Sign("does not answer", "triangle")
