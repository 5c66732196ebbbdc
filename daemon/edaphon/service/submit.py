"""Facts on their way into the journal with their evidence, and waiting until all is derived."""

import base64
import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from edaphon import __version__
from edaphon.acquire.clock_sync import Timekeeper
from edaphon.clock import SystemClock, boot_id
from edaphon.config import Configuration, LorawanSource
from edaphon.config.reading import read_codec
from edaphon.derive.plan import known_facts
from edaphon.derive.projection import derived_by
from edaphon.facts import (
    FactRow,
    Knowledge,
    Replacement,
    documents_of,
    evidence_files,
    new_rows,
    pins_needed,
    to_payload,
)
from edaphon.journal import Entry, Journal, JournalBusy, JournalReader, Kind, read_only
from edaphon.model import Int
from edaphon.people import own_account
from edaphon.printer import overwrite
from edaphon.series import Series
from edaphon.storage.access import Storage, fail
from edaphon.storage.client import DaemonOff, as_owner
from edaphon.storage.offline import settled_deriver
from edaphon.toml_input.lines import Document
from edaphon_drivers.faults import Garbled
from edaphon_drivers.readings import Follows, unpack_piece

TRY_AGAIN = 75
POLL_S = 0.2


class Evidence(NamedTuple):
    """A file that a fact rests on, as it was when the fact was entered."""

    name: str
    sha256: str
    data: bytes


def keep(storage: Storage, rows: Sequence[FactRow], who: str) -> int:
    """How many facts were new: through the daemon, which derives again, or alone when it is off."""
    try:
        evidence = evidence_of(rows)
    except OSError as error:  # changed since it was checked
        raise fail(f"a file that a fact rests on can't be read: {error}; nothing is kept") from None
    try:
        for name, sha256, data in evidence:
            text = base64.b64encode(data).decode()
            storage.ask("evidence", name=name, sha256=sha256, data=text, who=who)
        return int(storage.ask("apply", documents=documents_of(rows), who=who)["applied"])
    except DaemonOff:
        return _keep_alone(storage, rows, evidence, who)


def _keep_alone(
    storage: Storage, rows: Sequence[FactRow], evidence: Iterable[Evidence], who: str
) -> int:
    clock = SystemClock()
    keeper, account = Timekeeper(clock, boot_id()), own_account()
    try:
        with (
            as_owner(storage.layout.folder),
            Journal.open(storage.layout.journal, clock) as journal,
        ):
            knowledge = known_facts(journal)
            # a daemon that was killed before it answered may have kept them
            new = new_rows(rows, knowledge)
            for one in evidence if new else ():
                journal.append_now(entry_of_evidence(one, who, keeper, account))
            for entry in fact_entries(new, knowledge, storage.config, who, keeper, account):
                journal.append_now(entry)
    except JournalBusy as busy:
        raise fail(str(busy), TRY_AGAIN) from None
    return len(new)


def evidence_of(rows: Iterable[FactRow]) -> list[Evidence]:
    """The files that rows name, each once; OSError for one that is not the file of its hash now."""
    return [
        Evidence(one.path.name, one.sha256, one.read_known())
        for one in dict.fromkeys(evidence_files(rows))
    ]


def entry_of_evidence(evidence: Evidence, who: str, keeper: Timekeeper, account: str = "") -> Entry:
    """Raises ValueError for bytes that are not those of the hash."""
    name, sha256, data = evidence
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"expected the file {name} of SHA-256 {sha256}, got another one")
    text = base64.b64encode(data).decode()
    table = {"evidence": name, "sha256": sha256, "who": who, "data": text}
    table |= {"account": account} if account else {}
    return keeper.entry(Kind.NOTE, "", orjson.dumps(table, option=orjson.OPT_SORT_KEYS))


def kept_evidence(journal: JournalReader, sha256: str) -> Evidence | None:
    """The file of that hash as the journal has it."""
    for _, entry in journal.scan(kinds={Kind.NOTE}, on_damage=lambda _: None):
        table = orjson.loads(entry.payload)
        if table.get("sha256") == sha256 and "evidence" in table:
            return Evidence(table["evidence"], sha256, base64.b64decode(table["data"]))
    return None


def fact_entries(
    new: Sequence[FactRow],
    knowledge: Knowledge,
    config: Configuration,
    who: str,
    keeper: Timekeeper,
    account: str = "",
) -> list[Entry]:
    """New facts as entries, makers' curves that they are the first to use before them."""
    outputs = config.outputs()
    models = {
        source.path: source.model
        for source in config.sources
        # what an owner says of a sheet of their own holds for the past: it is never pinned
        if source.model and not any(o.meaning for o in outputs[source.path].values())
    }
    sheet = f"model sheets of edaphon {__version__}"
    pins = [
        FactRow(pin, "", "", sheet, 1, {}) for pin in pins_needed(new, knowledge, outputs, models)
    ]
    return [
        keeper.entry(
            fact_kind(row),
            "",
            to_payload(row.fact, row.text, row.sha256, row.file, who, account),
        )
        for row in (*pins, *new)
    ]


def fact_kind(row: FactRow) -> Kind:
    """What values are trusted by and marks have kinds of their own, all else is a fact."""
    trusted_by = dict.fromkeys(("calibration", "check", "factory"), Kind.CALIBRATION)
    return {**trusted_by, "mark": Kind.MARK}.get(row.fact.table, Kind.FACT)


def configuration_payload(
    document: Document,
    config: Configuration,
    report: Callable[[str, str], None],
    packages: Mapping[str, str] | None = None,
) -> tuple[bytes, str]:
    """What the journal keeps of a configuration, its codecs included, and the SHA-256 of all.

    `packages` are those, edaphon apart, that give parts of it.
    """
    sha256 = hashlib.sha256(document.text.encode()).hexdigest()
    table: dict[str, Any] = {"file": Path(document.file).name, "sha256": sha256}
    table |= {"text": document.text}
    if files := dict(_codec_files(config, report)):
        table["files"] = files
    if packages:
        table["packages"] = packages
    if files or packages:
        sha256 = hashlib.sha256(orjson.dumps(table, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return orjson.dumps(table, option=orjson.OPT_SORT_KEYS), sha256


def _codec_files(
    config: Configuration, report: Callable[[str, str], None]
) -> Iterator[tuple[str, str]]:
    """The codecs that the configuration names: what they say of bytes must stay known."""
    for source in config.sources:
        if isinstance(source, LorawanSource) and source.codec_file is not None:
            try:
                yield str(source.codec_file), read_codec(source.codec_file)
            except (OSError, UnicodeDecodeError) as error:
                report(f"codec {source.codec_file}", f"can't be read: {error}")


class Copy(NamedTuple):
    """What the journal has of one copy; pieces from before copies were counted are of copy 0."""

    source: str
    file: str
    copy: int
    pieces: int
    lines: int


class Replaced(NamedTuple):
    """A replacement, the copies that it replaces, and the newest copy that was read, if any."""

    fact: Replacement
    copies: list[Copy]
    newest: int | None


def copies_in(storage: Storage, sources: Iterable[str]) -> list[Copy]:
    """Of these sources, by source, file and copy; reads the whole journal."""
    wanted = frozenset(sources)
    if not wanted or not storage.layout.journal.exists():
        return []
    counts: dict[tuple[str, str, int], tuple[int, int]] = {}
    for _, entry in read_only(storage.layout.journal).scan(
        kinds={Kind.RECORD}, on_damage=lambda _: None
    ):
        if entry.source not in wanted:
            continue
        try:
            piece = unpack_piece(entry.payload)
        except Garbled:
            continue
        key = entry.source, piece.name, piece.copy
        pieces, lines = counts.get(key, (0, 0))
        again = piece.follows is Follows.AGAIN  # its first line was counted without its end
        counts[key] = pieces + 1, lines + piece.lines - again
    return [Copy(*key, *counted) for key, counted in sorted(counts.items())]


def replaced_copies(storage: Storage, new: Iterable[FactRow]) -> list[Replaced]:
    """Each new replacement with the copies that it replaces."""
    facts = [row.fact for row in new if isinstance(row.fact, Replacement)]
    copies = copies_in(storage, {fact.source for fact in facts})
    return [_replaced(fact, copies) for fact in facts]


def _replaced(fact: Replacement, copies: Iterable[Copy]) -> Replaced:
    own = [copy for copy in copies if copy[:2] == (fact.source, fact.file)]
    newest = max((copy.copy for copy in own), default=None)
    return Replaced(fact, [copy for copy in own if copy.copy < fact.copy_number], newest)


def replacement_lines(found: Iterable[Replaced]) -> Iterator[str]:
    for fact, copies, newest in found:
        for copy in copies:
            name = f"copy {copy.copy}" if copy.copy else "pieces from before copies were counted"
            lines = f", {copy.lines} lines" if copy.copy else ""
            yield (
                f"  {copy.file}: {name} ({copy.pieces} pieces{lines})"
                f" is replaced by copy {fact.copy_number}"
            )
        if newest is None or newest < fact.copy_number:
            known = "no file of this name" if newest is None else f"copy {newest} as the newest"
            yield (
                f"  expected a copy {fact.copy_number} of {fact.file} from {fact.source}, got"
                f" {known}; compare with `edaphon files list`, and revoke {fact.id} if it is wrong"
            )


class Before(NamedTuple):
    """Up to which change and which record the series was written at a moment."""

    change: int
    last: int


def before_now(storage: Storage) -> Before:
    with contextlib.suppress(DaemonOff):  # what it flushed at its stop is all there is
        storage.ask("flush")
    if not storage.layout.series.exists():
        return Before(0, 0)
    with reading(storage) as series:
        return Before(series.change, derived_by(series).position.number)


def wait_derived(storage: Storage, before: Before) -> int:
    """How many rows became others since then."""
    try:
        follow(storage, storage.ask("recalibrate"))
        storage.ask("flush")
    except DaemonOff:
        _report(("all that was entered",))
        with settled_deriver(storage):
            pass
    finally:
        _report(())
    with reading(storage) as series:
        return sum(differing_since(series, before).values())


def differing_since(series: Series, before: Before) -> dict[str, int]:
    """By channel, rows of records of that time that are others now, or are no more."""
    times: dict[str, list[Int]] = {}
    for head in series.changed_heads(before.change):
        runs = series.rows_above(head.channel, head.day, before.change)
        known = [run.time_ns[run.sequence <= before.last] for run in runs]
        times.setdefault(head.channel, []).extend(known)
    for gone in series.withdrawn_above(before.change):
        times.setdefault(gone.channel, []).append(gone.times_ns)
    return {channel: len(np.unique(np.concatenate(own))) for channel, own in times.items() if own}


@contextmanager
def reading(storage: Storage) -> Iterator[Series]:
    series = Series(storage.layout.series, read_only=True)
    try:
        yield series
    finally:
        series.close()


def follow(storage: Storage, answer: dict[str, Any]) -> dict[str, Any]:
    """Until the daemon says that all is derived again: its last answer."""
    while not answer["done"]:
        _report(answer["pending"])
        time.sleep(POLL_S)
        answer = storage.ask("recalibrate")
    _report(())
    return answer


def _report(pending: Sequence[str]) -> None:
    more = f" and {len(pending) - 1} more" if len(pending) > 1 else ""
    words = f"deriving again: {pending[0]}{more}" if pending else ""
    overwrite(words)
