"""Facts on their way into the journal, with what they rest on: evidence, and makers' curves."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Rows
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edaphon import __version__
from edaphon.acquire.clock_sync import Timekeeper, boot_id
from edaphon.clock import SystemClock
from edaphon.config import Configuration, LorawanSource
from edaphon.config.codecs import read_codec
from edaphon.derive.fact_log import known_facts
from edaphon.facts import (
    FactRow,
    Knowledge,
    documents_of,
    evidence_files,
    new_rows,
    pins_needed,
    to_payload,
)
from edaphon.journal import Entry, Journal, JournalBusy, JournalReader, Kind
from edaphon.people import own_account
from edaphon.storage.access import Storage, fail
from edaphon.storage.client import DaemonOff
from edaphon.storage.owner import as_owner
from edaphon.toml_input import Document

__all__ = [
    "Evidence",
    "configuration_payload",
    "entry_of_evidence",
    "evidence_of",
    "fact_entries",
    "keep",
    "kept_evidence",
]

TRY_AGAIN = 75


class Evidence(NamedTuple):
    """A file that a fact rests on, as it was when the fact was entered."""

    name: str
    sha256: str
    data: bytes


def keep(storage: Storage, rows: Rows[FactRow], who: str) -> int:
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
    storage: Storage, rows: Rows[FactRow], evidence: Iterable[Evidence], who: str
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
    new: Rows[FactRow],
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
    document: Document, config: Configuration, say: Callable[[str, str], None]
) -> tuple[bytes, str]:
    """What the journal keeps of a configuration, its codecs included, and the SHA-256 of all."""
    sha256 = hashlib.sha256(document.text.encode()).hexdigest()
    table: dict[str, Any] = {"file": Path(document.file).name, "sha256": sha256}
    table |= {"text": document.text}
    if files := dict(_codec_files(config, say)):
        table["files"] = files
        sha256 = hashlib.sha256(orjson.dumps(table, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return orjson.dumps(table, option=orjson.OPT_SORT_KEYS), sha256


def _codec_files(
    config: Configuration, say: Callable[[str, str], None]
) -> Iterator[tuple[str, str]]:
    """The codecs that the configuration names: what they say of bytes must stay known."""
    for source in config.sources:
        if isinstance(source, LorawanSource) and source.codec_file is not None:
            try:
                yield str(source.codec_file), read_codec(source.codec_file)
            except (OSError, UnicodeDecodeError) as error:
                say(f"codec {source.codec_file}", f"can't be read: {error}")
