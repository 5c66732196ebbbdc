"""All that edaphon.toml and fact files say, and every error in them, without opening any port."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from errno import EFBIG, ELOOP
from pathlib import Path
from typing import Any, NamedTuple

import typer
from pydantic import BaseModel

from edaphon.alerts.receivers import receiver_kind, remarks
from edaphon.config import (
    Configuration,
    Draft,
    Notify,
    ScheduledSource,
    SinkTable,
    file_errors,
    read_draft,
    things_lacking,
)
from edaphon.config.model import is_secret, secret_files
from edaphon.config.reading import accepted_config
from edaphon.facts import (
    FactRow,
    Knowledge,
    evidence_errors,
    in_order,
    knowledge_conflicts,
    new_rows,
    read_facts,
    written_ids,
)
from edaphon.printer import show_error
from edaphon.service.prerequisites import (
    Access,
    accesses,
    codec_errors,
    denied,
    evidence_accesses,
    lacking_part,
    part_problems,
    recorded_packages,
    unencrypted,
    with_packages,
)
from edaphon.sinks.sink import SINKS, sink_kind
from edaphon.storage.access import CONFIGURATION, Storage
from edaphon.storage.client import become_owner, set_umask
from edaphon.storage.paths import CONFIG_NAME, USUAL_FILES, Layout
from edaphon.toml_input.lines import (
    FACT_TABLES,
    MOST_BYTES,
    ConfigError,
    Document,
    Place,
    read_document,
)
from edaphon.toml_input.models import configuration_errors, validated
from edaphon.toml_input.values import is_text, read_text
from edaphon_drivers.sheets import Output, Sheets

USUAL = USUAL_FILES


@dataclass(frozen=True, slots=True)
class Examined:
    """A configuration with the facts of its files and its inbox; use it if nothing is wrong.

    `document` is the configuration's text, None if no file was one; then facts were checked only
    as far as they stand for themselves.
    """

    config: Configuration | None
    document: Document | None
    rows: tuple[FactRow, ...]
    config_errors: tuple[ConfigError, ...]
    left_out: tuple[ConfigError, ...] = ()  # files and rows that are in none of `rows`
    draft: Draft | None = None
    kinds: Mapping[Place, BaseModel] = field(default_factory=dict)  # settings of sinks, receivers


@dataclass(frozen=True, slots=True)
class Needs:
    """What `edaphon check` alone lists: what works and a person should know, what is reached."""

    errors: tuple[ConfigError, ...]
    doubts: tuple[ConfigError, ...] = ()
    accesses: tuple[Access, ...] = ()


def needs_of(found: Examined, knowledge: Knowledge) -> Needs:
    """Here alone makers' codecs are tried: the service starts whatever they are."""
    document, draft, errors = found.document, found.draft, found.config_errors
    if document is None or draft is None:
        return Needs(errors)
    doubts = [*_of_packages(document), *_of_kinds(document, draft, found.kinds)]
    if found.config is None:
        return Needs(errors, tuple(sorted(doubts)))
    doubts += unencrypted(document, found.config)
    listed = accesses(document, found.config, found.kinds)
    listed += evidence_accesses(new_rows(found.rows, knowledge))
    wrong, untried = codec_errors(document, found.config)
    errors = tuple(sorted({*errors, *wrong}))
    return Needs(errors, (*sorted(doubts), *untried), tuple(listed))


class Against(NamedTuple):
    """What of a configuration facts are checked against; `whole`: it has no error itself."""

    outputs: Mapping[str, Mapping[str, Output]]
    sheets: Sheets
    secrets: frozenset[Path]
    inbox: Path | None
    folder: Path | None
    whole: bool = True

    @classmethod
    def of_draft(cls, draft: Draft) -> "Against":
        parts, outputs = draft.parts, draft.outputs()
        inbox = parts.facts.inbox if parts.facts else None
        folder = parts.storage.folder if parts.storage else None
        whole = draft.config is not None
        return cls(outputs, parts.sheets, secret_files(parts), inbox, folder, whole)

    @classmethod
    def of(cls, config: Configuration) -> "Against":
        folder = config.storage.folder
        secrets = secret_files(config)
        return cls(config.outputs(), config.sheets, secrets, config.facts.inbox, folder)


def usual_file() -> Path:
    """edaphon.toml here if there is one, else where an installed service has it."""
    return next((path for path in USUAL if os.path.exists(path)), USUAL[-1])


def examine(files: Sequence[Path], knowledge: Knowledge | None = None) -> Examined:
    """All that these files say and all that is wrong with it, on top of what is known already."""
    documents, errors = read_documents(files)
    configs = [d for d in documents if _is_config(d)]
    errors += _too_many(configs)
    if not configs:
        return Examined(None, None, *_with_facts(documents, errors, None, knowledge))
    document, draft = configs[0], read_draft(configs[0])
    errors += draft.config_errors
    errors += file_errors(document, draft.parts)
    errors += configuration_errors(document)
    mistakes, kinds = _kinds(document, draft)
    errors += mistakes
    found = _with_facts(documents, errors, Against.of_draft(draft), knowledge)
    return Examined(draft.config, document, *found, draft, kinds)


def examine_facts(
    files: Sequence[Path], config: Configuration, knowledge: Knowledge
) -> tuple[tuple[FactRow, ...], tuple[ConfigError, ...]]:
    """The facts of these files and of the inbox, and every error; the configuration has none."""
    documents, errors = read_documents(files)
    errors += _too_many([d for d in documents if _is_config(d)])
    rows, found, _ = _with_facts(documents, errors, Against.of(config), knowledge)
    return rows, found


def _with_facts(
    documents: list[Document],
    errors: list[ConfigError],
    against: Against | None,
    knowledge: Knowledge | None,
) -> tuple[tuple[FactRow, ...], tuple[ConfigError, ...], tuple[ConfigError, ...]]:
    """The rows, those of the inbox too; all errors; and those that are about what was left out."""
    left_out: list[ConfigError] = []
    if against is not None:
        waiting, left_out = _read(_inbox(against.inbox, documents))
        documents = documents + waiting
    rows, wrong_rows, wrong = _facts(documents, against, knowledge or Knowledge())
    left_out += wrong_rows
    found = tuple(sorted({*errors, *left_out, *wrong}))
    if found and against is not None and against.folder is not None:
        found = tuple(with_packages(found, Layout(against.folder)))
    return rows, found, tuple(left_out)


def _facts(
    documents: Iterable[Document], against: Against | None, knowledge: Knowledge
) -> tuple[tuple[FactRow, ...], list[ConfigError], list[ConfigError]]:
    """The rows that are right in themselves, and complaints about all others, and about these."""
    rows: list[FactRow] = []
    config_errors: list[ConfigError] = []
    written: set[str] = set()
    for document in documents:
        found, wrong = read_facts(document, alone=not _is_config(document))
        rows += found
        config_errors += wrong
        written |= written_ids(document)
    rows = in_order(rows)
    doubtful = frozenset(written - {row.fact.id for row in rows})
    sources, sheets = (against.outputs, against.sheets) if against else (None, None)
    conflicts = knowledge_conflicts(rows, knowledge, sources, doubtful, sheets)
    if against is not None and not against.whole:
        # a source that is wrong itself is reported once, not again at each deployment
        conflicts = [c for c in conflicts if c.key != "deployment.source"]
    secrets = against.secrets if against else frozenset()
    evidence = evidence_errors(
        [r for r in rows if Path(r.file).exists()], knowledge, lambda p: is_secret(p, secrets)
    )
    reported = {(c.file, c.line, c.key) for c in evidence}  # with the hash that is to be written
    conflicts = [c for c in conflicts if (c.file, c.line, c.key) not in reported]
    return tuple(rows), config_errors, conflicts + evidence


def _of_packages(document: Document) -> Iterator[ConfigError]:
    for problem in part_problems():
        yield ConfigError(document.file, 1, "", problem, "what needs it waits, all else goes on")


def read_documents(files: Iterable[Path]) -> tuple[list[Document], list[ConfigError]]:
    """Each file, or those of a folder, as it is written; complaints about what can't be read."""
    return _read(_plain_files(files))


def _read(files: Iterable[tuple[Path, Path | None]]) -> tuple[list[Document], list[ConfigError]]:
    documents: list[Document] = []
    config_errors: list[ConfigError] = []
    for path, within in dict(files).items():
        if not is_text(str(path)):
            came = "the name of this file is not UTF-8"
            config_errors.append(ConfigError(str(path), 1, "", came, "another name"))
            continue
        try:
            text = read_text(path, "utf-8-sig", within=within, most_bytes=MOST_BYTES)
            documents.append(read_document(str(path), text))
        except OSError as error:
            came = f"can't be read ({error.strerror})"
            config_errors.append(ConfigError(str(path), 1, "", came, _readable(path, error)))
        except UnicodeDecodeError as error:
            came = f"byte {error.start} is not UTF-8"
            config_errors.append(ConfigError(str(path), 1, "", came, "text saved as UTF-8"))
    return documents, config_errors


def _readable(path: Path, error: OSError) -> str:
    """What would be right in place of a file that can't be read."""
    if isinstance(error, FileNotFoundError) and path.name == CONFIG_NAME:
        here = "" if path == USUAL[-1] else f" {path}"
        return f"a configuration; write one with: edaphon init{here}"
    if isinstance(error, FileNotFoundError):
        return "the path of a file that is there"
    if isinstance(error, PermissionError):
        return f"a file that this account can read: {denied(path, error)}"
    if error.errno == EFBIG:
        return "at most 1 MB in one file: divide it"
    if error.errno == ELOOP:
        return "the file itself in this folder, no link to another one"
    return "a file that this account can read"


def _plain_files(files: Iterable[Path]) -> Iterator[tuple[Path, Path | None]]:
    """With the folder that a link may not leave: what a person names may lie anywhere."""
    for path in files:
        if path.is_dir():
            yield from ((inside, path) for inside in sorted(path.glob("*.toml")))
        else:
            yield path, None


def _is_config(document: Document) -> bool:
    """A file with any table that is not a fact's, near misses of fact tables apart."""
    own = {"logger", "site", "storage", "clock", "web", "bus", "broker", "source", "sink", "supply"}
    own |= {"model", "alerts", "notify"}
    return bool(own & document.table.keys()) or Path(document.file).name == CONFIG_NAME


def _too_many(configs: Sequence[Document]) -> Iterator[ConfigError]:
    for other in configs[1:]:
        came = f"a second configuration next to {configs[0].file}"
        tables = ", ".join(sorted(FACT_TABLES))
        yield ConfigError(other.file, 1, "", came, f"only fact tables here ({tables})")


def _inbox(inbox: Path | None, documents: Iterable[Document]) -> list[tuple[Path, Path | None]]:
    if inbox is None:
        return []
    given = {Path(document.file).resolve() for document in documents}
    found = (path for path in sorted(inbox.glob("*.toml")) if path.resolve() not in given)
    return [(path, inbox) for path in found]


def _kind_errors(
    document: Document,
    table: str,
    rows: Mapping[int, SinkTable | Notify],
    kind_of: Callable[[str], Any],
) -> tuple[list[ConfigError], dict[int, BaseModel]]:
    """About the settings of each row, which the module of its kind checks; those that are right."""
    found: list[ConfigError] = []
    right: dict[int, BaseModel] = {}
    for number, row in rows.items():
        place = (table, number)
        try:
            kind = kind_of(row.kind)
        except ValueError as error:
            line = document.line((*place, "kind"))
            found.append(
                ConfigError(document.file, line, f"{table}.kind", f'"{row.kind}"', str(error))
            )
            continue
        settings, wrong = validated(document, place, kind.settings, dict(row.settings))
        found += wrong
        if settings is not None:
            found += things_lacking(document, place, settings)
            right[number] = settings
    return found, right


def _kinds(document: Document, draft: Draft) -> tuple[list[ConfigError], dict[Place, BaseModel]]:
    """About sinks and receivers: mistakes, and the settings that are right."""
    parts = draft.parts
    mistakes, sinks = _kind_errors(document, "sink", parts.sinks, sink_kind)
    wrong, receivers = _kind_errors(document, "notify", parts.notify, receiver_kind)
    mistakes += wrong
    for number, own in receivers.items():
        found, _ = remarks(parts.notify[number].kind, own, parts)
        mistakes += _remarks(document, ("notify", number), found)
    settings: dict[Place, BaseModel] = {("sink", n): own for n, own in sinks.items()}
    return mistakes, settings | {("notify", n): own for n, own in receivers.items()}


def _of_kinds(
    document: Document, draft: Draft, kinds: Mapping[Place, BaseModel]
) -> Iterator[ConfigError]:
    """What a person should know of the settings of sinks and receivers."""
    parts = draft.parts
    for place, own in kinds.items():
        number = int(place[1])
        if place[0] == "sink":
            doubts = sink_kind(parts.sinks[number].kind).doubts(own)
        else:
            _, doubts = remarks(parts.notify[number].kind, own, parts)
        yield from _remarks(document, place, doubts)


def _remarks(
    document: Document, place: Place, found: Iterable[tuple[str, str, str]]
) -> Iterator[ConfigError]:
    for key, came, right in found:
        line = document.line((*place, key))
        yield ConfigError(document.file, line, f"{place[0]}.{key}", came, right)


class Configured(NamedTuple):
    """A configuration without a mistake in itself, its text, and the facts written with it."""

    config: "Configuration"
    document: "Document"
    rows: "tuple[FactRow, ...]"
    left_out: "tuple[ConfigError, ...]" = ()  # fact files and rows that are in none of them


def open_storage(file: Path | None, as_owner: bool = False) -> Storage:
    """A whole configuration and its storage; ends with exit code 3 where anything in it is wrong.

    `as_owner` as for `open_folder`.
    """
    found = configured(file or usual_file())
    if as_owner:
        become_owner(found.config.storage.folder)
    return Storage(found.config, Layout(found.config.storage.folder))


def open_accepted(file: Path | None) -> Storage:
    """As `open_storage`; a text that the service has started with is not checked again."""
    set_umask()
    documents, wrong = read_documents([file or usual_file()])
    with suppress(ValueError):  # tables that do not fit
        config = None if wrong or len(documents) != 1 else accepted_config(documents[0])
        if config is not None and not config.missing():
            storage = Storage(config, Layout(config.storage.folder))
            if storage.journalled_text() == documents[0].text:
                return storage
    return open_storage(file)


def configured(path: Path) -> Configured:
    """A configuration with its facts; ends with exit code 3 where there is none."""

    set_umask()
    found = examine([path])
    if found.config is None and found.document is not None:
        found = replace(found, config=_without_packages(found.document))
    if found.config is None or found.document is None:
        for config_error in found.config_errors:
            show_error(str(config_error))
        if not found.config_errors:
            show_error(f"expected a configuration such as edaphon.toml, got {path}")
        raise typer.Exit(CONFIGURATION)
    config = found.config
    unknown = [sink for sink in config.sinks if SINKS.problem(sink.kind)]
    recorded = recorded_packages(Layout(config.storage.folder)) if unknown else {}
    sinks = [sink.name for sink in unknown if f"sink {sink.kind}" in recorded]
    polled = {s.path for s in config.sources if isinstance(s, ScheduledSource)}
    config = config.without(config.missing().keys() - polled, sinks)
    return Configured(config, found.document, found.rows, found.left_out)


def _without_packages(document: Document) -> Configuration | None:
    """The configuration whose only errors are parts of packages that it was accepted with."""
    draft = read_draft(document)
    if draft.parts.storage is None:
        return None
    recorded = recorded_packages(Layout(draft.parts.storage.folder))
    if all(lacking_part(error, recorded) for error in draft.config_errors):
        return accepted_config(document)
    return None
