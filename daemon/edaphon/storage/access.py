"""The stored side for commands: through the daemon where it runs, from its files where not."""

import sqlite3
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typer

from edaphon.clock import typed_ns
from edaphon.databases import StorageFault
from edaphon.errors import FolderUnknown, StaleError, TimeError
from edaphon.journal import read_only
from edaphon.journal.fact_log import CHECKPOINT, configuration_entry, lost_facts, trusted
from edaphon.printer import show_error, show_error_text
from edaphon.series import Series, SeriesReader, WrongFile
from edaphon.storage.client import (
    ANSWER_S,
    DaemonOff,
    DaemonRefuses,
    DaemonSilent,
    ask,
    become_owner,
    flush,
    set_umask,
)
from edaphon.storage.paths import Layout, find_folder

if TYPE_CHECKING:
    from edaphon.config import Configuration


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
        """The series to read, with everything derived so far flushed into it.

        Ends with exit code 75 where it could be older than the journal and can't be completed now.
        """
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
            from edaphon.storage.offline import derive_the_rest  # the service needs no lock here

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
