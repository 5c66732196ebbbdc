"""The stored side for commands: through the daemon where it runs, from its files where not."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typer

from edaphon.clock import SystemClock, typed_ns
from edaphon.databases import AT_FAULT, StorageFault, fault_of, move_aside
from edaphon.errors import FolderUnknown, StaleError, TimeError
from edaphon.journal import Journal, JournalBusy, read_only
from edaphon.journal.fact_log import (
    CHECKPOINT,
    configuration,
    configuration_entry,
    lost_facts,
    trusted,
)
from edaphon.journal.guard import guarded
from edaphon.journal.salvage import undeclared
from edaphon.model import EntryId
from edaphon.printer import show_error, show_error_text
from edaphon.series import Series, SeriesReader, WrongFile, cursor_name
from edaphon.storage.client import (
    ANSWER_S,
    NOT_SHOWN,
    DaemonOff,
    DaemonRefuses,
    DaemonSilent,
    as_owner,
    ask,
    become_owner,
    flush,
    is_behind,
    set_umask,
)
from edaphon.storage.paths import Layout, find_folder

if TYPE_CHECKING:
    from edaphon.config import Configuration
    from edaphon.derive.deriver import Deriver


PROBLEM, CONFIGURATION, TRY_AGAIN = 1, 3, 75


class Storage:
    """A storage folder, and the configuration that named it where a command needs that."""

    def __init__(self, config: "Configuration | None", layout: Layout) -> None:
        """Without a configuration it is the one that was journalled last."""
        self._config, self.layout = config, layout

    @cached_property
    def config(self) -> "Configuration":
        """Ends with exit code 3 where nobody has ever started the service."""
        found = self._config or self._journalled()
        if found is None:
            words = f"{self.layout.folder} has no configuration yet: name it with --config FILE"
            raise fail(words, CONFIGURATION)
        return found

    def _journalled(self) -> "Configuration | None":
        from edaphon.config.reading import accepted_config
        from edaphon.toml_input.lines import read_document

        table = self._last_configuration()
        return accepted_config(read_document(table["file"], table["text"])) if table else None

    def journalled_text(self) -> str:
        """The text of the configuration that the service started with last, "" for none."""
        return str(self._last_configuration().get("text", ""))

    def _last_configuration(self) -> dict[str, Any]:
        if not self.layout.journal.exists():
            return {}
        journal = read_only(self.layout.journal)
        entry = configuration_entry(journal, trusted(journal, self._checkpoint()))
        return dict(orjson.loads(entry.payload)) if entry is not None else {}

    def expect_journal(self) -> None:
        """Ends with words where nothing was ever recorded."""
        if not self.layout.journal.exists():
            raise fail(f"no journal in {self.layout.folder}; start `edaphon run` first")

    def ask(self, verb: str, timeout_s: float = ANSWER_S, **words: Any) -> Any:
        """The daemon's answer; raises DaemonOff, or ends with the daemon's words on stderr."""
        try:
            return ask(self.layout.control, {"verb": verb, **words}, timeout_s)
        except DaemonRefuses as refusal:
            raise fail(str(refusal)) from None
        except DaemonSilent as silent:
            raise fail(
                f"{silent} (what is stored may be old: it is not shown)", TRY_AGAIN
            ) from None

    def ask_running(self, verb: str, why: str = "", code: int = TRY_AGAIN, /, **words: Any) -> Any:
        """The daemon's answer; ends with exit code `code` and `why` on stderr where it is off."""
        try:
            return self.ask(verb, **words)
        except DaemonOff as off:
            raise fail(f"{off}{why}", code) from None

    def series(self) -> Series:
        """The series, with all that is derived; exit code 75 where it may lack entries."""
        try:
            self._settle()
        except StaleError as stale:
            raise fail(str(stale), TRY_AGAIN) from None
        except DaemonRefuses as refusal:
            raise fail(str(refusal)) from None
        if not self.layout.series.exists():
            raise fail(self.layout.why_no_values())
        return Series(self.layout.series, read_only=True)

    def _settle(self) -> None:
        try:
            if flush(self.layout.control):
                show_error(f"{self.layout.folder}: {StorageFault.FULL}; later values are missing")
        except DaemonOff:
            derive_the_rest(self)

    def lost_facts(self) -> str:
        """What an answer lacks, for a person; "" where every fact can be read."""
        return lost_facts(read_only(self.layout.journal), self._checkpoint())

    def _checkpoint(self) -> dict[str, Any] | None:
        unread = (OSError, sqlite3.Error, WrongFile, ValueError)  # then the copies say it
        with suppress(*unread), SeriesReader(self.layout.series) as series:
            table: dict[str, Any] | None = orjson.loads(series.checkpoint(CHECKPOINT) or b"null")
            return table
        return None

    def warn_of_lost_facts(self) -> None:
        """One line on stderr, so that no answer lacks a fact in silence."""
        if words := self.lost_facts():
            show_error(f"warning: this answer lacks a fact: {words}")


def open_folder(file: Path | None, folder: Path | None = None, as_owner: bool = False) -> Storage:
    """A storage folder to read, whatever else the configuration says; ends with exit code 3.

    `as_owner`: root goes on as the account of the folder, for commands that read no other files.
    """
    set_umask()  # whatever this process makes from here on
    try:
        layout = Layout(find_folder(file, folder))
    except FolderUnknown as error:
        raise fail(str(error), CONFIGURATION) from None
    if as_owner:
        become_owner(layout.folder)
    return Storage(None, layout)


def fail(words: str, code: int = PROBLEM) -> typer.Exit:
    """Say on stderr what is wrong; raise what this returns."""
    show_error_text(words)
    return typer.Exit(code)


_USAGE = 2


def moment_ns(text: str) -> int:
    """UTC ns, exactly as written, at most FAR_NS from 1970; UTC where no offset is given."""
    try:
        return typed_ns(text)
    except TimeError as error:
        raise fail(str(error), _USAGE) from None


def open_series(path: Path, say: Callable[[str], None]) -> Series:
    """To write; `say` gets words where one was set aside. Raises sqlite3.Error (full disk)."""
    try:
        return Series(path)
    except (WrongFile, sqlite3.DatabaseError) as error:
        if isinstance(error, sqlite3.Error) and fault_of(error, path) not in AT_FAULT:
            raise  # the disk or another program: it is not the file's fault
        return new_series(path, str(error), say)


def new_series(path: Path, why: str, say: Callable[[str], None]) -> Series:
    """An empty one in the place of a damaged one, which an earlier try may have set aside."""
    aside = f"; it is set aside as {move_aside(path).name}" if path.exists() else ""
    say(f"{why}{aside}, all values are derived again")
    return Series(path)


def renew_if_damaged(path: Path, say: Callable[[str], None]) -> None:
    """Read every day of the file, and set it aside where one is not what was written."""
    with closing(open_series(path, say)) as series:
        try:
            words = next(filter(None, series.damaged_blocks()), "")
        except sqlite3.DatabaseError as error:
            if fault_of(error, path) not in AT_FAULT:
                raise
            words = str(error)
    if words:
        new_series(path, words, say).close()


def reached_by(path: Path) -> EntryId | None:
    """The last place from which the series of that file has rows; None where none can be read."""
    if not path.exists():
        return None
    try:
        with SeriesReader(path) as series:
            table = orjson.loads(series.checkpoint(CHECKPOINT) or b"{}")
        return EntryId.of(table["position"])
    except (OSError, sqlite3.Error, WrongFile, ValueError, KeyError, TypeError):
        return None


def expect_complete(layout: Layout, say: Callable[[str], None]) -> None:
    """Of a series that is behind its journal: raises StaleError, unless nothing can be derived."""
    if not lacks_entries(layout, say):
        act = f"`edaphon channels --folder {layout.folder}` derives them"
        raise StaleError(f"{NOT_SHOWN}: the newest records are not derived yet; {act}")


def derive_the_rest(storage: Storage) -> None:
    """What a kill left underived; raises StaleError where it can't be."""
    layout = storage.layout
    if not is_behind(layout) or lacks_entries(layout, show_error):
        return
    try:
        with settled_deriver(storage):
            pass
    except PermissionError as error:
        why = f"the newest records are not derived yet, and this account may not: {error}"
        raise StaleError(f"{NOT_SHOWN}: {why}") from None


def lacks_entries(layout: Layout, say: Callable[[str], None]) -> bool:
    """Whether a part of the journal is gone that no start has declared yet, which is reported.

    To derive would begin a journal file, and a person may be about to copy a backup to its place.
    """
    gone = undeclared(layout.journal, reached_by(layout.series))
    for loss in gone:
        say(
            f"{loss.why}: what is shown is what was derived before; copy the file from a backup to"
            " its place, or start the service, which declares it as lost and goes on"
        )
    return bool(gone)


@contextmanager
def settled_deriver(storage: Storage) -> Iterator[tuple["Deriver", Series]]:
    """Take the journal's lock, derive all that is in it, flush at the end."""

    with as_owner(storage.layout.folder):
        yield from _settled(storage.layout)


def _settled(layout: Layout) -> Iterator[tuple["Deriver", Series]]:
    from edaphon.derive.deriver import Deriver  # it imports the drivers

    layout.set_aside_non_files()
    try:
        journal = Journal(layout.journal, SystemClock(), reached=reached_by(layout.series))
    except JournalBusy as busy:
        raise StaleError(str(busy)) from None
    series = open_series(layout.series, lambda words: show_error(words))
    try:
        deriver = Deriver(journal, series, layout.scratch, guard=guarded(journal, True))
        while deriver.turn():
            pass
        yield deriver, series
        checkpoint = trusted(journal, orjson.loads(series.checkpoint(CHECKPOINT) or b"null"))
        sinks = configuration(journal, checkpoint).get("sink", ())
        names = [cursor_name(sink["name"]) for sink in sinks]
        _flush(deriver, {name: series.checkpoint(name) or "0" for name in names}, layout)
    finally:
        series.close()
        journal.close()


def _flush(deriver: "Deriver", cursors: dict[str, str], layout: Layout) -> None:
    """On a full disk the answer is of what was kept before."""
    try:
        deriver.flush(cursors)
    except sqlite3.OperationalError as error:
        if fault_of(error, layout.series) is not StorageFault.FULL:
            raise
        show_error(f"{layout.folder}: {StorageFault.FULL}")
